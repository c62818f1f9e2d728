//! Records that hold newlines, or any other byte: what becomes of them in every format.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::SockType;

use crate::support::{Packets, Place, Random, joined, read_cri, read_json};

/// A kind of input whose records may hold newlines.
struct Source {
    name: &'static str,
    /// Behind `[input.web.` in the configuration.
    input: &'static str,
    /// Sends each record.
    send: fn(&Path, &[&[u8]]),
    /// Which records it can carry.
    carries: fn(&[u8]) -> bool,
    /// Whether one newline at the end of a record is not of the record.
    trims: bool,
}

const SOURCES: [Source; 4] = [
    Source {
        name: "datagrams",
        input: "unix-datagram]",
        send: |path, records| send_packets(SockType::Datagram, path, records),
        carries: |_| true,
        trims: true,
    },
    Source {
        name: "packets",
        input: "unix-seqpacket]",
        send: |path, records| send_packets(SockType::SeqPacket, path, records),
        carries: |_| true,
        trims: true,
    },
    Source {
        name: "nul",
        input: "unix-stream]\nframing = \"nul\"",
        send: |path, records| send_stream(path, records, |record| [record, b"\0"].concat()),
        carries: |record| !record.contains(&0),
        trims: false,
    },
    Source {
        name: "octet counts",
        input: "unix-stream]\nframing = \"octet-counting\"",
        send: |path, records| send_stream(path, records, counted),
        carries: |record| !record.is_empty(),
        trims: false,
    },
];

fn send_packets(kind: SockType, path: &Path, records: &[&[u8]]) {
    let socket = Packets::connect(kind, path, "");
    for record in records {
        assert_eq!(socket.send(record), Ok(record.len()));
    }
}

fn send_stream(path: &Path, records: &[&[u8]], framed: fn(&[u8]) -> Vec<u8>) {
    let bytes: Vec<u8> = records.iter().flat_map(|record| framed(record)).collect();
    UnixStream::connect(path).unwrap().write_all(&bytes).unwrap();
}

fn counted(record: &[u8]) -> Vec<u8> {
    [format!("{} ", record.len()).as_bytes(), record].concat()
}

/// A format, and what reads the lines in a file of it.
struct Format {
    name: &'static str,
    read: fn(&Path) -> Vec<Vec<u8>>,
}

const RAW: Format = Format { name: "raw", read: raw_lines };
const STAMPED: Format = Format { name: "stamped", read: stamped_lines };
const JSON: Format = Format { name: "json", read: |file| joined(&read_json(file)) };
const CRI: Format =
    Format { name: "cri", read: |file| joined(&read_cri(&fs::read(file).unwrap())) };

fn raw_lines(file: &Path) -> Vec<Vec<u8>> {
    let text = fs::read(file).unwrap();
    let text = text.strip_suffix(b"\n").unwrap();
    text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn stamped_lines(file: &Path) -> Vec<Vec<u8>> {
    let lines = raw_lines(file);
    lines.iter().map(|line| line.strip_prefix(b"{web} ").unwrap().to_vec()).collect()
}

/// The lines of a record where each of its newlines ends one.
fn lines(record: &[u8]) -> Vec<Vec<u8>> {
    let lines = record.strip_suffix(b"\n").unwrap_or(record).split(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

/// The one line of a record whose newlines are escaped, as it is read in a file of the format.
fn escaped(record: &[u8], source: &Source, format: &Format) -> Vec<u8> {
    let record = match record.strip_suffix(b"\n") {
        Some(trimmed) if source.trims => trimmed,
        _ => record,
    };
    if format.name == JSON.name {
        // JSON has an escape of its own, which its readers take back.
        return record.to_vec();
    }
    record.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\\n"[..])
}

/// Sends `records` from the source, and reads the file.
#[track_caller]
fn check(source: &Source, multiline: &str, format: &Format, settings: &str, records: &[&[u8]]) {
    let prefix = if format.name == STAMPED.name { "prefix = \"{{{stream}}} \"\n" } else { "" };
    let place = Place::new();
    let agent = place.start(&format!(
        "[defaults]\nformat = \"{}\"\n{prefix}{settings}[input.web.{}\npath = \"@/web.sock\"\n\
         multiline = \"{multiline}\"\n",
        format.name, source.input
    ));
    let records: Vec<_> = records.iter().copied().filter(|it| (source.carries)(it)).collect();
    (source.send)(&place.path("web.sock"), &records);
    // What was sent before is read at the end.
    agent.stop();
    let expected: Vec<_> = match multiline {
        "lines" => records.iter().flat_map(|record| lines(record)).collect(),
        _ => records.iter().map(|record| escaped(record, source, format)).collect(),
    };
    let found = (format.read)(&place.log("web"));
    let cell = format!("{} {multiline} {}", source.name, format.name);
    for (found, expected) in found.iter().zip(&expected) {
        let (found, expected) = (found.escape_ascii(), expected.escape_ascii());
        assert!(found.clone().eq(expected.clone()), "{cell}: \"{found}\", not \"{expected}\"");
    }
    assert_eq!(found.len(), expected.len(), "{cell}");
}

#[test]
fn a_newline_inside_a_record_ends_a_line_or_is_escaped_in_every_format() {
    let records: [&[u8]; 13] = [
        b"one line",
        b"two\nlines",
        b"ends with one\n",
        b"",
        b"\n",
        b"\n\n",
        b"\nbegins with one",
        b"many\n\n\nof them\n\n",
        b"Traceback:\n  File \"a.py\"\n\tline 1\r\n\nError: \xC3\xA4",
        b"a backslash \\n of its own",
        b"no UTF-8 \xFF\n\xFE",
        b"\x01\x1b[0m\n\"\\",
        b"the end",
    ];
    let mut cells = 0;
    for source in &SOURCES {
        for multiline in ["lines", "escape"] {
            for format in [RAW, STAMPED, JSON, CRI] {
                check(source, multiline, &format, "", &records);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 32);
}

#[test]
fn a_record_of_many_lines_over_max_line_loses_nothing_in_json_and_cri() {
    let long = [&b"x".repeat(1_000)[..], b"\n", "ä".repeat(500).as_bytes(), b"\nend"].concat();
    for source in &SOURCES {
        for multiline in ["lines", "escape"] {
            for format in [JSON, CRI] {
                check(source, multiline, &format, "max-line = \"64\"\n", &[&long, b"next", &long]);
            }
        }
    }
}

#[test]
fn a_record_of_any_bytes_comes_back_from_json() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut random = Random::new(9).bytes(60_000);
    random.push(b'.');
    let mut without_nul = random.clone();
    without_nul.retain(|byte| *byte != 0);
    let each_byte: Vec<_> = (0..=255).map(|byte| [b'a', byte, b'z']).collect();
    let mut records: Vec<&[u8]> = each_byte.iter().map(|record| &record[..]).collect();
    records.extend([&every_byte, &random, &without_nul].map(|record| &record[..]));
    for source in &SOURCES {
        for max_line in ["", "max-line = \"1KiB\"\n"] {
            check(source, "escape", &JSON, max_line, &records);
        }
    }
}
