//! A stream and an input while they run.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;

use super::hand_over::restored;
use crate::clock;
use crate::formatting::Gap;
use crate::input::{Input, InputKind};
use crate::line::Lost;
use crate::report::{LinesCrashed, report};
use crate::store::{Slot, Store};
use crate::stream_name::StreamName;
use crate::watch::{Watch, WatchedFile};
use crate::writer::StreamSettings;
use crate::writer::archive::archivist::Archivist;
use crate::writer::disk::{Disk as _, FileSystem, Identity};
use crate::writer::file_status::{FileStatus, SharedFileStatus};
use crate::writer::order::Order;
use crate::writer::queue::{Queue, Snapshot};
use crate::writer::stream::Stream;
use crate::writer::stream_writer::{Started, StreamWriter, WriterQueue};
use crate::writer::tee::Tee;

/// An open input.
pub(super) struct RunningInput {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) kind: InputKind,
    /// Of its socket or FIFO, where it has made one.
    pub(super) identity: Option<Identity>,
    pub(super) input: Box<dyn Input>,
}

impl RunningInput {
    /// What is at the path of `kind` now, if anything.
    pub(super) fn identity_at(kind: &InputKind) -> Option<Identity> {
        FileSystem.identity_at(kind.path()?).ok().flatten()
    }

    /// Whether what is at the path of `kind` is the socket that this one has made.
    pub(super) fn has_made(&self, kind: &InputKind) -> bool {
        let same_path = kind.path().is_some() && kind.path() == self.kind.path();
        same_path && self.identity.is_some() && self.identity == RunningInput::identity_at(kind)
    }
}

/// What a stream is started with beside its settings.
pub(super) struct Surroundings {
    /// Where its lines are copied to.
    pub(super) tee: Option<Arc<Tee>>,
    /// Who looks after its archives.
    pub(super) archivist: Archivist,
    /// Where it notes what is not written yet.
    pub(super) store: Store,
    /// Who watches its file.
    pub(super) watch: Arc<Watch>,
}

/// A stream and its writer.
pub(super) struct RunningStream {
    id: u64,
    name: StreamName,
    queue: Arc<WriterQueue>,
    tee: Option<Arc<Tee>>,
    status: SharedFileStatus,
    /// The configured one: the writer may be behind.
    path: PathBuf,
    /// Held while the stream is configured; connections may hold it longer.
    held: Option<Arc<Stream>>,
    on_demand: bool,
    /// Whether its file is rotated by us.
    rotates: bool,
    store: Store,
    slot: Option<Slot>,
    /// The counters go on where those of the agent before ended.
    goes_on: bool,
    watch: Arc<Watch>,
    /// Of the configured path.
    watched: WatchedFile,
}

impl RunningStream {
    pub(super) fn start(
        id: u64,
        name: &StreamName,
        settings: &StreamSettings,
        Surroundings { tee, archivist, store, watch }: Surroundings,
    ) -> io::Result<(RunningStream, Started)> {
        let queue = Arc::new(Queue::new(settings.queue_bytes_max));
        queue.set_on_full(settings.on_full);
        let goes_by = settings.writer.clone();
        let writer = StreamWriter::new(name.clone(), queue.clone(), FileSystem, goes_by);
        let mut writer = writer.with_archivist(archivist).watched_by(watch.clone());
        let watched = watch.file(&settings.writer.file.path, queue.clone());
        let status = writer.status();
        // Before the writer starts: without a producer it would end.
        let lines = settings.lines.clone();
        let stream = Arc::new(Stream::new(name.clone(), queue.clone(), tee.clone(), lines));
        let (name, path) = (name.clone(), settings.writer.file.path.clone());
        let held = Some(stream);
        let on_demand = settings.writer.idle_close.is_some();
        let rotates = settings.writer.rotate.is_some();
        let slot = store.stream(&name);
        if let Some(slot) = slot {
            queue.mirror_pending(slot.pending());
        }
        let before = store.before(|before| before.streams.remove(&name));
        if let Some(counters) = before {
            queue.count(|now| *now = counters);
        }
        let mut waits = false;
        if let Some(left) = store.before(|before| before.unwritten.remove(&name)) {
            let lines = left.lines;
            match restored(left) {
                Some(unwritten) => {
                    writer.take_over(unwritten);
                    waits = true;
                }
                None => {
                    queue.count(|now| now.lines_dropped.crash += lines);
                    report(&LinesCrashed { stream: &name, lines: &lines });
                }
            }
        }
        let started = if waits && store.is_untouched() {
            let store = store.clone();
            let started = writer.start_after(move || store.wait_until_begun())?;
            // The start does not wait for what waits for it.
            Started { opened: oneshot::channel().1, ..started }
        } else {
            writer.start()?
        };
        let running = RunningStream {
            id,
            name,
            queue,
            tee,
            status,
            path,
            held,
            on_demand,
            rotates,
            store,
            slot,
            goes_on: before.is_some(),
            watch,
            watched,
        };
        Ok((running, started))
    }

    /// Counts lines that the agent before had read and not written.
    pub(super) fn count_crashed(&self, lines: u64, bytes: u64) {
        self.queue.count(|counters| {
            counters.lines_in += if self.goes_on { 0 } else { lines };
            counters.lines_dropped.crash += lines;
        });
        let now = clock::now();
        let lost = Lost { lines, bytes, from: now, to: now };
        self.queue.tell_gap(Gap { lost, reason: "crash" });
    }

    /// Its writer has ended: nothing can be lost any more.
    pub(super) fn end(&self) {
        if let Some(slot) = self.slot {
            self.store.release(slot);
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn name(&self) -> &StreamName {
        &self.name
    }

    /// For a producer.
    pub(super) fn stream(&self) -> Option<Arc<Stream>> {
        self.held.clone()
    }

    /// For a connection that names it. Where nobody holds it any more it goes on, if its writer is
    /// still there.
    pub(super) fn stream_again(&mut self, settings: &StreamSettings) -> Option<Arc<Stream>> {
        if self.held.is_some() {
            return self.held.clone();
        }
        if !self.revive(&self.name.clone(), settings) {
            return None;
        }
        self.held.take()
    }

    /// Whether it was made since a connection named it.
    pub(super) fn is_on_demand(&self) -> bool {
        self.on_demand
    }

    /// Whether its file is rotated by us.
    pub(super) fn rotates(&self) -> bool {
        self.rotates
    }

    /// Whether it was made on demand, has no file open and nothing to write, and no connection holds
    /// it.
    pub(super) fn is_unused(&self) -> bool {
        let idle = self.on_demand && self.file_status().inode.is_none();
        let held = self.held.as_ref().is_some_and(|held| Arc::strong_count(held) > 1);
        idle && !held && self.snapshot().pending_lines == 0
    }

    pub(super) fn order(&self, order: Order) {
        self.queue.order(order);
    }

    /// Goes on with other settings: lines from the next read on, the file at once.
    pub(super) fn set(&mut self, settings: &StreamSettings) {
        if let Some(stream) = &self.held {
            stream.set_line_settings(settings.lines.clone());
        }
        let path = &settings.writer.file.path;
        if self.path != *path {
            self.watched = self.watch.file(path, self.queue.clone());
            self.path.clone_from(path);
        }
        self.on_demand = settings.writer.idle_close.is_some();
        self.rotates = settings.writer.rotate.is_some();
        self.queue.set_bytes_max(settings.queue_bytes_max);
        self.queue.set_on_full(settings.on_full);
        self.order(Order::Settings(Box::new(settings.writer.clone())));
    }

    /// Goes on under this name, if it writes to this file and its writer is still there.
    /// Connections that were accepted before stay as they are.
    pub(super) fn revive(&mut self, name: &StreamName, settings: &StreamSettings) -> bool {
        if self.path != settings.writer.file.path || !self.queue.add_producer_if_alive() {
            return false;
        }
        let (queue, tee) = (self.queue.clone(), self.tee.clone());
        let stream = Stream::new(name.clone(), queue, tee, settings.lines.clone());
        // The stream is a producer by itself.
        self.queue.remove_producer();
        self.name = name.clone();
        self.held = Some(Arc::new(stream));
        self.set(settings);
        true
    }

    /// The writer ends once every connection has let go too, and everything is written.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.queue.snapshot()
    }

    /// Lines that are lost, of which nothing in the file tells yet.
    pub(super) fn untold_lines(&self) -> u64 {
        self.queue.untold_lines()
    }

    pub(super) fn file_status(&self) -> FileStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
