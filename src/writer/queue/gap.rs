//! What stands in a stream's file for lines that its full queue has dropped.

use std::fmt;

use crate::block::Block;
use crate::formatting::{About, Format, Formatter, Gap, Raw};
use crate::line::{Line, LineEnd};
use crate::stream_name::StreamName;
use crate::writer::stall;

/// Makes gap records in the stream's format.
pub struct GapFormat(Box<dyn Formatter>);

impl GapFormat {
    /// For a stream whose lines look so. Of a gap nobody is the sender.
    pub fn new(format: &Format, stream: &StreamName) -> GapFormat {
        GapFormat(format.build(&About::of(stream)))
    }

    /// A block that holds nothing but the record. It shows the time of the last lost line, so that
    /// times do not step back behind it.
    pub(super) fn block(&mut self, gap: &Gap<'_>) -> Block {
        let (formatter, text) = (&mut self.0, gap.text());
        formatter.begin_at(gap.lost.to);
        let (bytes, end) = (text.as_bytes(), LineEnd::Terminator);
        let mut block = Block::default();
        block.append_record(gap.lost, |out| {
            formatter.line(Line { bytes, end, continues: false }, out);
        });
        block
    }
}

impl Default for GapFormat {
    fn default() -> GapFormat {
        GapFormat(Box::new(Raw { escapes: false }))
    }
}

impl fmt::Debug for GapFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GapFormat")
    }
}

/// One gap in the place of two that follow each other. What stopped the file explains more than that
/// it was slow, and the later of two explanations is the one to look at.
pub(super) fn merged(one: Gap<'static>, other: Gap<'static>) -> Gap<'static> {
    let reason = if other.reason == stall::SLOW { one.reason } else { other.reason };
    Gap { lost: one.lost.and(other.lost), reason }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::formatting::JSON_FIELDS;
    use crate::line::Lost;

    const TEXT: &str = "logagent: gap: 1234 lines, 5678 bytes lost, 2026-11-21T06:00:00.123Z to \
                        2026-11-21T06:00:07.456Z: disk full";

    fn gap() -> Gap<'static> {
        let at = |millis: u64| {
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_240_800_000 + millis)
        };
        let lost = Lost { lines: 1234, bytes: 5678, from: at(123), to: at(7456) };
        Gap { lost, reason: "disk full" }
    }

    #[track_caller]
    fn check(format: &Format, expected: &str) {
        let block = GapFormat::new(format, &"web".parse().unwrap()).block(&gap());
        assert_eq!(String::from_utf8_lossy(block.bytes()), format!("{expected}\n"));
        assert_eq!((block.lines(), block.records()), (0, 1));
    }

    #[test]
    fn a_gap_stands_in_the_streams_format_at_the_time_of_its_last_line() {
        check(&Format::Raw, TEXT);
        let prefix = "{time} {stream} {unit} {tag}: ".parse().unwrap();
        let stamp = "2026-11-21T06:00:07.456000Z web - -: ";
        check(&Format::Stamped { prefix }, &format!("{stamp}{TEXT}"));
        let head = r#"{"time":"2026-11-21T06:00:07.456000Z","stream":"web","line":""#;
        check(&Format::Json { fields: JSON_FIELDS.to_vec() }, &format!("{head}{TEXT}\"}}"));
        check(&Format::Cri, &format!("2026-11-21T06:00:07.456000000Z stdout F {TEXT}"));
    }

    #[test]
    fn a_gap_says_rather_what_stopped_the_file_than_that_it_was_slow() {
        let of = |reason| Gap { reason, ..gap() };
        let check = |one, other, expected| {
            let both = merged(of(one), of(other));
            assert_eq!((both.reason, both.lost.lines), (expected, 2468));
        };
        check("disk full", "disk full", "disk full");
        check("disk full", stall::SLOW, "disk full");
        check(stall::SLOW, "disk full", "disk full");
        check("disk full", "input/output error", "input/output error");
    }
}
