//! A regular file found where a socket or FIFO should be: systemd, or PM2, makes one for a program
//! that starts before the agent. Its lines are taken in, and whoever still writes to it is named.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Alive;
use super::connection::Connection;
use super::holders::Holders;
use super::intake::Intake;
use super::reading::read_until_stopped;
use crate::limits::{FOUND_FILE_LOOK_EVERY, UNSEEN_FOUND_FILE_LOOK_EVERY};
use crate::report::{FileFound, FileFoundForFifo, ReadFailed, report};

/// What should have been there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum InPlaceOf {
    Socket,
    Fifo,
}

/// A file that was renamed out of the way.
pub(super) struct FoundFile {
    pub(super) in_place_of: InPlaceOf,
    pub(super) path: PathBuf,
    pub(super) renamed_to: PathBuf,
}

impl FoundFile {
    /// To be read.
    pub(super) fn open(&self) -> io::Result<Arc<File>> {
        File::open(&self.renamed_to).map(Arc::new)
    }

    /// Reads it into `connection`, on a thread of its own; no longer than to its end once it is told
    /// to `leave`.
    pub(super) fn take_in(
        self,
        file: Arc<File>,
        mut connection: Connection,
        intake: Arc<Intake>,
        alive: Alive,
        leave: Receiver<()>,
    ) {
        let failed = |renamed_to: &Path, intake: &Intake, error: &dyn Display| {
            intake.counters.failed.store(true, Relaxed);
            report(&ReadFailed { input: &renamed_to.display(), error });
        };
        let (renamed_to, counted) = (self.renamed_to.clone(), intake.clone());
        let thread = thread::Builder::new().name("found-file".into());
        let started = thread.spawn(move || {
            let holders = Holders::of_file(&file);
            self.tell(&intake.input, &holders);
            if let Err(error) = self.read(&file, &mut connection, holders, &leave) {
                failed(&self.renamed_to, &intake, &error);
            }
            connection.finish();
            drop(alive);
        });
        if let Err(error) = started {
            failed(&renamed_to, &counted, &error);
        }
    }

    fn tell(&self, input: &str, holders: &Holders) {
        let (path, renamed_to) = (self.path.display(), self.renamed_to.display());
        let (path, renamed_to, held_by) = (&path, &renamed_to, &holders.list());
        match self.in_place_of {
            InPlaceOf::Socket => {
                report(&FileFound { input: &input, path, renamed_to, held_by });
            }
            InPlaceOf::Fifo => {
                report(&FileFoundForFifo { input: &input, path, renamed_to, held_by });
            }
        }
    }

    /// To its end; where it was found in a FIFO's place, as long as somebody may write to it.
    fn read(
        &self,
        file: &File,
        connection: &mut Connection,
        mut holders: Holders,
        leave: &Receiver<()>,
    ) -> nix::Result<()> {
        read_to_end(file, connection)?;
        let goes_on = self.in_place_of == InPlaceOf::Fifo;
        loop {
            let look_every = match (holders.is_empty(), holders.some_unseen()) {
                _ if !goes_on => return Ok(()),
                (false, _) => FOUND_FILE_LOOK_EVERY,
                // Whoever made it may be another user's.
                (true, true) => UNSEEN_FOUND_FILE_LOOK_EVERY,
                (true, false) => return Ok(()),
            };
            let leaves = leave.recv_timeout(look_every) != Err(RecvTimeoutError::Timeout);
            // Before the read: the last line comes before the end.
            holders = holders.still_of_file(file);
            read_to_end(file, connection)?;
            if leaves {
                return Ok(());
            }
        }
    }
}

/// To the end of now. Nobody stops it: a regular file has one.
fn read_to_end(file: &File, connection: &mut Connection) -> nix::Result<()> {
    let (stopped, _never_stopped) = pipe2(OFlag::O_CLOEXEC)?;
    read_until_stopped(file.as_fd(), stopped.as_fd(), connection)
}
