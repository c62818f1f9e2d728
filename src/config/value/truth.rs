//! `true` and `false`.

use super::{FromWritten, WrongValue, wrong};

impl FromWritten for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<bool, WrongValue> {
        match text {
            "true" | "false" => wrong(format!("{text} stands without quotes: write {text}")),
            _ => wrong(format!("expected true or false, found \"{text}\"")),
        }
    }

    fn from_truth(truth: bool) -> Result<bool, WrongValue> {
        Ok(truth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_stand_without_quotes() {
        assert_eq!(bool::from_truth(true), Ok(true));
        let error = |text| bool::from_text(text).unwrap_err().to_string();
        assert_eq!(error("true"), "true stands without quotes: write true");
        assert_eq!(error("yes"), "expected true or false, found \"yes\"");
        let error = bool::from_number(1).unwrap_err().to_string();
        assert_eq!(error, "expected true or false, found the number 1");
    }
}
