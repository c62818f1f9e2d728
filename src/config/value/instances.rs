//! `instances`: how many FIFOs there are beside an input's own.

use super::{FromWritten, WrongValue, wrong};
use crate::limits::INSTANCES_MAX;

/// A number from 1 to [`INSTANCES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Instances(pub(in crate::config) usize);

impl FromWritten for Instances {
    const EXPECTED: &'static str = "a number such as 16";

    fn from_text(text: &str) -> Result<Instances, WrongValue> {
        match text.parse::<usize>() {
            Ok(number) => wrong(format!("a number stands without quotes: write {number}")),
            // PM2's word for one on each processor.
            Err(_) if text == "max" => wrong(
                "the numbers go on over all apps of a PM2: write one that is larger than every id \
                 that `pm2 ls` shows, such as 64",
            ),
            Err(_) => wrong(format!("expected {}, found \"{text}\"", Instances::EXPECTED)),
        }
    }

    fn from_number(number: i64) -> Result<Instances, WrongValue> {
        match usize::try_from(number) {
            Ok(count) if (1..=INSTANCES_MAX).contains(&count) => Ok(Instances(count)),
            _ => wrong(format!("{number} is out of range: write 1 to {INSTANCES_MAX}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_a_plain_number_from_one() {
        assert_eq!(Instances::from_number(4), Ok(Instances(4)));
        let error = |number| Instances::from_number(number).unwrap_err().to_string();
        assert_eq!(error(0), "0 is out of range: write 1 to 256");
        assert_eq!(error(257), "257 is out of range: write 1 to 256");
        let error = |text| Instances::from_text(text).unwrap_err().to_string();
        assert_eq!(error("4"), "a number stands without quotes: write 4");
        assert_eq!(error("many"), "expected a number such as 16, found \"many\"");
        assert!(error("max").contains("pm2 ls"));
    }
}
