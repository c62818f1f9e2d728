//! Formatting: a line becomes the bytes that stand in the stream's file.
//!
//! A formatter is pure: no IO, it cannot fail, and it reads no clock but the one it is given. What
//! it writes for a line ends with exactly one newline. A new format is one file and its row in
//! [`FORMATS`].

mod raw;
mod stamped;
mod template;

use std::fmt::Write;
use std::time::SystemTime;

pub use raw::Raw;
pub use stamped::Stamped;
pub use template::{Template, TemplateError};

use crate::line::{Line, LineEnd};
use crate::stream_name::StreamName;

/// Tells the time of day; formatters that show none never call it.
pub type Clock = fn() -> SystemTime;

/// Makes a stream's bytes from lines.
pub trait Formatter: Send {
    /// Called before the lines of one read, so that what they share is made once.
    fn begin(&mut self, clock: Clock) {
        let _ = clock;
    }

    /// Appends one line.
    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>);

    /// Appends many lines: `whole_lines` ends with a newline, and every newline in it ends a line.
    /// Returns how many they were.
    fn lines(&mut self, whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
        let (mut start, mut count) = (0, 0);
        for end in memchr::memchr_iter(b'\n', whole_lines) {
            self.line(Line { bytes: &whole_lines[start..end], end: LineEnd::Terminator }, out);
            start = end + 1;
            count += 1;
        }
        count
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
}

/// Every format there is, as (name, summary); the first is the default.
pub static FORMATS: &[(&str, &str)] =
    &[("raw", "the line as it came"), ("stamped", "`prefix` before each line")];

impl Format {
    /// A formatter for one connection of `stream`.
    pub fn build(&self, stream: &StreamName) -> Box<dyn Formatter> {
        match self {
            Format::Raw => Box::new(Raw),
            Format::Stamped { prefix } => Box::new(Stamped::new(prefix, stream)),
        }
    }
}

/// What is missing from a stream, for the record that stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many lines.
    pub lines: u64,
    /// How many bytes of theirs, terminators apart.
    pub bytes: u64,
    /// When the first of them was lost.
    pub from: SystemTime,
    /// When the last of them was lost.
    pub to: SystemTime,
    /// Why, in a few words.
    pub reason: &'static str,
}

impl Gap {
    /// The gap record's text, a line without its newline.
    pub fn text(&self) -> String {
        let Gap { lines, bytes, reason, .. } = self;
        let from = humantime::format_rfc3339_millis(self.from);
        let to = humantime::format_rfc3339_millis(self.to);
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
    use crate::limits::GAP_BYTES_MAX;

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
        let gap = Gap { lines: u64::MAX, bytes: u64::MAX, from: at, to: at, reason: "over-long" };
        assert!(gap.text().len() <= GAP_BYTES_MAX);
    }

    #[test]
    fn a_gap_record_says_what_when_and_why() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_240_800_123);
        let gap = Gap { lines: 3, bytes: 90, from: at, to: at, reason: "over-long" };
        let text = "logagent: gap: 3 lines, 90 bytes lost, 2026-11-21T06:00:00.123Z \
                    to 2026-11-21T06:00:00.123Z: over-long";
        assert_eq!(gap.text(), text);
    }
}
