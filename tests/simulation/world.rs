//! The world behind a `FaultyDisk`: paths, inodes, room, faults, and the oracle that reads along.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use logagent::writer::disk::{Missing, OpenError};
use nix::errno::Errno;

use crate::coverage::Coverage;
use crate::faulty_disk::{Bystander, Fault, Gate, Operation, Plan, Seen};
use crate::oracle::Oracle;
use crate::seeds::Random;

/// How many of a hundred operations fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub identity_at: usize,
    pub open: usize,
    pub append_error: usize,
    pub short_append: usize,
    /// Of the appends that fail, those right before which somebody truncates the file.
    pub truncated_before_error: usize,
    pub size: usize,
    pub sync: usize,
    pub close: usize,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    is_open: bool,
    /// Somebody else writes it.
    is_locked: bool,
    /// What it is, where it is no regular file.
    kind: Option<&'static str>,
}

/// One writer's file system.
pub struct World {
    inodes: BTreeMap<u64, Inode>,
    paths: BTreeMap<PathBuf, u64>,
    inode_last: u64,
    /// Bytes that all files together can hold.
    pub capacity: usize,
    pub faults: Faults,
    pub plan: Plan,
    pub random: Random,
    pub oracle: Oracle,
    pub coverage: Coverage,
    /// What the operations did, for the test to look at and to clear.
    pub seen: Vec<Seen>,
    pub bystander: Option<Box<dyn Bystander>>,
    /// Where the next append is to hang.
    pub gate: Option<Gate>,
    /// The file that the last append went to, until it is closed.
    in_use: Option<u64>,
    /// The agent is dying: files are dropped, not closed.
    pub is_crashing: bool,
}

impl World {
    /// Empty, endless and without faults.
    pub fn new(random: Random) -> World {
        World {
            inodes: BTreeMap::new(),
            paths: BTreeMap::new(),
            inode_last: 10,
            capacity: usize::MAX,
            faults: Faults::default(),
            plan: Plan::new(),
            random,
            oracle: Oracle::default(),
            coverage: Coverage::default(),
            seen: Vec::new(),
            bystander: None,
            gate: None,
            in_use: None,
            is_crashing: false,
        }
    }

    // --- what the disk does ---

    pub fn inode_at(&self, path: &Path) -> Option<u64> {
        self.paths.get(path).copied()
    }

    pub fn size(&self, inode: u64) -> u64 {
        self.inodes[&inode].bytes.len() as u64
    }

    pub fn bytes_of(&self, inode: u64) -> &[u8] {
        &self.inodes[&inode].bytes
    }

    /// Every file there is, the oldest first.
    pub fn all_files(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.inodes.iter().map(|(inode, file)| (*inode, file.bytes.as_slice()))
    }

    /// Opens or makes a file: which one, and whether it ends in a fragment.
    pub fn open(&mut self, path: &Path, missing: Missing) -> Result<(u64, bool), OpenError> {
        if let Some(fault) = self.planned_or_random(Operation::Open) {
            self.coverage.reached("failing opens");
            return Err(match fault {
                Fault::Error(errno) => io::Error::from_raw_os_error(errno).into(),
                Fault::Takes(_) | Fault::Locked => OpenError::Locked,
            });
        }
        let inode = match (self.inode_at(path), missing) {
            (Some(inode), _) => inode,
            (None, Missing::Leave) => return Err(OpenError::Missing),
            (None, Missing::Create) => self.create(path, b""),
        };
        let file = self.inodes.get_mut(&inode).unwrap();
        if let Some(kind) = file.kind {
            self.coverage.reached("opens of something that is no file");
            return Err(OpenError::Kind(kind));
        }
        if file.is_locked || file.is_open {
            self.coverage.reached("opens of a locked file");
            return Err(OpenError::Locked);
        }
        file.is_open = true;
        let unterminated = file.bytes.last().is_some_and(|last| *last != b'\n');
        Ok((inode, unterminated))
    }

    /// One write(2): the oracle reads along.
    pub fn append(&mut self, inode: u64, bytes: &[u8]) -> io::Result<usize> {
        let room = self.capacity.saturating_sub(self.used());
        let mut taken = bytes.len().min(room);
        if taken == 0 && !bytes.is_empty() {
            self.coverage.reached("full disks");
            return Err(io::Error::from_raw_os_error(Errno::ENOSPC as i32));
        }
        match self.planned_or_random(Operation::Append) {
            Some(Fault::Takes(0)) => {
                self.coverage.reached("appends that took nothing");
                return Ok(0);
            }
            Some(Fault::Takes(some)) => taken = taken.min(some),
            Some(Fault::Error(errno)) => {
                if errno == Errno::EINTR as i32 {
                    self.coverage.reached("interrupted appends");
                } else if self.random.percent(self.faults.truncated_before_error) {
                    self.truncate(inode);
                }
                return Err(io::Error::from_raw_os_error(errno));
            }
            Some(Fault::Locked) | None => {}
        }
        let file = self.inodes.get_mut(&inode).unwrap();
        assert!(file.is_open, "inode {inode} was left, but is appended to");
        if self.in_use != Some(inode) {
            assert_eq!(self.in_use, None, "two files are in use");
            self.in_use = Some(inode);
            self.oracle.begin_file(file.bytes.last().is_some_and(|last| *last != b'\n'));
        }
        file.bytes.extend_from_slice(&bytes[..taken]);
        self.oracle.append(&bytes[..taken], &mut self.coverage);
        Ok(taken)
    }

    /// The file is left. Returns whether it ends inside a record.
    pub fn close(&mut self, inode: u64) -> bool {
        self.inodes.get_mut(&inode).unwrap().is_open = false;
        let torn = self.in_use == Some(inode) && {
            self.in_use = None;
            self.oracle.end_file()
        };
        self.forget_unreachable();
        torn
    }

    /// The files open now.
    pub fn open_files(&self) -> Vec<u64> {
        self.inodes.iter().filter(|(_, file)| file.is_open).map(|(inode, _)| *inode).collect()
    }

    /// The error of an operation that is to fail.
    pub fn fault(&mut self, operation: Operation) -> Option<io::Error> {
        match self.planned_or_random(operation)? {
            Fault::Error(errno) => Some(io::Error::from_raw_os_error(errno)),
            fault => panic!("{fault:?} is planned for {operation:?}"),
        }
    }

    fn planned_or_random(&mut self, operation: Operation) -> Option<Fault> {
        if self.plan.front().is_some_and(|(planned, _)| *planned == operation) {
            return self.plan.pop_front().map(|(_, fault)| fault);
        }
        let (faults, random) = (self.faults, &mut self.random);
        let (percent, errors): (_, &[Errno]) = match operation {
            Operation::IdentityAt => (faults.identity_at, &[Errno::EACCES, Errno::EIO]),
            Operation::Open => (faults.open, &OPEN_ERRORS),
            Operation::Append => (faults.append_error, &APPEND_ERRORS),
            Operation::Size => (faults.size, &[Errno::ESTALE]),
            Operation::Sync => (faults.sync, &[Errno::EIO, Errno::ENOSPC]),
            Operation::Close => (faults.close, &[Errno::EIO, Errno::EDQUOT]),
        };
        if random.percent(percent) {
            return match (operation, random.below(8)) {
                (Operation::Open, 0) => Some(Fault::Locked),
                (Operation::Append, 0) => Some(Fault::Takes(0)),
                _ => Some(Fault::Error(random.pick(errors) as i32)),
            };
        }
        if operation == Operation::Append && random.percent(faults.short_append) {
            let most = if random.percent(50) { 10 } else { 200 };
            return Some(Fault::Takes(random.between(1, most)));
        }
        None
    }

    // --- what others do ---

    /// Makes a file; one that is at the path already stays where it is.
    pub fn create(&mut self, path: &Path, content: &[u8]) -> u64 {
        if let Some(there) = self.inode_at(path) {
            return there;
        }
        self.inode_last += 1;
        let file = Inode { bytes: content.to_vec(), ..Inode::default() };
        self.inodes.insert(self.inode_last, file);
        self.paths.insert(path.to_owned(), self.inode_last);
        self.inode_last
    }

    /// rename(2).
    pub fn rename(&mut self, from: &Path, to: &Path) {
        let Some(inode) = self.paths.remove(from) else { return };
        self.paths.insert(to.to_owned(), inode);
        self.forget_unreachable();
    }

    /// unlink(2).
    pub fn unlink(&mut self, path: &Path) {
        self.paths.remove(path);
        self.forget_unreachable();
    }

    /// What logrotate's `copytruncate` does, at its best: nothing comes between copy and truncate.
    pub fn copy_and_truncate(&mut self, path: &Path) {
        let Some(inode) = self.inode_at(path) else { return };
        self.truncate(inode);
    }

    fn truncate(&mut self, inode: u64) {
        self.inodes.get_mut(&inode).unwrap().bytes.clear();
        if self.in_use == Some(inode) {
            self.coverage.add("truncations while torn", u64::from(self.oracle.is_torn()));
            self.coverage.reached("truncations");
            self.oracle.truncate_file();
        }
    }

    /// Somebody takes, or lets go of, the lock of a file that we have not open.
    pub fn set_locked(&mut self, path: &Path, is_locked: bool) {
        let Some(inode) = self.inode_at(path) else { return };
        let file = self.inodes.get_mut(&inode).unwrap();
        file.is_locked = is_locked && !file.is_open;
    }

    /// Something else than a file is made where there is nothing.
    pub fn make_other_kind(&mut self, path: &Path, kind: &'static str) {
        if self.inode_at(path).is_none() {
            let inode = self.create(path, b"");
            self.inodes.get_mut(&inode).unwrap().kind = Some(kind);
        }
    }

    /// Somebody makes room: what no longer grows is deleted.
    pub fn delete_all_but(&mut self, kept: &[&Path]) {
        self.paths.retain(|path, _| kept.contains(&path.as_path()));
        self.forget_unreachable();
    }

    /// From here on nothing fails, nothing is locked, and there is room.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
        self.capacity = usize::MAX;
        self.inodes.values_mut().for_each(|file| file.is_locked = false);
        let inodes = &self.inodes;
        self.paths.retain(|_, inode| inodes[inode].kind.is_none());
        self.forget_unreachable();
    }

    pub fn used(&self) -> usize {
        self.inodes.values().map(|file| file.bytes.len()).sum()
    }

    fn forget_unreachable(&mut self) {
        let paths = &self.paths;
        self.inodes.retain(|inode, file| file.is_open || paths.values().any(|at| at == inode));
    }
}

const OPEN_ERRORS: [Errno; 4] = [Errno::EACCES, Errno::EIO, Errno::EROFS, Errno::EMFILE];
const APPEND_ERRORS: [Errno; 5] =
    [Errno::ENOSPC, Errno::EIO, Errno::EDQUOT, Errno::EINTR, Errno::EROFS];
