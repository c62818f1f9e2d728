//! One stream's writer: a thread that owns the file, so that a hanging disk holds up nobody else.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::{Disk, Missing, OpenError};
use super::file_status::SharedFileStatus;
use super::log_file::{Left, LogFile, Reopened};
use super::order::Order;
use super::queue::{Queue, Step, Wants};
use super::retry::Backoff;
use super::settings::SyncPolicy;
use super::telling::Telling;
use crate::clock;
use crate::limits::{CREATE_AFTER_SIGNAL, WRITER_STACK_BYTES};
use crate::place::Place;
use crate::stream_name::StreamName;

/// A writer's queue.
pub type WriterQueue = Queue<Order>;

/// What a started writer will tell.
#[derive(Debug)]
pub struct Started {
    /// How the first opening went; after an error it is tried again.
    pub opened: oneshot::Receiver<Result<(), OpenError>>,
    /// That everything is written and the file closed.
    pub ended: oneshot::Receiver<()>,
}

/// Why no block is taken now.
#[derive(Debug)]
enum Waiting {
    Nothing,
    /// For somebody else to make the file; then we do.
    ToCreate(Instant),
    /// For the file to take bytes, or the path to open.
    ToRetry(Instant),
}

/// The writer of one stream.
pub struct StreamWriter<D: Disk> {
    queue: Arc<WriterQueue>,
    log: LogFile<D>,
    sync: SyncPolicy,
    tells: Telling,
    waiting: Waiting,
    backoff: Backoff,
    hurry: bool,
    sync_at: Option<Instant>,
    /// The inode of the file that was left, while there is no other yet.
    left: Option<u64>,
    idle: Idle,
}

/// Whether lines come.
#[derive(Debug, Default)]
struct Idle {
    /// After how long without one the file is closed.
    close_after: Option<Duration>,
    /// When that is, while the file is open.
    close_at: Option<Instant>,
    /// It is closed; the next line opens it.
    closed: bool,
}

impl<D: Disk + 'static> StreamWriter<D> {
    /// A writer that takes `queue`'s lines to the file at `file`.
    pub fn new(
        stream: StreamName,
        queue: Arc<WriterQueue>,
        disk: D,
        file: Place,
        sync: SyncPolicy,
    ) -> StreamWriter<D> {
        let tells = Telling::new(stream, file.path.clone());
        StreamWriter {
            queue,
            log: LogFile::new(disk, file),
            sync,
            tells,
            waiting: Waiting::Nothing,
            backoff: Backoff::default(),
            hurry: false,
            sync_at: None,
            left: None,
            idle: Idle::default(),
        }
    }

    /// The same, closing its file after so long without a line.
    pub fn closing_when_idle(mut self, close_after: Option<Duration>) -> StreamWriter<D> {
        self.idle.close_after = close_after;
        self
    }

    /// What it tells of its file.
    pub fn status(&self) -> SharedFileStatus {
        self.tells.status()
    }

    /// Runs it on a thread of its own until its queue is closed and empty.
    pub fn start(mut self) -> io::Result<Started>
    where
        D::File: 'static,
    {
        let (tell_opened, opened) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name(thread_name(self.tells.stream()));
        thread.stack_size(WRITER_STACK_BYTES).spawn(move || {
            // Whoever asked may be gone; then nobody needs to know.
            tell_opened.send(self.open(Missing::Create)).unwrap_or_default();
            self.run();
            tell_ended.send(()).unwrap_or_default();
        })?;
        Ok(Started { opened, ended })
    }

    /// Writes until the queue is closed and empty.
    pub fn run(&mut self) {
        loop {
            match self.queue.next(self.wants(), self.deadline()) {
                Step::Block(block) => {
                    self.log.load(block);
                    if std::mem::take(&mut self.idle.closed) {
                        // It writes what is loaded. The answer is in the status and the report.
                        self.open(Missing::Create).unwrap_or_default();
                    } else {
                        self.write();
                    }
                }
                // What is closed is left already, and the next line opens the path.
                Step::Order(Order::Reopen { .. }) if self.idle.closed => {}
                Step::Order(Order::Reopen { missing }) => self.reopen(missing),
                Step::Order(Order::Settings { file, sync, idle_close }) => {
                    self.idle.close_after = idle_close;
                    self.set(file, sync);
                    // From now on, whatever was to be before.
                    self.note_line();
                }
                Step::Order(Order::Hurry) => self.hurry(),
                Step::Deadline => self.deadline_passed(),
                Step::Closed => return self.end(),
            }
        }
    }

    fn wants(&self) -> Wants {
        match self.waiting {
            Waiting::Nothing => Wants::Blocks,
            _ if self.log.is_flushed() => Wants::End,
            _ => Wants::Nothing,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let waiting = match self.waiting {
            Waiting::Nothing => None,
            Waiting::ToCreate(at) | Waiting::ToRetry(at) => Some(at),
        };
        [waiting, self.sync_at, self.idle.close_at].into_iter().flatten().min()
    }

    fn deadline_passed(&mut self) {
        let now = clock::instant();
        if self.sync_at.is_some_and(|at| at <= now) {
            self.sync_now();
        }
        match self.waiting {
            Waiting::ToCreate(at) | Waiting::ToRetry(at) if at <= now => self.try_again(),
            _ => {}
        }
        if self.idle.close_at.is_some_and(|at| at <= now) {
            self.close_idle();
        }
    }

    /// Nothing has come for a while. A file that takes nothing is never left for that.
    fn close_idle(&mut self) {
        self.idle.close_at = None;
        if !matches!(self.waiting, Waiting::Nothing) || !self.log.is_flushed() {
            return;
        }
        if let Some(old) = self.log.leave(self.sync != SyncPolicy::Never) {
            self.left(&old);
            self.left = None;
            self.idle.closed = true;
        }
        self.tells.set_inode(None);
    }

    fn note_line(&mut self) {
        self.idle.close_at = self.idle.close_after.map(|after| clock::instant() + after);
    }

    fn try_again(&mut self) {
        if self.log.identity().is_some() {
            self.write();
        } else {
            // The answer is in the status and the report.
            self.open(Missing::Create).unwrap_or_default();
        }
    }

    fn hurry(&mut self) {
        self.hurry = true;
        if matches!(self.waiting, Waiting::ToRetry(_)) {
            self.try_again();
        }
    }

    /// Appends what is loaded. Returns whether the file took it all.
    fn write(&mut self) -> bool {
        self.note_line();
        let flushed = self.log.flush();
        if flushed.bytes > 0 {
            self.queue.written(flushed.lines, flushed.bytes);
        }
        if let Some(written) = self.log.take_flushed() {
            self.queue.retire(written);
        }
        self.keep_synced();
        match flushed.error {
            None => self.resumed(),
            Some(error) => self.stalled(&error),
        }
        self.log.is_flushed()
    }

    /// What was accepted before the reopen began belongs to the old file, as far as that takes it.
    fn write_queued(&mut self) -> bool {
        if self.log.identity().is_none() {
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

    fn reopen(&mut self, missing: Missing) {
        let opened = self.go_on_at(self.log.place().clone(), missing);
        // Every other error is told, and the writer waits already.
        let left_alone = missing == Missing::Leave && matches!(opened, Err(OpenError::Missing));
        // Further signals do not put it off.
        if left_alone && !matches!(self.waiting, Waiting::ToCreate(_)) {
            self.waiting = Waiting::ToCreate(clock::instant() + CREATE_AFTER_SIGNAL);
        }
    }

    /// Leaves the file for the one at `place`, with what it could not take.
    fn go_on_at(&mut self, place: Place, missing: Missing) -> Result<(), OpenError> {
        let before = self.log.identity();
        let complete = self.write_queued();
        let unwritten = if complete { 0 } else { self.queue.snapshot().pending_lines };
        self.log.set_place(place);
        let opened = self.open(missing);
        if before.is_some() && self.log.identity() != before {
            self.queue.count(|counters| counters.moved_lines += unwritten);
        }
        opened
    }

    /// Opens the path, and leaves the file that was open if the path names another one now.
    fn open(&mut self, missing: Missing) -> Result<(), OpenError> {
        let sync = self.sync != SyncPolicy::Never;
        let result = match self.log.reopen(missing, sync) {
            Reopened::Same => {
                self.queue.count(|counters| counters.reopens += 1);
                Ok(())
            }
            Reopened::New { old, unterminated } => {
                if unterminated {
                    self.tells.fragment_ended();
                }
                if let Some(old) = old {
                    self.left(&old);
                }
                if let (Some(from), Some(to)) = (self.left.take(), self.log.identity()) {
                    self.tells.reopened(from, to.inode);
                    self.queue.count(|counters| counters.reopens += 1);
                }
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
        // Even where no line waits: the file may end in a fragment.
        self.write();
    }

    fn left(&mut self, old: &Left) {
        self.left = Some(old.identity.inode);
        if old.torn {
            self.queue.count(|counters| counters.torn_left += 1);
        }
        if let Some(error) = &old.error {
            self.tells.left_with_error(old.identity.inode, error);
        }
    }

    /// The file takes bytes again, or still.
    fn resumed(&mut self) {
        if matches!(self.waiting, Waiting::Nothing) {
            return;
        }
        self.waiting = Waiting::Nothing;
        if self.tells.resumed() {
            self.backoff = Backoff::default();
        }
    }

    /// The file takes nothing now.
    fn stalled(&mut self, error: &io::Error) {
        let pause = self.wait_to_retry();
        self.tells.stalled(error, &self.queue.snapshot(), pause);
    }

    /// There is no file now.
    fn closed(&mut self, error: &OpenError) {
        let pause = self.wait_to_retry();
        self.tells.lost(error, pause);
    }

    fn wait_to_retry(&mut self) -> Duration {
        if self.hurry {
            self.backoff = Backoff::default();
        }
        let pause = self.backoff.next_pause();
        self.waiting = Waiting::ToRetry(clock::instant() + pause);
        pause
    }

    fn set(&mut self, file: Place, sync: SyncPolicy) {
        self.sync = sync;
        let moves = file.path != self.log.place().path;
        self.tells.set_path(file.path.clone());
        if moves && !self.idle.closed {
            // The answer is in the status and the report.
            self.go_on_at(file, Missing::Create).unwrap_or_default();
        } else {
            self.log.set_place(file);
        }
    }

    fn keep_synced(&mut self) {
        if let SyncPolicy::Every(interval) = self.sync
            && self.sync_at.is_none()
            && self.log.is_unsynced()
        {
            self.sync_at = Some(clock::instant() + interval);
        }
        // While lines keep coming nobody waits for the deadline.
        if self.sync_at.is_some_and(|at| at <= clock::instant()) {
            self.sync_now();
        }
    }

    fn sync_now(&mut self) {
        self.sync_at = None;
        if let Err(error) = self.log.sync() {
            self.tells.sync_failed(&error);
        }
    }

    fn end(&mut self) {
        if let Some(old) = self.log.leave(self.sync != SyncPolicy::Never) {
            self.left(&old);
        }
    }
}

/// The kernel shows at most 15 bytes of it (prctl(2)).
fn thread_name(stream: &StreamName) -> String {
    format!("w:{stream}")
}
