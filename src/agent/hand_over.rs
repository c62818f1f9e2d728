//! What the agent before has left, and what this one leaves for the next.

use tokio::sync::oneshot;

use super::Agent;
use super::running::{RunningInput, RunningStream};
use crate::block::Block;
use crate::clock;
use crate::limits::LAST_MOMENT;
use crate::line::Lost;
use crate::report::{LinesCrashed, LinesLeft, StreamFailed, report};
use crate::store::{self, LostLines};
use crate::stream_name::StreamName;
use crate::writer::disk::Identity;
use crate::writer::log_file::Begun;
use crate::writer::order::{Order, Unwritten};

impl Agent {
    /// Tells, in each stream too, how many lines the agent before had read and not written.
    pub(super) fn tell_crashed_lines(&mut self) {
        for LostLines { stream, lines, bytes } in self.commons.store.take_lost_lines() {
            report(&LinesCrashed { stream: &stream, lines: &lines });
            if !self.streams.contains_key(&stream) {
                let settings = self.config.stream(&stream);
                if let Err(error) = self.add_stream(&stream, &settings) {
                    report(&StreamFailed { stream: &stream, error: &error });
                    continue;
                }
                self.look_for_idle();
            }
            let Some(running) = self.streams.get(&stream) else { continue };
            running.count_crashed(lines, bytes);
        }
    }

    /// Goes on with lines that the agent before had not written, of streams that no input feeds by
    /// name: the others have them.
    pub(super) fn write_what_was_left(&mut self) {
        let left = self
            .commons
            .store
            .before(|before| before.unwritten.keys().cloned().collect::<Vec<StreamName>>());
        for stream in left {
            let settings = self.config.stream(&stream);
            if let Err(error) = self.add_stream(&stream, &settings) {
                report(&StreamFailed { stream: &stream, error: &error });
            }
            self.look_for_idle();
        }
    }

    /// Leaves lines that could not be written to the next agent, if there will be one: whether there
    /// will nobody knows, so that they count as not written.
    pub async fn leave_unwritten(&mut self) {
        if !self.commons.store.is_on() || self.all_streams().next().is_none() {
            return;
        }
        let deadline = tokio::time::Instant::from_std(clock::instant() + LAST_MOMENT);
        let mut asked = Vec::new();
        for running in self.all_streams() {
            let (reply, answer) = oneshot::channel();
            running.order(Order::GiveUp(reply));
            asked.push((running.name().clone(), answer));
        }
        for (stream, answer) in asked {
            // A write that hangs has its lines.
            let Ok(Ok(unwritten)) = tokio::time::timeout_at(deadline, answer).await else {
                continue;
            };
            let (lines, bytes) = (unwritten.block.lines(), unwritten.block.len());
            if bytes > 0 {
                report(&LinesLeft { stream: &stream, lines: &lines, bytes: &bytes });
                self.commons.store.next(|next| next.unwritten.insert(stream, saved(unwritten)));
            }
        }
        self.wait_until_drained(LAST_MOMENT).await;
    }

    /// Leaves what the next agent goes on with, if there will be one.
    pub fn hand_over(&self) {
        for running in self.all_streams() {
            self.hand_over_stream(running);
        }
        for running in self.all_inputs() {
            self.hand_over_input(running);
        }
        self.commons.store.hand_over();
    }

    pub(super) fn hand_over_stream(&self, running: &RunningStream) {
        let (name, counters) = (running.name().clone(), running.snapshot().counters);
        self.commons.store.next(|next| next.streams.insert(name, counters));
    }

    pub(super) fn hand_over_input(&self, running: &RunningInput) {
        let (name, counts) = (running.name.clone(), running.input.counters().counts());
        self.commons.store.next(|next| next.inputs.insert(name, counts));
    }
}

fn saved(Unwritten { block, begun }: Unwritten) -> store::Unwritten {
    let records = block.record_places().map(|(at, lost)| (at, lost.lines, lost.bytes));
    let (lines, records) = (block.lines(), records.collect());
    let begun = begun.map(|Begun { identity, size, appended }| store::Begun {
        device: identity.device,
        inode: identity.inode,
        size,
        bytes: appended,
    });
    let bytes = block.into_memory();
    store::Unwritten { length: bytes.len(), bytes, lines, records, begun }
}

/// What was saved; nothing where it makes no sense.
pub(super) fn restored(saved: store::Unwritten) -> Option<Unwritten> {
    let now = clock::now();
    let records = saved.records.into_iter().map(|(at, lines, bytes)| {
        let lost = Lost { lines, bytes, from: now, to: now };
        (at, lost)
    });
    let block = Block::of_parts(saved.bytes, saved.lines, records)?;
    let begun = saved.begun.map(|store::Begun { device, inode, size, bytes }| Begun {
        identity: Identity { device, inode },
        size,
        appended: bytes,
    });
    Some(Unwritten { block, begun })
}
