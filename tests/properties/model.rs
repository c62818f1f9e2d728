//! What the lines of an input are, in the simplest way: all of it at once, and nothing is bounded.

use logagent::framing::{Borders, Framing, Heads, Multiline, Records};
use logagent::limits::{EVENT_BYTES_A_LINE, OCTET_COUNT_MAX};
use logagent::log4js::{Event, event};

/// The records of an input, and how often its framing made no sense.
#[derive(Debug, Default)]
struct Found<'a> {
    records: Vec<&'a [u8]>,
    /// A record that has begun and not ended, not empty.
    unfinished: Option<&'a [u8]>,
    errors: u64,
}

impl<'a> Found<'a> {
    /// The record up to a terminator; returns what is behind it.
    fn take_text(&mut self, bytes: &'a [u8], terminators: &[u8]) -> &'a [u8] {
        match bytes.iter().position(|byte| terminators.contains(byte)) {
            Some(at) => {
                self.records.push(&bytes[..at]);
                &bytes[at + 1..]
            }
            None => {
                self.unfinished = Some(bytes).filter(|bytes| !bytes.is_empty());
                &[]
            }
        }
    }

    /// The record that is `count` bytes long; returns what is behind it.
    fn take_counted(&mut self, count: usize, bytes: &'a [u8]) -> &'a [u8] {
        if let Some((record, behind)) = bytes.split_at_checked(count) {
            self.records.push(record);
            return behind;
        }
        self.unfinished = Some(bytes).filter(|bytes| !bytes.is_empty());
        &[]
    }
}

/// The number that `bytes` begins with, and what is behind its digits.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[..digits]).unwrap();
    let number = text.parse().ok().filter(|number| (1..=OCTET_COUNT_MAX).contains(number))?;
    (!text.starts_with('0')).then_some((number, &bytes[digits..]))
}

fn terminated<'a>(mut bytes: &'a [u8], terminators: &[u8]) -> Found<'a> {
    let mut found = Found::default();
    while !bytes.is_empty() {
        bytes = found.take_text(bytes, terminators);
    }
    found
}

fn octet_counting(mut bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    while !bytes.is_empty() {
        bytes = match number(bytes) {
            Some((count, [b' ', behind @ ..])) => found.take_counted(count, behind),
            Some((_, [])) => found.take_text(bytes, b""),
            _ => {
                found.errors += 1;
                let lines = terminated(bytes, b"\n");
                found.records.extend(lines.records);
                found.unfinished = lines.unfinished;
                return found;
            }
        };
    }
    found
}

fn syslog(mut bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut behind_counted = false;
    while let Some(first) = bytes.first() {
        if matches!(first, b'\n' | 0) {
            behind_counted = false;
            bytes = &bytes[1..];
            continue;
        }
        let makes_sense = match number(bytes) {
            Some((count, [b' ', behind @ ..])) if behind.starts_with(b"<") => {
                behind_counted = true;
                bytes = found.take_counted(count, behind);
                continue;
            }
            Some((_, [b' '])) | Some((_, [])) => true,
            Some((_, [b' ', ..])) => false,
            _ => !behind_counted || *first == b'<',
        };
        behind_counted = false;
        found.errors += u64::from(!makes_sense);
        bytes = found.take_text(bytes, b"\n\0");
    }
    found.errors = found.errors.min(1);
    found
}

fn log4js(mut bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    const END: &[u8] = b"__LOG4JS__";
    while let Some(at) = bytes.windows(END.len()).position(|window| window == END) {
        found.records.push(&bytes[..at]);
        bytes = &bytes[at + END.len()..];
    }
    found.unfinished = Some(bytes).filter(|bytes| !bytes.is_empty());
    found
}

fn found<'a>(framing: &Framing, bytes: &'a [u8]) -> Found<'a> {
    match framing.name {
        "newline" => terminated(bytes, b"\n"),
        "nul" => terminated(bytes, b"\0"),
        "octet-counting" => octet_counting(bytes),
        "syslog" => syslog(bytes),
        "log4js" => log4js(bytes),
        name => panic!("there is no model of {name}"),
    }
}

/// The lines of one record; of an event of log4js those of its text.
fn push_record(records: Records, record: &[u8], lines: &mut Vec<Vec<u8>>) {
    let mut sent = Vec::new();
    push_lines(records, record, &mut sent);
    for line in sent {
        let is_log4js = records.framing.heads == Heads::Log4js;
        match event(&line).filter(|event| is_log4js && is_written(event, &line)) {
            Some(event) => push_lines(records, event.text.as_bytes(), lines),
            None => lines.push(line),
        }
    }
}

fn is_written(event: &Event, record: &[u8]) -> bool {
    event.text.matches('\n').count() < record.len() / EVENT_BYTES_A_LINE
}

/// What newlines end, and what is behind the last one.
fn push_lines(records: Records, record: &[u8], lines: &mut Vec<Vec<u8>>) {
    if records.multiline == Multiline::Escape {
        return lines.push(record.to_vec());
    }
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    lines.extend(record.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
}

/// The lines that come of bytes on a stream, and how often their framing made no sense.
pub fn lines_of_stream(records: Records, bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
    assert_eq!(records.borders, Borders::None);
    let mut lines = Vec::new();
    let found = found(records.framing, bytes);
    for record in found.records.iter().chain(&found.unfinished) {
        push_record(records, record, &mut lines);
    }
    (lines, found.errors)
}

/// The lines that come of packets.
pub fn lines_of_packets(records: Records, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    assert_eq!(records.borders, Borders::Packets);
    let mut lines = Vec::new();
    for packet in packets {
        let packet = match packet.as_slice() {
            [record @ .., b'\n'] if records.multiline == Multiline::Escape => record,
            [record @ .., 0] if records.framing.heads == Heads::Syslog => record,
            packet => packet,
        };
        if records.framing.name != "nul" {
            push_lines(records, packet, &mut lines);
            continue;
        }
        let found = found(records.framing, packet);
        for record in found.records.iter().chain(&found.unfinished) {
            push_lines(records, record, &mut lines);
        }
    }
    lines
}

/// A line as `raw` shows it.
pub fn raw_line(records: Records, line: &[u8]) -> Vec<u8> {
    if records.multiline == Multiline::Lines {
        return line.to_vec();
    }
    line.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\\n"[..])
}
