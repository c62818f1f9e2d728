//! Sizes as people write them: `"64MiB"`, `"4KiB"`, `4096`.

use std::fmt;

use super::{FromWritten, WrongValue, wrong};
use crate::limits::{KIB, LINE_BYTES_MAX_LIMIT, LINE_BYTES_MIN, MIB, ROTATE_BYTES_MIN};

/// A number of bytes.
///
/// Written as a plain number of bytes, or as a whole number directly followed by `KiB`, `MiB` or
/// `GiB`. Nothing else: whether `64M` and `64MB` mean 1000 or 1024 differs from program to
/// program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// A `max-line`: a size between [`LINE_BYTES_MIN`] and [`LINE_BYTES_MAX_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineBytes(pub usize);

/// A `size` or `keep-size` of `rotate`: at least [`ROTATE_BYTES_MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileBytes(pub u64);

static UNITS: &[(&str, usize)] = &[("KiB", KIB), ("MiB", MIB), ("GiB", 1024 * MIB)];

impl FromWritten for Size {
    const EXPECTED: &'static str = "a size such as \"64MiB\"";

    fn from_text(text: &str) -> Result<Size, WrongValue> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => return wrong(not_a_size(text, number, unit)),
        };
        if number.is_empty() {
            return wrong(not_a_size(text, number, unit));
        }
        match number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor)) {
            Some(bytes) => Ok(Size(bytes)),
            None => wrong(format!("the size \"{text}\" is too large for this machine")),
        }
    }

    fn from_number(number: i64) -> Result<Size, WrongValue> {
        match usize::try_from(number) {
            Ok(bytes) => Ok(Size(bytes)),
            Err(_) => wrong(format!("expected {}, found the number {number}", Size::EXPECTED)),
        }
    }
}

/// What to write instead of a text that is no size.
fn not_a_size(text: &str, number: &str, unit: &str) -> String {
    let generic = "a number of bytes, or one with KiB, MiB or GiB, such as \"64MiB\"";
    let (fraction, letters) = match unit.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", unit),
    };
    let letters = letters.trim().to_ascii_lowercase();
    let known = UNITS.iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        letters == name || letters == name[..1] || letters == format!("{}b", &name[..1])
    });
    let instead = match known {
        _ if number.is_empty() => None,
        Some((name, _)) if fraction.is_empty() => Some(format!("{number}{name}")),
        Some((_, factor)) => format!("{number}.{fraction}")
            .parse::<f64>()
            .ok()
            .map(|number| number * *factor as f64)
            .filter(|bytes| bytes.fract() == 0.0 && *bytes < 1e15)
            .map(|bytes| Size(bytes as usize).to_string()),
        None => ["b", "byte", "bytes"].contains(&&*letters).then(|| number.to_owned()),
    };
    match instead {
        Some(instead) => format!("\"{text}\" is no size: write \"{instead}\""),
        None => format!("\"{text}\" is no size: write {generic}"),
    }
}

/// As it is written in a configuration, in the largest unit that shows it exactly.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits =
            |(_, factor): &&(&str, usize)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match UNITS.iter().rev().find(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromWritten for LineBytes {
    const EXPECTED: &'static str = "a size such as \"1MiB\"";

    fn from_text(text: &str) -> Result<LineBytes, WrongValue> {
        LineBytes::within(Size::from_text(text)?)
    }

    fn from_number(number: i64) -> Result<LineBytes, WrongValue> {
        LineBytes::within(Size::from_number(number)?)
    }
}

impl LineBytes {
    fn within(size: Size) -> Result<LineBytes, WrongValue> {
        if size.0 < LINE_BYTES_MIN {
            let least = Size(LINE_BYTES_MIN);
            return wrong(format!("{size} is too short for a line: write at least \"{least}\""));
        }
        if size.0 > LINE_BYTES_MAX_LIMIT {
            let most = Size(LINE_BYTES_MAX_LIMIT);
            return wrong(format!("{size} is too long for a line: write at most \"{most}\""));
        }
        Ok(LineBytes(size.0))
    }
}

impl FromWritten for FileBytes {
    const EXPECTED: &'static str = "a size such as \"100MiB\"";

    fn from_text(text: &str) -> Result<FileBytes, WrongValue> {
        FileBytes::within(Size::from_text(text)?)
    }

    fn from_number(number: i64) -> Result<FileBytes, WrongValue> {
        match Size::from_number(number) {
            Ok(size) => FileBytes::within(size),
            Err(_) => wrong(format!("expected {}, found the number {number}", Self::EXPECTED)),
        }
    }
}

impl FileBytes {
    fn within(size: Size) -> Result<FileBytes, WrongValue> {
        if size.0 < ROTATE_BYTES_MIN {
            let least = Size(ROTATE_BYTES_MIN);
            return wrong(format!("{size} is too small for a file: write at least \"{least}\""));
        }
        Ok(FileBytes(size.0 as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn sizes_are_numbers_with_binary_units_and_everything_else_is_told() {
        let or_bytes = "write a number of bytes, or one with KiB, MiB or GiB, such as \"64MiB\"";
        let generic = |text: &str| format!("\"{text}\" is no size: {or_bytes}");
        check(
            |size: Size| size.0.to_string(),
            &[
                ("0", Ok("0")),
                ("4096", Ok("4096")),
                ("4KiB", Ok("4096")),
                ("64MiB", Ok("67108864")),
                ("3GiB", Ok("3221225472")),
                ("64MB", Err("\"64MB\" is no size: write \"64MiB\"")),
                ("64M", Err("\"64M\" is no size: write \"64MiB\"")),
                ("64mib", Err("\"64mib\" is no size: write \"64MiB\"")),
                ("64 MiB", Err("\"64 MiB\" is no size: write \"64MiB\"")),
                ("5k", Err("\"5k\" is no size: write \"5KiB\"")),
                ("512B", Err("\"512B\" is no size: write \"512\"")),
                ("1.5GiB", Err("\"1.5GiB\" is no size: write \"1536MiB\"")),
                ("1.3KiB", Err(&generic("1.3KiB"))),
                ("1TiB", Err(&generic("1TiB"))),
                ("", Err(&generic(""))),
                ("MiB", Err(&generic("MiB"))),
                ("-1", Err(&generic("-1"))),
                ("ä", Err(&generic("ä"))),
                (
                    "99999999999GiB",
                    Err("the size \"99999999999GiB\" is too large for this machine"),
                ),
            ],
        );
        assert_eq!(Size::from_number(7), Ok(Size(7)));
        assert_eq!(
            Size::from_number(-1),
            wrong("expected a size such as \"64MiB\", found the number -1")
        );
    }

    #[test]
    fn what_a_size_is_shown_as_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 4096, 1 << 20, 3 << 30, 1 << 40] {
            let shown = Size(bytes).to_string();
            assert_eq!(Size::from_text(&shown), Ok(Size(bytes)), "{shown}");
        }
        assert_eq!(Size(1536 * KIB).to_string(), "1536KiB");
    }

    #[test]
    fn max_line_is_within_its_limits() {
        check(
            |line: LineBytes| line.0.to_string(),
            &[
                ("16", Ok("16")),
                ("15", Err("15 is too short for a line: write at least \"16\"")),
                ("64MiB", Ok("67108864")),
                ("67108865", Err("67108865 is too long for a line: write at most \"64MiB\"")),
            ],
        );
    }

    #[test]
    fn sizes_of_files_are_not_tiny() {
        check(
            |file: FileBytes| file.0.to_string(),
            &[
                ("100MiB", Ok("104857600")),
                ("4096", Ok("4096")),
                ("4095", Err("4095 is too small for a file: write at least \"4KiB\"")),
                ("100M", Err("\"100M\" is no size: write \"100MiB\"")),
            ],
        );
        let wrong = FileBytes::from_number(-1).unwrap_err().to_string();
        assert_eq!(wrong, "expected a size such as \"100MiB\", found the number -1");
    }
}
