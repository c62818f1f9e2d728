//! `json`: each line as a JSON object (RFC 8259) on a line of its own.
//!
//! First come the fields that are known, in the configured order; then the line as it came, `line`,
//! or `line_base64` where its bytes are no UTF-8. Behind a piece of a split line that goes on in
//! the next object stands `"partial":true`, behind a line that lost its end `"truncated":true`.

use std::time::SystemTime;

use super::json_text::{Entry, PER_BYTE_MAX, push_text};
use super::record::{self, Record, Told, value_bytes_max};
use super::segments::{Precision, Segments};
use super::{About, Clock, Expansion, Formatter};
use crate::framing::Heads;
use crate::line::{Line, LineEnd};
use crate::template::Placeholder;

const LINE: Entry = Entry { of_text: r#""line":""#, of_base64: r#""line_base64":""# };
const MESSAGE: Entry = Entry { of_text: r#""message":""#, of_base64: r#""message_base64":""# };
const END: &[u8] = b"}\n";
const END_OF_PARTIAL: &[u8] = b",\"partial\":true}\n";
const END_OF_TRUNCATED: &[u8] = b",\"truncated\":true}\n";

/// Lines as JSON objects; the lines of one read share its time.
#[derive(Debug)]
pub struct Json {
    /// The opening brace and all fields, with a comma behind each.
    fields: Segments,
    heads: Heads,
    record: Record,
    shows_message: bool,
}

impl Json {
    /// For one connection. A field that is named twice stands where it is named first.
    pub fn new(fields: &[Placeholder], about: &About<'_>) -> Json {
        let mut json = Json {
            fields: Segments::new(Precision::Micros),
            heads: about.heads,
            record: Record::new(about, fields.iter().any(|field| field.is_of_record())),
            shows_message: about.heads != Heads::None && fields.contains(&Placeholder::Message),
        };
        json.fields.add_text("{");
        for (index, field) in fields.iter().enumerate() {
            if !fields[..index].contains(field) {
                json.add_field(*field, about);
            }
        }
        json
    }

    fn add_field(&mut self, field: Placeholder, about: &About<'_>) {
        if about.is_of_record(field) {
            if about.heads != Heads::None {
                self.fields.add_place(field);
            }
            return;
        }
        let value = about.value(field);
        if value.is_none() && field != Placeholder::Time {
            return;
        }
        let quote = if matches!(field, Placeholder::Pid | Placeholder::Uid) { "" } else { "\"" };
        self.fields.add_text(format!("\"{}\":{quote}", name(field)));
        match value {
            Some(value) => {
                let mut text = Vec::new();
                push_text(&value, &mut text);
                self.fields.add_text(text);
            }
            None => self.fields.add_time(),
        }
        self.fields.add_text(format!("{quote},"));
    }
}

/// Appends the fields with what a record says of itself.
#[inline]
fn push_fields(fields: &Segments, told: &Told<'_>, message: &[u8], out: &mut Vec<u8>) {
    fields.append(out, |place, out| {
        let begins = match place {
            Placeholder::Message => {
                MESSAGE.push(message, out);
                return out.push(b',');
            }
            Placeholder::Severity => r#""severity":""#,
            Placeholder::Facility => r#""facility":""#,
            Placeholder::Pid => r#""pid":"#,
            _ => r#""tag":""#,
        };
        let Some(value) = record::value(told, place) else { return };
        out.extend_from_slice(begins.as_bytes());
        match place {
            Placeholder::Tag => push_text(value, out),
            _ => out.extend_from_slice(value.as_bytes()),
        }
        if place != Placeholder::Pid {
            out.push(b'"');
        }
        out.push(b',');
    });
}

#[inline]
fn push_line_and_end(line: &Line<'_>, out: &mut Vec<u8>) {
    LINE.push(line.bytes, out);
    out.extend_from_slice(match line.end {
        LineEnd::Terminator | LineEnd::EndOfInput => END,
        LineEnd::Split => END_OF_PARTIAL,
        LineEnd::Truncated => END_OF_TRUNCATED,
    });
}

/// A placeholder's name, as most readers of JSON can use it: `unit_instance`.
fn name(field: Placeholder) -> String {
    field.name().replace('.', "_")
}

impl Formatter for Json {
    fn begin(&mut self, clock: Clock) {
        self.fields.renew(clock);
    }

    fn begin_at(&mut self, time: SystemTime) {
        self.fields.show(time);
    }

    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        match self.fields.fixed() {
            Some(fixed) => out.extend_from_slice(fixed),
            None => {
                let (told, message) = self.record.take(&line);
                push_fields(&self.fields, &told, message, out);
            }
        }
        push_line_and_end(&line, out);
    }

    fn line_told(&mut self, line: Line<'_>, told: &Told<'_>, message_at: usize, out: &mut Vec<u8>) {
        push_fields(&self.fields, told, &line.bytes[message_at..], out);
        push_line_and_end(&line, out);
    }

    fn expansion(&self) -> Expansion {
        let of_place = |place: Placeholder| {
            let value = match place {
                Placeholder::Message => return MESSAGE.bytes_max() + 1,
                // But for control characters only `"` and `\` are escaped; names have neither.
                Placeholder::Tag => 2 * value_bytes_max(self.heads, place),
                _ => value_bytes_max(self.heads, place),
            };
            place.name().len() + r#""":"","#.len() + value
        };
        let of_line = LINE.bytes_max() + END_OF_TRUNCATED.len();
        Expansion {
            per_byte: PER_BYTE_MAX * (1 + usize::from(self.shows_message)),
            per_line: self.fields.bytes_max(of_place) + of_line,
            per_read: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::formatting::JSON_FIELDS;
    use crate::origin::{Origin, Unit};

    fn clock() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
    }

    const TIME: &str = r#""time":"2026-11-21T06:00:00.123456Z""#;

    fn terminated(line: &[u8]) -> Line<'_> {
        Line { bytes: line, end: LineEnd::Terminator, continues: false }
    }

    /// What `line` becomes, without its newline.
    fn shown(json: &mut Json, line: Line<'_>) -> String {
        json.begin(clock);
        let mut out = Vec::new();
        json.line(line, &mut out);
        assert!(out.len() <= json.expansion().bytes_max(line.bytes.len(), 0));
        let text = String::from_utf8(out).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(read.is_object());
        text.strip_suffix('\n').unwrap().to_owned()
    }

    #[track_caller]
    fn check(fields: &[Placeholder], heads: Heads, line: Line<'_>, expected: &str) {
        let origin = Origin {
            pid: Some(7),
            uid: Some(0),
            comm: Some(r#"a"\"#.into()),
            unit: Unit::named("myapp@2.service"),
            ..Origin::default()
        };
        let stream = "web".parse().unwrap();
        let about = About { origin: &origin, heads, ..About::of(&stream) };
        assert_eq!(shown(&mut Json::new(fields, &about), line), expected);
    }

    #[test]
    fn fields_stand_in_their_order_before_the_line() {
        let expected = format!(
            r#"{{{TIME},"stream":"web","unit":"myapp@2.service","pid":7,"line":"a\tb\r"}}"#
        );
        check(JSON_FIELDS, Heads::None, terminated(b"a\tb\r"), &expected);
        let fields = Placeholder::OF_JSON;
        let unit = r#""unit":"myapp@2.service","unit_prefix":"myapp","unit_instance":"2""#;
        let process = r#""pid":7,"uid":0,"user":"root","comm":"a\"\\""#;
        let expected = format!(r#"{{{TIME},"stream":"web",{unit},{process},"line":""}}"#);
        check(fields, Heads::None, terminated(b""), &expected);
        check(&[], Heads::None, terminated(b"\xFF"), r#"{"line_base64":"/w=="}"#);
        let twice = [Placeholder::Uid, Placeholder::Stream, Placeholder::Uid];
        check(&twice, Heads::None, terminated(b"a"), r#"{"uid":0,"stream":"web","line":"a"}"#);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let stream = "web".parse().unwrap();
        let mut json = Json::new(JSON_FIELDS, &About::of(&stream));
        let expected = format!(r#"{{{TIME},"stream":"web","line":"<13>a"}}"#);
        assert_eq!(shown(&mut json, terminated(b"<13>a")), expected);
    }

    #[test]
    fn a_syslog_record_says_what_it_is() {
        use Placeholder::{Facility, Message, Severity, Tag};
        let fields = [Severity, Facility, Tag, Message];
        let record = b"<27>Nov 21 06:33:06 a\"\\b[1]: one";
        let expected = concat!(
            r#"{"severity":"err","facility":"daemon","tag":"a\"\\b","message":"one","#,
            r#""line":"<27>Nov 21 06:33:06 a\"\\b[1]: one"}"#
        );
        check(&fields, Heads::Syslog, terminated(record), expected);
        let expected = r#"{"severity":"err","facility":"daemon","message":"one","line":"<27>one"}"#;
        check(&fields, Heads::Syslog, terminated(b"<27>one"), expected);
        let expected = r#"{"message":"one","line":"one"}"#;
        check(&fields, Heads::Syslog, terminated(b"one"), expected);
        // Only what is no UTF-8 itself stands in base64.
        let head = b"<27>1 - - app - - [a b=\"\xFF\"] one";
        let expected =
            r#"{"message":"one","line_base64":"PDI3PjEgLSAtIGFwcCAtIC0gW2EgYj0i/yJdIG9uZQ=="}"#;
        check(&[Message], Heads::Syslog, terminated(head), expected);
        let expected = r#"{"message_base64":"/w==","line_base64":"PDI3Pv8="}"#;
        check(&[Message], Heads::Syslog, terminated(b"<27>\xFF"), expected);
    }

    #[test]
    fn lines_of_one_record_have_its_head() {
        let stream = "web".parse().unwrap();
        let about = About { heads: Heads::Syslog, ..About::of(&stream) };
        let mut json = Json::new(&[Placeholder::Tag, Placeholder::Message], &about);
        let first = terminated(b"<27>Nov 21 06:33:06 app: one");
        let expected = r#"{"tag":"app","message":"one","line":"<27>Nov 21 06:33:06 app: one"}"#;
        assert_eq!(shown(&mut json, first), expected);
        let second = Line { continues: true, ..terminated(b"<12>two") };
        let expected = r#"{"tag":"app","message":"<12>two","line":"<12>two"}"#;
        assert_eq!(shown(&mut json, second), expected);
        assert_eq!(shown(&mut json, terminated(b"a")), r#"{"message":"a","line":"a"}"#);
    }

    #[test]
    fn the_longest_head_has_room() {
        let tag = "\"".repeat(crate::limits::SYSLOG_TAG_BYTES_MAX);
        let record = format!("<87>Nov 21 06:33:06 {tag}: ");
        let stream = "web".parse().unwrap();
        let about = About { heads: Heads::Syslog, ..About::of(&stream) };
        let mut json = Json::new(Placeholder::OF_JSON, &about);
        shown(&mut json, terminated(record.as_bytes()));
        let second = Line { end: LineEnd::Truncated, continues: true, ..terminated(b"\xFF") };
        let text = shown(&mut json, second);
        assert!(text.contains("authpriv") && text.contains(&tag.replace('"', "\\\"")));
        let spare = json.expansion().bytes_max(1, 0) - text.len();
        assert!(spare < 20, "{spare}");
    }

    #[test]
    fn a_line_that_is_not_whole_says_so() {
        let line = |end| Line { bytes: b"a", end, continues: false };
        check(&[], Heads::None, line(LineEnd::Split), r#"{"line":"a","partial":true}"#);
        check(&[], Heads::None, line(LineEnd::Truncated), r#"{"line":"a","truncated":true}"#);
        check(&[], Heads::None, line(LineEnd::EndOfInput), r#"{"line":"a"}"#);
        let bytes = Line { bytes: b"\xFF", ..line(LineEnd::Split) };
        check(&[], Heads::None, bytes, r#"{"line_base64":"/w==","partial":true}"#);
    }
}
