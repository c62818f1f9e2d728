//! A text with placeholders in braces, `{time} {stream} `; `{{` and `}}` stand for single braces.

use std::fmt;
use std::str::FromStr;

/// What may stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The time of receipt, UTC, RFC 3339 with microseconds.
    Time,
    /// The stream's name.
    Stream,
    /// The sender's unit: `myapp@2.service`.
    Unit,
    /// The unit's name up to its `@` or its type: `myapp`.
    UnitPrefix,
    /// What stands between a unit's `@` and its type: `2`.
    UnitInstance,
    /// The sender's process id when it connected; the one that an event of log4js names.
    Pid,
    /// The sender's user id when it connected.
    Uid,
    /// That user's name.
    User,
    /// The sender's command name when it connected, comm in proc(5).
    Comm,
    /// A syslog record's severity: `warning`; the level of an event of log4js: `warn`.
    Severity,
    /// A syslog record's facility: `daemon`.
    Facility,
    /// A syslog record's tag, or its APP-NAME; the category of an event of log4js.
    Tag,
    /// A record without its head.
    Message,
}

use Placeholder::{
    Comm, Facility, Message, Pid, Severity, Stream, Tag, Time, Uid, Unit, UnitInstance, UnitPrefix,
    User,
};

/// Every placeholder by its name.
static NAMES: &[(&str, Placeholder)] = &[
    ("time", Time),
    ("stream", Stream),
    ("unit", Unit),
    ("unit.prefix", UnitPrefix),
    ("unit.instance", UnitInstance),
    ("pid", Pid),
    ("uid", Uid),
    ("user", User),
    ("comm", Comm),
    ("severity", Severity),
    ("facility", Facility),
    ("tag", Tag),
    ("message", Message),
];

impl Placeholder {
    /// What may stand before a line.
    pub const OF_PREFIX: &[Placeholder] = &[
        Time,
        Stream,
        Unit,
        UnitPrefix,
        UnitInstance,
        Pid,
        Uid,
        User,
        Comm,
        Severity,
        Facility,
        Tag,
    ];
    /// What a stream's name may be made of: what does not change while a connection lasts.
    pub const OF_STREAM_NAME: &[Placeholder] = &[Unit, UnitPrefix, UnitInstance, Uid, User, Comm];
    /// What may be a field of a JSON object.
    pub const OF_JSON: &[Placeholder] = &[
        Time,
        Stream,
        Unit,
        UnitPrefix,
        UnitInstance,
        Pid,
        Uid,
        User,
        Comm,
        Severity,
        Facility,
        Tag,
        Message,
    ];

    /// What stands in the braces.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, placeholder)| *placeholder == self).map_or("", |(name, _)| name)
    }

    /// The placeholder of that name.
    pub fn named(name: &str) -> Option<Placeholder> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, placeholder)| *placeholder)
    }

    /// Whether it differs from record to record: what one says of itself.
    pub fn is_of_record(self) -> bool {
        matches!(self, Severity | Facility | Tag | Message)
    }
}

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// To be filled in.
    Placeholder(Placeholder),
}

/// A checked text with placeholders. Its texts hold no control characters but tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No such placeholder, or not here.
    #[error("unknown placeholder {{{name}}}; there are {known}")]
    Unknown {
        /// What stands in the braces.
        name: String,
        /// What could.
        known: String,
    },
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
    /// Reads a template that may use the `known` placeholders.
    pub fn parse(written: &str, known: &[Placeholder]) -> Result<Template, TemplateError> {
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
            let placeholder = Placeholder::named(name).filter(|it| known.contains(it));
            let placeholder = placeholder.ok_or_else(|| unknown(name, known))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Placeholder(placeholder));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Template { written: written.to_owned(), parts })
    }

    /// Its parts in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The placeholders in it.
    pub fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Placeholder(placeholder) => Some(*placeholder),
        })
    }
}

fn unknown(name: &str, known: &[Placeholder]) -> TemplateError {
    let known: Vec<String> = known.iter().map(|known| format!("{{{}}}", known.name())).collect();
    TemplateError::Unknown { name: name.to_owned(), known: known.join(", ") }
}

/// What may stand before a line.
impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(written: &str) -> Result<Template, TemplateError> {
        Template::parse(written, Placeholder::OF_PREFIX)
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
    use super::*;

    #[test]
    fn every_placeholder_has_a_name_of_its_own() {
        for (name, placeholder) in NAMES {
            assert_eq!(placeholder.name(), *name);
            assert_eq!(Placeholder::named(name), Some(*placeholder));
        }
        assert_eq!(NAMES.len(), Placeholder::OF_JSON.len());
    }

    #[test]
    fn texts_and_placeholders_are_told_apart() {
        let template = Template::parse("{{{stream}}} {time}", Placeholder::OF_PREFIX).unwrap();
        let text = |text: &str| Part::Text(text.to_owned());
        let parts = [text("{"), Part::Placeholder(Stream), text("} "), Part::Placeholder(Time)];
        assert_eq!(template.parts(), parts);
        assert_eq!(template.to_string(), "{{{stream}}} {time}");
        assert_eq!(template.placeholders().collect::<Vec<_>>(), [Stream, Time]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| Template::parse(text, &[Time, Stream]).unwrap_err();
        assert_eq!(error("{time"), TemplateError::Unclosed);
        assert_eq!(error("time}"), TemplateError::Unopened);
        assert_eq!(error("a\nb"), TemplateError::Control);
        let expected = "unknown placeholder {nope}; there are {time}, {stream}";
        assert_eq!(error("{nope} ").to_string(), expected);
        let expected = "unknown placeholder {pid}; there are {time}, {stream}";
        assert_eq!(error("{pid} ").to_string(), expected);
    }
}
