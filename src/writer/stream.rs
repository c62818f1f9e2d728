//! A stream as its producers see it: where lines go, and how they are to look.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::order::Order;
use super::queue::{GapFormat, Queue};
use super::tee::Tee;
use crate::block::Block;
use crate::clock;
use crate::formatting::{Expansion, Gap};
use crate::line::Lost;
use crate::pipeline::{Accepted, LineSettings, Pipeline, Unfinished};
use crate::stream_name::StreamName;

/// Held by everyone who may still send lines; when the last one lets go, and no other stream feeds
/// the same queue, the writer finishes what is queued and ends.
#[derive(Debug)]
pub struct Stream {
    name: StreamName,
    queue: Arc<Queue<Order>>,
    tee: Option<Arc<Tee>>,
    lines: Mutex<Arc<LineSettings>>,
    /// Goes up whenever `lines` changes.
    generation: AtomicU64,
    /// Held by the one producer that has a record too large for the queue, and hands it in by
    /// parts.
    large_record: tokio::sync::Mutex<()>,
}

impl Stream {
    /// A stream whose lines go to `queue`, and to `tee` besides.
    pub fn new(
        name: StreamName,
        queue: Arc<Queue<Order>>,
        tee: Option<Arc<Tee>>,
        lines: LineSettings,
    ) -> Stream {
        queue.add_producer();
        queue.set_gap_format(GapFormat::new(&lines.format, &name));
        if let Some(tee) = &tee {
            tee.add_producer();
        }
        let lines = Mutex::new(Arc::new(lines));
        let large_record = tokio::sync::Mutex::default();
        Stream { name, queue, tee, lines, generation: AtomicU64::new(0), large_record }
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// How its lines are to look now.
    pub fn line_settings(&self) -> Arc<LineSettings> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How its lines are to look from the next read on.
    pub fn set_line_settings(&self, lines: LineSettings) {
        self.queue.set_gap_format(GapFormat::new(&lines.format, &self.name));
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(lines);
        self.generation.fetch_add(1, Relaxed);
    }

    /// Changes when the settings do.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// How much may be read now for its lines to fit; 0 where the producer must wait.
    pub fn read_bytes_max(&self, expansion: Expansion, partial_bytes: usize) -> usize {
        let bytes = self.queue.read_bytes_max(expansion, partial_bytes);
        match self.waiting_tee() {
            Some(tee) => bytes.min(tee.read_bytes_max(expansion, partial_bytes)),
            None => bytes,
        }
    }

    /// Waits until something may be read.
    pub async fn wait_for_room(&self, expansion: Expansion, partial_bytes: usize) {
        self.queue.wait_for_room(expansion, partial_bytes).await;
        if let Some(tee) = self.waiting_tee() {
            tee.wait_for_room(expansion, partial_bytes).await;
        }
    }

    /// The same for a thread of its own.
    pub fn wait_for_room_blocking(&self, expansion: Expansion, partial_bytes: usize) {
        self.queue.wait_for_room_blocking(expansion, partial_bytes);
        if let Some(tee) = self.waiting_tee() {
            tee.wait_for_room_blocking(expansion, partial_bytes);
        }
    }

    /// Appends the lines that end in `input`. Never waits. They count as pending, and the writer
    /// cannot take them yet, when `note` is called.
    pub fn push(
        &self,
        pipeline: &mut Pipeline,
        input: &[u8],
        note: impl FnOnce(&Pipeline),
    ) -> Accepted {
        let fill = |block: &mut Block| (pipeline.push(input, clock::now, block), pipeline);
        self.append_and_note(fill, |pipeline| note(pipeline)).0
    }

    /// Waits for its turn to hold a record that is too large for the queue: of all producers only
    /// one does at a time, so that such records cost memory once.
    pub async fn turn_for_large_record(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.large_record.lock().await
    }

    /// Appends the lines of packets; `ends` says where in `packets` each one does. Never waits.
    pub fn push_packets(
        &self,
        pipeline: &mut Pipeline,
        packets: &[u8],
        ends: &[usize],
        note: impl FnOnce(&Pipeline),
    ) -> Accepted {
        let fill =
            |block: &mut Block| (pipeline.push_packets(packets, ends, clock::now, block), pipeline);
        self.append_and_note(fill, |pipeline| note(pipeline)).0
    }

    /// Appends the lines that end in a part of a packet; `ends` with the last one. Never waits.
    pub fn push_part(&self, pipeline: &mut Pipeline, part: &[u8], ends: bool) -> Accepted {
        self.append(|block| (pipeline.push_part(part, ends, clock::now, block), ())).0
    }

    /// Appends the lines that end in what `read` reads, straight into the queue's memory. `read`
    /// is called under the queue's lock and must not wait.
    pub fn read_in_place<T>(
        &self,
        pipeline: &mut Pipeline,
        bytes_max: usize,
        read: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> (Accepted, T) {
        self.append(|block| pipeline.read_in_place(bytes_max, read, clock::now, block))
    }

    /// Goes on with a record that was begun before. Never waits.
    pub fn go_on(&self, pipeline: &mut Pipeline, unfinished: Unfinished) -> Accepted {
        self.append(|block| (pipeline.go_on(unfinished, clock::now, block), ())).0
    }

    /// Counts lines that a crash has taken, and tells it in the stream.
    pub fn count_crashed(&self, lines: u64) {
        self.queue.count(|counters| {
            counters.lines_in += lines;
            counters.lines_dropped.crash += lines;
        });
        let now = clock::now();
        let lost = Lost { lines, bytes: 0, from: now, to: now };
        self.queue.tell_gap(Gap { lost, reason: "crash" });
    }

    /// Appends what an ended input has left behind.
    pub fn finish(&self, pipeline: &mut Pipeline) -> Accepted {
        self.append(|block| (pipeline.finish(clock::now, block), ())).0
    }

    fn append<T>(&self, fill: impl FnOnce(&mut Block) -> (Accepted, T)) -> (Accepted, T) {
        self.append_and_note(fill, |_| {})
    }

    fn append_and_note<T>(
        &self,
        fill: impl FnOnce(&mut Block) -> (Accepted, T),
        note: impl FnOnce(&T),
    ) -> (Accepted, T) {
        let fill = |block: &mut Block| {
            let start = block.len();
            let (accepted, result) = fill(block);
            if let Some(tee) = &self.tee {
                tee.offer(&block.bytes()[start..], accepted.lines);
            }
            (accepted, result)
        };
        self.queue.append_and_note(fill, note)
    }

    fn waiting_tee(&self) -> Option<&Tee> {
        self.tee.as_deref().filter(|tee| tee.waits())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.queue.remove_producer();
        if let Some(tee) = &self.tee {
            tee.remove_producer();
        }
    }
}
