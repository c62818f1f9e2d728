//! `--tee`: a copy of every line to one of our own outputs, which may be slow or gone.
//!
//! It has a queue of its own. Where that is full the copy is dropped and counted, never the line
//! in the file; with `--tee=wait` the producers wait instead. A closed output ends the tee only.

use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tokio::sync::oneshot;

use super::queue::{Queue, Step, Wants};
use crate::descriptor::write_whole;
use crate::formatting::Expansion;
use crate::limits::{TEE_BYTES_MAX, WRITER_STACK_BYTES};
use crate::pipeline::Accepted;
use crate::report::{TeeDropped, TeeEnded, report};

/// Where copies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeeOutput {
    /// Our standard output.
    Stdout,
    /// Our standard error.
    Stderr,
}

impl TeeOutput {
    fn name(self) -> &'static str {
        match self {
            TeeOutput::Stdout => "standard output",
            TeeOutput::Stderr => "standard error",
        }
    }

    fn write_whole(self, bytes: &[u8]) -> nix::Result<()> {
        match self {
            TeeOutput::Stdout => write_whole(io::stdout().as_fd(), bytes),
            TeeOutput::Stderr => write_whole(io::stderr().as_fd(), bytes),
        }
    }
}

/// What happens when the reader of our output is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeePolicy {
    /// Copies are dropped.
    Drop,
    /// The producers wait.
    Wait,
}

/// The tee has no orders: it only ends.
#[derive(Debug)]
enum NoOrder {}

/// Copies on their way to one of our outputs.
#[derive(Debug)]
pub struct Tee {
    output: TeeOutput,
    queue: Arc<Queue<NoOrder>>,
    policy: TeePolicy,
    ended: AtomicBool,
    lines_dropped: AtomicU64,
}

impl Tee {
    /// Starts the thread that writes; the receiver is told when it has ended.
    pub fn start(
        output: TeeOutput,
        policy: TeePolicy,
    ) -> io::Result<(Arc<Tee>, oneshot::Receiver<()>)> {
        let tee = Arc::new(Tee {
            output,
            queue: Arc::new(Queue::new(TEE_BYTES_MAX)),
            policy,
            ended: AtomicBool::new(false),
            lines_dropped: AtomicU64::new(0),
        });
        // Ours, until `close`: without a producer the thread would end at once.
        tee.add_producer();
        let (ended, has_ended) = oneshot::channel();
        let writing = tee.clone();
        let thread = std::thread::Builder::new().name("tee".into());
        thread.stack_size(WRITER_STACK_BYTES).spawn(move || {
            let written = catch_unwind(AssertUnwindSafe(|| writing.write_all_copies()));
            // After a panic, which has been told, nobody may wait for it either.
            if written.is_err() {
                writing.ended.store(true, Relaxed);
                writing.queue.set_bytes_max(usize::MAX);
            }
            // Nobody may be waiting any more.
            ended.send(()).unwrap_or_default();
        })?;
        Ok((tee, has_ended))
    }

    /// Whether producers wait for it.
    pub(super) fn waits(&self) -> bool {
        self.policy == TeePolicy::Wait && !self.ended.load(Relaxed)
    }

    pub(super) fn read_bytes_max(&self, expansion: Expansion, partial_bytes: usize) -> usize {
        self.queue.read_bytes_max(expansion, partial_bytes)
    }

    pub(super) async fn wait_for_room(&self, expansion: Expansion, partial_bytes: usize) {
        self.queue.wait_for_room(expansion, partial_bytes).await;
    }

    pub(super) fn wait_for_room_blocking(&self, expansion: Expansion, partial_bytes: usize) {
        self.queue.wait_for_room_blocking(expansion, partial_bytes);
    }

    /// Copies whole lines, if there is room.
    pub(super) fn offer(&self, lines_bytes: &[u8], lines: u64) {
        if lines_bytes.is_empty() || self.ended.load(Relaxed) {
            return;
        }
        if !self.waits() && self.queue.room() < lines_bytes.len() {
            self.lines_dropped.fetch_add(lines, Relaxed);
            return;
        }
        self.queue.append(|block| {
            block.append_lines(|out| {
                out.extend_from_slice(lines_bytes);
                (lines, ())
            });
            (Accepted { bytes: lines_bytes.len(), lines, ..Accepted::default() }, ())
        });
    }

    pub(super) fn add_producer(&self) {
        self.queue.add_producer();
    }

    pub(super) fn remove_producer(&self) {
        self.queue.remove_producer();
    }

    /// No further stream will be copied: it ends with the last one.
    pub fn close(&self) {
        self.remove_producer();
    }

    fn write_all_copies(&self) {
        while let Step::Block(block) = self.queue.next(Wants::Blocks, None) {
            if !self.ended.load(Relaxed)
                && let Err(error) = self.output.write_whole(block.bytes())
            {
                self.ended.store(true, Relaxed);
                report(&TeeEnded { output: &self.output.name(), error: &error });
            }
            self.queue.written(block.lines(), block.len());
            self.queue.retire(block);
        }
    }

    /// How the copies' queue is bounded.
    pub fn policy(&self) -> TeePolicy {
        self.policy
    }

    /// Tells of copies that were left out, and of those that still wait.
    pub fn report_dropped(&self) {
        let lines = self.lines_dropped.load(Relaxed) + self.queue.snapshot().pending_lines;
        if lines > 0 && !self.ended.load(Relaxed) {
            report(&TeeDropped { output: &self.output.name(), lines: &lines });
        }
    }
}
