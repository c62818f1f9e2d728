//! A text with placeholders in braces, `{time} {stream} `; `{{` and `}}` stand for single braces.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use super::Clock;
use crate::stream_name::StreamName;

/// What may stand in braces, as (name, what it becomes).
static PLACEHOLDERS: &[(&str, Placeholder, &str)] = &[
    ("time", Placeholder::Time, "time of receipt, UTC, RFC 3339 with microseconds"),
    ("stream", Placeholder::Stream, "the stream's name"),
];

/// `2026-11-21T06:00:00.123456Z`
const TIME_BYTES: usize = 27;

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

    pub(super) fn render(&self, stream: &StreamName, clock: Clock, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Placeholder(Placeholder::Stream) => {
                    out.extend_from_slice(stream.as_str().as_bytes());
                }
                Part::Placeholder(Placeholder::Time) => {
                    // Writing to a Vec cannot fail.
                    write!(out, "{}", humantime::format_rfc3339_micros(clock()))
                        .unwrap_or_default();
                }
            }
        }
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
    use std::time::SystemTime;

    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let template: Template = written.parse().unwrap();
        let stream = "web".parse().unwrap();
        let mut out = Vec::new();
        template.render(&stream, || SystemTime::UNIX_EPOCH, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(out.len() <= template.bytes_max(&stream));
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
