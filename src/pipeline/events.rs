//! Records that are events of log4js: what stands in the file is what log4js would have written.

use crate::block::Block;
use crate::formatting::{Expansion, Formatter, Told};
use crate::framing::{Log4js, Multiline};
use crate::limits::{EVENT_BYTES_A_LINE, EVENT_GROWTH_MAX};
use crate::line::{Line, newlines};
use crate::log4js::{self, Event};

/// How events become lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    /// What becomes of newlines in their texts.
    pub(super) multiline: Multiline,
}

impl Events {
    /// Appends the lines of the event that `record` is, and says how many they are; none if it is to
    /// be kept as it came.
    // Apart from the path of every other line, which stays short so.
    #[inline(never)]
    pub(super) fn append(
        self,
        record: Line<'_>,
        line_bytes_max: usize,
        formatter: &mut dyn Formatter,
        block: &mut Block,
    ) -> Option<u64> {
        let event = log4js::event(record.bytes)?;
        let text = event.text.as_bytes();
        let count = newlines(text);
        if count as usize >= record.bytes.len() / EVENT_BYTES_A_LINE {
            return None;
        }
        // As where a record comes with newlines of its own: the last one ends a line.
        let text = match self.multiline {
            Multiline::Lines => text.strip_suffix(b"\n").unwrap_or(text),
            Multiline::Escape => text,
        };
        let is_end = |byte: &u8| self.multiline == Multiline::Lines && *byte == b'\n';
        if text.len() > line_bytes_max && text.split(is_end).any(|line| line.len() > line_bytes_max)
        {
            return None;
        }
        block.append_lines(|out| {
            let mut lines = 0;
            let mut message_at = event.message_at;
            for bytes in text.split(is_end) {
                let line = Line { bytes, end: record.end, continues: lines > 0 };
                // A category may hold a newline.
                formatter.line_told(line, &told(&event), message_at.min(bytes.len()), out);
                message_at = message_at.saturating_sub(bytes.len() + 1);
                lines += 1;
            }
            (lines, Some(lines))
        })
    }
}

fn told(event: &Event) -> Told<'_> {
    Told {
        facility: None,
        severity: event.level.as_deref(),
        tag: event.category.as_deref(),
        pid: event.pid.as_deref(),
    }
}

/// How much longer the output can be where records may be events.
pub(super) fn expansion(formatted: Expansion) -> Expansion {
    let of_lines = formatted.per_line.div_ceil(EVENT_BYTES_A_LINE);
    let per_byte = EVENT_GROWTH_MAX * formatted.per_byte + of_lines;
    // What was read before, and turns out to be no terminator.
    let begun = per_byte * Log4js::BEGUN_BYTES_MAX + formatted.per_line;
    Expansion { per_byte, per_read: formatted.per_read + begun, ..formatted }
}
