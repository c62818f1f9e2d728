//! However a connection's bytes are cut, the same lines come out, and they are the right ones.

use logagent::pipeline::{LineSettings, OverLong, PartialMemory};
use proptest::prelude::*;

use crate::inputs::{
    MEMORY, Outcome, PREFIX_SHOWN, add, bytes, clock, cut, cuts, format, line_bytes_max, named,
    of_packets, of_stream, over_long, packets, pipeline, raw, run, run_packets, run_parts, stamped,
    terminated, terminator,
};
use crate::model::{lines_of_packets, lines_of_stream, raw_line};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_lines_come_out_however_the_bytes_are_cut(
        input in bytes(100),
        cuts in cuts(),
        records in of_stream(),
        format in format(),
        line_bytes_max in line_bytes_max(),
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let whole = run(records, &settings, &[&input]);
        prop_assert_eq!(&run(records, &settings, &cut(&input, &cuts)), &whole);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&run(records, &settings, &single), &whole);
    }

    #[test]
    fn the_same_lines_come_out_cut_once_at_every_byte(
        input in bytes(60),
        records in of_stream(),
        line_bytes_max in line_bytes_max(),
        over_long in over_long(),
    ) {
        let settings = raw(line_bytes_max, over_long);
        let whole = run(records, &settings, &[&input]);
        for at in 0..=input.len() {
            let (front, back) = input.split_at(at);
            prop_assert_eq!(&run(records, &settings, &[front, back]), &whole, "cut at {}", at);
        }
    }

    #[test]
    fn the_smallest_limits_make_no_difference_to_that(
        input in bytes(60),
        cuts in cuts(),
        records in terminated(),
        line_bytes_max in 1..16usize,
        over_long in over_long(),
    ) {
        let settings = raw(line_bytes_max, over_long);
        let whole = run(records, &settings, &[&input]);
        prop_assert_eq!(&run(records, &settings, &cut(&input, &cuts)), &whole);
    }

    #[test]
    fn the_same_lines_come_out_however_packets_are_read(
        packets in packets(),
        cuts in cuts(),
        records in of_packets(),
        format in format(),
        line_bytes_max in line_bytes_max(),
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let mut together = run_packets(records, &settings, &[&packets]);
        let single: Vec<&[Vec<u8>]> = packets.chunks(1).collect();
        prop_assert_eq!(&run_packets(records, &settings, &single), &together);
        let mut parts = run_parts(records, &settings, &packets, &cuts);
        // What is trimmed is no part.
        (parts.accepted.bytes, together.accepted.bytes) = (0, 0);
        prop_assert_eq!(&parts, &together);
    }

    #[test]
    fn reading_in_place_or_not_makes_no_difference(
        input in bytes(80),
        cuts in cuts(),
        line_bytes_max in 1..120usize,
        over_long in over_long(),
    ) {
        let settings = raw(line_bytes_max, over_long);
        let newline = named("newline");
        let pieces = cut(&input, &cuts);
        let memory = PartialMemory::new(MEMORY);
        let mut pushed = pipeline(newline, &settings, &memory);
        let mut outcome = Outcome::default();
        for piece in &pieces {
            add(&mut outcome.accepted, pushed.push(piece, clock, &mut outcome.block));
        }
        add(&mut outcome.accepted, pushed.finish(clock, &mut outcome.block));
        prop_assert_eq!(run(newline, &settings, &pieces), outcome);
    }

    #[test]
    fn raw_lines_within_the_limit_stand_in_the_file_byte_for_byte(
        input in bytes(200),
        cuts in cuts(),
        records in of_stream(),
    ) {
        let outcome = run(records, &raw(200, OverLong::Drop), &cut(&input, &cuts));
        let (lines, errors) = lines_of_stream(records, &input);
        let shown: Vec<u8> =
            lines.iter().flat_map(|line| [raw_line(records, line), b"\n".into()].concat()).collect();
        prop_assert_eq!(outcome.block.bytes(), shown);
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
        prop_assert_eq!(outcome.accepted.lines, lines.len() as u64);
        prop_assert_eq!(outcome.accepted.framing_errors, errors);
        if records.framing.name == "newline" && input.ends_with(b"\n") {
            prop_assert_eq!(outcome.block.bytes(), input);
        }
    }

    #[test]
    fn packets_stand_in_the_file_byte_for_byte(packets in packets(), records in of_packets()) {
        let outcome = run_packets(records, &raw(200, OverLong::Drop), &[&packets]);
        let lines = lines_of_packets(records, &packets);
        let shown: Vec<u8> =
            lines.iter().flat_map(|line| [raw_line(records, line), b"\n".into()].concat()).collect();
        prop_assert_eq!(outcome.block.bytes(), shown);
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
        prop_assert_eq!(outcome.accepted.bytes, packets.concat().len());
    }

    #[test]
    fn a_stamped_line_is_its_prefix_and_the_raw_line(
        input in bytes(200),
        cuts in cuts(),
        records in of_stream(),
    ) {
        let settings = LineSettings { format: stamped(), ..raw(200, OverLong::Drop) };
        let outcome = run(records, &settings, &cut(&input, &cuts));
        let (lines, _) = lines_of_stream(records, &input);
        let shown: Vec<u8> = lines
            .iter()
            .flat_map(|line| [PREFIX_SHOWN, &raw_line(records, line), b"\n"].concat())
            .collect();
        prop_assert_eq!(outcome.block.bytes(), shown);
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
    }

    #[test]
    fn the_limit_is_the_longest_line_that_stays_whole(
        length in 1..300usize,
        records in terminated(),
        over_long in over_long(),
    ) {
        let mut input = vec![b'x'; length];
        input.push(terminator(records));
        let limits = [(length + 1, false), (length, false), (length - 1, true)];
        for (line_bytes_max, is_over_long) in limits {
            if line_bytes_max == 0 {
                continue;
            }
            let outcome = run(records, &raw(line_bytes_max, over_long), &[&input]);
            let counted = outcome.accepted.lines_split
                + outcome.accepted.lines_truncated
                + outcome.accepted.lines_over_long;
            prop_assert_eq!(counted, u64::from(is_over_long), "limit {}", line_bytes_max);
        }
    }
}

#[test]
fn a_limit_of_one_byte_makes_a_line_of_every_byte() {
    let outcome = run(named("newline"), &raw(1, OverLong::Split), &[b"abc\n\nd\n"]);
    assert_eq!(outcome.block.bytes(), b"a\nb\nc\n\nd\n");
    assert_eq!(outcome.accepted.lines_split, 1);
}
