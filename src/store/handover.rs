//! The handover: what an agent that stops leaves for the next one, in a file in memory that systemd
//! keeps: unfinished lines, and the counts.
//!
//! One JSON object on a line of its own, then the bytes of the unfinished lines, one behind the
//! other in the object's order.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::counters::{InputCounts, StreamCounters};
use crate::pipeline::Unfinished;
use crate::stream_name::StreamName;

/// What the next agent goes on with.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handover {
    /// The record that each connection is in, by the number that systemd keeps the connection under.
    pub connections: BTreeMap<u64, Unfinished>,
    /// The record that a FIFO is in, by its place.
    pub fifos: BTreeMap<String, Unfinished>,
    /// Lines of each stream that were not written.
    pub unwritten: BTreeMap<StreamName, Unwritten>,
    /// What was counted of each stream.
    pub streams: BTreeMap<StreamName, StreamCounters>,
    /// What was counted of each input.
    pub inputs: BTreeMap<String, InputCounts>,
}

/// Lines that were accepted and not written.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unwritten {
    /// The lines, as they are to stand in the file; kept apart.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// How many bytes they are.
    pub length: usize,
    /// How many lines.
    pub lines: u64,
    /// Where among them gap records are, and of how many lines and bytes.
    pub records: Vec<(Range<usize>, u64, u64)>,
    /// Where the file ends in the beginning of the first.
    pub begun: Option<Begun>,
}

/// The beginning of a line at the end of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The file's device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// How many bytes of the line are in it.
    pub bytes: usize,
}

impl Handover {
    /// What is kept apart, and how long it is.
    fn apart(&mut self) -> impl Iterator<Item = (&mut Vec<u8>, &mut usize)> {
        let unfinished = self.connections.values_mut().chain(self.fifos.values_mut());
        let unfinished = unfinished.map(|it| (&mut it.bytes, &mut it.length));
        unfinished.chain(self.unwritten.values_mut().map(|it| (&mut it.bytes, &mut it.length)))
    }

    /// Writes it.
    pub fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        let bytes: Vec<Vec<u8>> = self
            .apart()
            .map(|(bytes, length)| {
                *length = bytes.len();
                std::mem::take(bytes)
            })
            .collect();
        let mut text = serde_json::to_vec(&self)?;
        text.push(b'\n');
        for bytes in std::iter::once(&text).chain(&bytes) {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                match out.write(rest)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    length => rest = &rest[length..],
                }
            }
        }
        Ok(())
    }

    /// Reads what was written; none where that makes no sense.
    pub fn read(bytes: &[u8]) -> Option<Handover> {
        let end = memchr::memchr(b'\n', bytes)?;
        let mut handover: Handover = serde_json::from_slice(&bytes[..end]).ok()?;
        let mut rest = &bytes[end + 1..];
        for (bytes, length) in handover.apart() {
            let (these, behind) = rest.split_at_checked(*length)?;
            *bytes = these.to_vec();
            rest = behind;
        }
        Some(handover)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let unfinished = |bytes: &[u8]| Unfinished::of_bytes(bytes.to_vec());
        let mut handover = Handover::default();
        handover.connections.insert(7, unfinished(b"a\n\0b"));
        handover.connections.insert(9, unfinished(b""));
        handover.fifos.insert("f".to_owned(), unfinished(b"\xFF"));
        let (lines, records) = (1, vec![(2..4, 5, 60)]);
        let unwritten =
            Unwritten { bytes: b"x\ny\n".to_vec(), lines, records, ..Unwritten::default() };
        handover.unwritten.insert("web".parse().unwrap(), unwritten);
        let counters = StreamCounters { lines_in: 3, ..StreamCounters::default() };
        handover.streams.insert("web".parse().unwrap(), counters);
        let mut bytes = Vec::new();
        handover.write(&mut bytes).unwrap();
        let read = Handover::read(&bytes).unwrap();
        assert_eq!(read.connections[&7].bytes, b"a\n\0b");
        assert_eq!(read.connections[&9].bytes, b"");
        assert_eq!(read.fifos["f"].bytes, b"\xFF");
        assert_eq!(read.streams.values().next(), Some(&counters));
        assert_eq!(read.unwritten.values().next().unwrap().bytes, b"x\ny\n");
        for length in 0..bytes.len() {
            assert_eq!(Handover::read(&bytes[..length]), None);
        }
    }
}
