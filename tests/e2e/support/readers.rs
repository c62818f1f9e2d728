//! What others read in our files: jq and Python in JSON, and a reader of container logs.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tools::run;

/// A line of a file, as its reader understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was sent.
    pub bytes: Vec<u8>,
    pub end: EntryEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryEnd {
    Whole,
    /// It goes on in the next entry.
    Partial,
    Truncated,
}

/// The lines that entries are of, pieces joined again; the last must be whole.
#[track_caller]
pub fn joined(entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    for entry in entries {
        lines.last_mut().unwrap().extend_from_slice(&entry.bytes);
        if entry.end != EntryEnd::Partial {
            lines.push(Vec::new());
        }
    }
    assert_eq!(lines.pop(), Some(Vec::new()), "the last piece says that more comes");
    lines
}

/// Each value of the file, one after another: what ends it, and its line in base64.
const JQ: &str = r#"
    (if .partial then "partial" elif .truncated then "truncated" else "whole" end) + " "
    + if has("line") then .line | @base64 else .line_base64 end
"#;

/// Each line of the file, which must be UTF-8 and one object; what is doubtful is an error.
const PYTHON: &str = r#"
import base64, json, sys

def unique(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)

def refuse(constant):
    raise ValueError(constant)

def is_utf8(read):
    try:
        read.decode("utf-8", "strict")
        return True
    except UnicodeDecodeError:
        return False

for line in open(sys.argv[1], "rb"):
    assert line.endswith(b"\n"), line
    text = line.decode("utf-8", "strict")
    entry = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    assert type(entry) is dict, line
    assert ("line" in entry) != ("line_base64" in entry), line
    flags = [flag for flag in ("partial", "truncated") if flag in entry]
    assert len(flags) < 2 and all(entry[flag] is True for flag in flags), line
    if "line" in entry:
        read = entry["line"].encode("utf-8", "strict")
    else:
        read = base64.b64decode(entry["line_base64"], validate=True)
        assert not is_utf8(read), line
    print((flags + ["whole"])[0], base64.b64encode(read).decode())
"#;

/// The file's entries, as jq and Python read them, which must be the same.
#[track_caller]
pub fn read_json(file: &Path) -> Vec<Entry> {
    let by_python = run(Command::new("python3").args(["-c", PYTHON]).arg(file)).stdout;
    let by_jq = run(Command::new("jq").args(["--raw-output", JQ]).arg(file)).stdout;
    assert!(by_jq == by_python, "jq and Python do not agree");
    let text = String::from_utf8(by_python).unwrap();
    text.lines().map(entry).collect()
}

fn entry(line: &str) -> Entry {
    let (end, base64) = line.split_once(' ').unwrap();
    let end = match end {
        "whole" => EntryEnd::Whole,
        "partial" => EntryEnd::Partial,
        "truncated" => EntryEnd::Truncated,
        _ => panic!("{line}"),
    };
    let mut bytes = vec![0; base64.len()];
    let length = STANDARD.decode_slice(base64, &mut bytes).unwrap();
    bytes.truncate(length);
    Entry { bytes, end }
}

/// The entries of a container's log, as the kubelet reads them (the Kubernetes design proposal "CRI:
/// Log management for container stdout/stderr streams"): `TIME OUTPUT TAGS CONTENT`, the tags with
/// ':' between, of which the first tells a piece (P) from a line or its end (F).
#[track_caller]
pub fn read_cri(log: &[u8]) -> Vec<Entry> {
    let Some(log) = log.strip_suffix(b"\n") else {
        assert!(log.is_empty(), "the last line has no end");
        return Vec::new();
    };
    log.split(|byte| *byte == b'\n').map(cri_entry).collect()
}

#[track_caller]
fn cri_entry(line: &[u8]) -> Entry {
    let shown = line.escape_ascii().to_string();
    let fields: Vec<_> = line.splitn(4, |byte| *byte == b' ').collect();
    let [time, output, tags, content] = fields[..] else { panic!("too short: {shown}") };
    assert_time(std::str::from_utf8(time).unwrap());
    assert!([&b"stdout"[..], b"stderr"].contains(&output), "{shown}");
    let end = match tags.split(|byte| *byte == b':').next().unwrap() {
        b"F" => EntryEnd::Whole,
        b"P" => EntryEnd::Partial,
        _ => panic!("neither P nor F: {shown}"),
    };
    Entry { bytes: content.to_vec(), end }
}

/// RFC 3339 with nanoseconds, "2006-01-02T15:04:05.000000000Z", and not far from now.
#[track_caller]
fn assert_time(text: &str) {
    let time = humantime::parse_rfc3339(text).unwrap();
    assert_eq!(humantime::format_rfc3339_nanos(time).to_string(), text);
    let age = time.elapsed().expect("a time to come");
    assert!(age < super::deadline(), "{text} was {age:?} ago");
}
