//! A connection: one sender's bytes on their way into one stream.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::intake::Intake;
use super::packets::Packets;
use crate::framing::Records;
use crate::origin::Origin;
use crate::pipeline::{Accepted, Pipeline, Unfinished};
use crate::store::{Crashed, Record, Slot};
use crate::writer::stream::Stream;

/// Holds its stream open until it is dropped.
pub(super) struct Connection {
    stream: Arc<Stream>,
    records: Records,
    pipeline: Pipeline,
    /// Of the stream's settings that the pipeline has.
    generation: u64,
    intake: Arc<Intake>,
    /// What the counters have of our unfinished line.
    partial_bytes: u64,
    /// Where a crash would find how far we are.
    slot: Option<Slot>,
}

impl Connection {
    pub(super) fn new(
        records: Records,
        origin: Arc<Origin>,
        stream: Arc<Stream>,
        intake: &Arc<Intake>,
    ) -> Connection {
        let generation = stream.generation();
        let (settings, memory) = (stream.line_settings(), &intake.commons.memory);
        let pipeline = Pipeline::new(records, origin, &settings, stream.name(), memory);
        intake.counters.connections.fetch_add(1, Relaxed);
        intake.counters.connections_total.fetch_add(1, Relaxed);
        let intake = intake.clone();
        let (partial_bytes, slot) = (0, None);
        Connection { stream, records, pipeline, generation, intake, partial_bytes, slot }
    }

    /// The same, for a connection that outlives the agent.
    pub(super) fn in_slot(mut self, slot: Option<Slot>) -> Connection {
        self.slot = slot;
        self
    }

    /// Goes on with what the agent before has begun.
    pub(super) fn go_on(&mut self, record: Record) {
        match record {
            Record::GoesOn(unfinished) => {
                let accepted = self.stream.go_on(&mut self.pipeline, unfinished);
                self.count(accepted);
                // Before anything more is read there may be a crash.
                note(self.slot, &self.pipeline);
            }
            Record::Crashed(Crashed { inside, read, packets }) => {
                if let Some(position) = inside {
                    self.pipeline.go_on_in_lost(position);
                }
                if packets > 0 {
                    self.stream.count_crashed(packets);
                }
                self.push(&read);
            }
        }
    }

    /// Something is about to be read.
    pub(super) fn begin_read(&self) {
        if let Some(slot) = self.slot {
            slot.begin_read();
        }
    }

    /// So many packets were received, or are just now, and not pushed.
    pub(super) fn count_packets(&self, packets: usize) {
        if let Some(slot) = self.slot {
            slot.count_packets(packets);
        }
    }

    /// Whether reads are to go where they outlive a crash.
    pub(super) fn outlives_crash(&self) -> bool {
        self.slot.is_some()
    }

    /// What the next agent needs to go on with the present record.
    pub(super) fn unfinished(&self) -> Unfinished {
        self.pipeline.unfinished()
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

    /// Where its lines go.
    pub(super) fn stream(&self) -> Arc<Stream> {
        self.stream.clone()
    }

    /// Whether a record has begun that has not ended.
    pub(super) fn is_inside_record(&self) -> bool {
        self.pipeline.is_inside_record()
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
        let slot = self.slot;
        let accepted = self.stream.push(&mut self.pipeline, bytes, |pipeline| note(slot, pipeline));
        self.count(accepted);
    }

    /// Takes packets that were read.
    pub(super) fn push_packets(&mut self, packets: &mut Packets) {
        self.adopt_changes();
        let (bytes, ends) = (packets.bytes(), packets.ends());
        let (slot, pipeline) = (self.slot, &mut self.pipeline);
        let note = |pipeline: &Pipeline| note(slot, pipeline);
        let accepted = self.stream.push_packets(pipeline, bytes, ends, note);
        self.count(accepted);
        self.count_cut(packets);
    }

    /// Counts those of `packets` that lost their end.
    pub(super) fn count_cut(&self, packets: &mut Packets) {
        self.intake.count_cut(packets.take_cut());
    }

    /// A packet without its terminator.
    pub(super) fn trimmed<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        self.pipeline.trimmed(packet)
    }

    /// Takes a part of a packet; `ends` with the last one.
    pub(super) fn push_part(&mut self, part: &[u8], ends: bool) {
        self.adopt_changes();
        let accepted = self.stream.push_part(&mut self.pipeline, part, ends);
        self.count(accepted);
    }

    /// Whether [`Connection::read_in_place`] may be used for a read of at most `bytes_max`.
    pub(super) fn reads_in_place(&mut self, bytes_max: usize) -> bool {
        self.adopt_changes();
        self.slot.is_none() && self.pipeline.reads_in_place(bytes_max)
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
        let counters = &self.intake.counters;
        if partial_bytes != self.partial_bytes {
            // Adding the difference of two, wrapping where it is negative.
            let change = partial_bytes.wrapping_sub(self.partial_bytes);
            counters.partial_bytes.fetch_add(change, Relaxed);
            self.partial_bytes = partial_bytes;
        }
        counters.read(accepted.bytes, accepted.lines + accepted.lines_left_out());
        if accepted.memory_short > 0 {
            self.intake.memory_is_short(self.stream.name());
        }
        if accepted.framing_errors > 0 {
            self.intake.count_senseless(self.records.framing.name, accepted.framing_errors);
        }
    }
}

/// Notes for a crash how far a connection is read.
fn note(slot: Option<Slot>, pipeline: &Pipeline) {
    if let Some(slot) = slot {
        slot.end_read(pipeline.is_inside_record(), pipeline.position());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let counters = &self.intake.counters;
        counters.connections.fetch_sub(1, Relaxed);
        counters.partial_bytes.fetch_sub(self.partial_bytes, Relaxed);
    }
}
