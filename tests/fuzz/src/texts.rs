//! Texts that somebody else may have written.

use std::path::Path;

use logagent::config::{check_text, render};
use logagent::control::commands;
use logagent::formatting::{About, Format};
use logagent::framing::Heads;
use logagent::limits::{
    CONTROL_QUOTED_BYTES_MAX, HANDSHAKE_BYTES_MAX, STREAM_NAME_BYTES_MAX, SYSLOG_TAG_BYTES_MAX,
};
use logagent::line::{Line, LineEnd};
use logagent::origin::{Origin, Unit};
use logagent::routing::handshake::{self, Handshake};
use logagent::stream_name::StreamName;
use logagent::syslog;
use logagent::template::{Placeholder, Template};

/// The head of a record.
pub fn syslog_head(record: &[u8]) {
    let head = syslog::head(record);
    assert!(head.message_at <= record.len());
    assert_eq!(head.facility.is_some(), head.severity.is_some());
    if let Some(tag) = head.tag {
        assert!((1..=SYSLOG_TAG_BYTES_MAX).contains(&tag.len()));
        assert!(tag.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    match head.severity {
        Some(_) => assert!(record.starts_with(b"<") && head.message_at >= "<0>".len()),
        None => assert_eq!(head, syslog::Head::default()),
    }
    // More of the message changes nothing of the head.
    if head.message_at < record.len() {
        let longer = [record, b" \"]: more"].concat();
        let (one, two) = (head, syslog::head(&longer));
        assert_eq!((one.facility, one.severity), (two.facility, two.severity));
    }
}

/// The first bytes of a connection.
pub fn handshake(bytes: &[u8]) {
    match handshake::read(bytes) {
        Handshake::Unfinished => {
            assert!(bytes.len() < HANDSHAKE_BYTES_MAX);
            for length in 0..bytes.len() {
                assert_eq!(handshake::read(&bytes[..length]), Handshake::Unfinished);
            }
        }
        Handshake::Absent => {
            let longer = [bytes, b" stream=web\n"].concat();
            assert!(bytes.is_empty() || handshake::read(&longer) == Handshake::Absent);
        }
        Handshake::Line { taken_bytes, stream } => {
            assert!(taken_bytes <= HANDSHAKE_BYTES_MAX && bytes[taken_bytes - 1] == b'\n');
            if let Ok(stream) = stream {
                let line = handshake::line(&stream);
                let (taken_bytes, stream) = (line.len(), Ok(stream));
                let again = handshake::read(line.as_bytes());
                assert_eq!(again, Handshake::Line { taken_bytes, stream });
            }
        }
    }
}

/// A request on the control socket, without its newline.
pub fn control_line(bytes: &[u8]) {
    match commands::read(bytes) {
        Ok(asked) => {
            let text = std::str::from_utf8(bytes).unwrap();
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            assert_eq!(words[0], asked.command.name());
            assert_eq!(words[1..], asked.words);
            assert!(!text.chars().any(char::is_control));
        }
        Err(error) => {
            // What was sent is quoted, but never at length.
            assert!(error.len() < 12 * CONTROL_QUOTED_BYTES_MAX + 300, "{error}");
            assert!(!error.contains('\n'));
        }
    }
}

/// The text of /proc/PID/cgroup.
pub fn origin(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let units = [Unit::of_proc_cgroup(&text), Unit::of_cgroup_path(&text), Unit::named(&text)];
    for unit in units.into_iter().flatten() {
        assert!(text.contains(unit.name()));
        assert!(unit.name().starts_with(unit.prefix()));
        assert!(unit.instance().is_none_or(|instance| unit.name().contains(instance)));
        assert_eq!(Unit::named(unit.name()), Some(unit));
    }
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = Path::new("/etc/logagent/logagent.toml");
    match check_text(file, text) {
        Err(mistakes) => assert!(!mistakes.is_empty()),
        Ok(config) => {
            let rendered = render(&config);
            let again = check_text(file, &rendered);
            assert!(again.is_ok_and(|again| again == config), "does not read back:\n{rendered}");
        }
    }
}

/// A template of a prefix or of a stream's name, filled in.
pub fn templates(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(template) = Template::parse(text, Placeholder::OF_STREAM_NAME) {
        let known = |placeholder| Placeholder::OF_STREAM_NAME.contains(&placeholder);
        assert!(template.placeholders().all(known));
    }
    let stream: StreamName = StreamName::nearest(text);
    assert!((1..=STREAM_NAME_BYTES_MAX).contains(&stream.as_str().len()));
    assert_eq!(stream.as_str().parse(), Ok(stream.clone()));
    let Ok(prefix) = text.parse::<Template>() else { return };
    assert_eq!(prefix.to_string(), text);
    let origin = Origin { unit: Unit::named("myapp@2.service"), ..Origin::default() };
    for heads in [Heads::None, Heads::Syslog] {
        let about = About { origin: &origin, heads, ..About::of(&stream) };
        let mut formatter = Format::Stamped { prefix: prefix.clone() }.build(&about);
        formatter.begin(|| std::time::SystemTime::UNIX_EPOCH);
        let line = b"<13>Nov 21 06:33:06 app: a";
        let mut out = Vec::new();
        let end = LineEnd::Terminator;
        formatter.line(Line { bytes: line, end, continues: false }, &mut out);
        assert!(out.len() <= formatter.expansion().bytes_max(line.len(), 0));
        assert!(out.ends_with(b"a\n") && out.iter().filter(|byte| **byte == b'\n').count() == 1);
    }
}
