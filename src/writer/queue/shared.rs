//! What a queue's producers and its writer share, under one lock.

use std::collections::VecDeque;

use super::{GapFormat, Step, Wants, Writer};
use crate::block::Block;
use crate::counters::StreamCounters;
use crate::formatting::Gap;
use crate::writer::settings::OnFull;

/// What waits for the writer.
#[derive(Debug)]
pub(super) enum Item {
    Block(Block),
    /// Lines were dropped here.
    Gap(Box<Gap<'static>>),
}

#[derive(Debug)]
pub(super) struct Shared<Order> {
    /// The oldest first.
    pub(super) waiting: VecDeque<Item>,
    /// The newest block, which still takes lines.
    pub(super) filling: Block,
    pub(super) orders: VecDeque<Order>,
    pub(super) pending_bytes: usize,
    pub(super) pending_lines: u64,
    pub(super) counters: StreamCounters,
    /// Bytes that blocks hold beside their lines' own.
    pub(super) extra_bytes: usize,
    pub(super) producers: usize,
    /// The writer was told that nothing is left.
    pub(super) ended: bool,
    pub(super) writer: Writer,
    pub(super) room_wanted: bool,
    pub(super) on_full: OnFull,
    pub(super) gap_format: GapFormat,
    /// Lines of which records tell that the writer has taken and not yet written.
    pub(super) told_by_taken: u64,
    /// Why the queue fills up.
    pub(super) reason: &'static str,
}

impl<Order> Shared<Order> {
    pub(super) fn next(&mut self, wants: Wants) -> Option<Step<Order>> {
        if let Some(order) = self.orders.pop_front() {
            return Some(Step::Order(order));
        }
        if wants == Wants::Blocks
            && let Some(block) = self.take_block()
        {
            return Some(Step::Block(block));
        }
        let empty = self.waiting.is_empty() && self.filling.is_empty();
        self.ended = wants != Wants::Nothing && empty && self.producers == 0;
        self.ended.then_some(Step::Closed)
    }

    pub(super) fn take_block(&mut self) -> Option<Block> {
        let block = match self.waiting.pop_front() {
            Some(Item::Block(block)) => block,
            Some(Item::Gap(gap)) => self.gap_block(&gap),
            None if self.filling.is_empty() => return None,
            None => std::mem::take(&mut self.filling),
        };
        // From here on no record is dropped.
        self.counters.gap_records += block.records() as u64;
        self.told_by_taken += block.record_places().map(|(_, lost)| lost.lines).sum::<u64>();
        Some(block)
    }

    /// Lines that are lost, of which nothing in the file tells yet.
    pub(super) fn untold_lines(&self) -> u64 {
        let gaps = self.waiting.iter().filter_map(|item| match item {
            Item::Gap(gap) => Some(gap.lost.lines),
            Item::Block(_) => None,
        });
        self.told_by_taken + gaps.sum::<u64>()
    }

    /// The record of a gap that the writer has come to. The copies of what is held follow soon: it is
    /// about to be written.
    fn gap_block(&mut self, gap: &Gap<'_>) -> Block {
        let block = self.gap_format.block(gap);
        self.pending_bytes += block.len();
        self.extra_bytes += block.extra_bytes();
        block
    }
}
