//! What a connection's present record says of itself, for all lines that the record becomes.

use super::About;
use crate::framing::Heads;
use crate::limits::{LEVEL_BYTES_MAX, PID_BYTES_MAX, SYSLOG_TAG_BYTES_MAX};
use crate::line::Line;
use crate::syslog;
use crate::template::Placeholder;

/// What a record says of itself. What it does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// `daemon`
    pub facility: Option<&'a str>,
    /// `warning`; of an event of log4js its level, at most [`LEVEL_BYTES_MAX`] letters.
    pub severity: Option<&'a str>,
    /// The tag, or the category of an event; at most [`SYSLOG_TAG_BYTES_MAX`], without control
    /// characters.
    pub tag: Option<&'a str>,
    /// The process; at most [`PID_BYTES_MAX`] digits.
    pub pid: Option<&'a str>,
}

/// The syslog head of the record that the last line belongs to.
#[derive(Debug)]
pub(super) struct Record {
    /// Whether records have heads at all.
    is_syslog: bool,
    facility: Option<&'static str>,
    severity: Option<&'static str>,
    /// Empty where there is none.
    tag: String,
}

impl Record {
    /// For one connection; `is_shown` says whether anybody wants to know.
    pub(super) fn new(about: &About<'_>, is_shown: bool) -> Record {
        let is_syslog = about.heads == Heads::Syslog && is_shown;
        let tag = String::with_capacity(if is_syslog { SYSLOG_TAG_BYTES_MAX } else { 0 });
        Record { is_syslog, facility: None, severity: None, tag }
    }

    /// What the record that `line` is of says of itself, and what of the line is its message.
    pub(super) fn take<'a>(&'a mut self, line: &Line<'a>) -> (Told<'a>, &'a [u8]) {
        if !self.is_syslog {
            return (Told::default(), line.bytes);
        }
        if line.continues {
            let tag = Some(self.tag.as_str()).filter(|tag| !tag.is_empty());
            let (facility, severity) = (self.facility, self.severity);
            return (Told { facility, severity, tag, pid: None }, line.bytes);
        }
        let syslog::Head { facility, severity, tag, message_at } = syslog::head(line.bytes);
        (self.facility, self.severity) = (facility, severity);
        self.tag.clear();
        self.tag.push_str(tag.unwrap_or(""));
        (Told { facility, severity, tag, pid: None }, &line.bytes[message_at..])
    }
}

/// What is told for a placeholder, the message apart.
pub(super) fn value<'a>(told: &Told<'a>, placeholder: Placeholder) -> Option<&'a str> {
    match placeholder {
        Placeholder::Facility => told.facility,
        Placeholder::Severity => told.severity,
        Placeholder::Tag => told.tag,
        Placeholder::Pid => told.pid,
        _ => None,
    }
}

/// The longest value that there can be for a placeholder.
pub(super) fn value_bytes_max(heads: Heads, placeholder: Placeholder) -> usize {
    match (placeholder, heads) {
        (Placeholder::Tag, _) => SYSLOG_TAG_BYTES_MAX,
        (Placeholder::Pid, _) => PID_BYTES_MAX,
        (Placeholder::Severity, Heads::Log4js) => LEVEL_BYTES_MAX,
        _ => NAME_BYTES_MAX,
    }
}

/// No facility and no severity of syslog has a longer name.
const NAME_BYTES_MAX: usize = "authpriv".len();
