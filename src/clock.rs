//! The only reader of the clock. Everything else gets the time as an argument.
#![allow(clippy::disallowed_methods)] // this is the one place that may

use std::time::{Instant, SystemTime};

/// The time of day; may step back when the clock is set.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// A time that never steps back, for waiting.
pub fn instant() -> Instant {
    Instant::now()
}
