//! The writer: whole lines go from a stream's queue into its file.
//!
//! [`queue`] is the only buffer; [`log_file`] is the file as a state machine over [`disk`];
//! [`stream_writer`] is the thread that owns both; [`stream`] is what producers hold.

pub mod disk;
pub mod log_file;
pub mod queue;
pub mod retry;
mod settings;
pub mod stream;
pub mod stream_writer;
pub mod tee;
pub mod wake;

pub use settings::{StreamSettings, SyncPolicy};
