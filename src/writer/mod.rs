//! The writer: whole lines go from a stream's queue into its file.
//!
//! [`queue`] is the only buffer; [`log_file`] is the file as a state machine over [`disk`];
//! [`stream_writer`] is the thread that owns both; [`stream`] is what producers hold.

pub mod disk;
pub mod file_status;
pub mod log_file;
pub mod order;
pub mod queue;
pub mod retry;
mod settings;
mod spare;
pub mod stream;
pub mod stream_writer;
pub mod tee;
mod telling;
pub mod wake;

pub use settings::{StreamSettings, SyncPolicy};
