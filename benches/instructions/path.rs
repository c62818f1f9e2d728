//! The way from a read over the queue to the write, readers and writer on one thread.
//!
//! The writer runs as it does in the agent. Its disk is in memory: while it appends a block, the
//! readers fill the next one, as they do beside a real disk. So the writer is never waited for and
//! never woken, and no system call is among what is counted.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use logagent::limits::{QUEUE_BYTES_MAX_DEFAULT, READ_BYTES_MAX};
use logagent::pipeline::Pipeline;
use logagent::place::Place;
use logagent::writer::WriterSettings;
use logagent::writer::archive::names::ArchiveName;
use logagent::writer::disk::{AppendFile, Condition, Disk, Identity, Missing, OpenError, Opened};
use logagent::writer::order::Order;
use logagent::writer::stream::Stream;
use logagent::writer::stream_writer::{StreamWriter, WriterQueue};

use crate::lines::Reads;
use crate::pure::Settings;

/// Takes `reads` so many times through a stream's queue into its file, `reads_per_write` of them
/// while a block is written. Returns how many lines were written.
pub(crate) fn run(settings: &Settings, reads: Reads, reads_per_write: usize, rounds: u64) -> u64 {
    let queue = Arc::new(WriterQueue::new(QUEUE_BYTES_MAX_DEFAULT));
    let name = || "web".parse().expect("a stream name");
    let stream = Stream::new(name(), queue.clone(), None, settings.lines());
    let mut readers = Readers {
        stream: Some(stream),
        pipeline: settings.pipeline(),
        reads,
        buffer: Vec::with_capacity(READ_BYTES_MAX),
        reads_per_write,
        at: 0,
        rounds_left: rounds,
    };
    readers.fill();
    let disk = MemoryDisk { readers: Some(readers) };
    let place = Place { path: "/log/web.log".into(), mode: 0o640, owner: None, group: None };
    let mut writer = StreamWriter::new(name(), queue.clone(), disk, WriterSettings::of(place));
    queue.order(Order::Reopen { missing: Missing::Create });
    writer.run();
    let end = queue.snapshot();
    assert_eq!(end.pending_lines, 0);
    assert_eq!(end.counters.lines_in, end.counters.lines_written);
    end.counters.lines_written
}

/// All connections of the stream.
struct Readers {
    /// Let go at the end, so that the writer ends.
    stream: Option<Stream>,
    pipeline: Pipeline,
    reads: Reads,
    /// What they share.
    buffer: Vec<u8>,
    reads_per_write: usize,
    at: usize,
    rounds_left: u64,
}

impl Readers {
    /// Reads until the writer has something to write.
    fn fill(&mut self) {
        let (mut reads, mut lines) = (0, 0);
        while reads < self.reads_per_write || lines == 0 {
            if self.at == self.reads.count() {
                self.at = 0;
                self.rounds_left -= 1;
            }
            if self.rounds_left == 0 {
                self.stream = None;
            }
            let Some(stream) = &self.stream else { return };
            let bytes = black_box(self.reads.get(self.at));
            lines += read(stream, &mut self.pipeline, &mut self.buffer, bytes);
            reads += 1;
            self.at += 1;
        }
    }
}

/// One read, as `input` makes it. Returns how many lines it ended.
fn read(stream: &Stream, pipeline: &mut Pipeline, buffer: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    let bytes_max = stream.read_bytes_max(pipeline.expansion(), pipeline.partial_bytes());
    assert!(bytes.len() <= bytes_max, "the queue is full");
    let accepted = if pipeline.reads_in_place(bytes_max) {
        stream.read_in_place(pipeline, bytes_max, |out| out.extend_from_slice(bytes)).0
    } else {
        buffer.clear();
        buffer.extend_from_slice(bytes);
        stream.push(pipeline, buffer, |_| {})
    };
    accepted.lines
}

/// A disk with one file.
struct MemoryDisk {
    readers: Option<Readers>,
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn open_append(&mut self, _: &Place, _: Missing) -> Result<Opened<MemoryFile>, OpenError> {
        let readers = self.readers.take().ok_or(OpenError::Missing)?;
        let file = MemoryFile { readers, bytes: 0 };
        let identity = Identity { device: 1, inode: 1 };
        let modified_at = SystemTime::UNIX_EPOCH;
        Ok(Opened { file, identity, unterminated: false, size: 0, modified_at })
    }

    fn identity_at(&mut self, _: &Path) -> io::Result<Option<Identity>> {
        // There is one once it is open.
        Ok(self.readers.is_none().then_some(Identity { device: 1, inode: 1 }))
    }

    fn newest_archive(&mut self, _: &Path) -> io::Result<Option<(ArchiveName, Identity)>> {
        Ok(None)
    }

    fn rename_new(&mut self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn unlink(&mut self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file that only counts what is appended to it.
struct MemoryFile {
    readers: Readers,
    bytes: u64,
}

impl AppendFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += black_box(bytes).len() as u64;
        self.readers.fill();
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }

    fn condition(&self) -> io::Result<Condition> {
        Ok(Condition { is_named: true, size: Some(self.bytes) })
    }

    fn close(self) -> io::Result<()> {
        Ok(())
    }
}
