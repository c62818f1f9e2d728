//! What the properties are tried on, and one way to put it through a pipeline.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use logagent::block::Block;
use logagent::formatting::{Format, JSON_FIELDS};
use logagent::framing::{Borders, FRAMINGS, Framing, Multiline, Records};
use logagent::limits::LINE_BYTES_MIN;
use logagent::pipeline::{Accepted, LineSettings, OverLong, PartialMemory, Pipeline};
use logagent::template::Placeholder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub const MEMORY: usize = 1 << 20;
pub const PREFIX: &str = "{time} [{stream}] ";

/// Any bytes, with those that mean something to somebody far more often than by chance: ends of
/// lines and records, counts that are right, too small and too large, heads of syslog.
pub fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec());
    let count = (vec(record_byte(), 1..20), 0..40usize).prop_map(|(mut record, wrong)| {
        let count = if wrong < 30 { record.len() } else { wrong };
        let mut counted = format!("{count} ").into_bytes();
        counted.append(&mut record);
        counted
    });
    let counted_syslog =
        "<13>[a\n\0]{0,9}".prop_map(|record| format!("{} {record}", record.len()).into_bytes());
    let part = prop_oneof![
        12 => record_byte().prop_map(|byte| vec![byte]),
        2 => count,
        3 => counted_syslog,
        1 => text("<13>"),
        1 => text("__LOG4JS__"),
        1 => "_{0,4}(LOG4J)?S?_{0,3}".prop_map(String::into_bytes),
        1 => text("<27>Nov 21 06:33:06 app[1]: "),
        1 => text("<27>1 - - app - - [a b=\"\\\"]\"] "),
        1 => "[0-9]{1,10} ?<?".prop_map(String::into_bytes),
    ];
    vec(part, 0..most.div_ceil(2)).prop_map(move |parts| {
        let mut bytes = parts.concat();
        bytes.truncate(most);
        bytes
    })
}

fn record_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => Just(b'a'),
        2 => Just(b'\n'),
        2 => Just(0),
        1 => Just(b'\r'),
        1 => Just(b'"'),
        1 => Just(0xC3),
        1 => 0x80..=0xBFu8,
        2 => any::<u8>(),
    ]
}

/// Packets, some of them empty.
pub fn packets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(bytes(40), 0..6)
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

fn multiline() -> impl Strategy<Value = Multiline> {
    prop_oneof![Just(Multiline::Lines), Just(Multiline::Escape)]
}

fn records(framings: Vec<&'static Framing>, borders: Borders) -> impl Strategy<Value = Records> {
    let records = (select(framings), multiline());
    records.prop_map(move |(framing, multiline)| Records { framing, borders, multiline })
}

/// Every framing, on a stream.
pub fn of_stream() -> impl Strategy<Value = Records> {
    records(FRAMINGS.iter().collect(), Borders::None)
}

/// Every framing that packets have.
pub fn of_packets() -> impl Strategy<Value = Records> {
    let framings = FRAMINGS.iter().filter(|framing| framing.fits_packets());
    records(framings.collect(), Borders::Packets)
}

pub fn named(framing: &str) -> Records {
    Records::of(Framing::named(framing).unwrap())
}

/// Those that only know terminators, and so take any limit.
pub fn terminated() -> impl Strategy<Value = Records> {
    prop_oneof![Just(named("newline")), Just(named("nul"))]
}

/// Limits that an owner may choose, small ones.
pub fn line_bytes_max() -> std::ops::Range<usize> {
    LINE_BYTES_MIN..3 * LINE_BYTES_MIN
}

pub fn over_long() -> impl Strategy<Value = OverLong> {
    prop_oneof![Just(OverLong::Split), Just(OverLong::Truncate), Just(OverLong::Drop)]
}

pub fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Raw),
        Just(stamped()),
        Just(Format::Stamped { prefix: "{severity} {time} {facility}[{tag}]: ".parse().unwrap() }),
        json(),
        Just(Format::Cri)
    ]
}

pub fn json() -> impl Strategy<Value = Format> {
    let fields = prop_oneof![
        Just(JSON_FIELDS.to_vec()),
        Just(Placeholder::OF_JSON.to_vec()),
        vec(select(Placeholder::OF_JSON), 0..6),
    ];
    fields.prop_map(|fields| Format::Json { fields })
}

pub fn stamped() -> Format {
    Format::Stamped { prefix: PREFIX.parse().unwrap() }
}

pub fn raw(line_bytes_max: usize, over_long: OverLong) -> LineSettings {
    LineSettings { format: Format::Raw, line_bytes_max, over_long }
}

pub fn terminator(records: Records) -> u8 {
    if records.framing.name == "nul" { 0 } else { b'\n' }
}

pub fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456)
}

/// What stands before each line of [`stamped`].
pub const PREFIX_SHOWN: &[u8] = b"2026-11-21T06:00:00.123456Z [web] ";

pub fn pipeline(
    records: Records,
    settings: &LineSettings,
    memory: &Arc<PartialMemory>,
) -> Pipeline {
    Pipeline::new(records, Arc::default(), settings, &"web".parse().unwrap(), memory)
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

/// Takes a stream's bytes, one read after the other, to their end.
pub fn run(records: Records, settings: &LineSettings, pieces: &[impl AsRef<[u8]>]) -> Outcome {
    let memory = PartialMemory::new(MEMORY);
    let mut pipeline = pipeline(records, settings, &memory);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let accepted = push(&mut pipeline, piece.as_ref(), &mut outcome.block);
        add(&mut outcome.accepted, accepted);
    }
    let accepted = pipeline.finish(clock, &mut outcome.block);
    add(&mut outcome.accepted, accepted);
    assert_eq!(pipeline.partial_bytes(), 0);
    outcome
}

/// Takes packets, all that one read has at a time.
pub fn run_packets(records: Records, settings: &LineSettings, reads: &[&[Vec<u8>]]) -> Outcome {
    let memory = PartialMemory::new(MEMORY);
    let mut pipeline = pipeline(records, settings, &memory);
    let mut outcome = Outcome::default();
    for packets in reads {
        let ends: Vec<usize> = packets
            .iter()
            .scan(0, |end, packet| {
                *end += packet.len();
                Some(*end)
            })
            .collect();
        let bytes = packets.concat();
        let accepted = pipeline.push_packets(&bytes, &ends, clock, &mut outcome.block);
        add(&mut outcome.accepted, accepted);
        assert!(!pipeline.is_inside_record());
    }
    outcome
}

/// Takes packets in parts.
pub fn run_parts(
    records: Records,
    settings: &LineSettings,
    packets: &[Vec<u8>],
    cuts: &[usize],
) -> Outcome {
    let memory = PartialMemory::new(MEMORY);
    let mut pipeline = pipeline(records, settings, &memory);
    let mut outcome = Outcome::default();
    for packet in packets {
        let parts = cut(pipeline.trimmed(packet), cuts);
        for (index, part) in parts.iter().enumerate() {
            let ends = index + 1 == parts.len();
            let accepted = pipeline.push_part(part, ends, clock, &mut outcome.block);
            add(&mut outcome.accepted, accepted);
        }
        assert!(!pipeline.is_inside_record());
    }
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
    sum.framing_errors += more.framing_errors;
}
