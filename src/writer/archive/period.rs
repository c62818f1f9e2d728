//! Periods of time, each of which has a file of its own: counted from 1970 in UTC, so that a day
//! begins at midnight and an hour at the full hour.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When the period ends that `begun_at` lies in. The next one begins with that moment.
pub fn end(begun_at: SystemTime, every: Duration) -> SystemTime {
    let every = every.as_secs().max(1);
    match begun_at.duration_since(UNIX_EPOCH) {
        Ok(since) => {
            let next = since.as_secs() / every + 1;
            let end = next.checked_mul(every).map(Duration::from_secs);
            // Beyond what can be told it never ends.
            end.and_then(|end| UNIX_EPOCH.checked_add(end))
                .unwrap_or(UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX)))
        }
        // A clock that is not set yet.
        Err(_) => UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;
    const DAY: u64 = 24 * HOUR;

    #[track_caller]
    fn check(begun_at: &str, every_seconds: u64, expected: &str) {
        let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
        let end = end(at(begun_at), Duration::from_secs(every_seconds));
        assert_eq!(end, at(expected), "{begun_at}: {}", humantime::format_rfc3339(end));
    }

    #[test]
    fn days_end_at_midnight_and_hours_at_the_full_hour() {
        check("2026-11-21T06:00:00Z", DAY, "2026-11-22T00:00:00Z");
        check("2026-11-21T00:00:00Z", DAY, "2026-11-22T00:00:00Z");
        check("2026-11-21T23:59:59.999999999Z", DAY, "2026-11-22T00:00:00Z");
        check("2026-12-31T12:00:00Z", DAY, "2027-01-01T00:00:00Z");
        check("2026-11-21T06:00:00Z", HOUR, "2026-11-21T07:00:00Z");
        check("2026-11-21T06:59:59Z", HOUR, "2026-11-21T07:00:00Z");
        check("2026-11-21T06:00:00.5Z", 1, "2026-11-21T06:00:01Z");
        check("2026-11-21T06:07:00Z", HOUR / 4, "2026-11-21T06:15:00Z");
    }

    #[test]
    fn weeks_begin_as_1970_did_on_a_thursday() {
        check("2026-11-21T06:00:00Z", 7 * DAY, "2026-11-26T00:00:00Z");
    }

    #[test]
    fn a_clock_that_is_not_set_makes_no_trouble() {
        assert_eq!(end(UNIX_EPOCH - Duration::from_secs(5), Duration::from_secs(1)), UNIX_EPOCH);
        assert_eq!(end(UNIX_EPOCH, Duration::ZERO), UNIX_EPOCH + Duration::from_secs(1));
    }
}
