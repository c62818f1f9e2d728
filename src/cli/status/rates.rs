//! How fast counts grow, from one status to the next.

use std::collections::BTreeMap;

use serde_json::Value;

/// Lines a second, by stream.
pub(super) type LinesPerSecond = BTreeMap<String, f64>;

/// What was counted before.
#[derive(Default)]
pub(super) struct Rates {
    uptime: f64,
    lines: BTreeMap<String, u64>,
}

impl Rates {
    /// How fast each stream's lines have come since the status before, of those that were in it. A
    /// restarted agent counts from the beginning.
    pub(super) fn since_before(&mut self, status: &Value) -> LinesPerSecond {
        let uptime = status["uptime_seconds"].as_f64().unwrap_or_default();
        let seconds = uptime - self.uptime;
        let streams = status["streams"].as_object().into_iter().flatten();
        let lines: BTreeMap<String, u64> = streams
            .filter_map(|(name, stream)| Some((name.clone(), stream["lines_in"].as_u64()?)))
            .collect();
        let rate = |(name, now): (&String, &u64)| {
            let before = self.lines.get(name)?;
            #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
            let lines = now.checked_sub(*before)? as f64;
            (seconds > 0.0).then(|| (name.clone(), lines / seconds))
        };
        let rates = lines.iter().filter_map(rate).collect();
        (self.uptime, self.lines) = (uptime, lines);
        rates
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rate_is_what_came_since_the_status_before() {
        let mut rates = Rates::default();
        let mut at = |uptime: f64, lines: u64| {
            rates.since_before(
                &json!({"uptime_seconds": uptime, "streams": {"web": {"lines_in": lines}}}),
            )
        };
        assert!(at(10.0, 100).is_empty());
        assert_eq!(at(12.0, 150), [("web".to_owned(), 25.0)].into());
        // Restarted.
        assert!(at(1.0, 5).is_empty());
    }
}
