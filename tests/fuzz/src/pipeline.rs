//! Bytes on a stream and packets, however they are cut, in every format.
//!
//! The first bytes of the fuzzer's data choose the settings and the cuts; the rest is the input.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use logagent::block::Block;
use logagent::formatting::{Format, JSON_FIELDS};
use logagent::framing::{Borders, Framing, Heads, Multiline, Records};
use logagent::limits::LINE_BYTES_MIN;
use logagent::pipeline::{Accepted, LineSettings, OverLong, PartialMemory, Pipeline};
use logagent::template::Placeholder;

use crate::model::{lines_of_packets, lines_of_stream, raw_line};
use crate::readers::{read_cri, read_json};

/// Longer than any input, so that lines stay whole.
const WHOLE: usize = 1 << 20;

/// What the first bytes choose.
struct Choice {
    multiline: Multiline,
    format: Format,
    over_long: OverLong,
    line_bytes_max: usize,
    cuts: Vec<usize>,
}

impl Choice {
    /// The choice, and the input behind it.
    fn take(data: &[u8]) -> Option<(Choice, &[u8])> {
        let ([shape, limit, cuts], rest) = data.split_first_chunk()?;
        let (cuts, input) = rest.split_at_checked(2 * usize::from(cuts % 8))?;
        let choice = Choice {
            multiline: if shape & 1 == 0 { Multiline::Lines } else { Multiline::Escape },
            format: format(shape >> 1 & 7),
            over_long: match shape >> 4 & 3 {
                0 | 3 => OverLong::Split,
                1 => OverLong::Truncate,
                _ => OverLong::Drop,
            },
            line_bytes_max: match limit {
                255 => WHOLE,
                limit => LINE_BYTES_MIN + usize::from(*limit),
            },
            cuts: cuts
                .chunks_exact(2)
                .map(|it| usize::from(it[0]) << 8 | usize::from(it[1]))
                .collect(),
        };
        Some((choice, input))
    }

    fn settings(&self) -> LineSettings {
        let (line_bytes_max, over_long) = (self.line_bytes_max, self.over_long);
        LineSettings { format: self.format.clone(), line_bytes_max, over_long }
    }

    /// `input` in pieces.
    fn cut<'a>(&self, input: &'a [u8]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = self.cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(input.len());
        let mut start = 0;
        ends.into_iter().map(|end| &input[std::mem::replace(&mut start, end)..end]).collect()
    }

    /// What was written says what went in, where nothing was left out.
    fn check(&self, records: Records, outcome: &Outcome, lines: Vec<Vec<u8>>) {
        if self.over_long != OverLong::Split {
            return;
        }
        // A piece of an event is none.
        let heads = records.framing.heads;
        if heads == Heads::Log4js && self.line_bytes_max != WHOLE {
            return;
        }
        let written = outcome.block.bytes();
        match &self.format {
            Format::Raw if self.line_bytes_max == WHOLE => {
                let shown = lines.iter().flat_map(|line| [raw_line(records, line), vec![b'\n']]);
                assert_eq!(written, shown.flatten().collect::<Vec<u8>>());
                assert_eq!(outcome.accepted.lines, lines.len() as u64);
            }
            Format::Raw | Format::Stamped { .. } => {}
            Format::Json { fields } => assert_eq!(read_json(written, fields, heads), lines),
            Format::Cri | Format::CriStderr => {
                let shown: Vec<_> = lines.iter().map(|line| raw_line(records, line)).collect();
                assert_eq!(read_cri(written), shown);
            }
        }
    }
}

fn format(number: u8) -> Format {
    let stamped = |prefix: &str| Format::Stamped { prefix: prefix.parse().unwrap() };
    let json = |fields: &[Placeholder]| Format::Json { fields: fields.to_vec() };
    match number {
        0 | 1 => Format::Raw,
        2 => stamped("{time} [{stream}] "),
        3 => stamped("{facility}.{severity} {time} {tag}: "),
        4 => json(JSON_FIELDS),
        5 => json(Placeholder::OF_JSON),
        6 => json(&[Placeholder::Message]),
        _ => Format::Cri,
    }
}

/// What became of an input.
#[derive(Default)]
struct Outcome {
    block: Block,
    accepted: Accepted,
}

impl Outcome {
    /// Does something with the pipeline; what that appends has the room that was asked for it.
    fn add(
        &mut self,
        pipeline: &mut Pipeline,
        bytes: usize,
        push: impl FnOnce(&mut Pipeline, &mut Block) -> Accepted,
    ) {
        let room = pipeline.expansion().bytes_max(pipeline.partial_bytes(), bytes);
        let start = self.block.len();
        let more = push(pipeline, &mut self.block);
        assert!(self.block.len() - start <= room, "more than the room that was asked for");
        let sum = &mut self.accepted;
        sum.bytes += more.bytes;
        sum.lines += more.lines;
        sum.lines_split += more.lines_split;
        sum.lines_truncated += more.lines_truncated;
        sum.lines_over_long += more.lines_over_long;
        sum.gap_records += more.gap_records;
        sum.memory_short += more.memory_short;
        sum.framing_errors += more.framing_errors;
    }

    fn assert_is(&self, other: &Outcome) {
        assert_eq!(self.accepted, other.accepted);
        assert_eq!(self.block.lines(), other.block.lines());
        assert_eq!(self.block.bytes(), other.block.bytes());
        let newlines = self.block.bytes().iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(self.block.lines() + self.accepted.gap_records, newlines);
    }
}

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
}

fn pipeline(records: Records, settings: &LineSettings, memory: &Arc<PartialMemory>) -> Pipeline {
    Pipeline::new(records, Arc::default(), settings, &"web".parse().unwrap(), memory)
}

/// A stream with this framing.
pub fn stream(framing: &str, data: &[u8]) {
    let Some((choice, input)) = Choice::take(data) else { return };
    let framing = Framing::named(framing).unwrap();
    let records = Records { framing, borders: Borders::None, multiline: choice.multiline };
    let whole = run_stream(records, &choice, &[input]);
    run_stream(records, &choice, &choice.cut(input)).assert_is(&whole);
    let (lines, errors) = lines_of_stream(records, input);
    assert_eq!(whole.accepted.framing_errors, errors);
    choice.check(records, &whole, lines);
}

fn run_stream(records: Records, choice: &Choice, pieces: &[&[u8]]) -> Outcome {
    let memory = PartialMemory::new(WHOLE);
    let mut pipeline = pipeline(records, &choice.settings(), &memory);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let length = piece.len();
        let in_place = pipeline.reads_in_place(length);
        outcome.add(&mut pipeline, length, |pipeline, block| match in_place {
            true => {
                pipeline.read_in_place(length, |to| to.extend_from_slice(piece), clock, block).0
            }
            false => pipeline.push(piece, clock, block),
        });
        assert!(pipeline.partial_bytes() <= choice.line_bytes_max);
    }
    outcome.add(&mut pipeline, 0, |pipeline, block| pipeline.finish(clock, block));
    assert_eq!((pipeline.partial_bytes(), memory.bytes_used()), (0, 0));
    outcome
}

/// Packets with this framing: what two bytes `|\n` separate.
pub fn packets(framing: &str, data: &[u8]) {
    let Some((choice, input)) = Choice::take(data) else { return };
    let framing = Framing::named(framing).unwrap();
    let records = Records { framing, borders: Borders::Packets, multiline: choice.multiline };
    let packets = separated(input);
    let bytes = packets.concat();
    let mut end = 0;
    let ends: Vec<usize> = packets
        .iter()
        .map(|packet| {
            end += packet.len();
            end
        })
        .collect();
    let memory = PartialMemory::new(WHOLE);
    let mut together = Outcome::default();
    let mut pipeline = pipeline(records, &choice.settings(), &memory);
    // A packet without bytes may be a line all the same.
    together.add(&mut pipeline, bytes.len() + packets.len(), |pipeline, block| {
        pipeline.push_packets(&bytes, &ends, clock, block)
    });
    assert!(!pipeline.is_inside_record());
    let mut parts = run_parts(records, &choice, &packets);
    // What is trimmed is no part.
    parts.accepted.bytes = together.accepted.bytes;
    parts.assert_is(&together);
    choice.check(records, &together, lines_of_packets(records, &packets));
}

fn separated(input: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = vec![Vec::new()];
    let mut rest = input;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match behind.strip_prefix(b"\n") {
            Some(next) if *byte == b'|' => {
                packets.push(Vec::new());
                rest = next;
            }
            _ => packets.last_mut().unwrap().push(*byte),
        }
    }
    packets
}

fn run_parts(records: Records, choice: &Choice, packets: &[Vec<u8>]) -> Outcome {
    let memory = PartialMemory::new(WHOLE);
    let mut pipeline = pipeline(records, &choice.settings(), &memory);
    let mut outcome = Outcome::default();
    for packet in packets {
        let parts = choice.cut(pipeline.trimmed(packet));
        for (index, part) in parts.iter().enumerate() {
            outcome.add(&mut pipeline, part.len(), |pipeline, block| {
                pipeline.push_part(part, index + 1 == parts.len(), clock, block)
            });
        }
        assert!(!pipeline.is_inside_record());
    }
    outcome
}
