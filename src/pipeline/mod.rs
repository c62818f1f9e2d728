//! The pipeline of one connection: its bytes become lines, lines become the stream's bytes.
//!
//! Pure and bounded: no IO, no clock of its own, it cannot fail, and what it holds of an
//! unfinished line is bounded by `max-line` and by the memory that all connections share.

mod events;
mod lines;
mod partial;
mod settings;

use std::sync::Arc;

use events::Events;
pub use lines::Unfinished;
use lines::{Lines, Out};
pub use partial::PartialMemory;
pub use settings::{LineSettings, OverLong};

use crate::block::Block;
use crate::formatting::{About, Clock, Expansion, Formatter};
use crate::framing::{Framer, Heads, Multiline, Part, Position, Records, Then};
use crate::line::newlines;
use crate::origin::Origin;
use crate::stream_name::StreamName;

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
    /// Lines of which a crash took the beginning; the rest is left out.
    pub lines_crashed: u64,
    /// Gap records appended to the block.
    pub gap_records: u64,
    /// Lines split before `max-line` because the memory for unfinished lines was used up; these
    /// are among `lines_split`.
    pub memory_short: u64,
    /// Places where an octet count made no sense; what came from there on went by terminators.
    pub framing_errors: u64,
}

impl Accepted {
    /// Lines that were accepted and left out.
    pub fn lines_left_out(&self) -> u64 {
        self.lines_over_long + self.lines_crashed
    }
}

/// One connection's bytes on their way into a block.
pub struct Pipeline {
    records: Records,
    /// None where a packet is a record.
    framer: Option<Box<dyn Framer>>,
    origin: Arc<Origin>,
    lines: Lines,
    /// The file gets the bytes as they come.
    keeps_bytes: bool,
}

impl Pipeline {
    /// For one connection from `origin` to `stream`; unfinished lines are kept in `memory`.
    pub fn new(
        records: Records,
        origin: Arc<Origin>,
        settings: &LineSettings,
        stream: &StreamName,
        memory: &Arc<PartialMemory>,
    ) -> Pipeline {
        let framer = records.framer();
        let formatter = build(records, &origin, settings, stream);
        let keeps_bytes = keeps_bytes(framer.as_deref(), &*formatter);
        let is_log4js = records.framing.heads == Heads::Log4js;
        let events = is_log4js.then_some(Events { multiline: records.multiline });
        let lines = Lines::new(formatter, events, settings, memory);
        Pipeline { records, framer, origin, lines, keeps_bytes }
    }

    /// What is needed to go on with the present record in another process.
    pub fn unfinished(&self) -> Unfinished {
        self.lines.unfinished(self.position())
    }

    /// Where in its records the framing is.
    pub fn position(&self) -> Position {
        self.framer.as_ref().map_or_else(Position::default, |framer| framer.position())
    }

    /// Goes on with a record that another pipeline has begun; nothing has been pushed yet.
    pub fn go_on(&mut self, unfinished: Unfinished, clock: Clock, block: &mut Block) -> Accepted {
        let mut accepted = Accepted::default();
        if let Some(framer) = &mut self.framer {
            framer.go_on_at(unfinished.position);
        }
        self.lines.begin(clock);
        self.lines.go_on(unfinished, &mut Out { clock, block, accepted: &mut accepted });
        accepted
    }

    /// Goes on in a record whose beginning was lost: what is left of its line is lost, too.
    pub fn go_on_in_lost(&mut self, position: Position) {
        if let Some(framer) = &mut self.framer {
            // Where no count tells its end, a terminator does.
            let known = matches!(position.part, Part::Counted | Part::Text | Part::Terminator);
            let text = Position { part: Part::Text, ..position };
            framer.go_on_at(if known { position } else { text });
        }
        self.lines.lose();
    }

    /// Goes on with other settings; an unfinished line is kept.
    pub fn adopt(&mut self, settings: &LineSettings, stream: &StreamName) {
        let formatter = build(self.records, &self.origin, settings, stream);
        self.keeps_bytes = keeps_bytes(self.framer.as_deref(), &*formatter);
        self.lines.adopt(formatter, settings);
    }

    /// How much longer the output can be.
    pub fn expansion(&self) -> Expansion {
        self.lines.expansion()
    }

    /// Bytes of the unfinished line.
    pub fn partial_bytes(&self) -> usize {
        self.lines.partial_bytes()
    }

    /// Whether a record has begun that has not ended.
    pub fn is_inside_record(&self) -> bool {
        let framer = self.framer.as_ref();
        self.lines.is_inside_record() || framer.is_some_and(|framer| !framer.is_between_records())
    }

    /// Takes all of `input` and appends the lines that end in it to `block`.
    pub fn push(&mut self, input: &[u8], clock: Clock, block: &mut Block) -> Accepted {
        let mut accepted = Accepted { bytes: input.len(), ..Accepted::default() };
        self.lines.begin(clock);
        self.take_bytes(input, &mut Out { clock, block, accepted: &mut accepted });
        accepted
    }

    /// Takes packets, each of which ends a record: `ends` says where in `packets` each one does.
    /// An empty packet is an empty record, so the room that is asked for them must be that of a byte
    /// more for each packet.
    pub fn push_packets(
        &mut self,
        packets: &[u8],
        ends: &[usize],
        clock: Clock,
        block: &mut Block,
    ) -> Accepted {
        let mut accepted = Accepted { bytes: packets.len(), ..Accepted::default() };
        self.lines.begin(clock);
        let mut out = Out { clock, block, accepted: &mut accepted };
        let mut start = 0;
        for end in ends {
            let packet = &packets[std::mem::replace(&mut start, *end)..*end];
            self.take_packet(self.trimmed(packet), true, &mut out);
        }
        accepted
    }

    /// Takes a part of one packet, which is [`Pipeline::trimmed`] already; `ends` with the last.
    pub fn push_part(
        &mut self,
        part: &[u8],
        ends: bool,
        clock: Clock,
        block: &mut Block,
    ) -> Accepted {
        let mut accepted = Accepted { bytes: part.len(), ..Accepted::default() };
        self.lines.begin(clock);
        self.take_packet(part, ends, &mut Out { clock, block, accepted: &mut accepted });
        accepted
    }

    /// A packet without the terminator that many senders put behind their record: one newline; one
    /// NUL instead, where records are syslog's.
    pub fn trimmed<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        match packet {
            // The newline of a line is the framing's own.
            [record @ .., b'\n'] if self.records.multiline == Multiline::Escape => record,
            [record @ .., 0] if self.records.framing.heads == Heads::Syslog => record,
            _ => packet,
        }
    }

    /// Whether [`Pipeline::read_in_place`] may be used for a read of at most `bytes_max`: where the
    /// file gets the bytes as they come, and they cannot hold an over-long line.
    pub fn reads_in_place(&self, bytes_max: usize) -> bool {
        self.keeps_bytes && self.lines.fits(bytes_max)
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
        let (framer, partial) = (self.framer.as_deref(), self.lines.partial());
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
            let whole = match framer.map_or(0, |framer| framer.whole_lines_bytes(new)) {
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
            self.lines.begin(clock);
            self.lines.take(&unkept, &mut Out { clock, block, accepted: &mut accepted });
        }
        (accepted, result)
    }

    /// The input has ended: what is left of it is a whole line.
    pub fn finish(&mut self, clock: Clock, block: &mut Block) -> Accepted {
        let mut accepted = Accepted::default();
        self.lines.begin(clock);
        let mut out = Out { clock, block, accepted: &mut accepted };
        if let Some(framer) = &mut self.framer {
            self.lines.take(framer.end(), &mut out);
        }
        self.lines.finish(&mut out);
        accepted
    }

    fn take_bytes(&mut self, mut input: &[u8], out: &mut Out<'_>) {
        let Some(framer) = self.framer.as_deref_mut() else { return };
        while !input.is_empty() {
            let whole = self.lines.take_whole_lines(framer, input, out);
            input = &input[whole..];
            if input.is_empty() {
                break;
            }
            let piece = framer.next_piece(input);
            let (taken, rest) = input.split_at(piece.taken_bytes);
            let record = &taken[..piece.record_bytes];
            input = rest;
            match piece.then {
                Then::More => self.lines.take(record, out),
                Then::Line => self.lines.end_line(record, out),
                Then::LastLine => self.lines.end_last_line(record, out),
                Then::End => self.lines.end_record(record, out),
                Then::Record => {
                    self.lines.forget();
                    continue;
                }
                Then::Senseless => {
                    self.lines.take(record, out);
                    out.accepted.framing_errors += 1;
                    continue;
                }
                Then::GivenUp => {
                    self.lines.take(framer.give_up(), out);
                    self.lines.take(record, out);
                    continue;
                }
            }
            assert!(!taken.is_empty());
        }
    }

    fn take_packet(&mut self, mut packet: &[u8], ends: bool, out: &mut Out<'_>) {
        if self.framer.is_some() {
            self.take_bytes(packet, out);
            if ends && self.is_inside_record() {
                self.lines.end_record(&[], out);
            }
            return;
        }
        if self.records.multiline == Multiline::Lines {
            while let Some(at) = memchr::memchr(b'\n', packet) {
                self.lines.end_line(&packet[..at], out);
                packet = &packet[at + 1..];
            }
        }
        if ends {
            self.lines.end_record(packet, out);
        } else {
            self.lines.take(packet, out);
        }
    }
}

fn build(
    records: Records,
    origin: &Origin,
    settings: &LineSettings,
    stream: &StreamName,
) -> Box<dyn Formatter> {
    let heads = records.framing.heads;
    let multiline = match records.may_hold_newlines() {
        true => records.multiline,
        false => Multiline::Lines,
    };
    settings.format.build(&About { stream, origin, heads, multiline })
}

/// Whether the file gets the bytes as they come.
fn keeps_bytes(framer: Option<&dyn Framer>, formatter: &dyn Formatter) -> bool {
    framer.is_some_and(Framer::is_as_in_files) && formatter.keeps_lines()
}
