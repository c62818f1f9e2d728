//! A stream and an input while they run.

use std::io;
use std::sync::{Arc, PoisonError, Weak};

use crate::input::{Input, InputKind};
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;
use crate::writer::disk::FileSystem;
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
    pub(super) input: Box<dyn Input>,
}

/// A stream and its writer.
pub(super) struct RunningStream {
    id: u64,
    name: StreamName,
    queue: Arc<WriterQueue>,
    tee: Option<Arc<Tee>>,
    status: SharedFileStatus,
    /// Held while the stream is configured.
    held: Option<Arc<Stream>>,
    /// Connections may hold it longer than we do.
    stream: Weak<Stream>,
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
        let status = writer.status();
        // Before the writer starts: without a producer it would end.
        let lines = settings.lines.clone();
        let stream = Arc::new(Stream::new(name.clone(), queue.clone(), tee.clone(), lines));
        let started = writer.start()?;
        let (name, weak) = (name.clone(), Arc::downgrade(&stream));
        let held = Some(stream);
        Ok((RunningStream { id, name, queue, tee, status, held, stream: weak }, started))
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

    pub(super) fn order(&self, order: Order) {
        self.queue.order(order);
    }

    /// Goes on with other settings: lines from the next read on, the file at once.
    pub(super) fn set(&self, settings: &StreamSettings) {
        if let Some(stream) = &self.held {
            stream.set_line_settings(settings.lines.clone());
        }
        self.queue.set_bytes_max(settings.queue_bytes_max);
        self.order(Order::Settings { file: settings.file.clone(), sync: settings.sync });
    }

    /// Goes on under another name, in the same file: connections to the old name keep it.
    pub(super) fn rename(&mut self, name: &StreamName, settings: &StreamSettings) {
        let (queue, tee) = (self.queue.clone(), self.tee.clone());
        let stream = Stream::new(name.clone(), queue, tee, settings.lines.clone());
        let stream = Arc::new(stream);
        self.name = name.clone();
        self.stream = Arc::downgrade(&stream);
        self.held = Some(stream);
        self.set(settings);
    }

    /// The writer ends once every connection has let go too, and everything is written.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Undoes [`RunningStream::let_go`], if a connection still holds the stream.
    pub(super) fn take_back(&mut self) -> bool {
        self.held = self.stream.upgrade();
        self.held.is_some()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.queue.snapshot()
    }

    pub(super) fn file_status(&self) -> FileStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
