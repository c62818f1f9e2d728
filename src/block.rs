//! A block: whole formatted lines of one stream, one behind the other, ready to be written.

use std::ops::Range;

use crate::line::newlines;

/// Whole lines, each ended by the only newline that it has.
#[derive(Clone, Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    lines: u64,
    /// Records that count as no line, in order.
    records: Vec<Range<usize>>,
    /// The most bytes that `bytes` has held, whatever its memory held for others before.
    touched_bytes: usize,
}

/// By what they hold, wherever in memory that came to be.
impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.bytes == other.bytes && self.lines == other.lines && self.records == other.records
    }
}

impl Eq for Block {}

impl Block {
    /// An empty block that uses `bytes`' memory.
    pub fn reusing(mut bytes: Vec<u8>) -> Block {
        bytes.clear();
        Block { bytes, ..Block::default() }
    }

    /// The memory, for reuse.
    pub fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// All lines, terminators included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Memory that is held beside the lines' own bytes.
    pub fn extra_bytes(&self) -> usize {
        let cut_off = self.touched_bytes.saturating_sub(self.bytes.len());
        cut_off + self.records.capacity() * size_of::<Range<usize>>()
    }

    /// Memory held for lines, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends lines; `append` says how many they were.
    pub fn append_lines<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> (u64, T)) -> T {
        let (lines, result) = append(&mut self.bytes);
        self.lines += lines;
        result
    }

    /// Remembers that the memory held so many bytes, some of which were cut off again.
    pub fn touched(&mut self, bytes: usize) {
        self.touched_bytes = self.touched_bytes.max(bytes);
    }

    /// Appends one line.
    pub fn append_line(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.bytes);
        debug_assert!(self.bytes.last() == Some(&b'\n'));
        self.lines += 1;
    }

    /// Appends a record that counts as no line, a gap record. It holds no newlines but its last.
    pub fn append_record(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        append(&mut self.bytes);
        self.records.push(start..self.bytes.len());
    }

    /// Where the line that holds the byte at `at` begins; `at` itself where one line ends and the
    /// next begins.
    pub fn line_start(&self, at: usize) -> usize {
        if at == self.bytes.len() {
            return at;
        }
        memchr::memrchr(b'\n', &self.bytes[..at]).map_or(0, |newline| newline + 1)
    }

    /// How many lines end at or before `at`.
    pub fn lines_before(&self, at: usize) -> u64 {
        if at == self.bytes.len() {
            return self.lines;
        }
        let records = self.records.iter().filter(|record| record.end <= at).count() as u64;
        newlines(&self.bytes[..at]) - records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &[&str]) -> Block {
        let mut block = Block::default();
        for line in lines {
            block.append_line(|out| {
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            });
        }
        block
    }

    #[test]
    fn lines_are_found_from_any_byte() {
        let lines = ["ab", "", "cde", "", "f"];
        let block = block(&lines);
        assert_eq!(block.lines(), 5);
        let mut start = 0;
        for (index, line) in lines.iter().enumerate() {
            for at in start..=start + line.len() {
                assert_eq!(block.line_start(at), start, "at {at}");
                assert_eq!(block.lines_before(at), index as u64, "at {at}");
            }
            start += line.len() + 1;
        }
        assert_eq!(block.line_start(block.len()), block.len());
        assert_eq!(block.lines_before(block.len()), 5);
    }

    #[test]
    fn a_gap_record_stands_among_the_lines_and_counts_as_none() {
        let mut block = block(&["a", "b"]);
        block.append_record(|out| out.extend_from_slice(b"gap\n"));
        block.append_lines(|out| {
            out.extend_from_slice(b"c\nd\n");
            (2, ())
        });
        assert_eq!(block.lines(), 4);
        let before: Vec<u64> = (0..=block.len()).map(|at| block.lines_before(at)).collect();
        assert_eq!(before, [0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4]);
    }
}
