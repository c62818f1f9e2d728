//! A stream and an input while they run.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

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
    /// The configured one: the writer may be behind.
    path: PathBuf,
    /// Held while the stream is configured; connections may hold it longer.
    held: Option<Arc<Stream>>,
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
        let (name, path) = (name.clone(), settings.file.path.clone());
        let held = Some(stream);
        Ok((RunningStream { id, name, queue, tee, status, path, held }, started))
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
    pub(super) fn set(&mut self, settings: &StreamSettings) {
        if let Some(stream) = &self.held {
            stream.set_line_settings(settings.lines.clone());
        }
        self.path.clone_from(&settings.file.path);
        self.queue.set_bytes_max(settings.queue_bytes_max);
        self.order(Order::Settings { file: settings.file.clone(), sync: settings.sync });
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
