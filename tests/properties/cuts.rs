//! However a connection's bytes are cut, the same lines come out.

use logagent::framing::Framing;
use logagent::pipeline::{LineSettings, OverLong, PartialMemory};
use proptest::prelude::*;

use crate::inputs::{
    MEMORY, Outcome, PREFIX_SHOWN, add, bytes, clock, cut, cuts, format, framing, lines_of,
    over_long, pipeline, raw, run, stamped, terminator,
};

/// Each of `lines` with a newline behind it, and `prefix` before it.
fn joined(prefix: &[u8], lines: &[&[u8]]) -> Vec<u8> {
    lines.iter().flat_map(|line| [prefix, *line, b"\n"].concat()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_lines_come_out_however_the_bytes_are_cut(
        input in bytes(80),
        cuts in cuts(),
        framing in framing(),
        format in format(),
        line_bytes_max in 1..40usize,
        over_long in over_long(),
    ) {
        let settings = LineSettings { format, line_bytes_max, over_long };
        let whole = run(framing, &settings, &[&input]);
        prop_assert_eq!(&run(framing, &settings, &cut(&input, &cuts)), &whole);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&run(framing, &settings, &single), &whole);
    }

    #[test]
    fn reading_in_place_or_not_makes_no_difference(
        input in bytes(80),
        cuts in cuts(),
        line_bytes_max in 1..120usize,
        over_long in over_long(),
    ) {
        let settings = raw(line_bytes_max, over_long);
        let newline = Framing::named("newline").unwrap();
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
    fn the_same_lines_come_out_cut_once_at_every_byte(
        input in bytes(60),
        framing in framing(),
        line_bytes_max in 1..20usize,
        over_long in over_long(),
    ) {
        let settings = raw(line_bytes_max, over_long);
        let whole = run(framing, &settings, &[&input]);
        for at in 0..=input.len() {
            let (front, back) = input.split_at(at);
            prop_assert_eq!(&run(framing, &settings, &[front, back]), &whole, "cut at {}", at);
        }
    }

    #[test]
    fn raw_lines_within_the_limit_stand_in_the_file_byte_for_byte(
        input in bytes(200),
        cuts in cuts(),
        framing in framing(),
    ) {
        let outcome = run(framing, &raw(200, OverLong::Drop), &cut(&input, &cuts));
        let lines = lines_of(&input, terminator(framing));
        prop_assert_eq!(outcome.block.bytes(), joined(b"", &lines));
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
        prop_assert_eq!(outcome.accepted.lines, lines.len() as u64);
        if framing.name == "newline" && input.ends_with(b"\n") {
            prop_assert_eq!(outcome.block.bytes(), input);
        }
    }

    #[test]
    fn a_stamped_line_is_its_prefix_and_the_raw_line(
        input in bytes(200),
        cuts in cuts(),
        framing in framing(),
    ) {
        let settings = LineSettings { format: stamped(), ..raw(200, OverLong::Drop) };
        let outcome = run(framing, &settings, &cut(&input, &cuts));
        let lines = lines_of(&input, terminator(framing));
        prop_assert_eq!(outcome.block.bytes(), joined(PREFIX_SHOWN, &lines));
        prop_assert_eq!(outcome.block.lines(), lines.len() as u64);
    }

    #[test]
    fn the_limit_is_the_longest_line_that_stays_whole(
        length in 1..300usize,
        framing in framing(),
        over_long in over_long(),
    ) {
        let mut input = vec![b'x'; length];
        input.push(terminator(framing));
        let limits = [(length + 1, false), (length, false), (length - 1, true)];
        for (line_bytes_max, is_over_long) in limits {
            if line_bytes_max == 0 {
                continue;
            }
            let outcome = run(framing, &raw(line_bytes_max, over_long), &[&input]);
            let counted = outcome.accepted.lines_split
                + outcome.accepted.lines_truncated
                + outcome.accepted.lines_over_long;
            prop_assert_eq!(counted, u64::from(is_over_long), "limit {}", line_bytes_max);
        }
    }
}

#[test]
fn a_limit_of_one_byte_makes_a_line_of_every_byte() {
    let newline = Framing::named("newline").unwrap();
    let outcome = run(newline, &raw(1, OverLong::Split), &[b"abc\n\nd\n"]);
    assert_eq!(outcome.block.bytes(), b"a\nb\nc\n\nd\n");
    assert_eq!(outcome.accepted.lines_split, 1);
}
