//! Orders: what a writer can be told to do.

use std::time::Duration;

use super::disk::Missing;
use super::settings::SyncPolicy;
use crate::place::Place;

/// What a writer can be told to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Leave the file and open the path again.
    Reopen {
        /// Whether a missing file is made at once; else only after 100 ms.
        missing: Missing,
    },
    /// Go on with this file and this policy.
    Settings {
        /// The file.
        file: Place,
        /// When it is synced.
        sync: SyncPolicy,
        /// After how long without a line it is closed.
        idle_close: Option<Duration>,
    },
    /// The program wants to end: try again at once, and often.
    Hurry,
}
