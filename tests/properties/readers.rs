//! Readers that know only the format of what was written, and what it says of itself.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use logagent::framing::Heads;
use logagent::template::Placeholder;
use serde_json::Value;

/// Pieces of lines, joined where one goes on.
#[derive(Default)]
struct Lines {
    lines: Vec<Vec<u8>>,
    goes_on: bool,
}

impl Lines {
    fn add(&mut self, piece: &[u8], goes_on: bool) {
        match self.lines.last_mut() {
            Some(line) if self.goes_on => line.extend_from_slice(piece),
            _ => self.lines.push(piece.to_vec()),
        }
        self.goes_on = goes_on;
    }
}

/// The bytes of an entry, whichever of its two names it has.
fn entry(object: &Value, name: &str) -> Option<Vec<u8>> {
    match (&object[name], &object[format!("{name}_base64")]) {
        (Value::String(text), Value::Null) => Some(text.as_bytes().to_vec()),
        (Value::Null, Value::String(coded)) => {
            let mut bytes = vec![0; coded.len()];
            let length = STANDARD.decode_slice(coded, &mut bytes).unwrap();
            bytes.truncate(length);
            assert!(std::str::from_utf8(&bytes).is_err(), "base64 for no reason");
            Some(bytes)
        }
        (Value::Null, Value::Null) => None,
        both => panic!("{name} twice: {both:?}"),
    }
}

/// The lines of JSON objects with these fields.
pub fn read_json(written: &[u8], fields: &[Placeholder], heads: Heads) -> Vec<Vec<u8>> {
    let has_heads = heads != Heads::None;
    let mut lines = Lines::default();
    for object in written.split_inclusive(|byte| *byte == b'\n') {
        let object: Value = serde_json::from_slice(object).unwrap();
        let shows = |field| fields.contains(&field);
        assert_eq!(object["time"].is_string(), shows(Placeholder::Time));
        if let Some(time) = object["time"].as_str() {
            let seconds = humantime::parse_rfc3339(time).unwrap();
            assert!(time.len() == 27 && seconds > SystemTime::UNIX_EPOCH, "{time}");
        }
        assert_eq!(object["stream"].as_str(), shows(Placeholder::Stream).then_some("web"));
        let line = entry(&object, "line").unwrap();
        if let Some(message) = entry(&object, "message") {
            assert!(has_heads && line.ends_with(&message));
        } else {
            assert!(!has_heads || !shows(Placeholder::Message));
        }
        if object["severity"].is_string() {
            assert!(has_heads);
            let has_facility = heads == Heads::Syslog && shows(Placeholder::Facility);
            assert_eq!(object["facility"].is_string(), has_facility);
        }
        lines.add(&line, object["partial"] == true);
    }
    assert!(!lines.goes_on);
    lines.lines
}

/// `TIME OUTPUT TAGS LINE`, as the document of the CRI log format has it.
pub fn read_cri(written: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Lines::default();
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap();
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let mut word = || words.next().unwrap();
        let time = std::str::from_utf8(word()).unwrap();
        let seconds = humantime::parse_rfc3339(time).unwrap();
        assert!(time.len() == 30 && seconds > SystemTime::UNIX_EPOCH, "{time}");
        assert_eq!(word(), b"stdout");
        let goes_on = match word() {
            b"P" => true,
            b"F" => false,
            tags => panic!("unknown tags {tags:?}"),
        };
        lines.add(word(), goes_on);
    }
    assert!(!lines.goes_on);
    lines.lines
}
