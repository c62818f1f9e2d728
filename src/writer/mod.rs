//! The writer: whole lines go from a stream's queue into its file.
//!
//! [`queue`] is the only buffer, and drops lines where its settings say so; [`log_file`] is the file
//! as a state machine over [`disk`]; [`stream_writer`] is the thread that owns both; [`stream`] is
//! what producers hold; [`archive`] is what becomes of rotated files.

pub mod archive;
pub mod disk;
pub mod file_status;
pub mod following;
pub mod log_file;
pub mod order;
pub mod queue;
pub mod retry;
mod settings;
mod spare;
pub mod stall;
pub mod stream;
pub mod stream_writer;
pub mod tee;
mod telling;
pub mod wake;

pub use settings::{OnFull, Rotation, StreamSettings, SyncPolicy, WriterSettings};
