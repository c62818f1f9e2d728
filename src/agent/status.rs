//! The agent's status: one object, the same numbers wherever they are shown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::running::{RunningInput, RunningStream};
use super::{Agent, Phase};
use crate::clock;
use crate::counters::StreamCounters;

/// What `status --json` prints.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    pid: u32,
    phase: Phase,
    uptime_seconds: f64,
    /// Descriptors that systemd could not keep.
    unstored: u64,
    streams: BTreeMap<String, StreamStatus>,
    inputs: BTreeMap<String, InputStatus>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Idle,
    Writing,
    Stalled,
}

#[derive(Debug, Serialize)]
struct StreamStatus {
    file: PathBuf,
    inode: Option<u64>,
    state: State,
    #[serde(flatten)]
    counters: StreamCounters,
    pending_lines: u64,
    pending_bytes: usize,
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct InputStatus {
    kind: &'static str,
    path: Option<PathBuf>,
    connections: u64,
    connections_total: u64,
    lines_in: u64,
    bytes_in: u64,
    refused: u64,
    unknown: u64,
    framing_errors: u64,
    packets_cut: u64,
}

impl Agent {
    /// Its status now.
    pub fn status(&self) -> Status {
        // A stream that is no longer configured shows under its name until its last connection
        // has ended, unless there is a new one of that name.
        let streams = self.retired.iter().chain(self.streams.values());
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: process::id(),
            phase: self.phase,
            uptime_seconds: clock::instant().duration_since(self.started_at).as_secs_f64(),
            unstored: self.commons.store.unstored(),
            streams: streams.map(|s| (s.name().to_string(), stream_status(s))).collect(),
            inputs: (self.inputs.iter())
                .map(|(name, running)| (name.clone(), input_status(running)))
                .collect(),
        }
    }
}

impl Agent {
    /// The sums, for people, in one line.
    pub fn summary(&self) -> String {
        let (mut written, mut dropped, mut pending, mut stalled) = (0, 0, 0, 0);
        for running in self.all_streams() {
            let snapshot = running.snapshot();
            written += snapshot.counters.lines_written;
            dropped += snapshot.counters.lines_dropped.sum();
            pending += snapshot.pending_lines;
            stalled += usize::from(running.file_status().stalled);
        }
        let connections =
            |running: &RunningInput| running.input.counters().connections.load(Relaxed);
        let connections: u64 = self.all_inputs().map(connections).sum();
        let streams = self.streams.len();
        let mut text =
            format!("{streams} streams, {connections} connections, {written} lines written");
        for (count, what) in
            [(dropped, "dropped"), (pending, "pending"), (stalled as u64, "streams stalled")]
        {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        text
    }
}

fn stream_status(running: &RunningStream) -> StreamStatus {
    let file = running.file_status();
    let snapshot = running.snapshot();
    let state = match (file.stalled, snapshot.pending_bytes) {
        (true, _) => State::Stalled,
        (false, 0) => State::Idle,
        (false, _) => State::Writing,
    };
    StreamStatus {
        file: file.path,
        inode: file.inode,
        state,
        counters: snapshot.counters,
        pending_lines: snapshot.pending_lines,
        pending_bytes: snapshot.pending_bytes,
        last_error: file.last_error,
    }
}

fn input_status(running: &RunningInput) -> InputStatus {
    let counters = running.input.counters();
    InputStatus {
        kind: running.kind.name(),
        path: running.kind.path().map(PathBuf::from),
        connections: counters.connections.load(Relaxed),
        connections_total: counters.connections_total.load(Relaxed),
        lines_in: counters.lines_in.load(Relaxed),
        bytes_in: counters.bytes_in.load(Relaxed),
        refused: counters.refused.load(Relaxed),
        unknown: counters.unknown.load(Relaxed),
        framing_errors: counters.framing_errors.load(Relaxed),
        packets_cut: counters.packets_cut.load(Relaxed),
    }
}
