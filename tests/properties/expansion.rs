//! What a reader asks room for is enough: the queue's bound holds.

use logagent::block::Block;
use logagent::framing::Records;
use logagent::pipeline::{LineSettings, OverLong, PartialMemory};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::inputs::{
    MEMORY, bytes, clock, cut, cuts, format, line_bytes_max, of_packets, of_stream, over_long,
    packets, pipeline, push, run_packets, terminated, terminator,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_output_of_a_read_fits_the_room_that_was_asked_for_it(
        reads in vec(bytes(60), 1..8),
        records in of_stream(),
        format in format(),
        line_bytes_max in line_bytes_max(),
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        fits(records, &settings, &reads)?;
    }

    #[test]
    fn a_record_of_bytes_that_become_many_fits_too(
        byte in select(vec![0x1B, b'\n', b'"', 0xFF, b'a']),
        length in 1..5000usize,
        records in of_stream(),
        format in format(),
    ) {
        let record = [&b"<13>"[..], &vec![byte; length]].concat();
        let input = match records.framing.name {
            "octet-counting" => [record.len().to_string().as_bytes(), b" ", &record].concat(),
            _ => [&record, &[terminator(records)][..]].concat(),
        };
        let settings = LineSettings { format, line_bytes_max: 10_000, over_long: OverLong::Split };
        // What was kept is what counts most when the last byte comes.
        let (kept, last) = input.split_at(input.len() - 1);
        fits(records, &settings, &[kept.to_vec(), last.to_vec()])?;
    }

    #[test]
    fn splitting_to_single_bytes_fits_too(
        reads in vec(bytes(60), 1..8),
        records in terminated(),
        format in format(),
        line_bytes_max in 1..16usize,
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long: OverLong::Split };
        fits(records, &settings, &reads)?;
    }

    #[test]
    fn the_output_of_packets_fits_the_room_that_was_asked_for_it(
        packets in packets(),
        cuts in cuts(),
        records in of_packets(),
        format in format(),
        line_bytes_max in line_bytes_max(),
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let bytes = packets.iter().map(|packet| packet.len() + 1).sum();
        let memory = PartialMemory::new(MEMORY);
        let mut pipeline = pipeline(records, &settings, &memory);
        let most = pipeline.expansion().bytes_max(0, bytes);
        let together = run_packets(records, &settings, &[&packets]).block.len();
        prop_assert!(together <= most, "{} bytes instead of {}", together, most);
        for packet in &packets {
            let parts = cut(pipeline.trimmed(packet), &cuts);
            for (index, part) in parts.iter().enumerate() {
                let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), part.len());
                let mut block = Block::default();
                pipeline.push_part(part, index + 1 == parts.len(), clock, &mut block);
                prop_assert!(block.len() <= most, "{} bytes instead of {}", block.len(), most);
            }
        }
    }
}

fn fits(records: Records, settings: &LineSettings, reads: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let memory = PartialMemory::new(MEMORY);
    let mut pipeline = pipeline(records, settings, &memory);
    for input in reads {
        let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), input.len());
        let mut block = Block::default();
        push(&mut pipeline, input, &mut block);
        prop_assert!(block.len() <= most, "{} bytes instead of {}", block.len(), most);
    }
    let most = pipeline.expansion().bytes_max(pipeline.partial_bytes(), 0);
    let mut block = Block::default();
    pipeline.finish(clock, &mut block);
    prop_assert!(block.len() <= most, "{} bytes at the end, not {}", block.len(), most);
    Ok(())
}
