//! A block: whole formatted lines of one stream, one behind the other, ready to be written.

use std::ops::Range;
use std::time::SystemTime;

use crate::line::{Lost, newlines};

/// Whole lines, each ended by the only newline that it has.
#[derive(Clone, Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    lines: u64,
    /// What most blocks have nothing of: without it one is moved at less cost.
    side: Option<Box<Side>>,
    /// The most bytes that `bytes` has held, whatever its memory held for others before.
    touched_bytes: usize,
}

/// What is known of some lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Side {
    /// Records that count as no line, in order.
    records: Vec<Record>,
    /// From where on lines came at which time, in order; empty where nobody wants to know.
    times: Vec<(usize, SystemTime)>,
}

/// A record that counts as no line: it says which lines are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    at: Range<usize>,
    lost: Lost,
}

/// What was taken out of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Lines, records apart.
    pub lines: u64,
    /// Bytes, those of records too.
    pub bytes: usize,
    /// What is missing now: these lines, and those that the records stood for.
    pub lost: Lost,
}

/// By what they hold, wherever in memory that came to be.
impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.bytes == other.bytes && self.lines == other.lines && self.side == other.side
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
        self.cut_off_bytes() + self.side_bytes()
    }

    /// Memory that lines have been cut off from: further ones take their place.
    pub fn cut_off_bytes(&self) -> usize {
        self.touched_bytes.saturating_sub(self.bytes.len())
    }

    /// The same but for what further lines can use.
    pub fn side_bytes(&self) -> usize {
        self.side.as_ref().map_or(0, |side| {
            size_of::<Side>()
                + side.records.capacity() * size_of::<Record>()
                + side.times.capacity() * size_of::<(usize, SystemTime)>()
        })
    }

    fn side(&mut self) -> &mut Side {
        self.side.get_or_insert_default()
    }

    fn all_records(&self) -> &[Record] {
        self.side.as_ref().map_or(&[], |side| &side.records)
    }

    fn times(&self) -> &[(usize, SystemTime)] {
        self.side.as_ref().map_or(&[], |side| &side.times)
    }

    /// How many records count as no line.
    pub fn records(&self) -> usize {
        self.all_records().len()
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

    /// Appends all of another block.
    pub fn append_block(&mut self, other: &Block) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.lines += other.lines;
        for Record { at, lost } in other.all_records() {
            let at = start + at.start..start + at.end;
            self.side().records.push(Record { at, lost: *lost });
        }
    }

    /// Where its records are, and which lines they are for.
    pub fn record_places(&self) -> impl Iterator<Item = (Range<usize>, Lost)> {
        self.all_records().iter().map(|record| (record.at.clone(), record.lost))
    }

    /// A block of these bytes; none unless they are so many whole lines beside `records`, which are
    /// lines in order.
    pub fn of_parts(
        bytes: Vec<u8>,
        lines: u64,
        records: impl IntoIterator<Item = (Range<usize>, Lost)>,
    ) -> Option<Block> {
        let mut block = Block { bytes, lines, ..Block::default() };
        let (mut end, mut count) = (0, 0);
        for (at, lost) in records {
            let record = block.bytes.get(at.clone())?;
            let is_line = record.ends_with(b"\n") && newlines(record) == 1;
            if at.start < end || !is_line || block.line_start(at.start) != at.start {
                return None;
            }
            (end, count) = (at.end, count + 1);
            block.side().records.push(Record { at, lost });
        }
        let is_whole = block.bytes.last().is_none_or(|last| *last == b'\n');
        let all = lines.checked_add(count)?;
        (is_whole && newlines(&block.bytes) == all).then_some(block)
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

    /// Appends a record that counts as no line, a gap record of these lines. It holds no newlines
    /// but its last.
    pub fn append_record(&mut self, lost: Lost, append: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        append(&mut self.bytes);
        let at = start..self.bytes.len();
        self.side().records.push(Record { at, lost });
    }

    /// What was appended from `start` on came at this time. Gap records show milliseconds.
    pub fn note_time(&mut self, start: usize, now: SystemTime) {
        let millis = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis()
        };
        let times = &mut self.side().times;
        if times.last().is_none_or(|(_, last)| millis(*last) != millis(now)) {
            times.push((start, now));
        }
    }

    /// Takes out what stands behind `start`, which begins a line. Lines whose time was not noted came
    /// at `now`.
    pub fn cut_back(&mut self, start: usize, now: SystemTime) -> Cut {
        let cut = self.between(start..self.bytes.len(), now);
        self.go_back(start, self.lines - cut.lines);
        cut
    }

    /// Goes back to when it held so many bytes and lines, whatever has been appended since.
    pub fn go_back(&mut self, start: usize, lines: u64) {
        self.touched(self.bytes.len());
        self.bytes.truncate(start);
        self.lines = lines;
        if let Some(side) = &mut self.side {
            side.records.retain(|record| record.at.start < start);
            side.times.retain(|(from, _)| *from < start);
        }
    }

    /// Moves what stands behind `end`, which ends a line, into `memory`, and leaves out what stands
    /// before it. Lines whose time was not noted came at `now`. Also gives the memory back that is
    /// free now.
    pub fn cut_front(self, end: usize, memory: Vec<u8>, now: SystemTime) -> (Cut, Block, Vec<u8>) {
        let cut = self.between(0..end, now);
        let mut rest = Block::reusing(memory);
        rest.bytes.extend_from_slice(&self.bytes[end..]);
        rest.lines = self.lines - cut.lines;
        if let Some(side) = self.side
            && !rest.is_empty()
        {
            let moved = |at: usize| at.saturating_sub(end);
            let records = side.records.into_iter().filter(|record| record.at.start >= end);
            let records = records.map(|Record { at, lost }| {
                let at = moved(at.start)..moved(at.end);
                Record { at, lost }
            });
            let behind = side.times.partition_point(|(from, _)| *from <= end).saturating_sub(1);
            let times = side.times.iter().skip(behind).map(|(from, time)| (moved(*from), *time));
            rest.side = Some(Side { records: records.collect(), times: times.collect() }.into());
        }
        (cut, rest, self.bytes)
    }

    /// What stands in `range`, which is whole lines.
    fn between(&self, range: Range<usize>, now: SystemTime) -> Cut {
        let records = || {
            let within =
                |record: &&Record| range.start <= record.at.start && record.at.end <= range.end;
            self.all_records().iter().filter(within)
        };
        let lines = match range.len() == self.bytes.len() {
            true => self.lines,
            false => newlines(&self.bytes[range.clone()]) - records().count() as u64,
        };
        let bytes = range.len();
        let record_bytes: usize = records().map(|record| record.at.len()).sum();
        let mut lost = records().map(|record| record.lost).reduce(Lost::and);
        if lines > 0 {
            let own = Lost {
                lines,
                bytes: (bytes - record_bytes) as u64,
                from: self.time_at(range.start).unwrap_or(now),
                to: self.time_at(range.end - 1).unwrap_or(now),
            };
            lost = Some(lost.map_or(own, |lost| lost.and(own)));
        }
        let nothing = Lost { lines: 0, bytes: 0, from: now, to: now };
        Cut { lines, bytes, lost: lost.unwrap_or(nothing) }
    }

    fn time_at(&self, at: usize) -> Option<SystemTime> {
        let behind = self.times().partition_point(|(from, _)| *from <= at);
        Some(self.times().get(behind.checked_sub(1)?)?.1)
    }

    /// Where the line that holds the byte at `at` begins; `at` itself where one line ends and the
    /// next begins.
    pub fn line_start(&self, at: usize) -> usize {
        if at == self.bytes.len() {
            return at;
        }
        memchr::memrchr(b'\n', &self.bytes[..at]).map_or(0, |newline| newline + 1)
    }

    /// Where the last line begins.
    pub fn last_line_start(&self) -> usize {
        self.line_start(self.bytes.len().saturating_sub(1))
    }

    /// Where the line ends that holds the byte at `at`, with its newline.
    pub fn line_end(&self, at: usize) -> usize {
        let newline = memchr::memchr(b'\n', &self.bytes[at..]);
        newline.map_or(self.bytes.len(), |newline| at + newline + 1)
    }

    /// How many lines end at or before `at`.
    pub fn lines_before(&self, at: usize) -> u64 {
        if at == self.bytes.len() {
            return self.lines;
        }
        let records = self.all_records().iter().filter(|record| record.at.end <= at).count() as u64;
        newlines(&self.bytes[..at]) - records
    }

    /// How many lines there are between two places at which lines, or records, begin or end.
    pub fn lines_between(&self, from: usize, to: usize) -> u64 {
        if (from, to) == (0, self.bytes.len()) {
            return self.lines;
        }
        let is_between = |record: &&Record| from <= record.at.start && record.at.end <= to;
        let records = self.all_records().iter().filter(is_between).count() as u64;
        newlines(&self.bytes[from..to]) - records
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

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
    }

    fn lost(lines: u64, bytes: u64, seconds: u64) -> Lost {
        Lost { lines, bytes, from: at(seconds), to: at(seconds) }
    }

    /// Two lines of second 1, a record of a lost line of second 2, two lines of second 3.
    fn block_with_times() -> Block {
        let mut block = Block::default();
        block.append_line(|out| out.extend_from_slice(b"a\n"));
        block.append_line(|out| out.extend_from_slice(b"bc\n"));
        block.note_time(0, at(1));
        block.append_record(lost(1, 70, 2), |out| out.extend_from_slice(b"gap\n"));
        let start = block.len();
        block.append_line(|out| out.extend_from_slice(b"d\n"));
        block.note_time(start, at(3));
        let start = block.len();
        block.append_line(|out| out.extend_from_slice(b"e\n"));
        block.note_time(start, at(3));
        block
    }

    /// What is cut out before byte `end`, or behind it, and what stays.
    #[track_caller]
    fn check_cut(end: usize, (lines, lost): (u64, (u64, u64, u64, u64)), rest: &str) {
        let block = block_with_times();
        let total = block.len();
        let (cut, kept, _) = block.cut_front(end, Vec::new(), at(9));
        assert_eq!((kept.bytes(), cut.lines), (rest.as_bytes(), lines));
        let said = (cut.lost.lines, cut.lost.bytes, cut.lost.from, cut.lost.to);
        assert_eq!(said, (lost.0, lost.1, at(lost.2), at(lost.3)));
        assert_eq!((kept.lines(), cut.bytes), (4 - lines, end));
        let mut kept = block_with_times();
        let cut = kept.cut_back(end, at(9));
        assert_eq!((kept.lines(), cut.lines, cut.bytes), (lines, 4 - lines, total - end));
        assert_eq!((lost.0 + cut.lost.lines, lost.1 + cut.lost.bytes), (5, 79));
        assert_eq!(kept.bytes(), &block_with_times().bytes()[..end]);
    }

    #[test]
    fn what_is_cut_out_is_told_to_the_line_with_what_its_records_stood_for() {
        check_cut(2, (1, (1, 2, 1, 1)), "bc\ngap\nd\ne\n");
        check_cut(5, (2, (2, 5, 1, 1)), "gap\nd\ne\n");
        check_cut(9, (2, (3, 75, 1, 2)), "d\ne\n");
        check_cut(11, (3, (4, 77, 1, 3)), "e\n");
        check_cut(13, (4, (5, 79, 1, 3)), "");
    }

    #[test]
    fn what_stays_of_a_block_keeps_its_times_and_records() {
        let (_, rest, _) = block_with_times().cut_front(2, Vec::new(), at(9));
        let (cut, rest, _) = rest.cut_front(7, Vec::new(), at(9));
        assert_eq!(cut.lost, Lost { lines: 2, bytes: 73, from: at(1), to: at(2) });
        let (cut, rest, _) = rest.cut_front(2, Vec::new(), at(9));
        assert_eq!((cut.lost, rest.records()), (lost(1, 2, 3), 0));
        let mut other = block(&["x"]);
        assert_eq!(other.cut_back(0, at(9)).lost, lost(1, 2, 9));
        assert_eq!(other.extra_bytes(), 2);
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
                assert_eq!(block.line_end(at), start + line.len() + 1, "at {at}");
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
        block.append_record(lost(1, 7, 0), |out| out.extend_from_slice(b"gap\n"));
        block.append_lines(|out| {
            out.extend_from_slice(b"c\nd\n");
            (2, ())
        });
        assert_eq!(block.lines(), 4);
        let before: Vec<u64> = (0..=block.len()).map(|at| block.lines_before(at)).collect();
        assert_eq!(before, [0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4]);
    }
}
