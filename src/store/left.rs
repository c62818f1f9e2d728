//! What the agent before has left: found among the descriptors that systemd hands over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::socket::{UnixAddr, getsockname};
use nix::sys::stat::{SFlag, fstat};

use super::ledger::{self, Found};
use super::{
    BUFFER, CONNECTION, Entry, HANDOVER, Handover, LEDGER, PLACE, Shared, Slot, Supervisor, UNREAD,
    Whose,
};
use crate::framing::Position;
use crate::pipeline::Unfinished;
use crate::stream_name::StreamName;

/// A connection that was open when the agent before ended.
#[derive(Debug)]
pub struct StoredConnection {
    /// Its descriptor.
    pub descriptor: OwnedFd,
    /// Where it was accepted.
    pub path: PathBuf,
    /// The number that systemd keeps it under.
    pub key: u64,
    /// Where its lines came from and went to, if that was known already.
    pub whose: Option<Whose>,
    /// What came of the record that it was in.
    pub record: Record,
}

/// What came of the record that a connection was in.
#[derive(Debug, PartialEq, Eq)]
pub enum Record {
    /// It goes on.
    GoesOn(Unfinished),
    /// There was a crash.
    Crashed(Crashed),
}

impl Record {
    /// Notes it for a crash, before anybody goes on with it.
    pub fn note(&self, slot: Slot) {
        match self {
            Record::GoesOn(unfinished) => {
                slot.end_read(unfinished.is_inside_record(), unfinished.position);
            }
            Record::Crashed(Crashed { inside, packets, .. }) => {
                slot.end_read(inside.is_some(), inside.unwrap_or_default());
                slot.count_packets(usize::try_from(*packets).unwrap_or(usize::MAX));
            }
        }
    }
}

/// What a crash has left of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Crashed {
    /// Where in a record it was, if it was in one: what had been read of that is lost.
    pub inside: Option<Position>,
    /// What was being read at that moment.
    pub read: Vec<u8>,
    /// Packets that are lost.
    pub packets: u64,
}

impl Crashed {
    /// `read` is what was being read, if anything was.
    fn of(found: &Found, read: &mut Vec<u8>) -> Crashed {
        let read = if found.was_reading() { std::mem::take(read) } else { Vec::new() };
        Crashed { inside: found.inside(), read, packets: found.packets() }
    }
}

/// Lines of a stream that were read and not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostLines {
    /// The stream.
    pub stream: StreamName,
    /// How many; those of the last write may be written all the same.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A socket or FIFO that the agent before had made.
#[derive(Debug)]
pub(super) struct StoredPlace {
    /// What systemd keeps it under.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The inode at the path when it was made there.
    pub(super) inode: u64,
    pub(super) descriptor: OwnedFd,
}

impl Shared {
    /// What the agent before has left in `stored`, and a number that none of it has.
    pub(super) fn found(stored: Vec<(String, OwnedFd)>, supervisor: &Supervisor) -> (Shared, u64) {
        let (mut shared, mut next_key, mut crashed) = (Shared::default(), 1, Vec::new());
        let (mut connections, mut read) = (Vec::new(), Vec::new());
        for (name, descriptor) in stored {
            let numbered = |kind| name.strip_prefix(kind)?.parse::<u64>().ok();
            if name == LEDGER {
                crashed = ledger::read(&contents(descriptor));
            } else if name == BUFFER {
                read = read_last(contents(descriptor));
            } else if name == HANDOVER {
                shared.before = Handover::read(&contents(descriptor)).unwrap_or_default();
            } else if let Some(key) = numbered(CONNECTION) {
                next_key = next_key.max(key.saturating_add(1));
                connections.push((key, descriptor));
            } else if let Some((key, inode)) = place(&name)
                && let Some(path) = path_of(&descriptor)
            {
                next_key = next_key.max(key.saturating_add(1));
                shared.places.push(StoredPlace { name, path, inode, descriptor });
            } else {
                supervisor.forget(&name);
            }
        }
        // The ledger is true at any moment: what a stop has left unwritten is lost, too, and what was
        // in the hands of a reader that did not come to its end in time.
        for found in &crashed {
            if let Entry::Only { place } = &found.entry
                && !shared.before.fifos.contains_key(place)
            {
                shared.crashed.insert(place.clone(), Crashed::of(found, &mut read));
            }
            if let (Entry::Stream { name }, 1..) = (&found.entry, found.pending_lines())
                && !shared.before.unwritten.contains_key(name)
            {
                let (lines, bytes) = (found.pending_lines(), found.pending_bytes());
                shared.pending.push(LostLines { stream: name.clone(), lines, bytes });
            }
        }
        let entered: BTreeMap<u64, (&Whose, &Found)> = crashed
            .iter()
            .filter_map(|found| match &found.entry {
                Entry::Connection { key, whose } => Some((*key, (whose, found))),
                Entry::Only { .. } | Entry::Stream { .. } => None,
            })
            .collect();
        for (key, descriptor) in connections {
            let path = path_of(&descriptor).unwrap_or_default();
            let (whose, found) = entered.get(&key).copied().unzip();
            let whose = whose.cloned();
            let left = shared.before.connections.remove(&key);
            let record = match (left, found) {
                (None, Some(found)) => Record::Crashed(Crashed::of(found, &mut read)),
                (left, _) => Record::GoesOn(left.unwrap_or_default()),
            };
            shared.connections.push(StoredConnection { descriptor, path, key, whose, record });
        }
        (shared, next_key)
    }
}

/// The number and inode in a place's name.
fn place(name: &str) -> Option<(u64, u64)> {
    let (key, inode) = name.strip_prefix(PLACE)?.split_once('-')?;
    Some((key.parse().ok()?, inode.parse().ok()?))
}

/// What was read into a buffer.
fn read_last(mut buffer: Vec<u8>) -> Vec<u8> {
    let end = buffer.iter().rposition(|byte| *byte != UNREAD).map_or(0, |last| last + 1);
    buffer.truncate(end);
    buffer
}

/// A file in memory from its beginning; nothing where it cannot be read.
fn contents(memory: OwnedFd) -> Vec<u8> {
    let (mut file, mut bytes) = (File::from(memory), Vec::new());
    match file.rewind().and_then(|()| file.read_to_end(&mut bytes)) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Where a socket is bound or was accepted, or a FIFO is.
pub fn path_of(descriptor: &(impl AsFd + AsRawFd)) -> Option<PathBuf> {
    let mode = SFlag::from_bits_truncate(fstat(descriptor).ok()?.st_mode) & SFlag::S_IFMT;
    if mode == SFlag::S_IFIFO {
        return std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).ok();
    }
    let address: UnixAddr = getsockname(descriptor.as_raw_fd()).ok()?;
    Some(address.path()?.to_owned())
}
