//! A Unix socket bound to a path: its owner and mode stand before any client can connect, and
//! what is in the way is looked at first.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, chown};

use super::OpenError;
use crate::clock;
use crate::limits::BACKLOG;
use crate::place::{Place, not_given};
use crate::store::Store;
use crate::writer::disk::kind_name;

/// A socket that is bound, and what was found at its path.
#[derive(Debug)]
pub struct Bound<S> {
    /// Non-blocking.
    pub socket: S,
    /// A socket that nobody listened at was replaced.
    pub replaced_stale: bool,
    /// A regular file was in the way and is here now.
    pub found_file: Option<PathBuf>,
}

/// What to do with a regular file at the socket's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// Rename it: systemd has made it for a unit that started too early, and it holds lines.
    TakeFile,
    /// It is somebody's.
    Refuse,
}

/// What a listening socket's connections carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Bytes.
    Stream,
    /// Packets, in order.
    Seqpacket,
}

impl Connections {
    pub(super) fn kind(self) -> SockType {
        match self {
            Connections::Stream => SockType::Stream,
            Connections::Seqpacket => SockType::SeqPacket,
        }
    }
}

/// Listens at `place`.
pub fn listen_at(
    place: &Place,
    connections: Connections,
    in_the_way: InTheWay,
) -> Result<Bound<UnixListener>, OpenError> {
    let Bound { socket, replaced_stale, found_file } =
        bound_at(place, connections.kind(), in_the_way)?;
    let listening = Backlog::new(BACKLOG).and_then(|backlog| listen(&socket, backlog));
    let listening = listening.map_err(io::Error::from);
    listening.map_err(OpenError::io(&place.path, "cannot listen at the socket"))?;
    Ok(Bound { socket: UnixListener::from(socket), replaced_stale, found_file })
}

/// The socket that the agent before has left at `place`, if it is of that kind. Whoever connected
/// meanwhile waits in it.
pub fn listening_already(
    place: &Place,
    connections: Connections,
    store: &Store,
) -> Result<Option<UnixListener>, OpenError> {
    let Some(socket) = left_at(place, connections.kind(), store)? else { return Ok(None) };
    Ok(Some(UnixListener::from(socket)))
}

/// The same for datagrams.
pub fn receiving_already(place: &Place, store: &Store) -> Result<Option<UnixDatagram>, OpenError> {
    Ok(left_at(place, SockType::Datagram, store)?.map(UnixDatagram::from))
}

fn left_at(place: &Place, wanted: SockType, store: &Store) -> Result<Option<OwnedFd>, OpenError> {
    let Some(socket) = store.take_place(&place.path) else { return Ok(None) };
    if getsockopt(&socket, sockopt::SockType) != Ok(wanted) {
        // Ours, and as long as systemd keeps it, it looks like somebody else's.
        store.forget_place(&place.path);
        fs::remove_file(&place.path).unwrap_or_default();
        return Ok(None);
    }
    set_access(place).map_err(OpenError::io(&place.path, "cannot set its owner and mode"))?;
    Ok(Some(socket))
}

/// Receives datagrams at `place`.
pub fn receive_at(place: &Place) -> Result<Bound<UnixDatagram>, OpenError> {
    let bound = bound_at(place, SockType::Datagram, InTheWay::Refuse)?;
    let Bound { socket, replaced_stale, found_file } = bound;
    Ok(Bound { socket: UnixDatagram::from(socket), replaced_stale, found_file })
}

fn bound_at(
    place: &Place,
    kind: SockType,
    in_the_way: InTheWay,
) -> Result<Bound<OwnedFd>, OpenError> {
    let path = &place.path;
    make_directory(path)?;
    let (mut replaced_stale, mut found_file) = (false, None);
    loop {
        match clear_way(path, in_the_way)? {
            Way::Free => {}
            Way::StaleRemoved => replaced_stale = true,
            Way::FileRenamed(to) => found_file = Some(to),
        }
        match bind_at(place, kind) {
            Ok(socket) => return Ok(Bound { socket, replaced_stale, found_file }),
            // Somebody was quicker: systemd makes a regular file for a unit that starts just now.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(OpenError::io(path, "cannot bind the socket")(error)),
        }
    }
}

/// What was in the way.
enum Way {
    Free,
    StaleRemoved,
    FileRenamed(PathBuf),
}

fn clear_way(path: &Path, in_the_way: InTheWay) -> Result<Way, OpenError> {
    let Ok(found) = path.symlink_metadata() else { return Ok(Way::Free) };
    let kind = found.file_type();
    if kind.is_file() && in_the_way == InTheWay::TakeFile {
        return rename_away(path).map(Way::FileRenamed);
    }
    if !kind.is_socket() {
        let kind = kind_name(kind);
        return Err(OpenError::Kind { path: path.to_owned(), kind, wanted: "a socket" });
    }
    if is_live(path) {
        return Err(OpenError::Live(path.to_owned()));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OpenError::io(path, "cannot remove a socket that nobody listens at")(error))
        }
        _ => Ok(Way::StaleRemoved),
    }
}

/// Renames a regular file out of the way; says what it is called now.
pub(super) fn rename_away(path: &Path) -> Result<PathBuf, OpenError> {
    let to = free_name(path);
    fs::rename(path, &to).map_err(OpenError::io(path, "cannot rename the file found here"))?;
    Ok(to)
}

/// `PATH.found-TIME`, with a number behind it where that is taken.
fn free_name(path: &Path) -> PathBuf {
    let time = humantime::format_rfc3339_seconds(clock::now()).to_string();
    let time: String = time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".found-{time}{suffix}"));
        PathBuf::from(name)
    };
    let numbers = (2..).map(|number: u32| named(&format!("-{number}")));
    let mut names = std::iter::once(named("")).chain(numbers);
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| named(""))
}

/// Whether somebody listens: only then does connect(2) not say that nobody does.
fn is_live(path: &Path) -> bool {
    let attempt = || -> nix::Result<()> {
        let client = new_socket(SockType::Stream)?;
        connect(client.as_raw_fd(), &UnixAddr::new(path)?)
    };
    // A socket of another kind (EPROTOTYPE) is somebody's too.
    !matches!(attempt(), Err(Errno::ECONNREFUSED | Errno::ENOENT))
}

fn bind_at(place: &Place, kind: SockType) -> io::Result<OwnedFd> {
    let socket = new_socket(kind)?;
    // The mode of the unbound socket becomes that of the file, so nobody can connect yet.
    fchmod(&socket, Mode::empty())?;
    bind(socket.as_raw_fd(), &UnixAddr::new(&place.path)?)?;
    set_access(place)?;
    Ok(socket)
}

/// Gives a socket's file its owner, group and mode.
pub fn set_access(place: &Place) -> io::Result<()> {
    if place.owner.is_some() || place.group.is_some() {
        let (owner, group) = (place.owner.map(Uid::from_raw), place.group.map(Gid::from_raw));
        chown(&place.path, owner, group).map_err(not_given)?;
    }
    fs::set_permissions(&place.path, fs::Permissions::from_mode(place.mode))
}

fn new_socket(kind: SockType) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, kind, flags, None)
}

/// Makes the directory that `path` is in.
pub fn make_directory(path: &Path) -> Result<(), OpenError> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
    made.map_err(OpenError::io(directory, "cannot make the directory"))
}
