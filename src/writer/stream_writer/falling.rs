//! A fault of ours in a writer, a panic: it is told, and the stream goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::looking::Looking;
use super::{StreamWriter, Waiting};
use crate::clock;
use crate::writer::disk::Disk;

impl<D: Disk + 'static> StreamWriter<D> {
    /// What `work` returns; nothing where it fell. Then nothing is written for a while.
    ///
    /// What the file has is known to the byte whenever the disk is asked for something, and lines
    /// are handed from the queue to the file's state without a step between, so that none is lost or
    /// doubled.
    pub(super) fn caught<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self))).ok();
        if result.is_none() {
            self.fall();
        }
        result
    }

    fn fall(&mut self) {
        let now = clock::instant();
        let pause = self.falls.next_pause(now);
        self.waiting = Waiting::ToRetry(now + pause);
        self.idle.closed = false;
        // What was found out may have been forgotten again.
        self.looking = Looking::default();
        // Whatever state it is in, the path is opened again; but in the middle of a line only this
        // file can be continued.
        if !self.log.is_torn() || self.log.identity().is_none() {
            let sync = self.syncs_at_the_end();
            let left = catch_unwind(AssertUnwindSafe(|| self.log.leave(sync)));
            if let Ok(Some(old)) = left {
                self.left(&old);
            }
        }
        self.tells.set_inode(self.log.identity().map(|identity| identity.inode));
        self.tells.fell(&self.queue.snapshot(), pause);
    }
}
