//! Numbers as JavaScript reads and writes them (ECMA-262, Number::toString and its readers).

/// As `String(number)` has it, and -0 as Node.js shows it.
pub(super) fn shown(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}Infinity");
    }
    // The shortest digits that are read back as the same number, `1.25e-7`.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = digits.len() as i32;
    let zeros = |count: i32| "0".repeat(count.max(0) as usize);
    match exponent {
        0..=20 if count <= exponent + 1 => {
            format!("{sign}{digits}{}", zeros(exponent + 1 - count))
        }
        0..=20 => {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            format!("{sign}{whole}.{fraction}")
        }
        -6..=-1 => format!("{sign}0.{}{digits}", zeros(-exponent - 1)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}e{exponent:+}")
        }
    }
}

/// As `Number(text)` reads it.
pub(super) fn of_text(text: &str) -> f64 {
    let text = text.trim();
    let radix = |prefix: [&str; 2], radix| {
        let digits = text.strip_prefix(prefix[0]).or_else(|| text.strip_prefix(prefix[1]))?;
        let good = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        Some(if good { of_digits(digits, radix) } else { f64::NAN })
    };
    if text.is_empty() {
        return 0.0;
    }
    radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .unwrap_or_else(|| match decimal(text) {
            (number, length) if length == text.len() => number,
            _ => f64::NAN,
        })
}

/// As `parseInt(text)` reads it.
pub(super) fn whole_of_text(text: &str) -> f64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((digits, 10), |digits| (digits, 16));
    let end = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 { f64::NAN } else { sign * of_digits(&digits[..end], radix) }
}

/// As `parseFloat(text)` reads it.
pub(super) fn fraction_of_text(text: &str) -> f64 {
    decimal(text.trim_start()).0
}

fn of_digits(digits: &str, radix: u32) -> f64 {
    if radix == 10 {
        return digits.parse().unwrap_or(f64::NAN);
    }
    let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
    digits.fold(0.0, |number, digit| number * f64::from(radix) + f64::from(digit))
}

/// The decimal number that `text` begins with, and how long it is; NaN where it begins with none.
fn decimal(text: &str) -> (f64, usize) {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if text[start..].starts_with("Infinity") {
        let sign = if bytes[0] == b'-' { -1.0 } else { 1.0 };
        return (sign * f64::INFINITY, start + "Infinity".len());
    }
    let whole = digits(start);
    let mut end = start + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return (f64::NAN, 0);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(signed..).map_or(0, |_| digits(signed));
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    (text[..end].parse().unwrap_or(f64::NAN), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_javascript_has_them() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (1.25e21, "1.25e+21"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(shown(number), expected);
        }
    }

    #[test]
    fn texts_are_read_as_javascript_reads_them() {
        for (text, number, whole, fraction) in [
            ("", "0", "NaN", "NaN"),
            (" 5 ", "5", "5", "5"),
            ("0x10", "16", "16", "0"),
            ("0b11", "3", "0", "0"),
            ("0xg", "NaN", "NaN", "0"),
            ("12px", "NaN", "12", "12"),
            ("1.5e3x", "NaN", "1", "1500"),
            ("1.5e", "NaN", "1", "1.5"),
            ("1.", "1", "1", "1"),
            (".5", "0.5", "NaN", "0.5"),
            (".", "NaN", "NaN", "NaN"),
            ("-7", "-7", "-7", "-7"),
            ("-Infinity", "-Infinity", "NaN", "-Infinity"),
            ("inf", "NaN", "NaN", "NaN"),
            ("nan", "NaN", "NaN", "NaN"),
            ("1e999", "Infinity", "1", "Infinity"),
            ("ä", "NaN", "NaN", "NaN"),
        ] {
            let read = [of_text(text), whole_of_text(text), fraction_of_text(text)].map(shown);
            assert_eq!(read, [number, whole, fraction], "{text:?}");
        }
    }
}
