//! How the program came to its end: what is in no file.

use std::sync::atomic::Ordering::Relaxed;

use super::running::{RunningInput, RunningStream};
use crate::report::{Drained, GapsUntold, GaveUp, InputUnread, report};

/// What was written, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Lines in files.
    pub lines_written: u64,
    /// Accepted lines that could not be written.
    pub lines_lost: u64,
    /// Their bytes, and those of gap records that could not be written.
    pub bytes_lost: u64,
    /// The streams they belong to.
    pub streams: Vec<String>,
    /// Bytes that waited in inputs, or of lines that had not ended.
    pub bytes_unread: u64,
    /// Files that said at their end that something may not be stored.
    pub files_failed: u64,
    /// Inputs that could not be read to their end.
    pub inputs_failed: u64,
}

impl Outcome {
    /// Whether everything that was sent is in a file.
    pub fn is_clean(&self) -> bool {
        !self.lines_are_lost() && self.inputs_failed == 0
    }

    /// Whether something that was sent is in no file.
    pub fn lines_are_lost(&self) -> bool {
        self.bytes_lost > 0 || self.bytes_unread > 0 || self.files_failed > 0
    }

    pub(super) fn add(&mut self, other: &Outcome) {
        self.lines_written += other.lines_written;
        self.lines_lost += other.lines_lost;
        self.bytes_lost += other.bytes_lost;
        self.streams.extend_from_slice(&other.streams);
        self.bytes_unread += other.bytes_unread;
        self.files_failed += other.files_failed;
        self.inputs_failed += other.inputs_failed;
    }

    /// Tells it.
    pub fn report(&self) {
        if self.bytes_lost > 0 {
            report(&GaveUp {
                lines: &self.lines_lost,
                bytes: &self.bytes_lost,
                streams: &self.streams.join(", "),
            });
        } else if self.is_clean() {
            report(&Drained { lines: &self.lines_written });
        }
    }
}

/// What a stream leaves, whether its writer has ended or not.
pub(super) fn of_stream(running: &RunningStream) -> Outcome {
    let snapshot = running.snapshot();
    let bytes_lost = snapshot.pending_bytes as u64;
    let untold = running.untold_lines();
    if untold > 0 {
        report(&GapsUntold { stream: running.name(), lines: &untold });
    }
    Outcome {
        lines_written: snapshot.counters.lines_written,
        lines_lost: snapshot.pending_lines,
        bytes_lost,
        streams: (bytes_lost > 0).then(|| running.name().to_string()).into_iter().collect(),
        files_failed: running.file_status().not_stored.into(),
        ..Outcome::default()
    }
}

/// What an input leaves at the end of the program, whether its readers have ended or not.
pub(super) fn of_input(running: &RunningInput) -> Outcome {
    let counters = running.input.counters();
    let bytes_unread = running.input.unread_bytes() + counters.partial_bytes.load(Relaxed);
    if bytes_unread > 0 {
        report(&InputUnread { input: &running.name, bytes: &bytes_unread });
    }
    let inputs_failed = counters.failed.load(Relaxed).into();
    Outcome { bytes_unread, inputs_failed, ..Outcome::default() }
}
