//! Permission bits: `"0640"`.

use std::fmt;

use super::{FromWritten, WrongValue, wrong};

/// Permission bits (chmod(1)), written in octal as a text, since TOML has no such numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromWritten for Mode {
    const EXPECTED: &'static str = "a mode such as \"0640\"";

    fn from_text(text: &str) -> Result<Mode, WrongValue> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if octal && mode <= 0o777 => Ok(Mode(mode)),
            _ => wrong(format!(
                "\"{text}\" is no mode: write three octal digits behind a 0, such as \"0640\""
            )),
        }
    }

    fn from_number(number: i64) -> Result<Mode, WrongValue> {
        let text = format!("{number:04}");
        match Mode::from_text(&text) {
            Ok(_) => wrong(format!("a mode is a text: write \"{text}\", in quotes")),
            Err(_) => wrong("a mode is a text: write it in quotes, such as \"0640\""),
        }
    }
}

/// As it is written in a configuration.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn modes_are_octal_texts() {
        let generic = |text: &str| {
            format!("\"{text}\" is no mode: write three octal digits behind a 0, such as \"0640\"")
        };
        check(
            |mode: Mode| mode.to_string(),
            &[
                ("0640", Ok("0640")),
                ("640", Ok("0640")),
                ("0000", Ok("0000")),
                ("0o600", Ok("0600")),
                ("0680", Err(&generic("0680"))),
                ("4755", Err(&generic("4755"))),
                ("40", Err(&generic("40"))),
                ("+640", Err(&generic("+640"))),
                ("u=rw", Err(&generic("u=rw"))),
            ],
        );
        let number = |number| Mode::from_number(number).unwrap_err().to_string();
        assert_eq!(number(640), "a mode is a text: write \"0640\", in quotes");
        assert_eq!(number(888), "a mode is a text: write it in quotes, such as \"0640\"");
    }
}
