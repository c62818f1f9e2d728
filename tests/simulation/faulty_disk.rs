//! A file system in memory whose every operation can fail, by a seed or as a test has planned it.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use logagent::place::Place;
use logagent::writer::archive::names::ArchiveName;
use logagent::writer::disk::{AppendFile, Condition, Disk, Identity, Missing, OpenError, Opened};

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
    NewestArchive,
    RenameNew,
    Unlink,
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
    /// The writer meets a fault of its own.
    Panic,
}

/// What a simulated panic carries.
pub struct Panicked;

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
    /// It did nothing.
    Panic,
    /// Whether the file was left inside a record.
    Close {
        ok: bool,
        torn: bool,
    },
    NewestArchive {
        ok: bool,
    },
    RenameNew {
        ok: bool,
    },
    Unlink {
        ok: bool,
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
            | Seen::NewestArchive { ok }
            | Seen::RenameNew { ok }
            | Seen::Unlink { ok }
            | Seen::Close { ok, .. } => !ok,
            Seen::Panic => true,
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
        let ran = catch_unwind(AssertUnwindSafe(|| turn(&mut world, operation, run)));
        let panic = match ran {
            Ok(Some(result)) => return result,
            Ok(None) => Box::new(Panicked),
            Err(panic) => {
                // The writer catches it like one of its own; whoever runs the test asks for it.
                world.fail();
                panic
            }
        };
        drop(world);
        // Past the hook, which would print it.
        resume_unwind(panic);
    }
}

/// One operation, with the bystander's turns around it; nothing where the writer is to panic.
fn turn<T>(
    world: &mut World,
    operation: Operation,
    run: impl FnOnce(&mut World) -> (T, Seen),
) -> Option<T> {
    if operation == Operation::Open {
        world.begin_open();
    }
    let mut bystander = world.bystander.take();
    if let Some(bystander) = &mut bystander {
        bystander.before(world, operation);
    }
    let (result, seen) = if world.panics(operation) {
        (None, Seen::Panic)
    } else {
        let (result, seen) = run(world);
        (Some(result), seen)
    };
    world.seen.push(seen);
    if let Some(bystander) = &mut bystander {
        bystander.after(world, seen);
    }
    world.bystander = bystander;
    result
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
        let (size, modified_at) = (self.world().size(inode), SystemTime::UNIX_EPOCH);
        Ok(Opened { file, identity: identity(inode), unterminated, size, modified_at })
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

    fn newest_archive(&mut self, path: &Path) -> io::Result<Option<(ArchiveName, Identity)>> {
        self.run(Operation::NewestArchive, |world| {
            let found = match world.fault(Operation::NewestArchive) {
                Some(fault) => Err(fault),
                None => Ok(world.archives(path).pop()),
            };
            let ok = found.is_ok();
            let found = found.map(|it| it.map(|(name, inode)| (name, identity(inode))));
            (found, Seen::NewestArchive { ok })
        })
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Operation::RenameNew, |world| {
            let renamed = world.rename_new(from, to);
            let ok = renamed.is_ok();
            (renamed, Seen::RenameNew { ok })
        })
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.run(Operation::Unlink, |world| {
            let fault = world.fault(Operation::Unlink);
            if fault.is_none() {
                world.unlink(path);
            }
            let unlinked = fault.map_or(Ok(()), Err);
            let ok = unlinked.is_ok();
            (unlinked, Seen::Unlink { ok })
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

    fn condition(&self) -> io::Result<Condition> {
        self.disk.run(Operation::Size, |world| {
            let fault = world.fault(Operation::Size);
            let condition = fault.map_or_else(|| Ok(world.condition(self.inode)), Err);
            let ok = condition.is_ok();
            (condition, Seen::Size { ok })
        })
    }

    fn close(mut self) -> io::Result<()> {
        let disk = self.disk.clone();
        disk.run(Operation::Close, |world| {
            self.is_closed = true;
            let torn = world.close(self.inode);
            let closed = world.fault(Operation::Close).map_or(Ok(()), Err);
            let ok = closed.is_ok();
            (closed, Seen::Close { ok, torn })
        })
    }
}

impl Drop for FaultyFile {
    /// The process ended, or a fault came, before it was closed.
    fn drop(&mut self) {
        let Ok(mut world) = self.disk.0.try_lock() else { return };
        if !self.is_closed {
            let may_be = world.is_crashing || std::thread::panicking();
            assert!(may_be, "inode {} was dropped, not closed", self.inode);
            world.close(self.inode);
        }
    }
}

pub fn identity(inode: u64) -> Identity {
    Identity { device: 1, inode }
}
