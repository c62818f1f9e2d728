//! What is counted, per stream and per input.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// A stream's counts. They live under its queue's lock, so that in one snapshot
/// `lines_in = lines_written + Σ lines_dropped + pending_lines`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Files that ended inside a line when they were opened, since a crash had cut it.
    pub fragments: u64,
    /// Files left behind with an unterminated beginning of a line that stands whole in the next.
    pub torn_left: u64,
    /// Lines accepted for one file that went to the next, because the first could not take them.
    pub moved_lines: u64,
    /// Reopens done.
    pub reopens: u64,
    /// Files that became archives by our own rotation.
    pub rotations: u64,
    /// What others did to the file, without a signal or a command.
    pub found: FoundCounters,
}

/// What others did to a file, as far as it was noticed by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundCounters {
    /// It has another name now, and the path none.
    pub renamed: u64,
    /// It has no name any more.
    pub removed: u64,
    /// The path names another one.
    pub replaced: u64,
    /// It became shorter.
    pub truncated: u64,
}

/// Lines left out on purpose, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinesDropped {
    /// Longer than `max-line` where `over-long = "drop"`.
    pub over_long: u64,
    /// The queue was full, and `on-full` is not `wait`.
    pub queue_full: u64,
    /// They had been read when a crash ended the agent, and not been written.
    pub crash: u64,
}

impl LinesDropped {
    /// Of all reasons.
    pub fn sum(&self) -> u64 {
        let LinesDropped { over_long, queue_full, crash } = self;
        over_long + queue_full + crash
    }
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

/// Where else a stream's pending lines and bytes stand, for whoever looks after a crash.
#[derive(Clone, Copy, Debug)]
pub struct PendingMirror {
    /// Lines accepted and not yet written.
    pub lines: &'static AtomicU64,
    /// Their bytes.
    pub bytes: &'static AtomicU64,
}

/// The counts of an input at one moment, those that only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // as in InputCounters
pub struct InputCounts {
    pub connections_total: u64,
    pub lines_in: u64,
    pub bytes_in: u64,
    pub refused: u64,
    pub unknown: u64,
    pub framing_errors: u64,
    pub packets_cut: u64,
}

impl InputCounters {
    /// The counts of this moment.
    pub fn counts(&self) -> InputCounts {
        let now = |count: &AtomicU64| count.load(Relaxed);
        InputCounts {
            connections_total: now(&self.connections_total),
            lines_in: now(&self.lines_in),
            bytes_in: now(&self.bytes_in),
            refused: now(&self.refused),
            unknown: now(&self.unknown),
            framing_errors: now(&self.framing_errors),
            packets_cut: now(&self.packets_cut),
        }
    }

    /// Adds what was counted before.
    pub fn add(&self, before: &InputCounts) {
        let add = |count: &AtomicU64, before: u64| count.fetch_add(before, Relaxed);
        add(&self.connections_total, before.connections_total);
        add(&self.lines_in, before.lines_in);
        add(&self.bytes_in, before.bytes_in);
        add(&self.refused, before.refused);
        add(&self.unknown, before.unknown);
        add(&self.framing_errors, before.framing_errors);
        add(&self.packets_cut, before.packets_cut);
    }

    /// Counts one read.
    pub fn read(&self, bytes: usize, lines: u64) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
        self.lines_in.fetch_add(lines, Relaxed);
    }
}
