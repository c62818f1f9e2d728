//! A connection: one sender's bytes on their way into one stream.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Commons;
use crate::clock;
use crate::counters::InputCounters;
use crate::framing::Framing;
use crate::pipeline::{Accepted, PartialMemory, Pipeline};
use crate::report::{PartialMemoryShort, report};
use crate::writer::stream::Stream;

/// Holds its stream open until it is dropped.
pub(super) struct Connection {
    stream: Arc<Stream>,
    pipeline: Pipeline,
    /// Of the stream's settings that the pipeline has.
    generation: u64,
    counters: Arc<InputCounters>,
    /// What `counters` has of our unfinished line.
    partial_bytes: u64,
    memory: Arc<PartialMemory>,
}

impl Connection {
    pub(super) fn new(
        framing: &Framing,
        stream: Arc<Stream>,
        counters: &Arc<InputCounters>,
        commons: &Commons,
    ) -> Connection {
        let generation = stream.generation();
        let settings = stream.line_settings();
        let pipeline = Pipeline::new(framing, &settings, stream.name(), &commons.memory);
        counters.connections.fetch_add(1, Relaxed);
        counters.connections_total.fetch_add(1, Relaxed);
        let (counters, memory) = (counters.clone(), commons.memory.clone());
        Connection { stream, pipeline, generation, counters, partial_bytes: 0, memory }
    }

    /// How much may be read now; 0 where it must wait for room.
    pub(super) fn read_bytes_max(&self) -> usize {
        self.stream.read_bytes_max(self.pipeline.expansion(), self.pipeline.partial_bytes())
    }

    pub(super) async fn wait_for_room(&mut self) {
        let (expansion, partial) = (self.pipeline.expansion(), self.pipeline.partial_bytes());
        self.stream.wait_for_room(expansion, partial).await;
    }

    pub(super) fn wait_for_room_blocking(&self) {
        let (expansion, partial) = (self.pipeline.expansion(), self.pipeline.partial_bytes());
        self.stream.wait_for_room_blocking(expansion, partial);
    }

    /// Whether a line has begun that has not ended.
    pub(super) fn is_inside_line(&self) -> bool {
        self.pipeline.is_inside_line()
    }

    /// Goes on with the stream's settings of now.
    fn adopt_changes(&mut self) {
        if self.generation != self.stream.generation() {
            self.generation = self.stream.generation();
            self.pipeline.adopt(&self.stream.line_settings(), self.stream.name());
        }
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.adopt_changes();
        let accepted = self.stream.push(&mut self.pipeline, bytes);
        self.count(accepted);
    }

    /// Whether [`Connection::read_in_place`] may be used for a read of at most `bytes_max`.
    pub(super) fn reads_in_place(&mut self, bytes_max: usize) -> bool {
        self.adopt_changes();
        self.pipeline.reads_in_place(bytes_max)
    }

    /// Takes what `read` appends to the memory it is given; `read` must not wait.
    pub(super) fn read_in_place<T>(
        &mut self,
        bytes_max: usize,
        read: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> T {
        let (accepted, result) = self.stream.read_in_place(&mut self.pipeline, bytes_max, read);
        self.count(accepted);
        result
    }

    /// The sender has ended: what it left unfinished is a whole line.
    pub(super) fn finish(mut self) {
        let accepted = self.stream.finish(&mut self.pipeline);
        self.count(accepted);
    }

    fn count(&mut self, accepted: Accepted) {
        let partial_bytes = self.pipeline.partial_bytes() as u64;
        if partial_bytes != self.partial_bytes {
            // Adding the difference of two, wrapping where it is negative.
            let change = partial_bytes.wrapping_sub(self.partial_bytes);
            self.counters.partial_bytes.fetch_add(change, Relaxed);
            self.partial_bytes = partial_bytes;
        }
        self.counters.read(accepted.bytes, accepted.lines + accepted.lines_over_long);
        if accepted.memory_short > 0 && self.memory.complaint_is_due(clock::instant()) {
            let limit = self.memory.bytes_max();
            report(&PartialMemoryShort { stream: self.stream.name(), limit: &limit });
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.connections.fetch_sub(1, Relaxed);
        self.counters.partial_bytes.fetch_sub(self.partial_bytes, Relaxed);
    }
}
