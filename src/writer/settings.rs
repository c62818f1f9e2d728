//! What a stream's owner decides about its file.

use std::time::Duration;

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

/// A stream as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Its file.
    pub file: Place,
    /// When the file is synced.
    pub sync: SyncPolicy,
    /// After so long without a line the file is closed, until the next one; else it stays open.
    pub idle_close: Option<Duration>,
    /// Bytes accepted and not yet written; beyond it the producers wait.
    pub queue_bytes_max: usize,
    /// How its lines look.
    pub lines: LineSettings,
}
