//! `stdin`: the standard input, a pipe, a file or a terminal, read to its end on a thread of its
//! own.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::connection::Connection;
use super::reading::read_until_stopped;
use super::unread::unread_bytes;
use super::{Input, InputSettings, OpenError, Opening};
use crate::counters::InputCounters;
use crate::report::{InputEnded, ReadFailed, report};
use crate::writer::stream::Stream;

/// Held by the thread that reads: there is one standard input, and a reload may take it from one
/// input and give it to another.
static READER: Mutex<()> = Mutex::new(());

pub(super) struct Stdin {
    counters: Arc<InputCounters>,
    /// Closing it stops the reader.
    stop: Option<OwnedFd>,
}

pub(super) fn open(opening: Opening<'_>) -> Result<Stdin, OpenError> {
    let Opening { name, framing, stream, commons, alive } = opening;
    let counters = Arc::new(InputCounters::default());
    let mut connection = Connection::new(framing, stream, &counters, commons);
    let failed = |error| OpenError::io("standard input".as_ref(), "cannot read it")(error);
    let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).map_err(|error| failed(error.into()))?;
    let (name, counted) = (name.to_owned(), counters.clone());
    let thread = std::thread::Builder::new().name("stdin".into());
    let started = thread.spawn(move || {
        let _reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = io::stdin();
        match read_until_stopped(stdin.as_fd(), stopped.as_fd(), &mut connection) {
            Ok(()) => report(&InputEnded { input: &name }),
            Err(error) => {
                counted.failed.store(true, Relaxed);
                report(&ReadFailed { input: &name, error: &error });
            }
        }
        connection.finish();
        drop(alive);
    });
    started.map_err(failed)?;
    Ok(Stdin { counters, stop: Some(stop) })
}

impl Input for Stdin {
    fn counters(&self) -> &InputCounters {
        &self.counters
    }

    fn set(&mut self, _: &InputSettings, _: Arc<Stream>) -> Result<(), OpenError> {
        Err(OpenError::Fixed)
    }

    /// What is unread stays in the pipe, for whoever reads it next.
    fn close(&mut self) {
        self.stop = None;
    }

    /// It has an end of its own, and is read on to that.
    fn drain(&mut self) {}

    fn stop(&mut self) {
        self.stop = None;
    }

    fn unread_bytes(&self) -> u64 {
        unread_bytes(io::stdin())
    }
}
