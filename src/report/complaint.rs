//! How often the same complaint is told.

use std::time::Instant;

use crate::limits::COMPLAINT_EVERY;

/// Lets one of many equal complaints through, once a minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    /// Whether to complain at `now`, which is then the last time.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.duration_since(last) >= COMPLAINT_EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}
