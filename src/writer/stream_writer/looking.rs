//! Looking whether the path still names the file, and going on where it does not: without a signal
//! or a command.
//!
//! Whoever watches the directory only says that it is worth a look; without him there is one before
//! a write, now and then.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{StreamWriter, Waiting};
use crate::clock;
use crate::limits::{CREATE_AFTER_LOSS, LOOK_EVERY, REPLACED_SETTLES};
use crate::writer::disk::{Disk, Missing, OpenError};
use crate::writer::log_file::Found;
use crate::writer::stall::Handle;

/// Who watches the directories of log files, and orders a look when a name in them changes.
pub trait DirectoryWatch: Send + Sync {
    /// A file was opened at `path`, in a directory that may be new. Must not wait.
    fn opened(&self, path: &Path);
}

/// How patient a writer is with what others do to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Before a write it looks at most this often.
    pub look_every: Duration,
    /// A path that is missing without a signal is made again after this.
    pub create_after: Duration,
    /// A file whose path names another one is left after this.
    pub replaced_settles: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            look_every: LOOK_EVERY,
            create_after: CREATE_AFTER_LOSS,
            replaced_settles: REPLACED_SETTLES,
        }
    }
}

/// What is known of the file's path.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// Before that no write looks; the first one does.
    next_at: Option<Instant>,
    /// The path does not name the file; when that was noticed, and when the file is left.
    away: Option<Away>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    leave_at: Instant,
}

impl Looking {
    /// The path is opened just now.
    pub(super) fn begin(&mut self, patience: Patience) {
        self.next_at = Some(clock::instant() + patience.look_every);
        self.away = None;
    }

    /// When the file is left, if it is to be.
    pub(super) fn leave_at(&self) -> Option<Instant> {
        self.away.map(|away| away.leave_at)
    }
}

impl<D: Disk + 'static> StreamWriter<D> {
    /// Looks, unless that was not long ago. Whether there is still something to write: another file
    /// has got it already, and without one it waits.
    pub(super) fn look_before_write(&mut self) -> bool {
        let before = self.log.identity();
        if self.looking.next_at.is_none_or(|at| at <= clock::instant()) {
            self.look();
        }
        before.is_some() && self.log.identity() == before
    }

    /// Finds out what others did to the file, and does what is to be done by now.
    pub(super) fn look(&mut self) {
        // A dead handle tells nothing, and is about to be given up.
        if self.log.identity().is_none() || self.handle == Handle::Dead {
            self.looking.away = None;
            return;
        }
        let now = clock::instant();
        self.looking.next_at = Some(now + self.patience.look_every);
        match self.log.look() {
            Found::Same => self.is_back(),
            found @ Found::Truncated { .. } => {
                self.tell_found(found);
                self.is_back();
            }
            found @ Found::Renamed => self.goes_away(found, now, self.patience.create_after),
            found @ Found::Replaced { is_named: true, .. } => {
                self.goes_away(found, now, self.patience.replaced_settles);
            }
            found @ (Found::Replaced { is_named: false, .. } | Found::Removed) => {
                self.leave_found(found, now);
            }
        }
    }

    /// The path names the file, perhaps again.
    fn is_back(&mut self) {
        if self.looking.away.take().is_some() {
            self.tell_watch();
        }
    }

    /// Somebody may be about to make the path and to send a signal: until then, or for so long, the
    /// file is written on.
    fn goes_away(&mut self, found: Found, now: Instant, after: Duration) {
        let away = self.looking.away.get_or_insert(Away { since: now, leave_at: now + after });
        away.leave_at = away.leave_at.min(now + after);
        if away.leave_at <= now {
            self.leave_found(found, now);
        }
    }

    /// Leaves the file for the one that its path names, or will name.
    fn leave_found(&mut self, found: Found, now: Instant) {
        let since = self.looking.away.map_or(now, |away| away.since);
        let create_at = since + self.patience.create_after;
        self.tell_found(found);
        let is_named = !matches!(found, Found::Removed | Found::Replaced { is_named: false, .. });
        let complete = is_named && self.write_queued();
        let missing = match found {
            Found::Removed if create_at > now => Missing::Leave,
            _ => Missing::Create,
        };
        let left = self.leave_for(self.log.place().clone(), missing, complete);
        // Every other error is told, and the writer waits already.
        if missing == Missing::Leave && matches!(left, Err(OpenError::Missing)) {
            self.waiting = Waiting::ToCreate(create_at);
        }
    }

    /// Whether the file has no name any more, so that what is written to it is lost; tells it.
    pub(super) fn finds_removed(&mut self) -> bool {
        match self.log.look() {
            found @ (Found::Removed | Found::Replaced { is_named: false, .. }) => {
                self.tell_found(found);
                true
            }
            found @ Found::Truncated { .. } => {
                self.tell_found(found);
                false
            }
            Found::Same | Found::Renamed | Found::Replaced { is_named: true, .. } => false,
        }
    }

    fn tell_found(&mut self, found: Found) {
        self.queue.count(|counters| match found {
            Found::Renamed => counters.found.renamed += 1,
            Found::Removed => counters.found.removed += 1,
            Found::Replaced { .. } => counters.found.replaced += 1,
            Found::Truncated { .. } => counters.found.truncated += 1,
            Found::Same => {}
        });
        self.tells.found(self.log.identity(), found);
    }

    /// The directory may be another one than before.
    pub(super) fn tell_watch(&self) {
        if let Some(watch) = &self.watch {
            watch.opened(&self.log.place().path);
        }
    }
}
