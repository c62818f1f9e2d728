//! `cri`: as container runtimes write (the Kubernetes CRI log format): `TIME OUTPUT TAG LINE`.
//!
//! The time is RFC 3339 with nanoseconds. The tag is `P` where the line goes on in the next one,
//! and `F` where it does not. The output is `stdout`, unless it is known to be `stderr`.

use std::time::SystemTime;

use super::segments::{Precision, Segments};
use super::{About, Clock, Expansion, Formatter, push_line, push_prefixed};
use crate::line::{Line, LineEnd};

/// Lines as container runtimes write them; the lines of one read share its time.
#[derive(Debug)]
pub struct Cri {
    prefix: Segments,
    escapes: bool,
}

impl Cri {
    /// For one connection, of lines that a program has written to this output.
    pub fn new(about: &About<'_>, output: &str) -> Cri {
        let mut prefix = Segments::new(Precision::Nanos);
        prefix.add_time();
        prefix.add_text(format!(" {output} F "));
        Cri { prefix, escapes: about.escapes() }
    }

    fn prefix(&self) -> &[u8] {
        self.prefix.fixed().unwrap_or_default()
    }
}

impl Formatter for Cri {
    fn begin(&mut self, clock: Clock) {
        self.prefix.renew(clock);
    }

    fn begin_at(&mut self, time: SystemTime) {
        self.prefix.show(time);
    }

    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix());
        if line.end == LineEnd::Split {
            let tag_at = out.len() - "F ".len();
            out[tag_at] = b'P';
        }
        push_line(line.bytes, self.escapes, out);
    }

    fn lines(&mut self, whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
        push_prefixed(self.prefix(), whole_lines, out)
    }

    fn expansion(&self) -> Expansion {
        let per_byte = 1 + usize::from(self.escapes);
        Expansion { per_byte, per_line: self.prefix().len() + 1, per_read: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::framing::Multiline;

    fn clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(1_795_240_800_123_456_780)
    }

    #[track_caller]
    fn check(line: &str, end: LineEnd, multiline: Multiline, expected: &str) {
        let stream = "web".parse().unwrap();
        let mut cri = Cri::new(&About { multiline, ..About::of(&stream) }, "stdout");
        cri.begin(clock);
        let mut out = Vec::new();
        cri.line(Line { bytes: line.as_bytes(), end, continues: false }, &mut out);
        let expected = format!("2026-11-21T06:00:00.123456780Z stdout {expected}\n");
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(out.len() <= cri.expansion().bytes_max(line.len(), 0));
    }

    #[test]
    fn each_line_has_a_time_an_output_and_a_tag() {
        check("a b", LineEnd::Terminator, Multiline::Lines, "F a b");
        check("", LineEnd::EndOfInput, Multiline::Lines, "F ");
        check("a", LineEnd::Truncated, Multiline::Lines, "F a");
    }

    #[test]
    fn a_piece_of_a_split_line_says_that_it_goes_on() {
        check("a", LineEnd::Split, Multiline::Lines, "P a");
        check("", LineEnd::Split, Multiline::Lines, "P ");
    }

    #[test]
    fn newlines_are_escaped_where_a_record_is_one_line() {
        check("a\nb\n", LineEnd::Terminator, Multiline::Escape, "F a\\nb\\n");
    }
}
