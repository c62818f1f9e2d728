//! The pure parts: bytes become lines, lines become the stream's bytes, in a block.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use logagent::block::Block;
use logagent::formatting::{Format, JSON_FIELDS};
use logagent::framing::{Borders, Framing, Multiline, Records};
use logagent::limits::{BLOCK_BYTES, BLOCK_CAPACITY, LINE_BYTES_MAX_DEFAULT, READ_BYTES_MAX};
use logagent::pipeline::{Accepted, LineSettings, OverLong, PartialMemory, Pipeline};

use crate::lines::Reads;

/// A format.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Raw,
    /// With this prefix.
    Stamped(&'static str),
    Json,
    Cri,
}

/// One connection's pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) framing: &'static str,
    pub(crate) borders: Borders,
    pub(crate) shape: Shape,
    pub(crate) line_bytes_max: usize,
    pub(crate) over_long: OverLong,
    pub(crate) partial_memory: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            framing: "newline",
            borders: Borders::None,
            shape: Shape::Raw,
            line_bytes_max: LINE_BYTES_MAX_DEFAULT,
            over_long: OverLong::Split,
            partial_memory: LINE_BYTES_MAX_DEFAULT,
        }
    }
}

impl Settings {
    pub(crate) fn lines(&self) -> LineSettings {
        let format = match self.shape {
            Shape::Raw => Format::Raw,
            Shape::Stamped(prefix) => {
                Format::Stamped { prefix: prefix.parse().expect("a template") }
            }
            Shape::Json => Format::Json { fields: JSON_FIELDS.to_vec() },
            Shape::Cri => Format::Cri,
        };
        let (line_bytes_max, over_long) = (self.line_bytes_max, self.over_long);
        LineSettings { format, line_bytes_max, over_long }
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        let framing = Framing::named(self.framing).expect("a framing");
        let records = Records { framing, borders: self.borders, multiline: Multiline::Lines };
        let stream = "web".parse().expect("a stream name");
        let memory = PartialMemory::new(self.partial_memory);
        Pipeline::new(records, Arc::default(), &self.lines(), &stream, &memory)
    }
}

/// How a read's bytes come to the pipeline. Either way they are copied once: what the kernel does in
/// a real read is counted here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// Over the buffer that the thread's connections share.
    Push,
    /// Straight into the block.
    InPlace,
    /// Over the buffer, in packets of so many bytes.
    Packets(usize),
}

/// Takes `reads` so many times. Returns how many lines they were.
pub(crate) fn run(settings: &Settings, way: Way, reads: &Reads, rounds: u64) -> u64 {
    let mut pipeline = settings.pipeline();
    let mut buffer = Vec::with_capacity(READ_BYTES_MAX);
    let mut ends = Vec::with_capacity(READ_BYTES_MAX);
    let mut memory = Vec::with_capacity(BLOCK_CAPACITY);
    let mut lines = 0;
    for _ in 0..rounds {
        let mut block = Block::reusing(memory);
        for read in reads.iter() {
            let accepted = match way {
                Way::Push => {
                    buffer.clear();
                    buffer.extend_from_slice(black_box(read));
                    pipeline.push(&buffer, clock, &mut block)
                }
                Way::Packets(bytes) => {
                    buffer.clear();
                    buffer.extend_from_slice(black_box(read));
                    ends.clear();
                    ends.extend((bytes..=buffer.len()).step_by(bytes));
                    pipeline.push_packets(&buffer, &ends, clock, &mut block)
                }
                Way::InPlace => read_in_place(&mut pipeline, black_box(read), &mut block),
            };
            lines += accepted.lines + accepted.lines_over_long;
            if block.len() >= BLOCK_BYTES {
                block = Block::reusing(black_box(block).into_memory());
            }
        }
        memory = black_box(block).into_memory();
    }
    assert!(!pipeline.is_inside_record());
    assert_eq!(memory.capacity(), BLOCK_CAPACITY, "a block has grown");
    lines
}

fn read_in_place(pipeline: &mut Pipeline, read: &[u8], block: &mut Block) -> Accepted {
    assert!(pipeline.reads_in_place(READ_BYTES_MAX));
    let copy = |out: &mut Vec<u8>| out.extend_from_slice(read);
    pipeline.read_in_place(READ_BYTES_MAX, copy, clock, block).0
}

/// Asks a block of `reads` where its middle line is, so many times. Returns how many lines stood
/// before it, all times together.
pub(crate) fn lines_before(settings: &Settings, reads: &Reads, rounds: u64) -> u64 {
    let mut pipeline = settings.pipeline();
    let mut block = Block::default();
    for read in reads.iter() {
        pipeline.push(read, clock, &mut block);
    }
    (0..rounds).map(|_| block.lines_before(black_box(block.len() / 2))).sum()
}

/// How a time is shown takes as long as that time has it; so it is always the same one.
fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
}
