//! The configuration: as written (serde) -> as used (checked, all mistakes at once) -> diff (pure).

mod brackets;
mod check;
pub mod defaults;
mod diff;
mod environment;
mod load;
mod mistake;
mod nearest;
mod parse;
mod pid_file;
mod render;
mod source;
mod syntax;
mod used;
mod value;
mod wording;
mod written;

pub use diff::{Diff, diff};
pub use load::{check_text, load, read};
pub use mistake::Mistake;
pub use pid_file::{control, pid_file};
pub use render::render;
pub use used::{AgentSettings, Config, OnDemand};
pub use value::{
    Choice, FileBytes, FormatName, FromWritten, Group, HumanDuration, LineBytes, Mode, Named,
    Period, Size, User, WrongValue,
};
