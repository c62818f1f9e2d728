//! A stream and an input while they run.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use crate::input::{Input, InputKind};
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;
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
}

impl RunningStream {
    pub(super) fn start(
        id: u64,
        name: &StreamName,
        settings: &StreamSettings,
        tee: Option<Arc<Tee>>,
    ) -> io::Result<(RunningStream, Started)> {
        let queue = Arc::new(Queue::new(settings.queue_bytes_max));
        let file = settings.file.clone();
        let writer =
            StreamWriter::new(name.clone(), queue.clone(), FileSystem, file, settings.sync);
        let writer = writer.closing_when_idle(settings.idle_close);
        let status = writer.status();
        // Before the writer starts: without a producer it would end.
        let lines = settings.lines.clone();
        let stream = Arc::new(Stream::new(name.clone(), queue.clone(), tee.clone(), lines));
        let started = writer.start()?;
        let (name, path) = (name.clone(), settings.file.path.clone());
        let held = Some(stream);
        let on_demand = settings.idle_close.is_some();
        Ok((RunningStream { id, name, queue, tee, status, path, held, on_demand }, started))
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
        self.path.clone_from(&settings.file.path);
        self.on_demand = settings.idle_close.is_some();
        self.queue.set_bytes_max(settings.queue_bytes_max);
        self.order(Order::Settings {
            file: settings.file.clone(),
            sync: settings.sync,
            idle_close: settings.idle_close,
        });
    }

    /// Goes on under this name, if it writes to this file and its writer is still there.
    /// Connections that were accepted before stay as they are.
    pub(super) fn revive(&mut self, name: &StreamName, settings: &StreamSettings) -> bool {
        if self.path != settings.file.path || !self.queue.add_producer_if_alive() {
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

    pub(super) fn file_status(&self) -> FileStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
