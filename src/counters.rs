//! What is counted, per stream and per input.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// A stream's counts. They live under its queue's lock, so that in one snapshot
/// `lines_in = lines_written + Σ lines_dropped + pending_lines`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamCounters {
    /// Lines accepted, after splitting; gap records apart.
    pub lines_in: u64,
    /// Bytes read for this stream.
    pub bytes_in: u64,
    /// Whole lines that write(2) has taken.
    pub lines_written: u64,
    /// The bytes of those lines as they stand in the file.
    pub bytes_written: u64,
    /// Lines left out on purpose, by reason.
    pub lines_dropped: LinesDropped,
    /// Over-long lines that were split.
    pub lines_split: u64,
    /// Over-long lines that were truncated.
    pub lines_truncated: u64,
    /// Gap records put in the stream.
    pub gap_records: u64,
    /// Files left behind with an unterminated beginning of a line that stands whole in the next.
    pub torn_left: u64,
    /// Lines accepted for one file that went to the next, because the first could not take them.
    pub moved_lines: u64,
    /// Reopens done.
    pub reopens: u64,
}

/// Lines left out on purpose, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinesDropped {
    /// Longer than `max-line` where `over-long = "drop"`.
    pub over_long: u64,
}

/// An input's counts; many readers add to them, nobody waits.
#[derive(Debug, Default)]
pub struct InputCounters {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections ever accepted.
    pub connections_total: AtomicU64,
    /// Lines accepted.
    pub lines_in: AtomicU64,
    /// Bytes read.
    pub bytes_in: AtomicU64,
    /// Bytes read of lines that have not ended.
    pub partial_bytes: AtomicU64,
    /// Connections refused.
    pub refused: AtomicU64,
    /// Connections whose stream could not be found out: theirs is `unknown`.
    pub unknown: AtomicU64,
    /// Places where a framing made no sense of what came.
    pub framing_errors: AtomicU64,
    /// Packets that lost their end, since they were larger than can be read.
    pub packets_cut: AtomicU64,
    /// Reading failed for good: what came behind is not known.
    pub failed: AtomicBool,
}

impl InputCounters {
    /// Counts one read.
    pub fn read(&self, bytes: usize, lines: u64) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
        self.lines_in.fetch_add(lines, Relaxed);
    }
}
