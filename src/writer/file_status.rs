//! What a writer tells of its file, for the agent's status.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What the writer tells of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStatus {
    /// Where it is.
    pub path: PathBuf,
    /// The inode of the open file, if one is open.
    pub inode: Option<u64>,
    /// Whether the file takes nothing, or there is none.
    pub stalled: bool,
    /// The file, or the one before it at its end, said that something may not be stored.
    pub not_stored: bool,
    /// The last error, also of a file that has recovered.
    pub last_error: Option<String>,
}

/// Where a [`FileStatus`] is kept.
pub type SharedFileStatus = Arc<Mutex<FileStatus>>;
