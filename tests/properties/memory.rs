//! Unfinished lines: bounded together and each, whatever is sent, and given back.

use logagent::block::Block;
use logagent::limits::PARTIAL_BYTES_SURE;
use logagent::pipeline::{Accepted, LineSettings, OverLong, PartialMemory};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::inputs::{add, clock, named, over_long, pipeline, push, terminated, terminator};

/// What one connection does: so many bytes of a line, then its end or not.
#[derive(Clone, Debug)]
struct Send {
    connection: usize,
    bytes: usize,
    ends: bool,
}

const CONNECTIONS: usize = 4;

fn sends() -> impl Strategy<Value = Vec<Send>> {
    let bytes = prop_oneof![0..20usize, 4000..4200usize, 0..20_000usize];
    let send = (0..CONNECTIONS, bytes, proptest::bool::weighted(0.3))
        .prop_map(|(connection, bytes, ends)| Send { connection, bytes, ends });
    vec(send, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unfinished_lines_stay_within_their_memory_and_give_it_back(
        sends in sends(),
        records in terminated(),
        over_long in over_long(),
        line_bytes_max in prop_oneof![1..100usize, 4000..30_000usize],
        memory_bytes in prop_oneof![Just(0), 1..2000usize, 0..40_000usize],
    ) {
        let memory = PartialMemory::new(memory_bytes);
        let settings =
            LineSettings { line_bytes_max, over_long, ..crate::inputs::raw(1, over_long) };
        let mut pipelines: Vec<_> =
            (0..CONNECTIONS).map(|_| pipeline(records, &settings, &memory)).collect();
        let mut block = Block::default();
        for send in &sends {
            let mut input = vec![b'x'; send.bytes];
            if send.ends {
                input.push(terminator(records));
            }
            push(&mut pipelines[send.connection], &input, &mut block);
            prop_assert!(memory.bytes_used() <= memory_bytes);
            let mut beyond = 0;
            for pipeline in &pipelines {
                prop_assert!(pipeline.partial_bytes() <= line_bytes_max);
                beyond += pipeline.partial_bytes().saturating_sub(PARTIAL_BYTES_SURE);
            }
            prop_assert!(beyond <= memory.bytes_used(), "{} bytes are held unasked", beyond);
        }
        for pipeline in &mut pipelines[1..] {
            pipeline.finish(clock, &mut block);
            prop_assert_eq!(pipeline.partial_bytes(), 0);
            prop_assert!(!pipeline.is_inside_record());
        }
        // One connection goes away without a word.
        drop(pipelines);
        prop_assert_eq!(memory.bytes_used(), 0);
    }

    #[test]
    fn the_end_of_a_line_gives_its_memory_back(
        lengths in vec(0..30_000usize, 1..6),
        records in terminated(),
        over_long in over_long(),
    ) {
        let memory = PartialMemory::new(20_000);
        let settings = crate::inputs::raw(25_000, over_long);
        let mut pipeline = pipeline(records, &settings, &memory);
        let mut block = Block::default();
        for length in lengths {
            push(&mut pipeline, &vec![b'x'; length], &mut block);
            push(&mut pipeline, &[terminator(records)], &mut block);
            prop_assert_eq!(memory.bytes_used(), 0);
            prop_assert!(!pipeline.is_inside_record());
        }
    }

    #[test]
    fn short_memory_splits_lines_and_loses_nothing(
        lengths in vec(0..20_000usize, 1..8),
        over_long in over_long(),
        memory_bytes in 0..3000usize,
    ) {
        let memory = PartialMemory::new(memory_bytes);
        let settings = crate::inputs::raw(1 << 20, over_long);
        let records = named("newline");
        let mut pipeline = pipeline(records, &settings, &memory);
        let mut block = Block::default();
        let mut accepted = Accepted::default();
        for length in &lengths {
            // In two reads: what comes in one with its end needs no memory.
            add(&mut accepted, push(&mut pipeline, &vec![b'x'; *length], &mut block));
            add(&mut accepted, push(&mut pipeline, b"\n", &mut block));
        }
        let room = PARTIAL_BYTES_SURE + memory_bytes;
        let short = lengths.iter().filter(|length| **length > room).count() as u64;
        prop_assert_eq!(accepted.memory_short, short);
        prop_assert_eq!(accepted.lines_split, short);
        prop_assert_eq!(accepted.lines_over_long + accepted.lines_truncated, 0);
        let kept = block.bytes().iter().filter(|byte| **byte == b'x').count();
        prop_assert_eq!(kept, lengths.iter().sum::<usize>());
        prop_assert_eq!(accepted.lines, block.lines());
    }
}

#[test]
fn a_line_over_the_limit_that_is_dropped_holds_no_memory() {
    let memory = PartialMemory::new(1 << 20);
    let settings = crate::inputs::raw(10_000, OverLong::Drop);
    let records = named("newline");
    let mut pipeline = pipeline(records, &settings, &memory);
    push(&mut pipeline, &[b'x'; 9000], &mut Block::default());
    assert!(memory.bytes_used() > 0);
    push(&mut pipeline, &[b'x'; 9000], &mut Block::default());
    assert_eq!((memory.bytes_used(), pipeline.partial_bytes()), (0, 0));
    assert!(pipeline.is_inside_record());
}
