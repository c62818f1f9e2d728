//! What a reader asks room for is enough: the queue's bound holds.

use logagent::block::Block;
use logagent::pipeline::{LineSettings, PartialMemory};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::inputs::{MEMORY, bytes, clock, format, framing, over_long, pipeline, push};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_output_of_a_read_fits_the_room_that_was_asked_for_it(
        reads in vec(bytes(60), 1..8),
        framing in framing(),
        format in format(),
        line_bytes_max in 16..60usize,
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let memory = PartialMemory::new(MEMORY);
        let mut pipeline = pipeline(framing, &settings, &memory);
        for input in &reads {
            let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), input.len());
            let mut block = Block::default();
            push(&mut pipeline, input, &mut block);
            prop_assert!(block.len() <= most, "{} bytes instead of {}", block.len(), most);
        }
        let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), 0);
        let mut block = Block::default();
        pipeline.finish(clock, &mut block);
        prop_assert!(block.len() <= most, "{} bytes at the end, not {}", block.len(), most);
    }

    #[test]
    fn splitting_to_single_bytes_fits_too(
        reads in vec(bytes(60), 1..8),
        framing in framing(),
        format in format(),
        line_bytes_max in 1..16usize,
    ) {
        let over_long = logagent::pipeline::OverLong::Split;
        let settings = LineSettings { format, line_bytes_max, over_long };
        let memory = PartialMemory::new(MEMORY);
        let mut pipeline = pipeline(framing, &settings, &memory);
        for input in &reads {
            let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), input.len());
            let mut block = Block::default();
            push(&mut pipeline, input, &mut block);
            prop_assert!(block.len() <= most, "{} bytes instead of {}", block.len(), most);
        }
    }
}
