//! Rotation without logrotate: the file gets its archive's name, and the stream goes on in a new
//! one; by size, by time, and when somebody asks for it.

use std::fmt;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use super::{StreamWriter, Waiting};
use crate::clock;
use crate::writer::archive::archivist::Archivist;
use crate::writer::archive::names::{ArchiveName, Stamp};
use crate::writer::archive::{Archives, Compress, period};
use crate::writer::disk::{Disk, Missing, OpenError};
use crate::writer::log_file::{Left, Rotated};
use crate::writer::order::{FileChange, OldFile};
use crate::writer::retry::Backoff;

/// When the file is rotated next, and what its archive is called.
#[derive(Debug, Default)]
pub(super) struct Rotating {
    pub(super) archivist: Option<Archivist>,
    /// The newest archive, if any, once somebody has looked.
    newest: Option<Option<Stamp>>,
    /// When the first line of the file came, or its last one before it was opened.
    begun_at: Option<SystemTime>,
    /// When to look whether the file's period has ended.
    pub(super) look_at: Option<Instant>,
    /// After a failure, when to try again.
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// What came of a rotation.
enum Outcome {
    /// The file is this archive now.
    Rotated(OldFile, PathBuf),
    /// It is empty, or there is none.
    Nothing,
    /// Somebody has moved it away.
    Elsewhere,
    /// It goes on, or there is none now; that has been told.
    Failed(String),
}

impl<D: Disk + 'static> StreamWriter<D> {
    /// A file was opened: it has its period, and its archives are looked at.
    pub(super) fn begin_archives(&mut self) {
        self.rotating.begun_at = self.log.modified_at();
        (self.rotating.newest, self.rotating.retry_at) = (None, None);
        if self.settings.rotate.is_some() {
            // What fails here is looked at again, and told, when the file is rotated.
            self.rotating.newest = self.log.newest_archive().ok();
        }
        self.rotation_changed();
    }

    /// Goes by the settings, and by the file, as they are now.
    pub(super) fn rotation_changed(&mut self) {
        self.bound_file();
        self.note_period();
        self.plan_look();
        self.look_after_archives();
    }

    /// Lets the file grow to the size at which it is rotated; beyond it while it cannot be.
    fn bound_file(&mut self) {
        let bytes_max = self.settings.rotate.as_ref().and_then(|rotate| rotate.bytes_max);
        self.log.set_bytes_max(bytes_max.filter(|_| self.rotating.retry_at.is_none()));
    }

    fn look_after_archives(&self) {
        let (archivist, rotation) = (&self.rotating.archivist, &self.settings.rotate);
        // Whoever has no file open has no lock: the archives may be another agent's.
        let (Some(archivist), Some(rotation), Some(_)) = (archivist, rotation, self.log.identity())
        else {
            return;
        };
        archivist.look_after(Archives {
            stream: self.tells.stream().clone(),
            file: self.log.place().path.clone(),
            rotation: rotation.clone(),
            status: self.tells.status(),
        });
    }

    // --- by time ---

    fn rotates_by_time(&self) -> bool {
        self.settings.rotate.as_ref().is_some_and(|rotate| rotate.every.is_some())
    }

    /// The end of the period that the file belongs to, if it is to be rotated then.
    fn period_end(&self) -> Option<SystemTime> {
        let every = self.settings.rotate.as_ref()?.every?;
        Some(period::end(self.rotating.begun_at?, every))
    }

    /// The file belongs to the period of its first line.
    pub(super) fn note_period(&mut self) {
        if !self.rotates_by_time() {
            return;
        }
        if self.rotating.begun_at.is_none() && self.log.size() > 0 {
            self.rotating.begun_at = Some(clock::now());
        }
        if self.rotating.look_at.is_none() && matches!(self.waiting, Waiting::Nothing) {
            self.plan_look();
        }
    }

    /// Sees to it that the file is looked at when its period ends, even where no line comes then.
    fn plan_look(&mut self) {
        let rotating = &self.rotating;
        let look_at = self.period_end().and_then(|end| {
            let left = end.duration_since(clock::now()).unwrap_or_default();
            clock::instant().checked_add(left)
        });
        // After a failure not before the next attempt.
        self.rotating.look_at =
            look_at.map(|at| rotating.retry_at.map_or(at, |retry| at.max(retry)));
    }

    /// Rotates the file if its period has ended. A line that has begun is finished first, and a
    /// file that takes nothing stays what it is.
    pub(super) fn rotate_if_due(&mut self) {
        if self.rotating.retry_at.is_some_and(|at| at <= clock::instant()) {
            self.rotating.retry_at = None;
            self.bound_file();
        }
        let Some(end) = self.period_end() else { return };
        // The clock may have been set since the look was planned.
        let is_due = clock::now() >= end;
        if is_due && !self.can_rotate() {
            // Once lines are written again it is looked at again.
            self.rotating.look_at = None;
            return;
        }
        if is_due && self.rotating.retry_at.is_none() {
            self.rotate_by_itself();
        }
        if self.rotating.look_at.is_some_and(|at| at <= clock::instant()) {
            self.plan_look();
        }
    }

    // --- by size ---

    /// Rotates a file that has its size; where that cannot be it grows beyond it for a while.
    pub(super) fn rotate_full(&mut self) {
        if self.log.ends_with_a_line() {
            self.rotate_by_itself();
        }
    }

    // --- however it comes ---

    fn rotate_by_itself(&mut self) {
        if let Outcome::Elsewhere = self.rotate() {
            // Whoever did it has a signal or a command to send, or the watch finds it.
            self.rotation_failed(&"the path does not name the open file");
        }
    }

    fn can_rotate(&self) -> bool {
        let has_file = self.log.identity().is_some();
        has_file && matches!(self.waiting, Waiting::Nothing) && self.log.ends_with_a_line()
    }

    fn rotate(&mut self) -> Outcome {
        let newest = match self.rotating.newest {
            Some(newest) => newest,
            None => match self.log.newest_archive() {
                Ok(newest) => newest,
                Err(error) => return self.rotation_failed(&error),
            },
        };
        let stamp = Stamp::next(newest, clock::now());
        let archive = self.log.archive_path(ArchiveName { stamp, compress: Compress::None });
        let rotated = self.log.rotate(&archive, self.syncs_at_the_end());
        if !matches!(rotated, Rotated::Empty) {
            self.rotating.newest = Some(Some(stamp));
        }
        self.tells.set_inode(self.log.identity().map(|identity| identity.inode));
        match rotated {
            Rotated::Done { old, unterminated } => {
                if unterminated {
                    self.tells.fragment_ended();
                    self.queue.count(|counters| counters.fragments += 1);
                }
                self.rotated(&old, archive)
            }
            Rotated::Empty => {
                self.rotating.begun_at = None;
                Outcome::Nothing
            }
            Rotated::Elsewhere => Outcome::Elsewhere,
            Rotated::Kept(error) => self.rotation_failed(&error),
            Rotated::Closed { error, old } => self.lost_by_rotation(&error, old.as_ref()),
        }
    }

    fn rotated(&mut self, old: &Left, archive: PathBuf) -> Outcome {
        self.tell_followers();
        self.queue.count(|counters| counters.rotations += 1);
        self.tells.rotated(&archive, &old.into());
        self.note_error(old);
        (self.rotating.retry_at, self.rotating.backoff) = (None, Backoff::default());
        self.rotating.begun_at = self.log.modified_at();
        self.rotation_changed();
        Outcome::Rotated(old.into(), archive)
    }

    /// The file goes on as it is.
    fn rotation_failed(&mut self, error: &dyn fmt::Display) -> Outcome {
        let pause = self.rotating.backoff.next_pause();
        self.rotating.retry_at = Some(clock::instant() + pause);
        self.tells.rotation_failed(error, pause);
        self.bound_file();
        self.plan_look();
        Outcome::Failed(error.to_string())
    }

    /// There is no file now: the next attempt to open the path goes on from here.
    fn lost_by_rotation(&mut self, error: &OpenError, old: Option<&Left>) -> Outcome {
        if let Some(old) = old {
            self.left(old);
        }
        self.closed(error);
        Outcome::Failed(error.to_string())
    }

    /// A rotation for somebody who waits until the archive is complete and the new file open.
    pub(super) fn rotate_and_answer(&mut self) -> Result<FileChange, String> {
        let mut change =
            FileChange { file: self.log.place().path.clone(), ..FileChange::default() };
        if self.idle.closed {
            match self.open(Missing::Leave) {
                Ok(()) => {}
                Err(OpenError::Missing) => return Ok(change),
                Err(error) => {
                    // It is tried again, not opened by the next line.
                    self.idle.closed = false;
                    return Err(error.to_string());
                }
            }
        }
        let moved = |writer: &Self| writer.queue.snapshot().counters.moved_lines;
        let moved_before = moved(self);
        let is_removed = self.finds_removed();
        if !is_removed {
            // What was accepted before belongs to the archive.
            self.write_queued();
            if !self.can_rotate() {
                let told = self.tells.last_error().unwrap_or_default();
                return Err(format!("the file takes nothing now: {told}"));
            }
        }
        let outcome = if is_removed { Outcome::Elsewhere } else { self.rotate() };
        match outcome {
            Outcome::Rotated(old, archive) => {
                (change.old, change.archive) = (Some(old), Some(archive));
            }
            Outcome::Nothing => {}
            Outcome::Elsewhere => {
                // There is nothing more to do to it.
                let place = self.log.place().clone();
                let left = self.leave_for(place, Missing::Create, !is_removed);
                left.map_err(|error| error.to_string())?;
                change.old = self.take_untold()?;
                change.moved_lines = moved(self) - moved_before;
            }
            Outcome::Failed(error) => return Err(error),
        }
        if let Some(error) = self.untold_error.take() {
            return Err(error);
        }
        change.new_inode = self.log.identity().map(|identity| identity.inode);
        Ok(change)
    }
}
