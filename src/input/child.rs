//! `child`: what the command that `run` has started prints, from the pipe or the terminal that it
//! was given.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::connection::Connection;
use super::intake::Intake;
use super::plan::{self, Plan};
use super::reading::{read_pipe, read_rest};
use super::{Input, InputSettings, OpenError, Opening};
use crate::counters::InputCounters;
use crate::descriptor::enlarge_pipe;
use crate::framing::Borders;
use crate::limits::{PIPE_BYTES, RESTED_PIPE_BYTES_MIN};
use crate::system::unread_bytes;
use crate::writer::stream::Stream;

/// What of a command's output comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildOutput {
    /// Standard output and standard error, in the order in which they are written.
    Both,
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

impl ChildOutput {
    /// The name of its input.
    pub fn name(self) -> &'static str {
        match self {
            ChildOutput::Both => "child",
            ChildOutput::Stdout => "stdout",
            ChildOutput::Stderr => "stderr",
        }
    }
}

pub(super) struct Child {
    intake: Arc<Intake>,
    pipe: Arc<Receiver>,
    plan: watch::Sender<Plan>,
}

/// Reads where the command that is about to be started writes.
pub(super) fn open(output: ChildOutput, opening: Opening<'_>) -> Result<Child, OpenError> {
    let stream = opening.only_stream()?;
    let Opening { name, settings, intake, alive, .. } = opening;
    let failed = || OpenError::of(name, "cannot read what the command prints");
    let end = intake.commons.inherited.of_child(output).ok_or(OpenError::Fixed)?;
    let end = end.try_clone().and_then(nonblocking).map_err(failed())?;
    // A terminal holds less.
    let pipe_bytes = enlarge_pipe(end.as_fd(), PIPE_BYTES);
    let may_rest = pipe_bytes.is_some_and(|bytes| bytes >= RESTED_PIPE_BYTES_MIN);
    let pipe = Arc::new(Receiver::from_file_unchecked(File::from(end)).map_err(failed())?);
    let records = settings.records(Borders::None);
    let (plan, plans) = watch::channel(Plan::Read(records, stream.clone()));
    let bytes_max = pipe_bytes.unwrap_or(PIPE_BYTES) as usize;
    let reader = Reader { pipe: pipe.clone(), bytes_max, may_rest };
    let following = plan::follow((records, stream), plans, intake.clone(), None, reader);
    tokio::spawn(async move {
        following.await;
        drop(alive);
    });
    Ok(Child { intake, pipe, plan })
}

/// The flag is that of our end alone, which the command does not have.
fn nonblocking(end: OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFL)?);
    fcntl(&end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(end)
}

struct Reader {
    pipe: Arc<Receiver>,
    /// What it holds at most.
    bytes_max: usize,
    may_rest: bool,
}

impl plan::Reader for Reader {
    /// Reads until the command has ended, and what it has left then: those that it has started may
    /// go on to write.
    async fn read(
        &mut self,
        connection: &mut Connection,
        plans: &mut watch::Receiver<Plan>,
    ) -> io::Result<()> {
        tokio::select! {
            biased;
            _ = plans.wait_for(Plan::is_end) => {}
            read = read_pipe(&self.pipe, connection, self.may_rest) => return read,
        }
        read_rest(&self.pipe, connection, self.bytes_max, false).await
    }
}

impl Input for Child {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(&mut self, _: &InputSettings, _: Option<Arc<Stream>>) -> Result<(), OpenError> {
        Err(OpenError::Fixed)
    }

    fn close(&mut self) {
        self.drain();
    }

    fn drain(&mut self) {
        self.plan.send_replace(Plan::End);
    }

    /// What comes after the last read is nobody's: the command had ended.
    fn unread_bytes(&self) -> u64 {
        if self.plan.is_closed() { 0 } else { unread_bytes(&*self.pipe) }
    }
}
