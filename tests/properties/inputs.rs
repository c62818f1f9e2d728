//! What the properties are tried on, and one way to put it through a pipeline.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use logagent::block::Block;
use logagent::formatting::Format;
use logagent::framing::Framing;
use logagent::pipeline::{Accepted, LineSettings, OverLong, PartialMemory, Pipeline};
use proptest::collection::vec;
use proptest::prelude::*;

pub const MEMORY: usize = 1 << 20;
pub const PREFIX: &str = "{time} [{stream}] ";

/// Any bytes, with those that mean something to somebody far more often than by chance.
pub fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(b'a'),
        2 => Just(b'\n'),
        2 => Just(0),
        1 => Just(b'\r'),
        1 => Just(0xC3),
        1 => 0x80..=0xBFu8,
        2 => any::<u8>(),
    ];
    vec(byte, 0..most)
}

/// Text of characters of every width, and lines.
pub fn text(most: usize) -> impl Strategy<Value = String> {
    let character =
        prop_oneof![Just('a'), Just('ä'), Just('€'), Just('𝄞'), Just('\n'), Just('\0'), Just('\r')];
    vec(character, 0..most).prop_map(|characters| characters.into_iter().collect())
}

/// `input` in pieces.
pub fn cut(input: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    at.sort_unstable();
    at.push(input.len());
    let mut start = 0;
    let mut pieces = Vec::new();
    for end in at {
        pieces.push(input[std::mem::replace(&mut start, end)..end].to_vec());
    }
    pieces
}

pub fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..8)
}

pub fn framing() -> impl Strategy<Value = &'static Framing> {
    prop_oneof![Just("newline"), Just("nul")].prop_map(|name| Framing::named(name).unwrap())
}

pub fn over_long() -> impl Strategy<Value = OverLong> {
    prop_oneof![Just(OverLong::Split), Just(OverLong::Truncate), Just(OverLong::Drop)]
}

pub fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Raw), Just(stamped())]
}

pub fn stamped() -> Format {
    Format::Stamped { prefix: PREFIX.parse().unwrap() }
}

pub fn raw(line_bytes_max: usize, over_long: OverLong) -> LineSettings {
    LineSettings { format: Format::Raw, line_bytes_max, over_long }
}

pub fn terminator(framing: &Framing) -> u8 {
    if framing.name == "nul" { 0 } else { b'\n' }
}

pub fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
}

/// What stands before each line of [`stamped`].
pub const PREFIX_SHOWN: &[u8] = b"2026-11-21T06:00:00.123456Z [web] ";

pub fn pipeline(
    framing: &Framing,
    settings: &LineSettings,
    memory: &Arc<PartialMemory>,
) -> Pipeline {
    Pipeline::new(framing, settings, &"web".parse().unwrap(), memory)
}

/// What became of an input: the block, and the counts of all calls together.
#[derive(Debug, Default)]
pub struct Outcome {
    pub block: Block,
    pub accepted: Accepted,
}

/// By what stands in the file and where its lines begin, whatever memory it took.
impl PartialEq for Outcome {
    fn eq(&self, other: &Outcome) -> bool {
        let (one, two) = (&self.block, &other.block);
        self.accepted == other.accepted
            && one.bytes() == two.bytes()
            && one.lines() == two.lines()
            && (0..=one.len()).all(|at| one.line_start(at) == two.line_start(at))
    }
}

pub fn run(framing: &Framing, settings: &LineSettings, pieces: &[impl AsRef<[u8]>]) -> Outcome {
    let memory = PartialMemory::new(MEMORY);
    let mut pipeline = pipeline(framing, settings, &memory);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let accepted = push(&mut pipeline, piece.as_ref(), &mut outcome.block);
        add(&mut outcome.accepted, accepted);
    }
    let accepted = pipeline.finish(clock, &mut outcome.block);
    add(&mut outcome.accepted, accepted);
    outcome
}

/// Takes `input` as a reader does: in place where the pipeline has that, pushed where it has not.
pub fn push(pipeline: &mut Pipeline, input: &[u8], block: &mut Block) -> Accepted {
    if !pipeline.reads_in_place(input.len()) {
        return pipeline.push(input, clock, block);
    }
    let read = |into: &mut Vec<u8>| into.extend_from_slice(input);
    pipeline.read_in_place(input.len(), read, clock, block).0
}

pub fn add(sum: &mut Accepted, more: Accepted) {
    sum.bytes += more.bytes;
    sum.lines += more.lines;
    sum.lines_split += more.lines_split;
    sum.lines_truncated += more.lines_truncated;
    sum.lines_over_long += more.lines_over_long;
    sum.gap_records += more.gap_records;
    sum.memory_short += more.memory_short;
}

/// The lines of an input, in the simplest way: what stands between terminators, and behind the
/// last one what is not empty.
pub fn lines_of(input: &[u8], terminator: u8) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == terminator).collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}
