//! One stream's writer: a thread that owns the file, so that a hanging disk holds up nobody else.

mod falling;
mod looking;
mod reopening;
mod rotating;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rotating::Rotating;
use tokio::sync::oneshot;

pub use looking::{DirectoryWatch, Patience};

use looking::Looking;

use super::archive::archivist::Archivist;
use super::disk::{Disk, Missing, OpenError};
use super::file_status::SharedFileStatus;
use super::following::{Followers, OpenFile};
use super::log_file::LogFile;
use super::order::{OldFile, Order, Unwritten};
use super::queue::{Queue, Step, Wants};
use super::retry::{Backoff, Falls};
use super::settings::{SyncPolicy, WriterSettings};
use super::stall::{self, Handle};
use super::telling::Telling;
use crate::clock;
use crate::limits::WRITER_STACK_BYTES;
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
    settings: WriterSettings,
    tells: Telling,
    waiting: Waiting,
    backoff: Backoff,
    handle: Handle,
    hurry: bool,
    sync_at: Option<Instant>,
    /// The inode of the file that was left, while there is no other yet.
    left: Option<u64>,
    /// What was left since somebody was last told.
    untold: Option<OldFile>,
    /// What a file that was left since then said at its end, where something may not be stored.
    untold_error: Option<String>,
    followers: Followers,
    idle: Idle,
    looking: Looking,
    falls: Falls,
    patience: Patience,
    watch: Option<Arc<dyn DirectoryWatch>>,
    rotating: Rotating,
}

/// Whether lines come.
#[derive(Debug, Default)]
struct Idle {
    /// When the file is closed, while it is open.
    close_at: Option<Instant>,
    /// It is closed; the next line opens it.
    closed: bool,
}

impl<D: Disk + 'static> StreamWriter<D> {
    /// A writer that takes `queue`'s lines to the file that `settings` name.
    pub fn new(
        stream: StreamName,
        queue: Arc<WriterQueue>,
        disk: D,
        settings: WriterSettings,
    ) -> StreamWriter<D> {
        let tells = Telling::new(stream, settings.file.path.clone());
        StreamWriter {
            queue,
            log: LogFile::new(disk, settings.file.clone()),
            settings,
            tells,
            waiting: Waiting::Nothing,
            backoff: Backoff::default(),
            handle: Handle::Good,
            hurry: false,
            sync_at: None,
            left: None,
            untold: None,
            untold_error: None,
            followers: Followers::default(),
            idle: Idle::default(),
            rotating: Rotating::default(),
            looking: Looking::default(),
            falls: Falls::default(),
            patience: Patience::default(),
            watch: None,
        }
    }

    /// Archives are `archivist`'s to look after.
    #[must_use]
    pub fn with_archivist(mut self, archivist: Archivist) -> StreamWriter<D> {
        self.rotating.archivist = Some(archivist);
        self
    }

    /// Tells `watch` of every file that it opens.
    #[must_use]
    pub fn watched_by(mut self, watch: Arc<dyn DirectoryWatch>) -> StreamWriter<D> {
        self.watch = Some(watch);
        self
    }

    /// With another patience than the usual one.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> StreamWriter<D> {
        self.patience = patience;
        self
    }

    /// What it tells of its file.
    pub fn status(&self) -> SharedFileStatus {
        self.tells.status()
    }

    /// Runs it on a thread of its own until its queue is closed and empty.
    pub fn start(self) -> io::Result<Started>
    where
        D::File: 'static,
    {
        self.start_after(|| {})
    }

    /// The same, once `wait` has returned on that thread.
    pub fn start_after(mut self, wait: impl FnOnce() + Send + 'static) -> io::Result<Started>
    where
        D::File: 'static,
    {
        let (tell_opened, opened) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name(thread_name(self.tells.stream()));
        thread.stack_size(WRITER_STACK_BYTES).spawn(move || {
            wait();
            if let Some(opened) = self.caught(|writer| writer.open(Missing::Create)) {
                // Whoever asked may be gone; then nobody needs to know.
                tell_opened.send(opened).unwrap_or_default();
            }
            self.run();
            tell_ended.send(()).unwrap_or_default();
        })?;
        Ok(Started { opened, ended })
    }

    /// Writes until the queue is closed and empty.
    pub fn run(&mut self) {
        while self.caught(Self::run_until_closed).is_none() {}
    }

    fn run_until_closed(&mut self) {
        loop {
            match self.queue.next(self.wants(), self.deadline()) {
                Step::Block(block) => {
                    self.log.load(block);
                    if std::mem::take(&mut self.idle.closed) {
                        // It writes what is loaded. The answer is in the status and the report.
                        self.open(Missing::Create).unwrap_or_default();
                    } else if self.look_before_write() {
                        self.write();
                    }
                }
                Step::Order(order) => self.follow(order),
                Step::Deadline => self.deadline_passed(),
                Step::Closed => return self.end(),
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            // What is closed is left already, and the next line opens the path.
            Order::Reopen { .. } if self.idle.closed => {}
            Order::Reopen { missing } => self.reopen(missing),
            Order::ReopenAndAnswer(reply) => {
                // Whoever asked may be gone.
                reply.send(self.reopen_and_answer()).unwrap_or_default();
            }
            Order::Follow(follower) => {
                let (stream, path) = (self.tells.stream(), self.log.place().path.clone());
                self.followers.add(follower, stream, path, self.open_file());
            }
            Order::RotateAndAnswer(reply) => {
                reply.send(self.rotate_and_answer()).unwrap_or_default();
            }
            Order::Settings(settings) => {
                self.set(*settings);
                // From now on, whatever was to be before.
                self.note_line();
            }
            Order::Look => self.look(),
            Order::Hurry => self.hurry(),
            Order::GiveUp(reply) => reply.send(self.give_up()).unwrap_or_default(),
        }
    }

    /// The open file, for whoever reads it outside.
    fn open_file(&self) -> Option<OpenFile> {
        let (file, size) = self.log.open_to_read()?;
        let inode = self.log.identity()?.inode;
        Some(OpenFile { path: self.log.place().path.clone(), inode, size, file })
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
        let (leave_at, rotate_at) = (self.looking.leave_at(), self.rotating.look_at);
        let others =
            earlier(earlier(self.sync_at, self.idle.close_at), earlier(leave_at, rotate_at));
        earlier(waiting, others)
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
        if self.looking.leave_at().is_some_and(|at| at <= now) {
            self.look();
        }
        if self.rotating.look_at.is_some_and(|at| at <= now) {
            self.rotate_if_due();
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
        if let Some(old) = self.log.leave(self.syncs_at_the_end()) {
            self.left(&old);
            self.left = None;
            self.idle.closed = true;
        }
        self.looking = Looking::default();
        self.tells.set_inode(None);
    }

    fn note_line(&mut self) {
        self.idle.close_at = self.settings.idle_close.map(|after| clock::instant() + after);
    }

    fn try_again(&mut self) {
        if self.handle == Handle::Dead {
            // The answer is in the status and the report.
            self.go_on_at(self.log.place().clone(), Missing::Create).unwrap_or_default();
        } else if self.log.identity().is_none() {
            // The answer is in the status and the report.
            self.open(Missing::Create).unwrap_or_default();
        } else if self.look_before_write() {
            self.write();
        }
    }

    /// What is not written, for another process to go on with. It stays counted as pending.
    fn give_up(&mut self) -> Unwritten {
        let (mut block, begun) = self.log.give_up();
        while let Some(more) = self.queue.take_block() {
            block.append_block(&more);
        }
        Unwritten { block, begun }
    }

    /// Goes on with what the agent before had not written.
    pub fn take_over(&mut self, unwritten: Unwritten) {
        let Unwritten { block, begun } = unwritten;
        self.queue.take_over(block.lines(), block.len(), block.extra_bytes());
        self.log.take_over(block, begun);
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
        if self.settings.rotate.is_some() {
            self.rotate_if_due();
        }
        let flushed = loop {
            let flushed = self.log.flush();
            if flushed.bytes > 0 {
                self.queue.written(flushed.lines, flushed.bytes);
            }
            if !flushed.is_full {
                break flushed;
            }
            self.rotate_full();
        };
        if let Some(written) = self.log.take_flushed() {
            self.queue.retire(written);
        }
        self.keep_synced();
        match flushed.error {
            None => self.resumed(),
            Some(error) => self.stalled(&error),
        }
        if self.settings.rotate.is_some() {
            self.note_period();
        }
        self.log.is_flushed()
    }

    /// The file takes bytes again, or still.
    fn resumed(&mut self) {
        if matches!(self.waiting, Waiting::Nothing) {
            return;
        }
        self.waiting = Waiting::Nothing;
        self.handle = Handle::Good;
        self.queue.stalled_by(None);
        if self.tells.resumed() {
            self.backoff = Backoff::default();
        }
    }

    /// The file takes nothing now.
    fn stalled(&mut self, error: &io::Error) {
        let pause = self.wait_to_retry();
        self.queue.stalled_by(Some(stall::reason(error)));
        self.handle = self.handle.after(error);
        self.tells.stalled(error, &self.queue.snapshot(), pause);
    }

    /// There is no file now.
    fn closed(&mut self, error: &OpenError) {
        let pause = self.wait_to_retry();
        self.queue.stalled_by(Some(stall::reason_not_open(error)));
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

    fn syncs_at_the_end(&self) -> bool {
        self.settings.sync != SyncPolicy::Never
    }

    fn keep_synced(&mut self) {
        if let SyncPolicy::Every(interval) = self.settings.sync
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
        if let Some(old) = self.log.leave(self.syncs_at_the_end()) {
            self.left(&old);
        }
    }
}

/// The first of two, as far as there are any.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// The kernel shows at most 15 bytes of it (prctl(2)).
fn thread_name(stream: &StreamName) -> String {
    format!("w:{stream}")
}
