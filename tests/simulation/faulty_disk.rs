//! A file system in memory whose every operation can fail, by a seed or as a test has planned it.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use logagent::place::Place;
use logagent::writer::disk::{AppendFile, Disk, Identity, Missing, OpenError, Opened};

use crate::world::World;

/// What a writer can do to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    IdentityAt,
    Open,
    Append,
    Size,
    Sync,
    Close,
}

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This error of the system.
    Error(i32),
    /// An append takes so many bytes only; none is an answer too.
    Takes(usize),
    /// Somebody else holds the lock.
    Locked,
}

/// What an operation was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The inode at the path, or an error.
    IdentityAt(Result<Option<u64>, ()>),
    /// The inode that was opened, or an error.
    Open(Result<u64, ()>),
    Append {
        ok: bool,
    },
    Size {
        ok: bool,
    },
    Sync {
        ok: bool,
    },
    /// Whether the file was left inside a record.
    Close {
        ok: bool,
        torn: bool,
    },
}

impl Seen {
    pub fn is_failure(self) -> bool {
        match self {
            Seen::IdentityAt(found) => found.is_err(),
            Seen::Open(opened) => opened.is_err(),
            Seen::Append { ok }
            | Seen::Size { ok }
            | Seen::Sync { ok }
            | Seen::Close { ok, .. } => !ok,
        }
    }
}

/// Somebody else on the same machine, who gets his turn around every operation.
pub trait Bystander: Send {
    fn before(&mut self, world: &mut World, operation: Operation);
    fn after(&mut self, world: &mut World, seen: Seen);
}

/// Makes an append hang until the test lets it go on.
pub struct Gate {
    entered: Sender<()>,
    release: Receiver<()>,
}

impl Gate {
    /// A gate, what tells that an append is before it, and what opens it.
    pub fn new() -> (Gate, Receiver<()>, Sender<()>) {
        let (tell_entered, entered) = mpsc::channel();
        let (release, released) = mpsc::channel();
        (Gate { entered: tell_entered, release: released }, entered, release)
    }

    fn pass(self) {
        self.entered.send(()).unwrap();
        self.release.recv().unwrap();
    }
}

/// Faults that will happen, in order, each to the next operation of its kind.
pub type Plan = VecDeque<(Operation, Fault)>;

/// A handle on the world; all of its copies are the same disk.
#[derive(Clone)]
pub struct FaultyDisk(Arc<Mutex<World>>);

impl FaultyDisk {
    pub fn new(world: World) -> FaultyDisk {
        FaultyDisk(Arc::new(Mutex::new(world)))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, operation: Operation, run: impl FnOnce(&mut World) -> (T, Seen)) -> T {
        let mut world = self.world();
        let mut bystander = world.bystander.take();
        if let Some(bystander) = &mut bystander {
            bystander.before(&mut world, operation);
        }
        let (result, seen) = run(&mut world);
        world.seen.push(seen);
        if let Some(bystander) = &mut bystander {
            bystander.after(&mut world, seen);
        }
        world.bystander = bystander;
        result
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn open_append(
        &mut self,
        place: &Place,
        missing: Missing,
    ) -> Result<Opened<FaultyFile>, OpenError> {
        let opened = self.run(Operation::Open, |world| {
            let opened = world.open(&place.path, missing);
            let inode = opened.as_ref().map(|(inode, _)| *inode).map_err(|_| ());
            (opened, Seen::Open(inode))
        });
        let (inode, unterminated) = opened?;
        let file = FaultyFile { disk: self.clone(), inode, is_closed: false };
        Ok(Opened { file, identity: identity(inode), unterminated })
    }

    fn identity_at(&mut self, path: &Path) -> io::Result<Option<Identity>> {
        self.run(Operation::IdentityAt, |world| {
            let found = match world.fault(Operation::IdentityAt) {
                Some(fault) => Err(fault),
                None => Ok(world.inode_at(path)),
            };
            let seen = Seen::IdentityAt(found.as_ref().map(|inode| *inode).map_err(|_| ()));
            (found.map(|inode| inode.map(identity)), seen)
        })
    }
}

/// A file of a [`FaultyDisk`], open for appending.
pub struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
    is_closed: bool,
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gate = self.disk.world().gate.take();
        if let Some(gate) = gate {
            gate.pass();
        }
        self.disk.run(Operation::Append, |world| {
            let appended = world.append(self.inode, bytes);
            let ok = appended.as_ref().is_ok_and(|bytes| *bytes > 0);
            (appended, Seen::Append { ok })
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.run(Operation::Sync, |world| {
            let synced = world.fault(Operation::Sync).map_or(Ok(()), Err);
            let ok = synced.is_ok();
            (synced, Seen::Sync { ok })
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.disk.run(Operation::Size, |world| {
            // Asked right after an append it always answers: only a file server that is gone does
            // not, and it does not take bytes either.
            let after_append = matches!(world.seen.last(), Some(Seen::Append { .. }));
            let fault = if after_append { None } else { world.fault(Operation::Size) };
            let size = fault.map_or_else(|| Ok(world.size(self.inode)), Err);
            let ok = size.is_ok();
            (size, Seen::Size { ok })
        })
    }

    fn close(mut self) -> io::Result<()> {
        self.is_closed = true;
        self.disk.run(Operation::Close, |world| {
            let torn = world.close(self.inode);
            let closed = world.fault(Operation::Close).map_or(Ok(()), Err);
            let ok = closed.is_ok();
            (closed, Seen::Close { ok, torn })
        })
    }
}

impl Drop for FaultyFile {
    /// The process ended without closing it.
    fn drop(&mut self) {
        if !self.is_closed && !std::thread::panicking() {
            let mut world = self.disk.world();
            assert!(world.is_crashing, "inode {} was dropped, not closed", self.inode);
            world.close(self.inode);
        }
    }
}

pub fn identity(inode: u64) -> Identity {
    Identity { device: 1, inode }
}
