//! Leaving a file for the one that its path names now.

use super::{StreamWriter, Waiting};
use crate::clock;
use crate::limits::CREATE_AFTER_SIGNAL;
use crate::place::Place;
use crate::writer::disk::{Disk, Missing, OpenError};
use crate::writer::log_file::{Left, Reopened};
use crate::writer::order::{FileChange, OldFile};
use crate::writer::settings::WriterSettings;
use crate::writer::stall::Handle;

impl<D: Disk + 'static> StreamWriter<D> {
    /// What was accepted before the reopen began belongs to the old file, as far as that takes it.
    pub(super) fn write_queued(&mut self) -> bool {
        if self.log.identity().is_none() || self.handle == Handle::Dead {
            return false;
        }
        let mut complete = self.log.is_flushed() || self.write();
        for _ in 0..self.queue.blocks() {
            if !complete {
                break;
            }
            let Some(block) = self.queue.take_block() else { break };
            self.log.load(block);
            complete = self.write();
        }
        complete
    }

    pub(super) fn reopen(&mut self, missing: Missing) {
        let opened = self.go_on_at(self.log.place().clone(), missing);
        // Every other error is told, and the writer waits already.
        if missing == Missing::Leave && matches!(opened, Err(OpenError::Missing)) {
            let at = clock::instant() + CREATE_AFTER_SIGNAL;
            // Further signals do not put it off.
            self.waiting = Waiting::ToCreate(match self.waiting {
                Waiting::ToCreate(before) => before.min(at),
                _ => at,
            });
        }
    }

    /// Leaves the file for the one at `place`, with what it could not take.
    pub(super) fn go_on_at(&mut self, place: Place, missing: Missing) -> Result<(), OpenError> {
        // A dead handle tells nothing.
        let is_dead = self.handle == Handle::Dead;
        let complete = !is_dead && !self.finds_removed() && self.write_queued();
        self.leave_for(place, missing, complete)
    }

    /// The same, once the old file has got what it is to have; `complete` if that is all there was.
    pub(super) fn leave_for(
        &mut self,
        place: Place,
        missing: Missing,
        complete: bool,
    ) -> Result<(), OpenError> {
        let before = self.log.identity();
        let unwritten = if complete { 0 } else { self.queue.snapshot().pending_lines };
        self.log.set_place(place);
        let opened = self.open(missing);
        if before.is_some() && self.log.identity() != before {
            self.queue.count(|counters| counters.moved_lines += unwritten);
        }
        opened
    }

    /// Opens the path, and leaves the file that was open if the path names another one now.
    pub(super) fn open(&mut self, missing: Missing) -> Result<(), OpenError> {
        self.looking.begin(self.patience);
        let sync = self.syncs_at_the_end();
        let dead = std::mem::take(&mut self.handle) == Handle::Dead;
        let reopened = if dead { self.log.renew(missing) } else { self.log.reopen(missing, sync) };
        let result = match reopened {
            Reopened::Same => {
                self.queue.count(|counters| counters.reopens += 1);
                if dead {
                    self.opened();
                }
                Ok(())
            }
            Reopened::New { old, unterminated } => {
                if unterminated {
                    self.tells.fragment_ended();
                    self.queue.count(|counters| counters.fragments += 1);
                }
                if let Some(old) = old {
                    self.left(&old);
                }
                if let (Some(from), Some(to)) = (self.left.take(), self.log.identity()) {
                    self.tells.reopened(from, to.inode);
                    self.queue.count(|counters| counters.reopens += 1);
                }
                self.begin_archives();
                self.opened();
                Ok(())
            }
            Reopened::Kept(error) => {
                self.tells.kept(&error);
                Err(error)
            }
            Reopened::Closed { error, old } => {
                if let Some(old) = old {
                    self.left(&old);
                }
                let left_alone = missing == Missing::Leave && matches!(error, OpenError::Missing);
                if !left_alone {
                    self.closed(&error);
                }
                Err(error)
            }
        };
        self.tells.set_inode(self.log.identity().map(|identity| identity.inode));
        result
    }

    /// A new file is open: it takes what waits.
    fn opened(&mut self) {
        // Whoever has opened it: the next line finds it open.
        self.idle.closed = false;
        self.tell_watch();
        self.tell_followers();
        // Even where no line waits: the file may end in a fragment.
        self.write();
    }

    /// Before anything is written to it: what its readers are to see begins at its size now.
    pub(super) fn tell_followers(&mut self) {
        if !self.followers.is_empty()
            && let Some(open) = self.open_file()
        {
            self.followers.opened(self.tells.stream(), &open);
        }
    }

    pub(super) fn left(&mut self, old: &Left) {
        self.left = Some(old.identity.inode);
        self.untold = Some(old.into());
        if old.torn {
            self.queue.count(|counters| counters.torn_left += 1);
        }
        self.note_error(old);
    }

    /// What a file said at its end is told to whoever waits for an answer next, whatever has been
    /// left since.
    pub(super) fn note_error(&mut self, old: &Left) {
        let Some(error) = &old.error else { return };
        let inode = old.identity.inode;
        self.tells.left_with_error(inode, error);
        self.untold_error =
            Some(format!("the old file, inode {inode}, may not be complete: {error}"));
    }

    /// What was left since somebody was last told; an error where it may not be complete.
    pub(super) fn take_untold(&mut self) -> Result<Option<OldFile>, String> {
        let old = self.untold.take();
        self.untold_error.take().map_or(Ok(old), Err)
    }

    /// A reopen for somebody who waits until the old file is complete and closed, and the new one
    /// open.
    pub(super) fn reopen_and_answer(&mut self) -> Result<FileChange, String> {
        let mut change =
            FileChange { file: self.log.place().path.clone(), ..FileChange::default() };
        if !self.idle.closed {
            let moved = |writer: &Self| writer.queue.snapshot().counters.moved_lines;
            let moved_before = moved(self);
            let place = self.log.place().clone();
            self.go_on_at(place, Missing::Create).map_err(|error| error.to_string())?;
            change.moved_lines = moved(self) - moved_before;
        }
        change.old = self.take_untold()?;
        change.new_inode = self.log.identity().map(|identity| identity.inode);
        Ok(change)
    }

    pub(super) fn set(&mut self, settings: WriterSettings) {
        let file = settings.file.clone();
        self.settings = settings;
        let moves = file.path != self.log.place().path;
        self.tells.set_path(file.path.clone());
        if moves && !self.idle.closed {
            // The answer is in the status and the report.
            self.go_on_at(file, Missing::Create).unwrap_or_default();
        } else {
            self.log.set_place(file);
            self.rotation_changed();
        }
    }
}
