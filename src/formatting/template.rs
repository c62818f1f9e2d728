//! A text with placeholders in braces, `{time} {stream} `; `{{` and `}}` stand for single braces.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::SystemTime;

use super::Clock;
use crate::stream_name::StreamName;

/// What may stand in braces, as (name, what it becomes).
static PLACEHOLDERS: &[(&str, Placeholder, &str)] = &[
    ("time", Placeholder::Time, "time of receipt, UTC, RFC 3339 with microseconds"),
    ("stream", Placeholder::Stream, "the stream's name"),
];

/// `2026-11-21T06:00:00.123456Z`
const TIME_BYTES: usize = 27;
/// Where in it the microseconds begin.
const MICROS_AT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Time,
    Stream,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// A checked text with placeholders. Its result never holds a newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No such placeholder.
    #[error("unknown placeholder `{{{0}}}`; there are {known}", known = Template::placeholders())]
    Unknown(String),
    /// `{` without `}`.
    #[error("`{{` without `}}`; write `{{{{` for a brace itself")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` without `{{`; write `}}}}` for a brace itself")]
    Unopened,
    /// A newline or another control character would break or disguise lines.
    #[error("control characters may not stand here")]
    Control,
}

impl Template {
    /// The names that may stand in braces, for messages.
    pub fn placeholders() -> String {
        let names: Vec<String> =
            PLACEHOLDERS.iter().map(|(name, ..)| format!("`{{{name}}}`")).collect();
        names.join(", ")
    }

    pub(super) fn bytes_max(&self, stream: &StreamName) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Placeholder(Placeholder::Stream) => stream.as_str().len(),
            Part::Placeholder(Placeholder::Time) => TIME_BYTES,
        };
        self.parts.iter().map(bytes).sum()
    }
}

/// A template filled in, and kept up with the time.
#[derive(Debug)]
pub(super) struct Rendered {
    template: Template,
    bytes: Vec<u8>,
    /// The second since 1970 that `bytes` shows; none before the first time.
    second: Option<u64>,
    /// Where the digits of the microseconds stand in `bytes`.
    micros_at: Vec<usize>,
}

impl Rendered {
    pub(super) fn new(template: &Template, stream: &StreamName) -> Rendered {
        let template = template.clone();
        let mut rendered =
            Rendered { template, bytes: Vec::new(), second: None, micros_at: Vec::new() };
        rendered.fill(stream, SystemTime::UNIX_EPOCH);
        rendered
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Shows the time of now. A date and a time of day take long to make: within a second only
    /// the digits behind it change.
    pub(super) fn renew(&mut self, stream: &StreamName, clock: Clock) {
        if self.micros_at.is_empty() {
            return;
        }
        let now = clock();
        // RFC 3339 as humantime writes it begins in 1970, too.
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second == Some(since_1970.as_secs()) {
            let digits = decimal(since_1970.subsec_micros());
            for at in &self.micros_at {
                self.bytes[*at..at + digits.len()].copy_from_slice(&digits);
            }
        } else {
            self.fill(stream, SystemTime::UNIX_EPOCH + since_1970);
            self.second = Some(since_1970.as_secs());
        }
    }

    fn fill(&mut self, stream: &StreamName, time: SystemTime) {
        self.bytes.clear();
        self.micros_at.clear();
        for part in &self.template.parts {
            match part {
                Part::Text(text) => self.bytes.extend_from_slice(text.as_bytes()),
                Part::Placeholder(Placeholder::Stream) => {
                    self.bytes.extend_from_slice(stream.as_str().as_bytes());
                }
                Part::Placeholder(Placeholder::Time) => {
                    let at = self.bytes.len() + MICROS_AT;
                    // It fails only after the year 9999, which RFC 3339 does not have.
                    let written = write!(self.bytes, "{}", humantime::format_rfc3339_micros(time));
                    if written.is_ok() {
                        self.micros_at.push(at);
                    }
                }
            }
        }
    }
}

/// The six digits of a number below a million.
fn decimal(mut number: u32) -> [u8; 6] {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(written: &str) -> Result<Template, TemplateError> {
        if written.chars().any(|c| c.is_control() && c != '\t') {
            return Err(TemplateError::Control);
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(TemplateError::Unopened);
            }
            let (name, after) = rest.split_once('}').ok_or(TemplateError::Unclosed)?;
            let (_, placeholder, _) = PLACEHOLDERS
                .iter()
                .find(|(known, ..)| *known == name)
                .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Placeholder(*placeholder));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Template { written: written.to_owned(), parts })
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let template: Template = written.parse().unwrap();
        let stream = "web".parse().unwrap();
        let mut rendered = Rendered::new(&template, &stream);
        rendered.renew(&stream, || SystemTime::UNIX_EPOCH);
        assert_eq!(String::from_utf8_lossy(rendered.bytes()), expected);
        assert!(rendered.bytes().len() <= template.bytes_max(&stream));
        assert_eq!(template.to_string(), written);
    }

    #[test]
    fn placeholders_are_filled_in() {
        check("", "");
        check("plain ", "plain ");
        check("{time} {stream}: ", "1970-01-01T00:00:00.000000Z web: ");
        check("{{{stream}}} ", "{web} ");
    }

    #[test]
    fn the_time_is_that_of_now_whatever_it_was_before() {
        const TIMES: [(u64, u32); 7] =
            [(0, 1), (0, 999_999), (1, 0), (1, 100_020), (9, 7), (1_795_240_800, 123_456), (1, 5)];
        let template: Template = "{time}|{stream}|{time}".parse().unwrap();
        let stream = "web".parse().unwrap();
        let mut rendered = Rendered::new(&template, &stream);
        thread_local!(static NEXT: Cell<usize> = const { Cell::new(0) });
        for (index, (second, micros)) in TIMES.iter().enumerate() {
            let time = SystemTime::UNIX_EPOCH + Duration::new(*second, micros * 1000);
            let shown = humantime::format_rfc3339_micros(time);
            NEXT.set(index);
            rendered.renew(&stream, || {
                let (second, micros) = TIMES[NEXT.get()];
                SystemTime::UNIX_EPOCH + Duration::new(second, micros * 1000)
            });
            assert_eq!(String::from_utf8_lossy(rendered.bytes()), format!("{shown}|web|{shown}"));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Template>().unwrap_err();
        assert_eq!(error("{nope} "), TemplateError::Unknown("nope".into()));
        assert_eq!(error("{time"), TemplateError::Unclosed);
        assert_eq!(error("time}"), TemplateError::Unopened);
        assert_eq!(error("a\nb"), TemplateError::Control);
        assert_eq!(
            error("{nope} ").to_string(),
            "unknown placeholder `{nope}`; there are `{time}`, `{stream}`"
        );
    }
}
