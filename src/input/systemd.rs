//! `systemd`: sockets and FIFOs that systemd has made and hands over by their FileDescriptorName
//! (systemd.socket(5), sd_listen_fds(3)); several of a name are one input.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use nix::sys::stat::{SFlag, fstat};

use super::intake::Intake;
use super::socket::Connections;
use super::{
    ChildOutput, Input, InputSettings, MadeBy, OpenError, Opening, fifo, listener, unix_datagram,
};
use crate::counters::InputCounters;
use crate::store::path_of;
use crate::writer::stream::Stream;

/// What systemd has handed over, and where a command will write that `run` starts.
#[derive(Debug, Default)]
pub struct Inherited {
    descriptors: Vec<(String, OwnedFd)>,
    child: Vec<(ChildOutput, OwnedFd)>,
}

impl Inherited {
    /// Descriptors with their names.
    pub fn new(descriptors: Vec<(String, OwnedFd)>) -> Inherited {
        Inherited { descriptors, child: Vec::new() }
    }

    /// The same with our ends of a command's pipes.
    pub fn with_child(self, child: Vec<(ChildOutput, OwnedFd)>) -> Inherited {
        Inherited { child, ..self }
    }

    /// Where this output of the command is read.
    pub(super) fn of_child(&self, wanted: ChildOutput) -> Option<&OwnedFd> {
        self.child.iter().find(|(output, _)| *output == wanted).map(|(_, end)| end)
    }

    /// The names, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.descriptors.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The name of what is at `path`.
    pub(super) fn name_at(&self, path: &Path) -> Option<&str> {
        let at = |descriptor: &OwnedFd| path_of(descriptor).is_some_and(|it| it == path);
        let found = self.descriptors.iter().find(|(_, descriptor)| at(descriptor));
        found.map(|(name, _)| name.as_str())
    }

    fn named(&self, wanted: &str) -> impl Iterator<Item = &OwnedFd> {
        self.descriptors.iter().filter(move |(name, _)| name == wanted).map(|(_, fd)| fd)
    }
}

pub(super) struct SystemdInput {
    intake: Arc<Intake>,
    kinds: Vec<Kind>,
    parts: Vec<Box<dyn Input>>,
}

/// What a descriptor is.
#[derive(Clone, Copy)]
enum Kind {
    Listener(Connections),
    Datagrams,
    Fifo,
}

impl Kind {
    /// Whether it can be read so: what the configuration says is not known to fit before.
    fn check(self, settings: &InputSettings) -> Result<(), OpenError> {
        let packets = matches!(self, Kind::Datagrams | Kind::Listener(Connections::Seqpacket));
        if packets && !settings.framing.fits_packets() {
            return Err(OpenError::Framing(settings.framing.name));
        }
        match self {
            Kind::Datagrams | Kind::Fifo if settings.routing.tells_clients_apart() => {
                Err(OpenError::OneStream)
            }
            _ => Ok(()),
        }
    }
}

/// Reads all descriptors of this name.
pub(super) fn open(name: &str, opening: Opening<'_>) -> Result<SystemdInput, OpenError> {
    let intake = opening.intake.clone();
    let inherited = intake.commons.inherited.clone();
    let mut kinds = Vec::new();
    // First all are looked at: nothing is read before everything is known to be right.
    for descriptor in inherited.named(name) {
        let wrong = |problem| OpenError::Inherited { name: name.to_owned(), problem };
        let kind = kind(descriptor).map_err(wrong)?;
        kind.check(opening.settings)?;
        kinds.push(kind);
    }
    if kinds.is_empty() {
        return Err(OpenError::NotInherited(name.to_owned()));
    }
    let descriptors = inherited.named(name).zip(&kinds);
    let parts = descriptors.map(|(descriptor, kind)| part(descriptor, *kind, &opening));
    Ok(SystemdInput { intake, parts: parts.collect::<Result<_, _>>()?, kinds })
}

fn part(
    descriptor: &OwnedFd,
    kind: Kind,
    opening: &Opening<'_>,
) -> Result<Box<dyn Input>, OpenError> {
    let failed = || OpenError::of(opening.name, "cannot use what systemd has handed over");
    let copy = descriptor.try_clone().map_err(failed())?;
    let (made_by, opening) = (MadeBy::Systemd, opening.clone());
    Ok(match kind {
        Kind::Listener(connections) => {
            let listener = UnixListener::from(copy);
            listener.set_nonblocking(true).map_err(failed())?;
            Box::new(listener::accept(listener, connections, made_by, opening)?)
        }
        Kind::Datagrams => {
            let socket = UnixDatagram::from(copy);
            socket.set_nonblocking(true).map_err(failed())?;
            Box::new(unix_datagram::read(socket, made_by, opening)?)
        }
        Kind::Fifo => {
            // Nobody reads it beside us.
            let flags = fcntl(&copy, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
            let set = |flags| fcntl(&copy, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK));
            flags.and_then(set).map_err(io::Error::from).map_err(failed())?;
            Box::new(fifo::read(File::from(copy), made_by, opening)?)
        }
    })
}

fn kind(descriptor: &OwnedFd) -> Result<Kind, &'static str> {
    let unknown = |_| "cannot be looked at";
    let mode = SFlag::from_bits_truncate(fstat(descriptor).map_err(unknown)?.st_mode);
    match mode & SFlag::S_IFMT {
        SFlag::S_IFIFO => {
            let flags = fcntl(descriptor, FcntlArg::F_GETFL).map_err(unknown)?;
            // It would end with its last writer.
            return match flags & OFlag::O_ACCMODE.bits() == OFlag::O_RDWR.bits() {
                true => Ok(Kind::Fifo),
                false => {
                    Err("is a pipe that is not open for reading and writing, as systemd's are")
                }
            };
        }
        SFlag::S_IFSOCK => {}
        _ => return Err("is neither a socket nor a FIFO"),
    }
    let name: SockaddrStorage = getsockname(descriptor.as_raw_fd()).map_err(unknown)?;
    if name.family() != Some(AddressFamily::Unix) {
        return Err("is no Unix socket: write a path in the .socket unit");
    }
    let listens = getsockopt(descriptor, sockopt::AcceptConn).map_err(unknown)?;
    match getsockopt(descriptor, sockopt::SockType).map_err(unknown)? {
        SockType::Datagram => Ok(Kind::Datagrams),
        _ if !listens => Err("is a single connection: write Accept=no in the .socket unit"),
        SockType::SeqPacket => Ok(Kind::Listener(Connections::Seqpacket)),
        SockType::Stream => Ok(Kind::Listener(Connections::Stream)),
        _ => Err("is a socket of a kind that is not read here"),
    }
}

impl Input for SystemdInput {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError> {
        // First all are looked at, as at the start.
        self.kinds.iter().try_for_each(|kind| kind.check(settings))?;
        self.parts.iter_mut().try_for_each(|part| part.set(settings, stream.clone()))
    }

    /// A FIFO must never have two readers, which would share its lines out.
    fn take_back(&mut self, settings: &InputSettings, stream: Option<&Arc<Stream>>) -> bool {
        let fits = self.kinds.iter().all(|kind| kind.check(settings).is_ok());
        let taken = fits && self.parts.iter_mut().all(|part| part.take_back(settings, stream));
        if !taken {
            self.close();
        }
        taken
    }

    fn close(&mut self) {
        self.parts.iter_mut().for_each(|part| part.close());
    }

    fn drain(&mut self) {
        self.parts.iter_mut().for_each(|part| part.drain());
    }

    fn stop(&mut self) {
        self.parts.iter_mut().for_each(|part| part.stop());
    }

    fn unread_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.unread_bytes()).sum()
    }
}
