//! A stream's queue: the one buffer between reading and writing, bounded in bytes.
//!
//! Readers append formatted lines to the newest block; the writer takes the oldest. Nobody holds the
//! lock while waiting for a disk, so a reader never does either. What becomes of lines that do not
//! fit, where producers are not to wait, is in `dropping`.

mod dropping;
mod gap;
mod shared;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

pub use gap::GapFormat;
use shared::{Item, Shared};
use tokio::sync::Notify;

use super::settings::OnFull;
use super::{spare, stall, wake};
use crate::block::Block;
use crate::clock;
use crate::counters::{PendingMirror, StreamCounters};
use crate::formatting::{Expansion, Gap};
use crate::limits::{BLOCK_BYTES, BLOCK_CAPACITY, READ_BYTES_MAX, READ_BYTES_MIN};
use crate::pipeline::Accepted;

/// What the writer is to do next.
#[derive(Debug)]
pub enum Step<Order> {
    /// An order; they go before blocks.
    Order(Order),
    /// Lines to write.
    Block(Block),
    /// The deadline has passed.
    Deadline,
    /// Nothing is left, and no producer either.
    Closed,
}

/// Orders that wait, when another one comes.
pub trait Supersede {
    /// Whether this one, which nobody has begun, does for a `newer` one too; it may take what that
    /// says in place of its own.
    fn does_for(&mut self, newer: &mut Self) -> bool;
}

/// What the writer can use now, orders apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The next block, or the end.
    Blocks,
    /// No block, since its file takes none; but the end, since nothing is left to write.
    End,
    /// Only its deadline: it has lines that its file does not take.
    Nothing,
}

/// Whether the writer is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// It works, and will look for more by itself.
    Busy,
    /// It waits for a block.
    Waits,
    /// It waits, and a thread will wake it as soon as that has read whatever is ready.
    WakeDeferred,
}

/// Lines accepted and not yet written, and the writer's orders.
#[derive(Debug)]
pub struct Queue<Order> {
    shared: Mutex<Shared<Order>>,
    writer: Condvar,
    /// What counts against the bound: a copy, to look at without the lock.
    held_bytes: AtomicUsize,
    pending_mirror: OnceLock<PendingMirror>,
    bytes_max: AtomicUsize,
    /// What may be read while it is full: nothing, unless lines that do not fit are dropped.
    full_read_bytes_max: AtomicUsize,
    room: Notify,
    room_blocking: Condvar,
}

/// The counts of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream's counters.
    pub counters: StreamCounters,
    /// Lines accepted and not yet written.
    pub pending_lines: u64,
    /// Their bytes, as they will stand in the file; gap records too.
    pub pending_bytes: usize,
}

/// Takes back what was appended by halves: dropped only where that panics.
struct UndoOnPanic<'a, Order> {
    shared: &'a mut Shared<Order>,
    /// The bytes and lines of the block, and what it held beside them.
    before: (usize, u64, usize),
}

impl<Order> Drop for UndoOnPanic<'_, Order> {
    fn drop(&mut self) {
        let (bytes, lines, extra_bytes) = self.before;
        let block = &mut self.shared.filling;
        block.go_back(bytes, lines);
        self.shared.extra_bytes = self.shared.extra_bytes + block.extra_bytes() - extra_bytes;
    }
}

impl<Order> Queue<Order> {
    /// An empty queue of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Queue<Order> {
        Queue {
            shared: Mutex::new(Shared {
                waiting: VecDeque::new(),
                filling: Block::default(),
                orders: VecDeque::new(),
                pending_bytes: 0,
                pending_lines: 0,
                counters: StreamCounters::default(),
                extra_bytes: 0,
                producers: 0,
                ended: false,
                writer: Writer::Busy,
                room_wanted: false,
                on_full: OnFull::Wait,
                gap_format: GapFormat::default(),
                told_by_taken: 0,
                reason: stall::SLOW,
            }),
            writer: Condvar::new(),
            held_bytes: AtomicUsize::new(0),
            pending_mirror: OnceLock::new(),
            bytes_max: AtomicUsize::new(bytes_max),
            full_read_bytes_max: AtomicUsize::new(0),
            room: Notify::new(),
            room_blocking: Condvar::new(),
        }
    }

    /// Changes the bound; what is queued stays.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Relaxed);
        let mut shared = self.lock();
        self.publish_full_read(&shared);
        self.wake_waiting_for_room(&mut shared);
    }

    /// From now on what is pending stands in `mirror` too.
    pub fn mirror_pending(&self, mirror: PendingMirror) {
        // The first one stays.
        self.pending_mirror.set(mirror).unwrap_or_default();
    }

    /// Changes what happens when it is full. Whoever waits for room reads on where lines are dropped.
    pub fn set_on_full(&self, on_full: OnFull) {
        let mut shared = self.lock();
        shared.on_full = on_full;
        self.publish_full_read(&shared);
        if on_full != OnFull::Wait {
            self.wake_all_waiting_for_room(&mut shared);
        }
    }

    /// Changes how gap records look.
    pub fn set_gap_format(&self, gap_format: GapFormat) {
        self.lock().gap_format = gap_format;
    }

    // --- producers ---

    /// How much may be read now so that its lines fit; 0 where the producer must wait. An empty
    /// queue always takes the smallest read, so that there is progress whatever the bound. Where lines
    /// are dropped, a full one takes as much as it may hold.
    pub fn read_bytes_max(&self, expansion: Expansion, partial_bytes: usize) -> usize {
        let bytes = expansion.input_max(partial_bytes, self.room()).min(READ_BYTES_MAX);
        match bytes {
            READ_BYTES_MIN.. => bytes,
            _ if self.held_bytes.load(Relaxed) == 0 => READ_BYTES_MIN,
            _ => self.full_read_bytes_max.load(Relaxed),
        }
    }

    /// How many more bytes fit.
    pub fn room(&self) -> usize {
        self.bytes_max().saturating_sub(self.held_bytes.load(Relaxed))
    }

    /// Waits until [`Queue::read_bytes_max`] is more than 0.
    pub async fn wait_for_room(&self, expansion: Expansion, partial_bytes: usize) {
        loop {
            let mut freed = std::pin::pin!(self.room.notified());
            freed.as_mut().enable();
            self.lock().room_wanted = true;
            if self.read_bytes_max(expansion, partial_bytes) > 0 {
                return;
            }
            freed.await;
        }
    }

    /// The same for a thread of its own.
    pub fn wait_for_room_blocking(&self, expansion: Expansion, partial_bytes: usize) {
        let mut shared = self.lock();
        while self.read_bytes_max(expansion, partial_bytes) == 0 {
            shared.room_wanted = true;
            shared = self.room_blocking.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Appends lines: `fill` puts them in the block it is given. Never waits, if `fill` does not.
    pub fn append<T>(
        self: &Arc<Self>,
        fill: impl FnOnce(&mut Block) -> (Accepted, T),
    ) -> (Accepted, T)
    where
        Order: Send + 'static,
    {
        self.append_and_note(fill, |_| {})
    }

    /// The same; when the lines count as pending, and before the writer may take them, `note` is
    /// called with what `fill` has returned.
    pub fn append_and_note<T>(
        self: &Arc<Self>,
        fill: impl FnOnce(&mut Block) -> (Accepted, T),
        note: impl FnOnce(&T),
    ) -> (Accepted, T)
    where
        Order: Send + 'static,
    {
        let mut shared = self.lock();
        // Spare memory may hold more pages than a small queue has bytes.
        if shared.filling.capacity() == 0 && self.bytes_max() >= BLOCK_CAPACITY {
            shared.filling = Block::reusing(spare::take());
        }
        let block = &shared.filling;
        let before = (block.len(), block.lines(), block.extra_bytes());
        let undo = UndoOnPanic { shared: &mut shared, before };
        let (accepted, result) = fill(&mut undo.shared.filling);
        std::mem::forget(undo);
        let block = &mut shared.filling;
        let bytes = block.len() - before.0;
        let lines = block.lines() - before.1;
        let extra_bytes = block.extra_bytes();
        let is_empty = block.is_empty();
        if is_empty {
            spare::give_back(std::mem::take(block).into_memory());
        } else if block.len() >= BLOCK_BYTES {
            let full = std::mem::take(block);
            shared.waiting.push_back(Item::Block(full));
        }
        let extra_bytes = if is_empty { 0 } else { extra_bytes };
        shared.pending_lines += lines;
        shared.pending_bytes += bytes;
        // It shrinks where lines take the place of what had been cut off.
        shared.extra_bytes = shared.extra_bytes + extra_bytes - before.2;
        if shared.on_full != OnFull::Wait {
            shared.drop_what_does_not_fit(bytes, self.bytes_max());
        }
        self.publish_held(&shared);
        note(&result);
        let counters = &mut shared.counters;
        counters.bytes_in += accepted.bytes as u64;
        counters.lines_in += accepted.lines + accepted.lines_left_out();
        counters.lines_dropped.over_long += accepted.lines_over_long;
        counters.lines_dropped.crash += accepted.lines_crashed;
        counters.lines_split += accepted.lines_split;
        counters.lines_truncated += accepted.lines_truncated;
        if bytes > 0 && shared.writer != Writer::Busy {
            let urgent = shared.pending_bytes >= self.urgent_bytes();
            let deferred = shared.writer == Writer::WakeDeferred;
            shared.writer = if urgent { Writer::Busy } else { Writer::WakeDeferred };
            drop(shared);
            if urgent {
                self.wake_writer();
            } else if !deferred {
                wake::soon(self);
            }
        } else {
            drop(shared);
        }
        wake::count_append();
        (accepted, result)
    }

    /// Tells in the stream, behind what waits, of lines that are lost. They are counted already.
    pub fn tell_gap(&self, gap: Gap<'static>) {
        let mut shared = self.lock();
        if !shared.filling.is_empty() {
            let full = std::mem::take(&mut shared.filling);
            shared.waiting.push_back(Item::Block(full));
        }
        shared.add_gap(gap);
        drop(shared);
        self.wake_writer();
    }

    /// One more who may append.
    pub fn add_producer(&self) {
        self.lock().producers += 1;
    }

    /// One more, unless the writer has ended.
    pub fn add_producer_if_alive(&self) -> bool {
        let mut shared = self.lock();
        shared.producers += usize::from(!shared.ended);
        !shared.ended
    }

    /// One less: without any the writer ends when everything is written.
    pub fn remove_producer(&self) {
        let mut shared = self.lock();
        shared.producers -= 1;
        if shared.producers == 0 {
            drop(shared);
            self.wake_writer();
        }
    }

    // --- the writer's owner ---

    /// Gives the writer an order, where none that it has not begun does for it: a writer that hangs is
    /// not to find thousands.
    pub fn order(&self, mut order: Order)
    where
        Order: Supersede,
    {
        let mut shared = self.lock();
        if !shared.orders.iter_mut().any(|waiting| waiting.does_for(&mut order)) {
            shared.orders.push_back(order);
        }
        drop(shared);
        self.wake_writer();
    }

    /// The counts of this moment.
    pub fn snapshot(&self) -> Snapshot {
        let shared = self.lock();
        Snapshot {
            counters: shared.counters,
            pending_lines: shared.pending_lines,
            pending_bytes: shared.pending_bytes,
        }
    }

    /// Lines that were dropped, or lost by a crash, of which nothing in the file tells yet.
    pub fn untold_lines(&self) -> u64 {
        self.lock().untold_lines()
    }

    // --- the writer ---

    /// Waits for the next step that the writer `wants`, or for an order, but not longer than
    /// `deadline`.
    pub fn next(&self, wants: Wants, deadline: Option<Instant>) -> Step<Order> {
        let mut shared = self.lock();
        loop {
            if let Some(step) = shared.next(wants) {
                shared.writer = Writer::Busy;
                return step;
            }
            shared.writer = if wants == Wants::Blocks { Writer::Waits } else { Writer::Busy };
            shared = match deadline {
                None => self.writer.wait(shared).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(clock::instant());
                    if left.is_zero() {
                        shared.writer = Writer::Busy;
                        return Step::Deadline;
                    }
                    let waited = self.writer.wait_timeout(shared, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// How many blocks wait now, those of gap records too.
    pub fn blocks(&self) -> usize {
        let shared = self.lock();
        shared.waiting.len() + usize::from(!shared.filling.is_empty())
    }

    /// The first block, if any; does not wait.
    pub fn take_block(&self) -> Option<Block> {
        self.lock().take_block()
    }

    /// The file takes nothing, for this reason, or what comes again.
    pub fn stalled_by(&self, reason: Option<&'static str>) {
        self.lock().reason = reason.unwrap_or(stall::SLOW);
    }

    /// So many lines, of so many bytes, are in the file now.
    pub fn written(&self, lines: u64, line_bytes: usize) {
        let mut shared = self.lock();
        shared.pending_lines -= lines;
        shared.pending_bytes -= line_bytes;
        shared.counters.lines_written += lines;
        shared.counters.bytes_written += line_bytes as u64;
        self.publish_held(&shared);
        self.wake_waiting_for_room(&mut shared);
    }

    /// Counts lines as pending that the writer has from elsewhere. They have been accepted before.
    pub fn take_over(&self, lines: u64, bytes: usize, extra_bytes: usize) {
        let mut shared = self.lock();
        shared.pending_lines += lines;
        shared.pending_bytes += bytes;
        shared.extra_bytes += extra_bytes;
        self.publish_held(&shared);
    }

    /// Takes back a block that is written.
    pub fn retire(&self, block: Block) {
        if block.extra_bytes() > 0 {
            let mut shared = self.lock();
            shared.extra_bytes -= block.extra_bytes();
            if block.records() > 0 {
                shared.told_by_taken = 0;
            }
            self.publish_held(&shared);
            self.wake_waiting_for_room(&mut shared);
        }
        spare::give_back(block.into_memory());
    }

    /// Counts what happens to the file.
    pub fn count(&self, count: impl FnOnce(&mut StreamCounters)) {
        count(&mut self.lock().counters);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<Order>> {
        // A panic while the lock is held leaves counts behind that are still consistent enough to
        // go on with: every change is a handful of additions, and what else may panic is undone.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_held(&self, shared: &Shared<Order>) {
        if let Some(mirror) = self.pending_mirror.get() {
            mirror.lines.store(shared.pending_lines, Relaxed);
            mirror.bytes.store(shared.pending_bytes as u64, Relaxed);
        }
        self.held_bytes.store(shared.pending_bytes + shared.extra_bytes, Relaxed);
    }

    fn publish_full_read(&self, shared: &Shared<Order>) {
        let bytes = match shared.on_full {
            OnFull::Wait => 0,
            _ => self.bytes_max().clamp(READ_BYTES_MIN, READ_BYTES_MAX),
        };
        self.full_read_bytes_max.store(bytes, Relaxed);
    }

    /// So much is not kept from the writer until its producer has read everything else.
    fn urgent_bytes(&self) -> usize {
        BLOCK_BYTES.min(self.bytes_max() / 4)
    }

    /// Wakes producers only when half of the queue is free: waking them for every block would have
    /// them all compete for crumbs.
    fn wake_waiting_for_room(&self, shared: &mut Shared<Order>) {
        let half_free = self.room() >= self.bytes_max() / 2;
        if shared.room_wanted && half_free {
            self.wake_all_waiting_for_room(shared);
        }
    }

    fn wake_all_waiting_for_room(&self, shared: &mut Shared<Order>) {
        shared.room_wanted = false;
        self.room.notify_waiters();
        self.room_blocking.notify_all();
    }

    fn bytes_max(&self) -> usize {
        self.bytes_max.load(Relaxed)
    }

    pub(super) fn wake_writer(&self) {
        self.writer.notify_one();
    }
}
