//! Dropping what does not fit a queue, where its producers are not to wait: whole lines, counted, with
//! a gap in their place.

use super::gap::merged;
use super::shared::{Item, Shared};
use crate::block::{Block, Cut};
use crate::clock;
use crate::formatting::Gap;
use crate::limits::{BLOCK_BYTES, BLOCK_CAPACITY, DROP_SHARE};
use crate::writer::settings::OnFull;
use crate::writer::spare;

impl<Order> Shared<Order> {
    /// Keeps within the bound. The last `appended` bytes are new.
    // Its own function, and not in the way of those who wait for room.
    #[inline(never)]
    pub(super) fn drop_what_does_not_fit(&mut self, appended: usize, bytes_max: usize) {
        match self.on_full {
            _ if appended == 0 => {}
            OnFull::Wait => {}
            OnFull::DropNewest => self.drop_newest(appended, bytes_max),
            OnFull::DropOldest => {
                let now = clock::now();
                let block = match self.waiting.back_mut() {
                    Some(Item::Block(full)) if self.filling.is_empty() => full,
                    _ => &mut self.filling,
                };
                let before = block.side_bytes();
                block.note_time(block.len() - appended, now);
                self.extra_bytes += block.side_bytes() - before;
                self.drop_oldest(bytes_max);
            }
        }
    }

    /// Cuts those lines off the newest block that do not fit. Its last `appended` bytes are new.
    fn drop_newest(&mut self, appended: usize, bytes_max: usize) {
        let mut block = std::mem::take(&mut self.filling);
        if block.is_empty()
            && let Some(Item::Block(full)) = self.waiting.pop_back()
        {
            block = full;
        }
        let start = block.len() - appended;
        let held = self.pending_bytes - appended + self.extra_bytes - block.cut_off_bytes();
        let mut room = bytes_max.saturating_sub(held);
        let follows_gap = start == 0 && matches!(self.waiting.back(), Some(Item::Gap(_)));
        if follows_gap && room < bytes_max / DROP_SHARE {
            room = 0;
        }
        let mut kept = block.line_start(start + room.min(appended));
        // Whatever the bound, an empty queue takes a line.
        if kept == start && self.pending_bytes == appended {
            kept = block.line_end(start);
        }
        if kept == block.len() {
            return self.put_back(block);
        }
        let before = block.extra_bytes();
        let cut = block.cut_back(kept, clock::now());
        self.take_account_of(&cut);
        let gap = Gap { lost: cut.lost, reason: self.reason };
        if block.is_empty() {
            self.extra_bytes -= before;
            spare::give_back(block.into_memory());
        } else {
            self.extra_bytes = self.extra_bytes + block.extra_bytes() - before;
            self.waiting.push_back(Item::Block(block));
        }
        self.add_gap(gap);
    }

    /// Adds a gap behind all blocks that are full.
    pub(super) fn add_gap(&mut self, gap: Gap<'static>) {
        match self.waiting.back_mut() {
            Some(Item::Gap(before)) => **before = merged(**before, gap),
            _ => self.waiting.push_back(Item::Gap(gap.into())),
        }
    }

    /// The newest block, as it was.
    fn put_back(&mut self, block: Block) {
        if block.len() >= BLOCK_BYTES {
            self.waiting.push_back(Item::Block(block));
        } else {
            self.filling = block;
        }
    }

    fn take_account_of(&mut self, cut: &Cut) {
        self.pending_lines -= cut.lines;
        self.pending_bytes -= cut.bytes;
        self.counters.lines_dropped.queue_full += cut.lines;
    }

    /// Drops the oldest lines if not all fit: more than needed, so that it need not be done again for
    /// the next line.
    fn drop_oldest(&mut self, bytes_max: usize) {
        if self.held_bytes() <= bytes_max {
            return;
        }
        let goal = bytes_max - bytes_max / DROP_SHARE;
        let mut gap: Option<Gap<'static>> = None;
        let mut add = |more| gap = Some(gap.map_or(more, |gap| merged(gap, more)));
        while self.held_bytes() > goal {
            let too_many = self.held_bytes() - goal;
            let (block, is_newest) = match self.waiting.pop_front() {
                Some(Item::Gap(before)) => {
                    add(*before);
                    continue;
                }
                Some(Item::Block(block)) => (block, false),
                None => (std::mem::take(&mut self.filling), true),
            };
            // Whatever the bound, an empty queue takes a line.
            let is_all = is_newest && self.pending_bytes == block.len();
            let end_max = if is_all { block.last_line_start() } else { block.len() };
            let end = if too_many < end_max { block.line_end(too_many - 1) } else { end_max };
            if end == 0 {
                self.filling = block;
                break;
            }
            let (cut, rest) = self.cut_front(block, end);
            add(Gap { lost: cut.lost, reason: self.reason });
            if is_newest {
                self.filling = rest;
                break;
            }
            if !rest.is_empty() {
                self.waiting.push_front(Item::Block(rest));
            }
        }
        let Some(mut gap) = gap else { return };
        while let Some(Item::Gap(behind)) = self.waiting.front() {
            gap = merged(gap, **behind);
            self.waiting.pop_front();
        }
        self.waiting.push_front(Item::Gap(gap.into()));
    }

    /// What counts against the bound, but for what the newest block's further lines can use.
    fn held_bytes(&self) -> usize {
        self.pending_bytes + self.extra_bytes - self.filling.cut_off_bytes()
    }

    /// Takes the lines before `end` out of a block that has been counted.
    fn cut_front(&mut self, block: Block, end: usize) -> (Cut, Block) {
        let extra_bytes = block.extra_bytes();
        let is_large = block.capacity() >= BLOCK_CAPACITY;
        let memory = if is_large && end < block.len() { spare::take() } else { Vec::new() };
        let (cut, rest, memory) = block.cut_front(end, memory, clock::now());
        spare::give_back(memory);
        self.take_account_of(&cut);
        self.extra_bytes = self.extra_bytes + rest.extra_bytes() - extra_bytes;
        (cut, rest)
    }
}
