//! A block finds its lines from any byte, against the simplest model there is.

use logagent::block::Block;
use logagent::line::Lost;
use proptest::collection::vec;
use proptest::prelude::*;

/// One thing appended to a block.
#[derive(Clone, Debug)]
enum Appended {
    /// Whole lines at once.
    Lines(Vec<String>),
    /// One line.
    Line(String),
    /// A gap record.
    Record(String),
}

fn appended() -> impl Strategy<Value = Appended> {
    prop_oneof![
        vec("[ab]{0,4}", 0..4).prop_map(Appended::Lines),
        "[ab]{0,6}".prop_map(Appended::Line),
        "[ab]{0,4}".prop_map(Appended::Record),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_found_from_any_byte(parts in vec(appended(), 0..8)) {
        let mut block = Block::default();
        // Where each line or record ends, and whether it is a line.
        let mut ends: Vec<(usize, bool)> = Vec::new();
        let mut length = 0;
        let mut end = |text: &str, is_line| {
            length += text.len() + 1;
            ends.push((length, is_line));
        };
        for part in &parts {
            match part {
                Appended::Lines(lines) => {
                    lines.iter().for_each(|line| end(line, true));
                    block.append_lines(|out| {
                        for line in lines {
                            out.extend_from_slice(line.as_bytes());
                            out.push(b'\n');
                        }
                        (lines.len() as u64, ())
                    });
                }
                Appended::Line(line) => {
                    end(line, true);
                    block.append_line(|out| out.extend_from_slice(format!("{line}\n").as_bytes()));
                }
                Appended::Record(text) => {
                    end(text, false);
                    let at = std::time::UNIX_EPOCH;
                    let lost = Lost { lines: 1, bytes: 1, from: at, to: at };
                    block.append_record(lost, |out| {
                        out.extend_from_slice(format!("{text}\n").as_bytes());
                    });
                }
            }
        }
        let lines = ends.iter().filter(|(_, is_line)| *is_line).count() as u64;
        prop_assert_eq!(block.lines(), lines);
        for at in 0..=block.len() {
            let before = ends.iter().filter(|(end, _)| *end <= at);
            let start = before.clone().map(|(end, _)| *end).max().unwrap_or(0);
            prop_assert_eq!(block.line_start(at), start, "at {}", at);
            let lines = before.filter(|(_, is_line)| *is_line).count() as u64;
            prop_assert_eq!(block.lines_before(at), lines, "at {}", at);
        }
    }
}
