//! Lines over `max-line`: split, truncated or dropped, and counted.

use logagent::framing::Records;
use logagent::pipeline::{Accepted, OverLong};
use proptest::prelude::*;

use crate::inputs::{bytes, cut, cuts, named, raw, run, terminated, text};
use crate::model::lines_of_stream;

/// The longest beginning of at most `most` bytes that is whole characters.
fn beginning(line: &str, most: usize) -> &str {
    let mut end = most.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// The lines that a line of text becomes, in the simplest way.
fn pieces(mut line: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while line.len() > most {
        let piece = beginning(line, most);
        pieces.push(piece);
        line = &line[piece.len()..];
    }
    pieces.push(line);
    pieces
}

fn text_lines(records: Records, input: &str) -> Vec<String> {
    let (lines, _) = lines_of_stream(records, input.as_bytes());
    lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn split_text_is_cut_between_characters_as_late_as_possible(
        input in text(60),
        cuts in cuts(),
        records in terminated(),
        line_bytes_max in 4..30usize,
    ) {
        let settings = raw(line_bytes_max, OverLong::Split);
        let outcome = run(records, &settings, &cut(input.as_bytes(), &cuts));
        let lines = text_lines(records, &input);
        let expected: Vec<&str> =
            lines.iter().flat_map(|line| pieces(line, line_bytes_max)).collect();
        let split = lines.iter().filter(|line| line.len() > line_bytes_max).count() as u64;
        let shown: String = expected.iter().flat_map(|line| [line, "\n"]).collect();
        prop_assert_eq!(outcome.block.bytes(), shown.as_bytes());
        let (bytes, lines, lines_split) = (input.len(), expected.len() as u64, split);
        let accepted = Accepted { bytes, lines, lines_split, ..Accepted::default() };
        prop_assert_eq!(outcome.accepted, accepted);
    }

    #[test]
    fn splitting_inserts_newlines_and_changes_nothing_else(
        input in bytes(300),
        cuts in cuts(),
        line_bytes_max in 1..30usize,
    ) {
        // Without newlines in the input every newline in the output was inserted.
        let mut input = input;
        input.retain(|byte| *byte != b'\n');
        input.push(b'\n');
        let outcome = run(named("newline"), &raw(line_bytes_max, OverLong::Split), &cut(&input, &cuts));
        let shown = lines_of_stream(named("newline"), outcome.block.bytes()).0;
        prop_assert_eq!(shown.concat(), &input[..input.len() - 1]);
        for (index, line) in shown.iter().enumerate() {
            prop_assert!(line.len() <= line_bytes_max);
            let shortest = line_bytes_max.saturating_sub(3).max(1);
            prop_assert!(index + 1 == shown.len() || line.len() >= shortest);
        }
        prop_assert_eq!(outcome.accepted.lines, shown.len() as u64);
    }

    #[test]
    fn truncated_lines_keep_their_beginning(
        input in text(60),
        cuts in cuts(),
        records in terminated(),
        line_bytes_max in 4..30usize,
    ) {
        let settings = raw(line_bytes_max, OverLong::Truncate);
        let outcome = run(records, &settings, &cut(input.as_bytes(), &cuts));
        let lines = text_lines(records, &input);
        let shown: String =
            lines.iter().flat_map(|line| [beginning(line, line_bytes_max), "\n"]).collect();
        prop_assert_eq!(outcome.block.bytes(), shown.as_bytes());
        let lines_truncated =
            lines.iter().filter(|line| line.len() > line_bytes_max).count() as u64;
        let (bytes, lines) = (input.len(), lines.len() as u64);
        let accepted = Accepted { bytes, lines, lines_truncated, ..Accepted::default() };
        prop_assert_eq!(outcome.accepted, accepted);
    }

    #[test]
    fn a_dropped_line_leaves_a_gap_record_in_its_place(
        input in bytes(200),
        cuts in cuts(),
        records in terminated(),
        line_bytes_max in 1..30usize,
    ) {
        let outcome = run(records, &raw(line_bytes_max, OverLong::Drop), &cut(&input, &cuts));
        let mut accepted = Accepted { bytes: input.len(), ..Accepted::default() };
        let mut shown = Vec::new();
        for line in lines_of_stream(records, &input).0 {
            if line.len() > line_bytes_max {
                let time = "2026-11-21T06:00:00.123Z";
                let bytes = line.len();
                let gap = format!(
                    "logagent: gap: 1 lines, {bytes} bytes lost, {time} to {time}: over-long\n"
                );
                shown.extend_from_slice(gap.as_bytes());
                accepted.lines_over_long += 1;
                accepted.gap_records += 1;
            } else {
                shown.extend_from_slice(&line);
                shown.push(b'\n');
                accepted.lines += 1;
            }
        }
        prop_assert_eq!(outcome.block.bytes(), shown);
        prop_assert_eq!(outcome.block.lines(), accepted.lines);
        prop_assert_eq!(outcome.accepted, accepted);
    }
}
