//! The descriptor store: systemd keeps sockets, FIFOs and connections while the agent is restarted,
//! so that no client notices (systemd.service(5), FileDescriptorStoreMax=).
//!
//! Beside them it keeps two files in memory: the [`ledger`], which is true at any moment, for a
//! crash; and the [`handover`] of an agent that stops.

pub mod handover;
mod kept;
pub mod ledger;
mod left;
pub mod supervisor;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{Shutdown, SockType, getsockopt, shutdown, sockopt};

pub use handover::{Begun, Handover, Unwritten};
pub use kept::Kept;
pub use ledger::{Entry, Slot, Whose};
use left::StoredPlace;
pub use left::{Crashed, LostLines, Record, StoredConnection, path_of};
pub use supervisor::Supervisor;

use crate::limits::{HAND_OVER_MAX, READ_BYTES_MAX};
use crate::report::{
    ConnectionUntaken, HalvesLeft, HandoverFailed, StoreFailed, StoreFull, StoreOff, report,
};
use crate::stream_name::StreamName;
use crate::system::shared_bytes;

const PREFIX: &str = "logagent-";
const LEDGER: &str = "logagent-ledger";
const HANDOVER: &str = "logagent-handover";
const BUFFER: &str = "logagent-buffer";
const CONNECTION: &str = "logagent-c-";
const PLACE: &str = "logagent-p-";

/// The ledger, the buffer, and the handover of the end.
const OWN: usize = 3;

/// What stands in the buffer where nothing was read. No text in UTF-8 has this byte.
pub const UNREAD: u8 = 0xFF;

/// The store, or none: then nothing outlives the agent.
#[derive(Clone, Debug, Default)]
pub struct Store(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    supervisor: Arc<Supervisor>,
    ledger: ledger::Ledger,
    buffer: OwnedFd,
    descriptors_max: usize,
    descriptors: AtomicUsize,
    unstored: AtomicU64,
    next_key: AtomicU64,
    shared: Mutex<Shared>,
    /// Whether a connection that ends here ends: not before everything is taken over, and not once
    /// it is handed over.
    lets_go: AtomicBool,
    begun: Mutex<bool>,
    has_begun: Condvar,
}

#[derive(Debug, Default)]
struct Shared {
    /// What the agent before has left, until it is taken.
    connections: Vec<StoredConnection>,
    places: Vec<StoredPlace>,
    pending: Vec<LostLines>,
    /// What a crash has left of FIFOs and datagram sockets, by their places.
    crashed: BTreeMap<String, Crashed>,
    buffer: Option<&'static mut [u8]>,
    before: Handover,
    /// Sockets and FIFOs that are kept, by path.
    kept: Vec<(PathBuf, String)>,
    /// For the next agent.
    next: Handover,
    full_was_told: bool,
}

/// Whether a descriptor of this name is one that the store keeps.
pub fn is_kept_as(name: &str) -> bool {
    name.starts_with(PREFIX)
}

impl Store {
    /// The store of a process that was started with these `descriptors`, where systemd keeps at most
    /// so many for it. What is not the store's is left in `descriptors`.
    pub fn open(
        supervisor: Option<Arc<Supervisor>>,
        descriptors_max: usize,
        descriptors: &mut Vec<(String, OwnedFd)>,
        slots: usize,
    ) -> io::Result<Store> {
        let (stored, others): (Vec<_>, Vec<_>) =
            std::mem::take(descriptors).into_iter().partition(|(name, _)| is_kept_as(name));
        *descriptors = others;
        let (Some(supervisor), 1..) = (supervisor.clone(), descriptors_max) else {
            if !stored.is_empty() {
                let_go(stored, supervisor.as_deref());
            }
            return Ok(Store::default());
        };
        let ledger = ledger::Ledger::new(slots)?;
        let length = const { NonZeroUsize::new(READ_BYTES_MAX).expect("a read has some bytes") };
        let (buffer, bytes) = shared_bytes(c"logagent-buffer", length)?;
        bytes.fill(UNREAD);
        let (mut shared, next_key) = Shared::found(stored, &supervisor);
        let count = shared.connections.len() + shared.places.len() + OWN;
        shared.buffer = Some(bytes);
        Ok(Store(Some(Arc::new(Inner {
            supervisor,
            ledger,
            buffer,
            descriptors_max,
            descriptors: AtomicUsize::new(count),
            unstored: AtomicU64::new(0),
            next_key: AtomicU64::new(next_key),
            shared: Mutex::new(shared),
            lets_go: AtomicBool::new(false),
            begun: Mutex::new(false),
            has_begun: Condvar::new(),
        }))))
    }

    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Descriptors that could not be kept.
    pub fn unstored(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.unstored.load(Relaxed))
    }

    /// Has a new connection kept until [`Kept`] is dropped, or left.
    pub fn keep_connection(&self, connection: impl AsFd) -> Kept {
        let key = self.0.as_ref().and_then(|inner| {
            let key = inner.next_key.fetch_add(1, Relaxed);
            inner.keep(&connection_name(key), connection).then_some(key)
        });
        Kept { store: self.clone(), key, slot: None }
    }

    /// The same for one that is kept already.
    pub fn kept_already(&self, key: u64) -> Kept {
        Kept { store: self.clone(), key: Some(key), slot: None }
    }

    /// The connections of this kind that the agent before had accepted at `path`.
    pub fn take_connections_at(&self, path: &Path, kind: SockType) -> Vec<StoredConnection> {
        self.with(|shared| {
            let all = std::mem::take(&mut shared.connections);
            let (taken, left) = all.into_iter().partition(|stored| {
                stored.path == path && getsockopt(&stored.descriptor, sockopt::SockType) == Ok(kind)
            });
            shared.connections = left;
            taken
        })
    }

    /// What came of the record that the FIFO or datagram socket at `place` was in.
    pub fn take_record(&self, place: &str) -> Option<Record> {
        self.with(|shared| {
            let left = shared.before.fifos.remove(place).map(Record::GoesOn);
            left.or_else(|| shared.crashed.remove(place).map(Record::Crashed))
        })
    }

    /// Notes for a crash how far the FIFO or datagram socket at `place` is read.
    pub fn enter(&self, place: &str) -> Option<Slot> {
        self.0.as_ref()?.ledger.enter(&Entry::Only { place: place.to_owned() })
    }

    /// Where the readers' thread is to read, so that nothing is lost that it reads when it crashes.
    /// It must hold [`UNREAD`] wherever nothing is read to.
    pub fn take_buffer(&self) -> Option<&'static mut [u8]> {
        self.with(|shared| shared.buffer.take())
    }

    /// Lines that the agent before had read and not written when it ended.
    pub fn take_lost_lines(&self) -> Vec<LostLines> {
        self.with(|shared| std::mem::take(&mut shared.pending))
    }

    /// What the agent before has counted, and FIFOs' unfinished lines.
    pub fn before<T: Default>(&self, take: impl FnOnce(&mut Handover) -> T) -> T {
        self.with(|shared| take(&mut shared.before))
    }

    /// For the next agent.
    pub fn next<T: Default>(&self, put: impl FnOnce(&mut Handover) -> T) -> T {
        self.with(|shared| put(&mut shared.next))
    }

    /// The socket or FIFO that the agent before had made at `path`.
    pub fn take_place(&self, path: &Path) -> Option<OwnedFd> {
        self.with(|shared| {
            let at = shared.places.iter().position(|place| is_same(&place.path, path))?;
            // Somebody may have put another one there, or removed it: then nobody can reach it.
            let found = path.symlink_metadata().ok()?;
            if found.ino() != shared.places[at].inode {
                return None;
            }
            let StoredPlace { name, path, descriptor, .. } = shared.places.swap_remove(at);
            shared.kept.push((path, name));
            Some(descriptor)
        })
    }

    /// Has the socket or FIFO at `path` kept.
    pub fn keep_place(&self, path: &Path, descriptor: impl AsFd) {
        let is_kept = |shared: &mut Shared| shared.kept.iter().any(|(kept, _)| is_same(kept, path));
        if let Some(inner) = &self.0
            && !self.with(is_kept)
            && let Ok(found) = path.symlink_metadata()
        {
            let key = inner.next_key.fetch_add(1, Relaxed);
            let name = format!("{PLACE}{key}-{}", found.ino());
            if inner.keep(&name, descriptor) {
                self.with(|shared| shared.kept.push((path.to_owned(), name)));
            }
        }
    }

    /// The socket or FIFO at `path` ends with the input.
    pub fn forget_place(&self, path: &Path) {
        let Some(inner) = &self.0 else { return };
        let name = self.with(|shared| {
            let at = shared.kept.iter().position(|(kept, _)| is_same(kept, path))?;
            Some(shared.kept.swap_remove(at).1)
        });
        if let Some(name) = name {
            inner.forget(&name);
        }
    }

    /// Everything that the agent before has left is taken over: from now on our own ledger counts,
    /// and what nobody has taken is let go.
    pub fn begin(&self) {
        let Some(inner) = &self.0 else { return };
        inner.supervisor.forget(LEDGER);
        inner.supervisor.forget(HANDOVER);
        inner.supervisor.forget(BUFFER);
        inner.supervisor.keep(BUFFER, inner.buffer.as_fd());
        inner.supervisor.keep(LEDGER, inner.ledger.memory());
        for untaken in self.with(|shared| std::mem::take(&mut shared.connections)) {
            report(&ConnectionUntaken { path: &untaken.path.display() });
            // Its end is told at once, whoever else has it. It fails where the peer has gone.
            shutdown(untaken.descriptor.as_raw_fd(), Shutdown::Both).unwrap_or_default();
            inner.forget(&connection_name(untaken.key));
        }
        for place in self.with(|shared| std::mem::take(&mut shared.places)) {
            inner.forget(&place.name);
        }
        inner.lets_go.store(true, Relaxed);
        *inner.begun.lock().unwrap_or_else(PoisonError::into_inner) = true;
        inner.has_begun.notify_all();
    }

    /// Whether what the agent before has left is still all that the next one would find.
    pub fn is_untouched(&self) -> bool {
        let begun = |inner: &Inner| *inner.begun.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.as_deref().is_some_and(|inner| !begun(inner))
    }

    /// Waits until everything is taken over. Whoever writes what was left waits for it: after a
    /// start that fails the next one finds it again.
    pub fn wait_until_begun(&self) {
        let Some(inner) = &self.0 else { return };
        let mut begun = inner.begun.lock().unwrap_or_else(PoisonError::into_inner);
        while !*begun {
            begun = inner.has_begun.wait(begun).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Where `stream` says how many of its lines are not written yet.
    pub fn stream(&self, stream: &StreamName) -> Option<Slot> {
        self.0.as_ref()?.ledger.enter(&Entry::Stream { name: stream.clone() })
    }

    /// Gives a stream's slot back.
    pub fn release(&self, slot: Slot) {
        if let Some(inner) = &self.0 {
            inner.ledger.release(slot);
        }
    }

    /// Hands over to the next agent, if there will be one. What fails is told.
    pub fn hand_over(&self) {
        let Some(inner) = &self.0 else { return };
        inner.lets_go.store(false, Relaxed);
        let handover = self.with(|shared| std::mem::take(&mut shared.next));
        let unfinished = handover.connections.values().chain(handover.fifos.values());
        let unfinished = unfinished.map(|record| record.bytes.len()).filter(|bytes| *bytes > 0);
        let (lines, bytes) =
            unfinished.fold((0_u64, 0), |(lines, all), one| (lines + 1, all + one));
        if lines > 0 {
            report(&HalvesLeft { lines: &lines, bytes: &bytes });
        }
        let written = memfd_create(c"logagent-handover", MFdFlags::MFD_CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|memory| {
                let mut memory = File::from(memory);
                handover.write(&mut memory).map(|()| memory)
            });
        match written {
            Ok(memory) => {
                inner.supervisor.keep(HANDOVER, memory.as_fd());
                if !inner.supervisor.wait_until_taken(HAND_OVER_MAX) {
                    report(&HandoverFailed { error: &"systemd did not take it in time" });
                }
            }
            Err(error) => report(&HandoverFailed { error: &error }),
        }
    }

    fn with<T: Default>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        self.0.as_ref().map_or_else(T::default, |inner| act(&mut inner.lock()))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: &str, descriptor: impl AsFd) -> bool {
        let room = self.descriptors.fetch_add(1, Relaxed) < self.descriptors_max;
        if room && self.supervisor.keep(name, descriptor.as_fd()) {
            return true;
        }
        self.descriptors.fetch_sub(1, Relaxed);
        self.unstored.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.lock().full_was_told, true) {
            report(&StoreFull { limit: &self.descriptors_max });
        }
        false
    }

    fn forget(&self, name: &str) {
        self.supervisor.forget(name);
        self.descriptors.fetch_sub(1, Relaxed);
    }
}

/// What an agent before has left to one that has no store any more: only without it do its sockets
/// look like nobody's.
fn let_go(stored: Vec<(String, OwnedFd)>, supervisor: Option<&Supervisor>) {
    report(&StoreOff { descriptors: &stored.len() });
    let Some(supervisor) = supervisor else { return };
    for (name, _) in &stored {
        supervisor.forget(name);
    }
    drop(stored);
    // What it has not closed yet looks like another agent's. If that takes long, that is told.
    if !supervisor.wait_until_taken(HAND_OVER_MAX) {
        report(&StoreFailed { error: &"systemd did not let go of what it keeps in time" });
    }
}

/// Whether two paths name the same place, however they are written.
fn is_same(one: &Path, other: &Path) -> bool {
    let directory = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    let same_name = one.file_name() == other.file_name();
    one == other || (same_name && directory(one).is_some() && directory(one) == directory(other))
}

fn connection_name(key: u64) -> String {
    format!("{CONNECTION}{key}")
}
