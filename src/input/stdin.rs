//! `stdin`: the standard input, a pipe, a file or a terminal, read to its end on a thread of its
//! own.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::caught::{self, caught_now};
use super::connection::Connection;
use super::intake::Intake;
use super::reading::read_until_stopped;
use super::{Input, InputSettings, OpenError, Opening};
use crate::counters::InputCounters;
use crate::framing::Borders;
use crate::report::{InputEnded, ReadFailed, report};
use crate::system::unread_bytes;
use crate::writer::retry::Falls;
use crate::writer::stream::Stream;

/// Held by the thread that reads: there is one standard input, and a reload may take it from one
/// input and give it to another.
static READER: Mutex<()> = Mutex::new(());

pub(super) struct Stdin {
    intake: Arc<Intake>,
    /// Closing it stops the reader.
    stop: Option<OwnedFd>,
}

pub(super) fn open(opening: Opening<'_>) -> Result<Stdin, OpenError> {
    let stream = opening.only_stream()?;
    let Opening { settings, intake, alive, .. } = opening;
    let records = settings.records(Borders::None);
    let mut connection = Connection::new(records, Arc::default(), stream, &intake);
    let failed = |error| OpenError::io("standard input".as_ref(), "cannot read it")(error);
    let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).map_err(|error| failed(error.into()))?;
    let counted = intake.clone();
    let thread = std::thread::Builder::new().name("stdin".into());
    let started = thread.spawn(move || {
        let _reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = io::stdin();
        let mut falls = Falls::default();
        let outcome = loop {
            let read = || read_until_stopped(stdin.as_fd(), stopped.as_fd(), &mut connection);
            if let Ok(outcome) = caught_now(read) {
                break outcome;
            }
            let next = Connection::new(records, Arc::default(), connection.stream(), &counted);
            let fallen = std::mem::replace(&mut connection, next);
            // What it had read of a line is a line, if it still knows.
            caught_now(|| fallen.finish()).unwrap_or_default();
            std::thread::sleep(caught::pause(&mut falls));
        };
        match outcome {
            Ok(()) => report(&InputEnded { input: &counted.input }),
            Err(error) => {
                counted.counters.failed.store(true, Relaxed);
                report(&ReadFailed { input: &counted.input, error: &error });
            }
        }
        connection.finish();
        drop(alive);
    });
    started.map_err(failed)?;
    Ok(Stdin { intake, stop: Some(stop) })
}

impl Input for Stdin {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(&mut self, _: &InputSettings, _: Option<Arc<Stream>>) -> Result<(), OpenError> {
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
