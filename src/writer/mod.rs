//! The writer: whole lines go from a stream's queue into its file.
mod settings;
pub use settings::{StreamSettings, SyncPolicy};
