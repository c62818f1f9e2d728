//! The pipeline of one connection: its bytes become lines, lines become the stream's bytes.
//!
//! Pure and bounded: no IO, no clock of its own, it cannot fail, and what it holds of an
//! unfinished line is bounded by `max-line` and by the memory that all connections share.

mod partial;

use std::sync::Arc;

use partial::Partial;
pub use partial::PartialMemory;

use crate::block::Block;
use crate::formatting::{Clock, Expansion, Format, Formatter, Gap};
use crate::framing::{Framer, Framing};
use crate::limits::{GAP_BYTES_MAX, PARTIAL_BYTES_SURE};
use crate::line::{Line, LineEnd, character_boundary, newlines};
use crate::stream_name::StreamName;

/// What happens to a line over `max-line`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverLong {
    /// It goes on in further lines; nothing is lost.
    #[default]
    Split,
    /// Its beginning is kept.
    Truncate,
    /// It is left out, and a gap record stands in its place.
    Drop,
}

/// How a stream wants its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// What stands in the file for a line.
    pub format: Format,
    /// The longest line in bytes, terminator apart; at least 1.
    pub line_bytes_max: usize,
    /// What happens to a longer one.
    pub over_long: OverLong,
}

/// What came out of one call, for the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Bytes read, those of an unfinished line too.
    pub bytes: usize,
    /// Lines appended to the block, after splitting; gap records apart.
    pub lines: u64,
    /// Over-long lines that go on in further lines; each counted once.
    pub lines_split: u64,
    /// Over-long lines that lost their end.
    pub lines_truncated: u64,
    /// Over-long lines left out.
    pub lines_over_long: u64,
    /// Gap records appended to the block.
    pub gap_records: u64,
    /// Lines split before `max-line` because the memory for unfinished lines was used up; these
    /// are among `lines_split`.
    pub memory_short: u64,
}

/// Where in an over-long line the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// In a line that is not over-long so far.
    Ordinary,
    /// Behind a piece that stands in the file already.
    Split,
    /// Behind the beginning that was kept.
    Truncated,
    /// In a line that is left out; so many bytes of it have been seen.
    Dropped(u64),
}

/// One connection's bytes on their way into a block.
pub struct Pipeline {
    framer: Box<dyn Framer>,
    formatter: Box<dyn Formatter>,
    /// The file gets the bytes as they come.
    keeps_bytes: bool,
    expansion: Expansion,
    line_bytes_max: usize,
    over_long: OverLong,
    partial: Partial,
    progress: Progress,
}

impl Pipeline {
    /// For one connection to `stream`; unfinished lines are kept in `memory`.
    pub fn new(
        framing: &Framing,
        settings: &LineSettings,
        stream: &StreamName,
        memory: &Arc<PartialMemory>,
    ) -> Pipeline {
        let (framer, formatter) = (framing.build(), settings.format.build(stream));
        Pipeline {
            keeps_bytes: keeps_bytes(&*framer, &*formatter),
            expansion: expansion(&*framer, &*formatter, settings),
            framer,
            formatter,
            line_bytes_max: settings.line_bytes_max,
            over_long: settings.over_long,
            partial: Partial::new(memory),
            progress: Progress::Ordinary,
        }
    }

    /// Goes on with other settings; an unfinished line is kept.
    pub fn adopt(&mut self, settings: &LineSettings, stream: &StreamName) {
        self.formatter = settings.format.build(stream);
        self.keeps_bytes = keeps_bytes(&*self.framer, &*self.formatter);
        self.expansion = expansion(&*self.framer, &*self.formatter, settings);
        self.line_bytes_max = settings.line_bytes_max;
        self.over_long = settings.over_long;
    }

    /// How much longer the output can be.
    pub fn expansion(&self) -> Expansion {
        self.expansion
    }

    /// Bytes of the unfinished line.
    pub fn partial_bytes(&self) -> usize {
        self.partial.bytes().len()
    }

    /// Whether a line has begun that has not ended.
    pub fn is_inside_line(&self) -> bool {
        self.progress != Progress::Ordinary || !self.partial.bytes().is_empty()
    }

    /// Takes all of `input` and appends the lines that end in it to `block`.
    pub fn push(&mut self, input: &[u8], clock: Clock, block: &mut Block) -> Accepted {
        let mut accepted = Accepted { bytes: input.len(), ..Accepted::default() };
        self.formatter.begin(clock);
        let mut rest = input;
        while !rest.is_empty() {
            let whole = self.push_whole_lines(rest, block, &mut accepted);
            rest = &rest[whole..];
            if rest.is_empty() {
                break;
            }
            let piece = self.framer.next_piece(rest);
            assert!(piece.taken_bytes > 0 && piece.line_bytes <= piece.taken_bytes);
            self.take(&rest[..piece.line_bytes], piece.ends, clock, block, &mut accepted);
            rest = &rest[piece.taken_bytes..];
        }
        accepted
    }

    /// Whether [`Pipeline::read_in_place`] may be used for a read of at most `bytes_max`: where the
    /// file gets the bytes as they come, and they cannot hold an over-long line.
    pub fn reads_in_place(&self, bytes_max: usize) -> bool {
        let partial = self.partial.bytes().len();
        self.keeps_bytes
            && self.progress == Progress::Ordinary
            && partial <= PARTIAL_BYTES_SURE
            && partial + bytes_max <= self.line_bytes_max
    }

    /// The same as [`Pipeline::push`], without a copy: `read` appends at most `bytes_max` bytes of
    /// the connection to the block's own memory.
    pub fn read_in_place<T>(
        &mut self,
        bytes_max: usize,
        read: impl FnOnce(&mut Vec<u8>) -> T,
        clock: Clock,
        block: &mut Block,
    ) -> (Accepted, T) {
        let mut accepted = Accepted::default();
        let mut unkept = Vec::new();
        let mut touched = 0;
        let (framer, partial) = (&self.framer, &mut self.partial);
        let result = block.append_lines(|out| {
            let start = out.len();
            out.reserve(partial.bytes().len() + bytes_max);
            if !partial.bytes().is_empty() {
                out.extend_from_slice(partial.bytes());
            }
            let read_from = out.len();
            let result = read(out);
            accepted.bytes = out.len() - read_from;
            assert!(accepted.bytes <= bytes_max);
            // What had been unfinished held no newline.
            let new = &out[read_from..];
            let whole = match framer.whole_lines_bytes(new) {
                0 => start,
                bytes => read_from + bytes,
            };
            if whole > start {
                accepted.lines = newlines(&new[..whole - read_from]);
                partial.clear();
            }
            touched = out.len();
            if whole < out.len() {
                let unfinished = &out[whole + partial.bytes().len()..];
                let kept = partial.extend(unfinished);
                unkept.extend_from_slice(&unfinished[kept..]);
                out.truncate(whole);
            }
            (accepted.lines, result)
        });
        block.touched(touched);
        if !unkept.is_empty() {
            self.formatter.begin(clock);
            self.take(&unkept, false, clock, block, &mut accepted);
        }
        (accepted, result)
    }

    /// The input has ended: what is left of it is a whole line.
    pub fn finish(&mut self, clock: Clock, block: &mut Block) -> Accepted {
        let mut accepted = Accepted::default();
        self.formatter.begin(clock);
        if self.is_inside_line() {
            self.end_line(&[], LineEnd::EndOfInput, clock, block, &mut accepted);
        }
        accepted
    }

    /// The quick way for what is most of the traffic: many whole lines, none of which can be
    /// over-long, since all of them together are not.
    fn push_whole_lines(
        &mut self,
        input: &[u8],
        block: &mut Block,
        accepted: &mut Accepted,
    ) -> usize {
        if self.is_inside_line() {
            return 0;
        }
        let window = &input[..input.len().min(self.line_bytes_max.saturating_add(1))];
        let whole = self.framer.whole_lines_bytes(window);
        if whole > 0 {
            let (formatter, lines) = (&mut self.formatter, &window[..whole]);
            block.append_lines(|out| {
                let count = formatter.lines(lines, out);
                accepted.lines += count;
                (count, ())
            });
        }
        whole
    }

    /// Takes the next bytes of the current line.
    fn take(
        &mut self,
        mut bytes: &[u8],
        ends: bool,
        clock: Clock,
        block: &mut Block,
        accepted: &mut Accepted,
    ) {
        if let Progress::Dropped(seen) = &mut self.progress {
            *seen += bytes.len() as u64;
            bytes = &[];
        } else if self.progress == Progress::Truncated {
            bytes = &[];
        }
        while !bytes.is_empty() && self.partial.bytes().len() + bytes.len() > self.line_bytes_max {
            let room = self.line_bytes_max.saturating_sub(self.partial.bytes().len());
            let kept = self.partial.extend(&bytes[..room]);
            bytes = self.over_long(kept == room, &bytes[kept..], block, accepted);
        }
        if ends {
            return self.end_line(bytes, LineEnd::Terminator, clock, block, accepted);
        }
        loop {
            let kept = self.partial.extend(bytes);
            bytes = &bytes[kept..];
            if bytes.is_empty() {
                break;
            }
            bytes = self.over_long(false, bytes, block, accepted);
        }
    }

    /// The line does not fit: not in `max-line` if `at_line_max`, else not in the shared memory.
    /// Returns what of `rest` is still to be taken; there is always a first byte in it.
    fn over_long<'a>(
        &mut self,
        at_line_max: bool,
        rest: &'a [u8],
        block: &mut Block,
        accepted: &mut Accepted,
    ) -> &'a [u8] {
        // Nobody chose to lose a line because others hold the memory: that only ever splits.
        let policy = if at_line_max { self.over_long } else { OverLong::Split };
        if policy == OverLong::Drop && self.progress == Progress::Ordinary {
            let seen = self.partial.bytes().len() + rest.len();
            self.progress = Progress::Dropped(seen as u64);
            self.partial.clear();
            return &[];
        }
        let kept = character_boundary(self.partial.bytes(), rest[0]);
        let truncates = policy == OverLong::Truncate && self.progress == Progress::Ordinary;
        let end = if truncates { LineEnd::Truncated } else { LineEnd::Split };
        let (formatter, partial) = (&mut self.formatter, &self.partial);
        block.append_line(|out| {
            formatter.line(Line { bytes: &partial.bytes()[..kept], end }, out);
        });
        accepted.lines += 1;
        if truncates {
            accepted.lines_truncated += 1;
            self.progress = Progress::Truncated;
            self.partial.clear();
            return &[];
        }
        if self.progress == Progress::Ordinary {
            accepted.lines_split += 1;
            accepted.memory_short += u64::from(!at_line_max);
        }
        self.progress = Progress::Split;
        self.partial.remove_front(kept);
        rest
    }

    fn end_line(
        &mut self,
        last_bytes: &[u8],
        end: LineEnd,
        clock: Clock,
        block: &mut Block,
        accepted: &mut Accepted,
    ) {
        match std::mem::replace(&mut self.progress, Progress::Ordinary) {
            Progress::Truncated => {}
            Progress::Dropped(bytes) => {
                accepted.lines_over_long += 1;
                accepted.gap_records += 1;
                let now = clock();
                let gap = Gap { lines: 1, bytes, from: now, to: now, reason: "over-long" };
                let (formatter, text) = (&mut self.formatter, gap.text());
                let line = Line { bytes: text.as_bytes(), end: LineEnd::Terminator };
                // A gap record is in none of the counts of lines, so it is no line of the block.
                block.append_record(|out| formatter.line(line, out));
            }
            Progress::Ordinary | Progress::Split => {
                accepted.lines += 1;
                let formatter = &mut self.formatter;
                if self.partial.bytes().is_empty() {
                    let line = Line { bytes: last_bytes, end };
                    return block.append_line(|out| formatter.line(line, out));
                }
                self.partial.append_last(last_bytes);
                let line = Line { bytes: self.partial.bytes(), end };
                block.append_line(|out| formatter.line(line, out));
                self.partial.clear();
            }
        }
    }
}

/// Whether the file gets the bytes as they come.
fn keeps_bytes(framer: &dyn Framer, formatter: &dyn Formatter) -> bool {
    framer.is_as_in_files() && formatter.keeps_lines()
}

/// How much longer the output can be, once lines are framed, formatted and held to `max-line`.
fn expansion(framer: &dyn Framer, formatter: &dyn Formatter, settings: &LineSettings) -> Expansion {
    let mut formatted = formatter.expansion();
    if !framer.is_as_in_files() {
        // Where a line holds newlines its place is remembered: it has two bytes at least, and
        // what remembers it doubles as it grows.
        formatted.per_line += Block::PLACE_BYTES;
    }
    if settings.over_long != OverLong::Drop {
        return formatted;
    }
    // A read may end one line that is left out with its first byte; each further one takes more
    // than `max-line`.
    let gap = formatted.per_byte * GAP_BYTES_MAX + formatted.per_line;
    let per_line = formatted.per_line + gap.div_ceil(settings.line_bytes_max.saturating_add(1));
    Expansion { per_line, per_read: formatted.per_read + gap, ..formatted }
}
