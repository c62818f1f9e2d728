//! What a stream's owner decides about its file.

use std::time::Duration;

use super::archive::Compress;
use crate::pipeline::LineSettings;
use crate::place::Place;

/// When written lines are forced to the disk (fsync(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// The kernel decides.
    #[default]
    Never,
    /// At reopen and stop.
    Reopen,
    /// Also this long after a write, at most.
    Every(Duration),
}

/// What happens when a stream's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// The producers wait.
    #[default]
    Wait,
    /// Lines that come now are left out.
    DropNewest,
    /// The oldest lines that no write(2) has been tried with are left out.
    DropOldest,
}

/// Rotation without logrotate: the file becomes an archive, and another one is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before the file is larger than this; a longer line has a file of its own.
    pub bytes_max: Option<u64>,
    /// When such a period ends, counted from 1970 in UTC.
    pub every: Option<Duration>,
    /// How many archives are kept; the oldest are removed.
    pub keep_max: Option<usize>,
    /// How many bytes of archives are kept; the newest one always is.
    pub keep_bytes_max: Option<u64>,
    /// What becomes of archives.
    pub compress: Compress,
}

/// What a writer goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterSettings {
    /// The file.
    pub file: Place,
    /// When it is synced.
    pub sync: SyncPolicy,
    /// After so long without a line the file is closed, until the next one; else it stays open.
    pub idle_close: Option<Duration>,
    /// When the file is rotated; where there is none, that is somebody else's.
    pub rotate: Option<Rotation>,
}

impl WriterSettings {
    /// For a file at `file`, and nothing else said.
    pub fn of(file: Place) -> WriterSettings {
        WriterSettings { file, sync: SyncPolicy::Never, idle_close: None, rotate: None }
    }
}

/// A stream as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Its file, and how that is kept.
    pub writer: WriterSettings,
    /// Bytes accepted and not yet written.
    pub queue_bytes_max: usize,
    /// What happens when these are used up.
    pub on_full: OnFull,
    /// How its lines look.
    pub lines: LineSettings,
}
