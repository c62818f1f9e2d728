//! The oracle: what was accepted must stand in the files, in order, each record exactly once.
//!
//! It reads along with every append, over all files in the order in which they were used. A file
//! may be left inside a record; the next one must then begin with that record, whole.

use std::collections::VecDeque;

use logagent::block::Block;
use logagent::clock;
use logagent::line::Lost;

use crate::coverage::Coverage;
use crate::seeds::Random;

/// A line, or a gap record, as it is to stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub bytes: Vec<u8>,
    pub is_gap: bool,
}

impl Record {
    /// A record with a number of its own, so that no two are alike: short or long, sometimes a gap
    /// record.
    pub fn random(number: u64, random: &mut Random) -> Record {
        let is_gap = random.percent(10);
        let mut bytes = format!("{number}:").into_bytes();
        let length = if random.percent(5) { random.below(3000) } else { random.below(30) };
        for _ in 0..length {
            bytes.push(b'a' + random.below(26) as u8);
        }
        if !is_gap && random.percent(3) {
            bytes = Vec::new();
        }
        bytes.push(b'\n');
        Record { bytes, is_gap }
    }

    pub fn append_to(&self, block: &mut Block) {
        let append = |out: &mut Vec<u8>| out.extend_from_slice(&self.bytes);
        if self.is_gap {
            let now = clock::now();
            let lost = Lost { lines: 1, bytes: self.lost_bytes(), from: now, to: now };
            block.append_record(lost, append);
        } else {
            block.append_line(append);
        }
    }

    pub fn lines(&self) -> u64 {
        u64::from(!self.is_gap)
    }

    /// What is lost with it: its own bytes, or those that it stands for.
    fn lost_bytes(&self) -> u64 {
        self.bytes.len() as u64 + if self.is_gap { 1000 } else { 0 }
    }
}

/// How a record of a queue that has dropped lines begins.
const GAP: &[u8] = b"logagent: gap: ";

/// Reads along.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Accepted and not yet whole in a file.
    pending: VecDeque<Record>,
    /// Bytes of the first of them that the file in use ends with.
    at: usize,
    /// The file in use ends in a fragment; the next byte must be its newline.
    newline_due: bool,
    /// The file was truncated while it was torn, and nothing was appended since.
    pub truncated_while_torn: bool,
    pub lines_accepted: u64,
    pub bytes_accepted: usize,
    pub gaps_accepted: u64,
    pub lines_written: u64,
    pub bytes_written: usize,
    pub gaps_written: u64,
    /// Lines that the records of gaps have told.
    pub lines_dropped: u64,
}

impl Oracle {
    pub fn accept(&mut self, record: Record) {
        self.lines_accepted += record.lines();
        self.gaps_accepted += u64::from(record.is_gap);
        self.bytes_accepted += record.bytes.len();
        self.pending.push_back(record);
    }

    pub fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn pending_lines(&self) -> u64 {
        self.pending.iter().map(Record::lines).sum()
    }

    /// Whether the file in use ends inside a record.
    pub fn is_torn(&self) -> bool {
        self.at > 0
    }

    /// Another file is in use from here on.
    pub fn begin_file(&mut self, unterminated: bool) {
        self.at = 0;
        self.newline_due = unterminated;
        self.truncated_while_torn = false;
    }

    /// The file in use is left. Returns whether it ends inside a record.
    pub fn end_file(&mut self) -> bool {
        self.newline_due = false;
        std::mem::take(&mut self.at) > 0
    }

    /// Somebody emptied the file in use, after taking a copy.
    pub fn truncate_file(&mut self) {
        self.truncated_while_torn |= self.is_torn();
        self.at = 0;
        self.newline_due = false;
    }

    /// The agent died: what it held is lost, and a torn record stays a fragment.
    pub fn crash(&mut self) {
        for record in self.pending.drain(..) {
            self.lines_accepted -= record.lines();
            self.gaps_accepted -= u64::from(record.is_gap);
            self.bytes_accepted -= record.bytes.len();
        }
        self.end_file();
    }

    /// The file in use was opened again, and goes on where it was.
    pub fn go_on(&mut self, at: usize) {
        self.at = at;
    }

    /// How much of a record the file in use ends with.
    pub fn at(&self) -> usize {
        self.at
    }

    /// A gap stands here: these lines, with their bytes, must be the next ones.
    fn lose(&mut self, record: &[u8], coverage: &mut Coverage) {
        let text = text(record);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        let mut number = || numbers.next().and_then(|word| word.parse::<u64>().ok()).unwrap();
        let told = (number(), number());
        let mut lost = (0, 0);
        while lost.0 < told.0 {
            let record = self.pending.pop_front().unwrap_or_else(|| panic!("never sent: {text}"));
            lost = (lost.0 + 1, lost.1 + record.lost_bytes());
            self.lines_dropped += record.lines();
            coverage.add("gap records dropped", u64::from(record.is_gap));
        }
        assert_eq!(lost, told, "{text}");
        coverage.reached("gaps");
        self.pending.push_front(Record { bytes: record.to_vec(), is_gap: true });
    }

    /// The file in use took the first `taken` of these bytes.
    pub fn append(&mut self, bytes: &[u8], taken: usize, coverage: &mut Coverage) {
        let offered = bytes;
        let mut bytes = &bytes[..taken];
        self.truncated_while_torn = false;
        if std::mem::take(&mut self.newline_due) {
            assert_eq!(bytes, b"\n", "a fragment gets its newline, and nothing else with it");
            coverage.reached("fragments ended");
            return;
        }
        while !bytes.is_empty() {
            let next = &offered[taken - bytes.len()..];
            let is_known = self.pending.front().is_some_and(|record| record.bytes.starts_with(GAP));
            if self.at == 0 && next.starts_with(GAP) && !is_known {
                let end = next.iter().position(|byte| *byte == b'\n').unwrap();
                self.lose(&next[..=end], coverage);
            }
            let Some(record) = self.pending.front() else {
                panic!("nothing is pending, but {:?} was appended", text(bytes));
            };
            let rest = &record.bytes[self.at..];
            let common = rest.len().min(bytes.len());
            assert!(
                rest[..common] == bytes[..common],
                "expected {:?}, got {:?}, {} bytes into the record",
                text(rest),
                text(bytes),
                self.at
            );
            bytes = &bytes[common..];
            self.at += common;
            if self.at == record.bytes.len() {
                self.at = 0;
                self.lines_written += record.lines();
                self.gaps_written += u64::from(record.is_gap);
                self.bytes_written += record.bytes.len();
                self.pending.pop_front();
            }
        }
        if let (Some(record), 1..) = (self.pending.front(), self.at) {
            coverage.reached("torn records");
            coverage.add("torn gap records", u64::from(record.is_gap));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(160)]).into_owned()
}
