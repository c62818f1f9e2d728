//! The world behind a `FaultyDisk`: paths, inodes, room, faults, and the oracle that reads along.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use logagent::writer::archive::names::{ArchiveName, Named, parse};
use logagent::writer::disk::{Condition, Missing, OpenError};
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
    /// Of looking for archives, and of giving names.
    pub archives: usize,
    /// Of all kinds.
    pub panic: usize,
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
    /// Files without a name, of which the writer has heard.
    known_removed: BTreeSet<u64>,
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
    /// The file that was closed last, its size, and how much of a record it ended with.
    closed: (u64, u64, usize),
    /// The same, of a file that was given up: closed before the path was opened. It is gone on with.
    pub begun: Option<(u64, u64, usize)>,
    /// Such a file that is open again, and how much of a record it ends with.
    pub renewed: Option<(u64, usize)>,
    /// The agent is dying: files are dropped, not closed.
    pub is_crashing: bool,
    /// The test has failed, in the middle of an operation: whatever comes only has to end.
    has_failed: bool,
}

impl World {
    /// Empty, endless and without faults.
    pub fn new(random: Random) -> World {
        World {
            inodes: BTreeMap::new(),
            paths: BTreeMap::new(),
            inode_last: 10,
            known_removed: BTreeSet::new(),
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
            closed: (0, 0, 0),
            begun: None,
            renewed: None,
            is_crashing: false,
            has_failed: false,
        }
    }

    pub fn fail(&mut self) {
        self.has_failed = true;
        self.bystander = None;
        self.heal();
    }

    #[track_caller]
    pub fn assert_has_not_failed(&self) {
        assert!(!self.has_failed, "the test has failed: see above");
    }

    // --- what the disk does ---

    pub fn inode_at(&self, path: &Path) -> Option<u64> {
        self.paths.get(path).copied()
    }

    pub fn size(&self, inode: u64) -> u64 {
        self.inodes[&inode].bytes.len() as u64
    }

    /// What a writer that looks finds out about its file. From then on nothing may be written to one
    /// without a name.
    pub fn condition(&mut self, inode: u64) -> Condition {
        let is_named = self.paths.values().any(|at| *at == inode);
        if !is_named {
            self.known_removed.insert(inode);
        }
        Condition { is_named, size: Some(self.size(inode)) }
    }

    pub fn bytes_of(&self, inode: u64) -> &[u8] {
        &self.inodes[&inode].bytes
    }

    /// Every file there is, the oldest first.
    pub fn all_files(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.inodes.iter().map(|(inode, file)| (*inode, file.bytes.as_slice()))
    }

    /// The archives of a file, the oldest first.
    pub fn archives(&self, path: &Path) -> Vec<(ArchiveName, u64)> {
        let file = path.file_name().unwrap();
        let here = self.paths.iter().filter(|(other, _)| other.parent() == path.parent());
        let mut archives: Vec<_> = here
            .filter_map(|(other, inode)| match parse(other.file_name().unwrap(), file)? {
                Named::Archive(name) => Some((name, *inode)),
                Named::Unfinished(_) => None,
            })
            .collect();
        archives.sort();
        archives
    }

    /// renameat2(2) with RENAME_NOREPLACE. Nobody gives a file that ends inside a record away.
    pub fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(fault) = self.fault(Operation::RenameNew) {
            self.coverage.reached("failing rotations");
            return Err(fault);
        }
        let error = |errno: Errno| Err(io::Error::from_raw_os_error(errno as i32));
        let Some(inode) = self.inode_at(from) else { return error(Errno::ENOENT) };
        if self.inode_at(to).is_some() {
            return error(Errno::EEXIST);
        }
        let torn = self.in_use == Some(inode) && self.oracle.is_torn();
        assert!(!torn, "{} is given away inside a record", from.display());
        self.rename(from, to);
        Ok(())
    }

    /// A path is about to be opened. Where a file has been closed before, that was given up.
    pub fn begin_open(&mut self) {
        if matches!(self.seen.last(), Some(Seen::Close { .. })) {
            self.begun = Some(self.closed);
        }
    }

    /// Opens or makes a file: which one, and whether it ends in a fragment.
    pub fn open(&mut self, path: &Path, missing: Missing) -> Result<(u64, bool), OpenError> {
        if let Some(fault) = self.planned_or_random(Operation::Open) {
            self.coverage.reached("failing opens");
            return Err(match fault {
                Fault::Error(errno) => io::Error::from_raw_os_error(errno).into(),
                Fault::Takes(_) | Fault::Locked | Fault::Panic => OpenError::Locked,
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
        if let Some((begun, size, at)) = self.begun.take()
            && (begun, size) == (inode, file.bytes.len() as u64)
            && at > 0
        {
            self.renewed = Some((inode, at));
        }
        let unterminated = file.bytes.last().is_some_and(|last| *last != b'\n');
        Ok((inode, unterminated))
    }

    /// One write(2): the oracle reads along.
    pub fn append(&mut self, inode: u64, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Ok(bytes.len());
        }
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
            Some(Fault::Locked | Fault::Panic) | None => {}
        }
        let file = self.inodes.get_mut(&inode).unwrap();
        assert!(file.is_open, "inode {inode} was left, but is appended to");
        assert!(!self.known_removed.contains(&inode), "inode {inode} is known to be removed");
        if self.in_use != Some(inode) {
            assert_eq!(self.in_use, None, "two files are in use");
            self.in_use = Some(inode);
            self.oracle.begin_file(file.bytes.last().is_some_and(|last| *last != b'\n'));
            if let Some((_, at)) = self.renewed.take().filter(|(renewed, _)| *renewed == inode) {
                self.coverage.reached("torn records continued in a file opened again");
                self.oracle.begin_file(false);
                self.oracle.go_on(at);
            }
        }
        file.bytes.extend_from_slice(&bytes[..taken]);
        self.oracle.append(bytes, taken, &mut self.coverage);
        Ok(taken)
    }

    /// The file is left. Returns whether it ends inside a record.
    pub fn close(&mut self, inode: u64) -> bool {
        self.inodes.get_mut(&inode).unwrap().is_open = false;
        let renewed = self.renewed.take().filter(|(renewed, _)| *renewed == inode);
        let at = renewed.map_or(self.oracle.at(), |(_, at)| at);
        self.closed = (inode, self.size(inode), at);
        let torn = self.in_use == Some(inode) && {
            self.in_use = None;
            self.oracle.end_file()
        };
        let torn = torn || renewed.is_some();
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

    /// Whether the writer meets a fault of its own in an operation.
    pub fn panics(&mut self, operation: Operation) -> bool {
        if self.plan.front() == Some(&(operation, Fault::Panic)) {
            self.plan.pop_front();
            return true;
        }
        // What belongs to an append comes with it, as an answer does.
        let after_append = matches!(self.seen.last(), Some(Seen::Append { .. }));
        let may = operation != Operation::Size || !after_append;
        let panics = may && self.random.percent(self.faults.panic);
        if panics {
            self.coverage.reached("panics");
            // A writer that fell looks anew, as far as the system lets it.
            self.known_removed.clear();
        }
        panics
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
            Operation::NewestArchive | Operation::RenameNew | Operation::Unlink => {
                (faults.archives, &[Errno::EACCES, Errno::EIO, Errno::ENOSPC])
            }
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
        if self.renewed.is_some_and(|(renewed, _)| renewed == inode) {
            self.renewed = None;
            self.oracle.truncated_while_torn = true;
        }
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
        let reachable: BTreeSet<u64> = self.paths.values().copied().collect();
        self.inodes.retain(|inode, file| file.is_open || reachable.contains(inode));
    }
}

const OPEN_ERRORS: [Errno; 4] = [Errno::EACCES, Errno::EIO, Errno::EROFS, Errno::EMFILE];
const APPEND_ERRORS: [Errno; 6] =
    [Errno::ENOSPC, Errno::EIO, Errno::EDQUOT, Errno::EINTR, Errno::EROFS, Errno::ESTALE];
