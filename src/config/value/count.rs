//! Numbers of things: `max-connections`, `max-streams`.

use super::{FromWritten, WrongValue, wrong};
use crate::limits::CONFIGURED_COUNT_MAX;

/// A number from 1 to [`CONFIGURED_COUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Count(pub(in crate::config) usize);

impl FromWritten for Count {
    const EXPECTED: &'static str = "a number such as 1000";

    fn from_text(text: &str) -> Result<Count, WrongValue> {
        match text.parse::<usize>() {
            Ok(number) => wrong(format!("a number stands without quotes: write {number}")),
            Err(_) => wrong(format!("expected {}, found \"{text}\"", Count::EXPECTED)),
        }
    }

    fn from_number(number: i64) -> Result<Count, WrongValue> {
        match usize::try_from(number) {
            Ok(count) if (1..=CONFIGURED_COUNT_MAX).contains(&count) => Ok(Count(count)),
            _ => wrong(format!("{number} is out of range: write 1 to {CONFIGURED_COUNT_MAX}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_plain_numbers_from_one() {
        assert_eq!(Count::from_number(1), Ok(Count(1)));
        let error = |number| Count::from_number(number).unwrap_err().to_string();
        assert_eq!(error(0), "0 is out of range: write 1 to 1000000");
        assert_eq!(error(-1), "-1 is out of range: write 1 to 1000000");
        assert_eq!(error(1_000_001), "1000001 is out of range: write 1 to 1000000");
        let error = |text| Count::from_text(text).unwrap_err().to_string();
        assert_eq!(error("10"), "a number stands without quotes: write 10");
        assert_eq!(error("many"), "expected a number such as 1000, found \"many\"");
    }
}
