//! What a connection's present syslog record says of itself, for all lines that the record becomes.

use crate::limits::SYSLOG_TAG_BYTES_MAX;
use crate::line::Line;
use crate::syslog::{self, Head};
use crate::template::Placeholder;

/// The head of the record that the last line belongs to.
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
    pub(super) fn new(is_syslog: bool) -> Record {
        let tag = String::with_capacity(if is_syslog { SYSLOG_TAG_BYTES_MAX } else { 0 });
        Record { is_syslog, facility: None, severity: None, tag }
    }

    /// The head of the record that `line` is of, and what of the line is its message.
    pub(super) fn take<'a>(&'a mut self, line: &Line<'a>) -> (Head<'a>, &'a [u8]) {
        if !self.is_syslog {
            return (Head::default(), line.bytes);
        }
        if line.continues {
            let tag = Some(self.tag.as_str()).filter(|tag| !tag.is_empty());
            let (facility, severity) = (self.facility, self.severity);
            return (Head { facility, severity, tag, message_at: 0 }, line.bytes);
        }
        let head = syslog::head(line.bytes);
        (self.facility, self.severity) = (head.facility, head.severity);
        self.tag.clear();
        self.tag.push_str(head.tag.unwrap_or(""));
        (head, &line.bytes[head.message_at..])
    }
}

/// What a head has for a placeholder, the message apart.
pub(super) fn value<'a>(head: &Head<'a>, placeholder: Placeholder) -> Option<&'a str> {
    match placeholder {
        Placeholder::Facility => head.facility,
        Placeholder::Severity => head.severity,
        Placeholder::Tag => head.tag,
        _ => None,
    }
}

/// The longest value that a head can have for a placeholder.
pub(super) fn value_bytes_max(placeholder: Placeholder) -> usize {
    match placeholder {
        Placeholder::Tag => SYSLOG_TAG_BYTES_MAX,
        _ => NAME_BYTES_MAX,
    }
}

/// No facility and no severity has a longer name.
const NAME_BYTES_MAX: usize = "authpriv".len();
