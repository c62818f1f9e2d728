//! `stamped`: a prefix before each line, the time of receipt for example.

use std::time::SystemTime;

use super::record::{self, Record, Told, value_bytes_max};
use super::segments::{Precision, Segments};
use super::{About, Clock, Expansion, Formatter, push_each, push_line, push_prefixed};
use crate::framing::Heads;
use crate::line::Line;
use crate::template::{Part, Placeholder, Template};

/// What stands for what is not known.
const NOTHING: &str = "-";

/// Lines with a prefix; the lines of one read share its time.
///
/// Where the prefix shows what the head of a record says, the message alone stands behind it.
#[derive(Debug)]
pub struct Stamped {
    prefix: Segments,
    heads: Heads,
    /// Whether it shows what stands in the heads of records.
    shows_head: bool,
    record: Record,
    escapes: bool,
}

impl Stamped {
    /// For one connection.
    pub fn new(template: &Template, about: &About<'_>) -> Stamped {
        let shows_head = template.placeholders().any(Placeholder::is_of_record);
        Stamped {
            prefix: prefix(template, about),
            heads: about.heads,
            shows_head,
            record: Record::new(about, shows_head),
            escapes: about.escapes(),
        }
    }
}

/// Appends a line.
#[inline]
fn push(prefix: &Segments, told: &Told<'_>, message: &[u8], escapes: bool, out: &mut Vec<u8>) {
    prefix.append(out, |place, out| {
        out.extend_from_slice(record::value(told, place).unwrap_or(NOTHING).as_bytes());
    });
    push_line(message, escapes, out);
}

fn prefix(template: &Template, about: &About<'_>) -> Segments {
    let mut prefix = Segments::new(Precision::Micros);
    for part in template.parts() {
        match part {
            Part::Text(text) => prefix.add_text(text),
            Part::Placeholder(Placeholder::Time) => prefix.add_time(),
            Part::Placeholder(of_record) if about.is_of_record(*of_record) => {
                prefix.add_place(*of_record)
            }
            Part::Placeholder(known) => {
                prefix.add_text(about.value(*known).as_deref().unwrap_or(NOTHING));
            }
        }
    }
    prefix
}

impl Formatter for Stamped {
    fn begin(&mut self, clock: Clock) {
        self.prefix.renew(clock);
    }

    fn begin_at(&mut self, time: SystemTime) {
        self.prefix.show(time);
    }

    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        if let Some(fixed) = self.prefix.fixed() {
            out.extend_from_slice(fixed);
            return push_line(line.bytes, self.escapes, out);
        }
        let (told, message) = self.record.take(&line);
        push(&self.prefix, &told, message, self.escapes, out);
    }

    fn line_told(&mut self, line: Line<'_>, told: &Told<'_>, message_at: usize, out: &mut Vec<u8>) {
        let message = if self.shows_head { &line.bytes[message_at..] } else { line.bytes };
        push(&self.prefix, told, message, self.escapes, out);
    }

    fn lines(&mut self, whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
        match self.prefix.fixed() {
            Some(fixed) => push_prefixed(fixed, whole_lines, out),
            None => push_each(self, whole_lines, out),
        }
    }

    fn expansion(&self) -> Expansion {
        let per_line = self.prefix.bytes_max(|place| value_bytes_max(self.heads, place)) + 1;
        Expansion { per_byte: 1 + usize::from(self.escapes), per_line, per_read: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::line::LineEnd;
    use crate::origin::{Origin, Unit};

    fn clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
    }

    const TIME: &str = "2026-11-21T06:00:00.123456Z";

    /// Each of `lines`, perhaps one that continues, with the prefix before it.
    #[track_caller]
    fn check(prefix: &str, heads: Heads, lines: &[(&str, bool)], expected: &str) {
        let origin = Origin {
            pid: Some(7),
            uid: Some(0),
            unit: Unit::named("myapp@2.service"),
            ..Origin::default()
        };
        let stream = "web".parse().unwrap();
        let about = About { origin: &origin, heads, ..About::of(&stream) };
        let mut stamped = Stamped::new(&prefix.parse().unwrap(), &about);
        stamped.begin(clock);
        let mut out = Vec::new();
        let mut room = 0;
        for (line, continues) in lines {
            room += stamped.expansion().bytes_max(line.len(), 0);
            let (bytes, end) = (line.as_bytes(), LineEnd::Terminator);
            stamped.line(Line { bytes, end, continues: *continues }, &mut out);
        }
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert!(out.len() <= room);
    }

    #[test]
    fn placeholders_are_filled_in() {
        let lines = [("a", false)];
        check("", Heads::None, &lines, "a\n");
        check("plain ", Heads::None, &lines, "plain a\n");
        check("{time} {stream}: ", Heads::None, &lines, &format!("{TIME} web: a\n"));
        check("{{{stream}}} ", Heads::None, &lines, "{web} a\n");
        let unit = "{unit} {unit.prefix} {unit.instance} ";
        check(unit, Heads::None, &lines, "myapp@2.service myapp 2 a\n");
        check("{pid} {uid} {user} {comm} ", Heads::None, &lines, "7 0 root - a\n");
        check("{severity} {facility} {tag} ", Heads::None, &[("<13>a", false)], "- - - <13>a\n");
    }

    #[test]
    fn behind_what_a_syslog_record_says_stands_its_message() {
        let lines = [
            ("<27>Nov 21 06:33:06 app[1]: one", false),
            ("two", true),
            ("<12>three", false),
            ("four", false),
            ("five", true),
        ];
        let expected = format!(
            "daemon.err[app] {TIME} one\ndaemon.err[app] {TIME} two\nuser.warning[-] {TIME} three\n\
             -.-[-] {TIME} four\n-.-[-] {TIME} five\n"
        );
        check("{facility}.{severity}[{tag}] {time} ", Heads::Syslog, &lines, &expected);
        check("{stream} ", Heads::Syslog, &lines[2..3], "web <12>three\n");
    }

    #[test]
    fn each_line_gets_the_prefix_and_keeps_its_bytes() {
        let template: Template = "{time} [{stream}] ".parse().unwrap();
        let stream = "web".parse().unwrap();
        let mut stamped = Stamped::new(&template, &About::of(&stream));
        let mut out = Vec::new();
        stamped.begin(clock);
        assert_eq!(stamped.lines(b"a\r\n\n\xFF\0\n", &mut out), 3);
        let prefix = b"2026-11-21T06:00:00.123456Z [web] ";
        let expected = [&prefix[..], b"a\r\n", prefix, b"\n", prefix, b"\xFF\0\n"].concat();
        assert_eq!(out, expected);
    }
}
