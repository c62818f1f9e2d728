//! Inputs: where bytes come from. Each reads, hands what it read to its stream, and waits only for
//! room in that stream's queue.
//!
//! A new kind is one file, a variant of [`InputKind`] and its row in [`open`].

mod arrival;
mod caught;
mod child;
mod connection;
mod fifo;
mod found_file;
mod headroom;
mod holders;
mod instances;
mod intake;
mod leave;
mod listener;
pub mod pace;
mod packets;
mod plan;
mod reading;
mod settings;
pub mod socket;
mod stdin;
mod streams;
mod systemd;
mod unix_datagram;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

pub use child::ChildOutput;
use intake::Intake;
use socket::Connections;
use tokio::sync::{Semaphore, oneshot};

pub use reading::share;
pub use settings::{InputKind, InputSettings};
pub use streams::{StreamWanted, Streams};
pub use systemd::Inherited;

use crate::counters::InputCounters;
use crate::origin::Cgroups;
use crate::pipeline::PartialMemory;
use crate::report::Complaint;
use crate::store::Store;
use crate::stream_name::StreamName;
use crate::writer::stream::Stream;

/// Why an input could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process listens there.
    #[error("{path}: another process listens at this socket", path = .0.display())]
    Live(PathBuf),
    /// systemd listens there, for us.
    #[error(
        "{path}: systemd holds this socket and hands it over as {name:?}: instead of this input write \
         [input.{name}.systemd]", path = .path.display()
    )]
    Held {
        /// Where.
        path: PathBuf,
        /// Its FileDescriptorName.
        name: String,
    },
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
    /// It has no connections that could have different ones.
    #[error(
        "a datagram socket, a FIFO and the standard input feed one stream: write its name in \
         stream, without placeholders, and neither allow nor client-names-stream"
    )]
    OneStream,
    /// Packets need no counts.
    #[error("the framing {0} is for bytes without borders; this socket's packets have them")]
    Framing(&'static str),
    /// systemd has not handed it over.
    #[error(
        "systemd has handed over no descriptor named {0:?}: write FileDescriptorName={0} in the \
         .socket unit, and let systemd start the agent"
    )]
    NotInherited(String),
    /// systemd has handed over something else.
    #[error("the descriptor that systemd has handed over as {name:?} {problem}")]
    Inherited {
        /// Its FileDescriptorName.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
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
    fn io(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Io { path, operation, source }
    }

    /// Of an input whose path is not at hand.
    fn of(name: &str, operation: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        OpenError::io(Path::new(name), operation)
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
    /// Where streams are that connections name.
    pub streams: Streams,
    /// Which units cgroups are of.
    pub cgroups: Arc<Cgroups>,
    /// What systemd has handed over, and the pipes of a command that `run` starts.
    pub inherited: Arc<Inherited>,
    /// What outlives the agent, if anything does.
    pub store: Store,
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
    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError>;

    /// Undoes [`Input::close`], if it is not too late, and goes on with these settings.
    fn take_back(&mut self, settings: &InputSettings, stream: Option<&Arc<Stream>>) -> bool {
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

impl Alive {
    /// For whoever may read more, as long as anybody reads.
    fn downgrade(&self) -> MaybeAlive {
        MaybeAlive(Arc::downgrade(&self._tell_ended))
    }
}

/// As [`Alive`], and does not keep it.
#[derive(Clone, Debug)]
struct MaybeAlive(Weak<oneshot::Sender<()>>);

impl MaybeAlive {
    fn upgrade(&self) -> Option<Alive> {
        self.0.upgrade().map(|_tell_ended| Alive { _tell_ended })
    }
}

/// An input that was opened.
pub struct Opened {
    /// The input.
    pub input: Box<dyn Input>,
    /// Resolves, to an error, when nobody reads for it any more.
    pub ended: oneshot::Receiver<()>,
}

/// Who has made a socket or FIFO, and keeps it when the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MadeBy {
    /// We: whoever sends to it is refused when nobody reads any more.
    Us,
    /// systemd: what is sent to it waits for whoever is started next.
    Systemd,
}

/// What an input is opened with, apart from its place.
#[derive(Clone)]
struct Opening<'a> {
    name: &'a str,
    settings: &'a InputSettings,
    intake: Arc<Intake>,
    /// The stream that its routing leads to by itself, if it does.
    stream: Option<Arc<Stream>>,
    alive: Alive,
}

impl Opening<'_> {
    /// The stream of an input without connections.
    fn only_stream(&self) -> Result<Arc<Stream>, OpenError> {
        let routing = &self.settings.routing;
        let stream = self.stream.as_ref().filter(|_| !routing.tells_clients_apart());
        stream.cloned().ok_or(OpenError::OneStream)
    }
}

/// Opens an input and begins to read; must be called on the readers' runtime. `stream` is the one
/// that its routing leads to by itself, if it does.
pub fn open(
    name: &str,
    settings: &InputSettings,
    stream: Option<Arc<Stream>>,
    commons: &Commons,
) -> Result<Opened, OpenError> {
    open_here(name, settings, stream, commons).map_err(|error| match error {
        OpenError::Live(path) => match commons.inherited.name_at(&path) {
            Some(name) => OpenError::Held { name: name.to_owned(), path },
            None => OpenError::Live(path),
        },
        error => error,
    })
}

fn open_here(
    name: &str,
    settings: &InputSettings,
    stream: Option<Arc<Stream>>,
    commons: &Commons,
) -> Result<Opened, OpenError> {
    let (tell_ended, ended) = oneshot::channel();
    let alive = Alive { _tell_ended: Arc::new(tell_ended) };
    let intake = Intake::new(name, commons);
    let opening = Opening { name, settings, intake, stream, alive };
    let input: Box<dyn Input> = match &settings.kind {
        InputKind::UnixStream(place) => {
            Box::new(listener::open(place, Connections::Stream, opening)?)
        }
        InputKind::UnixSeqpacket(place) => {
            Box::new(listener::open(place, Connections::Seqpacket, opening)?)
        }
        InputKind::UnixDatagram(place) => Box::new(unix_datagram::open(place, opening)?),
        InputKind::Fifo { place, instances } => {
            Box::new(instances::open(place, *instances, opening)?)
        }
        InputKind::Stdin => Box::new(stdin::open(opening)?),
        InputKind::Child(output) => Box::new(child::open(*output, opening)?),
        InputKind::Systemd(descriptor) => Box::new(systemd::open(descriptor, opening)?),
    };
    Ok(Opened { input, ended })
}
