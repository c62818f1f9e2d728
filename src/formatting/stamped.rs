//! `stamped`: a prefix before each line, the time of receipt for example.

use super::template::Rendered;
use super::{Clock, Expansion, Formatter, Template};
use crate::line::Line;
use crate::stream_name::StreamName;

/// Lines with a prefix; the lines of one read share its time.
#[derive(Debug)]
pub struct Stamped {
    stream: StreamName,
    prefix: Rendered,
    prefix_bytes_max: usize,
}

impl Stamped {
    /// For one connection of `stream`.
    pub fn new(template: &Template, stream: &StreamName) -> Stamped {
        Stamped {
            stream: stream.clone(),
            prefix: Rendered::new(template, stream),
            prefix_bytes_max: template.bytes_max(stream),
        }
    }
}

impl Formatter for Stamped {
    fn begin(&mut self, clock: Clock) {
        self.prefix.renew(&self.stream, clock);
    }

    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.bytes());
        out.extend_from_slice(line.bytes);
        out.push(b'\n');
    }

    fn expansion(&self) -> Expansion {
        let per_line = self.prefix_bytes_max + 1;
        Expansion { per_byte: 1, per_line, per_read: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
    }

    #[test]
    fn each_line_gets_the_prefix_and_keeps_its_bytes() {
        let template: Template = "{time} [{stream}] ".parse().unwrap();
        let mut stamped = Stamped::new(&template, &"web".parse().unwrap());
        let mut out = Vec::new();
        stamped.begin(clock);
        assert_eq!(stamped.lines(b"a\r\n\n\xFF\0\n", &mut out), 3);
        let prefix = b"2026-11-21T06:00:00.123456Z [web] ";
        let expected = [&prefix[..], b"a\r\n", prefix, b"\n", prefix, b"\xFF\0\n"].concat();
        assert_eq!(out, expected);
    }
}
