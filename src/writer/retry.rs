//! When to try again what failed.

use std::time::{Duration, Instant};

use crate::limits::{COMPLAINT_EVERY, RETRY_MAX, RETRY_MIN};

/// Pauses between attempts: 100 ms, doubling to 5 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { pause: RETRY_MIN }
    }
}

impl Backoff {
    /// How long to wait now; the next time it is twice as long.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (2 * pause).min(RETRY_MAX);
        pause
    }
}

/// Pauses after faults of our own, which begin anew after a while without one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Falls {
    backoff: Backoff,
    last: Option<Instant>,
}

impl Falls {
    /// How long to wait after a fall at `now`.
    pub fn next_pause(&mut self, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.duration_since(last) >= COMPLAINT_EVERY) {
            self.backoff = Backoff::default();
        }
        self.last = Some(now);
        self.backoff.next_pause()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
