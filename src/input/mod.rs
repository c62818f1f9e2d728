//! Inputs: where bytes come from. Each reads, hands what it read to its stream, and waits only for
//! room in that stream's queue.
//!
//! A new kind is one file, a variant of [`InputKind`] and its row in [`open`].

mod connection;
mod fifo;
mod found_file;
pub mod pace;
mod reading;
mod settings;
pub mod socket;
mod stdin;
mod unix_stream;
mod unread;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

pub use settings::{InputKind, InputSettings};

use crate::counters::InputCounters;
use crate::framing::Framing;
use crate::pipeline::PartialMemory;
use crate::report::Complaint;
use crate::stream_name::StreamName;
use crate::writer::stream::Stream;

/// Why an input could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process listens there.
    #[error("{path}: another process listens at this socket", path = .0.display())]
    Live(PathBuf),
    /// Something is in the way that must not be touched.
    #[error("{path}: it is {kind}, not {wanted}; remove it or name another path", path = .path.display())]
    Kind {
        /// Where.
        path: PathBuf,
        /// What is there.
        kind: &'static str,
        /// What should be.
        wanted: &'static str,
    },
    /// The stream of a changed configuration could not be started.
    #[error("its stream {0} does not run")]
    NoStream(StreamName),
    /// It cannot be changed while it is read.
    #[error(
        "the standard input stays with the stream and framing that it has; restart to change them"
    )]
    Fixed,
    /// The system's reason.
    #[error("{path}: {operation}", path = .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    fn io(path: &std::path::Path, operation: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Io { path, operation, source }
    }
}

/// What all inputs of the program share.
#[derive(Clone, Debug)]
pub struct Commons {
    /// One permit a connection.
    pub connections: Arc<Semaphore>,
    /// How many permits there are.
    pub connections_max: usize,
    /// Where unfinished lines are kept.
    pub memory: Arc<PartialMemory>,
    /// When it was last told that the permits are used up.
    pub full_told: Arc<Mutex<Complaint>>,
}

impl Commons {
    fn full_is_to_be_told(&self, now: Instant) -> bool {
        self.full_told.lock().unwrap_or_else(PoisonError::into_inner).is_due(now)
    }
}

/// An open input. Dropping it closes nothing: its readers go on until they end.
pub trait Input: Send {
    /// What it has counted.
    fn counters(&self) -> &InputCounters;

    /// Goes on with other settings of the same kind and path; open connections stay as they were
    /// accepted.
    fn set(&mut self, settings: &InputSettings, stream: Arc<Stream>) -> Result<(), OpenError>;

    /// Undoes [`Input::close`], if it is not too late, and goes on with these settings.
    fn take_back(&mut self, settings: &InputSettings, stream: &Arc<Stream>) -> bool {
        let _ = (settings, stream);
        false
    }

    /// Takes no further connections. Those that are open, and those that wait to be accepted, go
    /// on to their end.
    fn close(&mut self);

    /// Reads what is on its way, then ends. What has an end of its own, a piped standard input,
    /// goes on to that.
    fn drain(&mut self);

    /// Reads nothing more: what has been read is all there is.
    fn stop(&mut self) {}

    /// Bytes that wait to be read now.
    fn unread_bytes(&self) -> u64;
}

/// Tells that everything that read for an input has ended: held by every reader.
#[derive(Clone, Debug)]
struct Alive {
    /// Dropped with the last clone.
    _tell_ended: Arc<oneshot::Sender<()>>,
}

/// An input that was opened.
pub struct Opened {
    /// The input.
    pub input: Box<dyn Input>,
    /// Resolves, to an error, when nobody reads for it any more.
    pub ended: oneshot::Receiver<()>,
}

/// What an input is opened with, apart from its place.
struct Opening<'a> {
    name: &'a str,
    framing: &'static Framing,
    stream: Arc<Stream>,
    commons: &'a Commons,
    alive: Alive,
}

/// Opens an input and begins to read; must be called on the readers' runtime.
pub fn open(
    name: &str,
    settings: &InputSettings,
    stream: Arc<Stream>,
    commons: &Commons,
) -> Result<Opened, OpenError> {
    let (tell_ended, ended) = oneshot::channel();
    let alive = Alive { _tell_ended: Arc::new(tell_ended) };
    let opening = Opening { name, framing: settings.framing, stream, commons, alive };
    let input: Box<dyn Input> = match &settings.kind {
        InputKind::UnixStream(place) => Box::new(unix_stream::open(place, opening)?),
        InputKind::Fifo(place) => Box::new(fifo::open(place, opening)?),
        InputKind::Stdin => Box::new(stdin::open(opening)?),
    };
    Ok(Opened { input, ended })
}
