//! Formatting: a line becomes the bytes that stand in the stream's file.
//!
//! A formatter is pure: no IO, it cannot fail, and it reads no clock but the one it is given. What
//! it writes for a line ends with exactly one newline. A new format is one file and its row in
//! [`FORMATS`].

mod cri;
mod json;
mod json_text;
mod raw;
mod record;
mod segments;
mod stamped;

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

pub use cri::Cri;
pub use json::Json;
pub use raw::Raw;
pub use record::Told;
pub use stamped::Stamped;

use crate::framing::{Heads, Multiline};
use crate::line::{Line, LineEnd, Lost};
use crate::origin::Origin;
use crate::stream_name::StreamName;
use crate::template::{Placeholder, Template};

/// Tells the time of day; formatters that show none never call it.
pub type Clock = fn() -> SystemTime;

/// Makes a stream's bytes from lines.
pub trait Formatter: Send {
    /// Called before the lines of one read, so that what they share is made once.
    fn begin(&mut self, clock: Clock) {
        let _ = clock;
    }

    /// The same for a line that is of another time than now.
    fn begin_at(&mut self, time: SystemTime) {
        let _ = time;
    }

    /// Appends one line.
    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>);

    /// Appends one line of a record of which something is `told` already, rather than by a head in
    /// its first line; the message begins at `message_at` in this line.
    fn line_told(&mut self, line: Line<'_>, told: &Told<'_>, message_at: usize, out: &mut Vec<u8>) {
        let _ = (told, message_at);
        self.line(line, out);
    }

    /// Appends many lines: `whole_lines` ends with a newline, and every newline in it ends a line.
    /// Returns how many they were.
    fn lines(&mut self, whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
        push_each(self, whole_lines, out)
    }

    /// Whether [`Formatter::lines`] appends what it is given, unchanged.
    fn keeps_lines(&self) -> bool {
        false
    }

    /// How much longer than its input the output can be.
    fn expansion(&self) -> Expansion;
}

/// How much longer than its input a formatter's output can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// Bytes of output for one byte of a line, at most.
    pub per_byte: usize,
    /// Bytes added to each line, at most.
    pub per_line: usize,
    /// Bytes added to each read, at most.
    pub per_read: usize,
}

impl Expansion {
    /// The most that `bytes` of input can become together with an unfinished line of
    /// `partial_bytes` before them. Every byte of the input could be an empty line of its own.
    pub fn bytes_max(self, partial_bytes: usize, bytes: usize) -> usize {
        self.per_byte * (partial_bytes + bytes) + self.per_line * (bytes + 1) + self.per_read
    }

    /// The most input whose output fits in `room` behind an unfinished line of `partial_bytes`.
    pub fn input_max(self, partial_bytes: usize, room: usize) -> usize {
        let fixed = self.per_byte * partial_bytes + self.per_line + self.per_read;
        room.saturating_sub(fixed) / (self.per_byte + self.per_line)
    }
}

/// A format as configured: what a formatter is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The line's bytes as they came, and a newline.
    Raw,
    /// A prefix before each line.
    Stamped {
        /// What stands before each line.
        prefix: Template,
    },
    /// Each line as a JSON object (RFC 8259) on a line of its own.
    Json {
        /// What it holds beside the line, in order; what is not known is left out.
        fields: Vec<Placeholder>,
    },
    /// The format of container runtimes (CRI): `TIME stdout F LINE`.
    Cri,
    /// The same for what is known to come from a standard error: `TIME stderr F LINE`.
    CriStderr,
}

/// The fields of `json` unless configured.
pub const JSON_FIELDS: &[Placeholder] = &[
    Placeholder::Time,
    Placeholder::Stream,
    Placeholder::Unit,
    Placeholder::Pid,
    Placeholder::Severity,
    Placeholder::Facility,
    Placeholder::Tag,
];

/// Every format there is, as (name, summary); the first is the default.
pub static FORMATS: &[(&str, &str)] = &[
    ("raw", "the line as it came"),
    ("stamped", "`prefix` before each line"),
    ("json", "an object a line, with the line and `fields`"),
    ("cri", "as container runtimes write: time, stream, P or F, the line"),
];

/// What a formatter may show of a connection.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The stream that its lines go to.
    pub stream: &'a StreamName,
    /// Who sends.
    pub origin: &'a Origin,
    /// What records may say of themselves.
    pub heads: Heads,
    /// What becomes of newlines inside a record.
    pub multiline: Multiline,
}

impl<'a> About<'a> {
    /// Lines for `stream` of which nothing else is known.
    pub fn of(stream: &'a StreamName) -> About<'a> {
        let (origin, multiline) = (Origin::UNKNOWN, Multiline::default());
        About { stream, origin, heads: Heads::None, multiline }
    }

    /// Whether each record says this of itself, if anybody does.
    fn is_of_record(&self, placeholder: Placeholder) -> bool {
        match self.heads {
            // The process that connects is a relay.
            Heads::Log4js if placeholder == Placeholder::Pid => true,
            _ => placeholder.is_of_record(),
        }
    }

    fn escapes(&self) -> bool {
        self.multiline == Multiline::Escape
    }

    /// What is the same for every line of the connection; none where it is not known, or where each
    /// line has its own.
    fn value(&self, placeholder: Placeholder) -> Option<Cow<'a, str>> {
        match placeholder {
            Placeholder::Stream => Some(self.stream.as_str().into()),
            placeholder => self.origin.value(placeholder),
        }
    }
}

impl Format {
    /// A formatter for one connection.
    pub fn build(&self, about: &About<'_>) -> Box<dyn Formatter> {
        match self {
            Format::Raw => Box::new(Raw { escapes: about.escapes() }),
            Format::Stamped { prefix } => Box::new(Stamped::new(prefix, about)),
            Format::Json { fields } => Box::new(Json::new(fields, about)),
            Format::Cri => Box::new(Cri::new(about, "stdout")),
            Format::CriStderr => Box::new(Cri::new(about, "stderr")),
        }
    }
}

/// Appends a line and its newline; with `escapes`, newlines in it as `\n`.
fn push_line(line: &[u8], escapes: bool, out: &mut Vec<u8>) {
    let mut rest = line;
    if escapes {
        while let Some(at) = memchr::memchr(b'\n', rest) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(b"\\n");
            rest = &rest[at + 1..];
        }
    }
    out.extend_from_slice(rest);
    out.push(b'\n');
}

/// Appends each of the lines by itself; returns how many they were.
fn push_each<F: Formatter + ?Sized>(
    formatter: &mut F,
    whole_lines: &[u8],
    out: &mut Vec<u8>,
) -> u64 {
    let (mut start, mut count) = (0, 0);
    for end in memchr::memchr_iter(b'\n', whole_lines) {
        let bytes = &whole_lines[start..end];
        formatter.line(Line { bytes, end: LineEnd::Terminator, continues: false }, out);
        start = end + 1;
        count += 1;
    }
    count
}

/// Appends `prefix` before each of the lines; returns how many they were.
fn push_prefixed(prefix: &[u8], whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
    let (mut start, mut count) = (0, 0);
    for end in memchr::memchr_iter(b'\n', whole_lines) {
        out.extend_from_slice(prefix);
        out.extend_from_slice(&whole_lines[start..=end]);
        start = end + 1;
        count += 1;
    }
    count
}

/// What is missing from a stream, for the record that stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// Which lines.
    pub lost: Lost,
    /// Why, in a few words.
    pub reason: &'a str,
}

impl Gap<'_> {
    /// The gap record's text, a line without its newline.
    pub fn text(&self) -> String {
        let Gap { lost: Lost { lines, bytes, from, to }, reason } = self;
        let from = humantime::format_rfc3339_millis(*from);
        let to = humantime::format_rfc3339_millis(*to);
        let mut text = String::new();
        // Writing to a String cannot fail.
        write!(text, "logagent: gap: {lines} lines, {bytes} bytes lost, {from} to {to}: {reason}")
            .unwrap_or_default();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{GAP_BYTES_MAX, GAP_REASON_BYTES_MAX};

    #[test]
    fn room_for_the_input_is_room_for_the_output() {
        for (per_byte, per_read) in [(1, 0), (1, 200), (6, 0), (6, 200)] {
            for per_line in [1, 29, 80] {
                let expansion = Expansion { per_byte, per_line, per_read };
                for partial in [0, 1, 5000] {
                    for room in [0, 1, 100, 4096, 1 << 20] {
                        let input = expansion.input_max(partial, room);
                        let output = expansion.bytes_max(partial, input);
                        assert!(input == 0 || output <= room, "{expansion:?} {partial} {room}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_longest_gap_record_is_within_its_bound() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_240_800_123);
        let lost = Lost { lines: u64::MAX, bytes: u64::MAX, from: at, to: at };
        let gap = Gap { lost, reason: &"x".repeat(GAP_REASON_BYTES_MAX) };
        assert!(gap.text().len() <= GAP_BYTES_MAX);
    }

    #[test]
    fn a_gap_record_says_what_when_and_why() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_240_800_123);
        let gap = Gap { lost: Lost { lines: 3, bytes: 90, from: at, to: at }, reason: "over-long" };
        let text = "logagent: gap: 3 lines, 90 bytes lost, 2026-11-21T06:00:00.123Z \
                    to 2026-11-21T06:00:00.123Z: over-long";
        assert_eq!(gap.text(), text);
    }
}
