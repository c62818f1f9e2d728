//! `stdin`: the standard input, a pipe, a file or a terminal, read to its end on a thread of its
//! own.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, fcntl};

use super::connection::Connection;
use super::reading::read_to_end_blocking;
use super::unread::unread_bytes;
use super::{Alive, Commons, Input, InputSettings, OpenError};
use crate::counters::InputCounters;
use crate::framing::Framing;
use crate::limits::PIPE_BYTES;
use crate::report::{InputEnded, ReadFailed, report};
use crate::writer::stream::Stream;

pub(super) struct Stdin {
    counters: Arc<InputCounters>,
}

pub(super) fn open(
    name: &str,
    framing: &'static Framing,
    stream: Arc<Stream>,
    commons: &Commons,
    alive: Alive,
) -> Result<Stdin, OpenError> {
    let counters = Arc::new(InputCounters::default());
    let mut connection = Connection::new(framing, stream, &counters, commons);
    let name = name.to_owned();
    let thread = std::thread::Builder::new().name("stdin".into());
    let started = thread.spawn(move || {
        let stdin = io::stdin();
        // A larger pipe means fewer wake-ups; where that is refused the smaller one will do.
        fcntl(stdin.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).unwrap_or_default();
        match read_to_end_blocking(stdin.as_fd(), &mut connection) {
            Ok(()) => report(&InputEnded { input: &name }),
            Err(error) => report(&ReadFailed { input: &name, error: &error }),
        }
        connection.finish();
        drop(alive);
    });
    started.map_err(OpenError::io("standard input".as_ref(), "cannot start a thread"))?;
    Ok(Stdin { counters })
}

impl Input for Stdin {
    fn counters(&self) -> &InputCounters {
        &self.counters
    }

    /// The one connection there is stays as it began.
    fn set(&mut self, _: &InputSettings, _: Arc<Stream>) -> Result<(), OpenError> {
        Ok(())
    }

    fn close(&mut self) {}

    fn drain(&mut self) {}

    fn unread_bytes(&self) -> u64 {
        unread_bytes(io::stdin())
    }
}
