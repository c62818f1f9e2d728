//! `--tee`: which streams are copied to which of our outputs, and how long their end waits.

use std::sync::Arc;
use std::time::Duration;

use super::{Agent, Failure, Notice};
use crate::clock;
use crate::limits::TEE_GRACE;
use crate::stream_name::StreamName;
use crate::writer::tee::{Tee, TeeOutput, TeePolicy};

/// What is copied to our own outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// What happens where an output is slow.
    pub policy: TeePolicy,
    /// The stream that is copied to the standard error; all others are to the standard output.
    pub to_stderr: Option<StreamName>,
}

/// A copy while it runs.
pub(super) struct RunningTee {
    output: TeeOutput,
    /// What it copies; everything else where that is not said.
    stream: Option<StreamName>,
    tee: Arc<Tee>,
    is_open: bool,
}

impl Agent {
    pub(super) fn start_tees(&mut self, copies: Copies) -> Result<(), Failure> {
        if let Some(stream) = copies.to_stderr {
            self.start_tee(TeeOutput::Stderr, copies.policy, Some(stream))?;
        }
        self.start_tee(TeeOutput::Stdout, copies.policy, None)
    }

    fn start_tee(
        &mut self,
        output: TeeOutput,
        policy: TeePolicy,
        stream: Option<StreamName>,
    ) -> Result<(), Failure> {
        let (tee, ended) = Tee::start(output, policy).map_err(Failure::system)?;
        self.tell_when(ended, Notice::TeeEnded(output));
        self.tees.push(RunningTee { output, stream, tee, is_open: true });
        Ok(())
    }

    /// Who copies this stream, if anybody does.
    pub(super) fn tee_of(&self, stream: &StreamName) -> Option<Arc<Tee>> {
        let copies = |tee: &&RunningTee| tee.stream.as_ref().is_none_or(|copied| copied == stream);
        self.tees.iter().find(copies).map(|running| running.tee.clone())
    }

    /// No further stream will be copied.
    pub(super) fn close_tees(&self) {
        for running in &self.tees {
            running.tee.close();
        }
    }

    pub(super) fn tee_has_ended(&mut self, output: TeeOutput) {
        for running in self.tees.iter_mut().filter(|running| running.output == output) {
            running.is_open = false;
        }
    }

    /// Whether a tee that is to have every line has not got them yet.
    pub fn waits_for_tee(&self) -> bool {
        let waits = |running: &RunningTee| running.tee.policy() == TeePolicy::Wait;
        self.tees.iter().any(|running| running.is_open && waits(running))
    }

    /// Lets the tees finish, for at most `grace` if they are to wait for their reader, else for a
    /// moment.
    pub async fn finish_tees(&mut self, grace: Duration) {
        let time = match self.tees.first().map(|running| running.tee.policy()) {
            None => return,
            Some(TeePolicy::Wait) => grace,
            Some(TeePolicy::Drop) => TEE_GRACE.min(grace),
        };
        let deadline = tokio::time::Instant::from_std(clock::instant() + time);
        while self.tees.iter().any(|running| running.is_open) {
            let Ok(notice) = tokio::time::timeout_at(deadline, self.next_notice()).await else {
                break;
            };
            self.take_note(notice);
        }
        for running in self.tees.drain(..) {
            running.tee.report_dropped();
        }
    }
}
