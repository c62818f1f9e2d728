//! A stream's file as a state machine: what is pending, what is torn, which file it goes to.
//!
//! Synchronous, without a clock, over the small [`Disk`] trait: whoever owns it decides when to try
//! again. It holds at most one block, and forgets a byte of it only when a file has taken it.

mod rotating;

use std::fs::File;
use std::io;
use std::time::SystemTime;

pub use rotating::Rotated;

use super::disk::{AppendFile, Condition, Disk, Identity, Missing, OpenError, Opened};
use crate::block::Block;
use crate::place::Place;

/// The file of one stream.
#[derive(Debug)]
pub struct LogFile<D: Disk> {
    disk: D,
    place: Place,
    file: Option<Open<D::File>>,
    block: Block,
    /// Bytes of `block` that the file has. In the middle of a line the file is torn.
    appended: usize,
    /// Bytes of `block` that have been told as written: whole lines only.
    told: usize,
    /// The torn line of a file that was given up and may come back.
    begun: Option<Begun>,
    /// What is appended to a file makes it no larger, unless a single line does.
    bytes_max: Option<u64>,
}

/// A line that a file ends in the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Which file.
    pub identity: Identity,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of the block up to there.
    pub appended: usize,
}

#[derive(Debug)]
struct Open<F> {
    file: F,
    identity: Identity,
    /// The file ends in a fragment that a crash left; it gets its newline before the next line.
    unterminated: bool,
    /// The size of the file while it ends in the beginning of one of our lines.
    torn_size: Option<u64>,
    /// Whether anything was appended since the last sync.
    unsynced: bool,
    /// Whole lines that were appended since it was opened.
    lines: u64,
    /// Its size as far as we know: what it was, and what was appended.
    size: u64,
    /// When it was last written to before it was opened, if it had anything.
    modified_at: Option<SystemTime>,
}

impl<F: AppendFile> Open<F> {
    /// Gives the fragment that a crash left its newline, so that the next line stands alone.
    fn end_fragment(&mut self) -> io::Result<()> {
        // Unless somebody has emptied the file meanwhile.
        if self.unterminated && self.file.size()? > 0 {
            self.size += append_some(&mut self.file, b"\n")? as u64;
            self.unsynced = true;
        }
        self.unterminated = false;
        Ok(())
    }
}

/// What one flush achieved.
#[derive(Debug)]
#[must_use]
pub struct Flushed {
    /// Lines that are whole in the file now.
    pub lines: u64,
    /// Their bytes.
    pub bytes: usize,
    /// Why it did not go on, if it did not.
    pub error: Option<io::Error>,
    /// The file has its size: the rest is for the next one.
    pub is_full: bool,
}

/// How a file was left.
#[derive(Debug)]
pub struct Left {
    /// Which file it was.
    pub identity: Identity,
    /// Whole lines that were appended to it since it was opened.
    pub lines: u64,
    /// Its size in bytes, as far as we know.
    pub bytes: u64,
    /// It ends in the beginning of a line that stands whole in the next file.
    pub torn: bool,
    /// What its last sync or its close said, where they failed.
    pub error: Option<io::Error>,
}

/// What came of a reopen.
#[derive(Debug)]
#[must_use]
pub enum Reopened {
    /// The path names the file we have; nothing changed.
    Same,
    /// Another file is open now.
    New {
        /// The one before, if there was one.
        old: Option<Left>,
        /// The new file ends in a fragment, which will get its newline.
        unterminated: bool,
    },
    /// The path could not be opened, but it still names the file we have: that one goes on.
    Kept(OpenError),
    /// The path could not be opened and names our file no longer: there is no file now.
    Closed {
        /// Why.
        error: OpenError,
        /// The one before, if there was one.
        old: Option<Left>,
    },
}

/// What others did to the open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is where it was.
    Same,
    /// It has another name now, and the path none.
    Renamed,
    /// It has no name any more, and the path none.
    Removed,
    /// The path names another file.
    Replaced {
        /// That one's inode.
        by: u64,
        /// Whether ours still has a name.
        is_named: bool,
    },
    /// It became shorter.
    Truncated {
        /// Its size in bytes before.
        from: u64,
        /// Its size in bytes now.
        to: u64,
    },
}

impl<D: Disk> LogFile<D> {
    /// A file that is not open yet.
    pub fn new(disk: D, place: Place) -> LogFile<D> {
        let block = Block::default();
        let (file, begun) = (None, None);
        LogFile { disk, place, file, block, appended: 0, told: 0, begun, bytes_max: None }
    }

    /// Which file is open.
    pub fn identity(&self) -> Option<Identity> {
        self.file.as_ref().map(|open| open.identity)
    }

    /// The open file, opened once more for reading, with its size as far as we know.
    pub fn open_to_read(&self) -> Option<(io::Result<File>, u64)> {
        self.file.as_ref().map(|open| (open.file.open_to_read(), open.size))
    }

    /// Where the file is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where the file is from the next reopen on.
    pub fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Whether everything loaded is in the file.
    pub fn is_flushed(&self) -> bool {
        self.appended == self.block.len()
    }

    /// Whether appended bytes wait for a sync.
    pub fn is_unsynced(&self) -> bool {
        self.file.as_ref().is_some_and(|open| open.unsynced)
    }

    /// Takes the next block; the one before must be flushed.
    pub fn load(&mut self, block: Block) {
        assert!(self.is_flushed(), "a block is loaded while another is pending");
        self.appended = 0;
        self.told = 0;
        self.block = block;
    }

    /// Gives up what is pending: whole lines, and whether the file has the beginning of the first.
    pub fn give_up(&mut self) -> (Block, Option<Begun>) {
        let torn = self.is_torn();
        let start = self.line_start();
        let block = std::mem::take(&mut self.block);
        // Nobody asks when its lines came: none of it is dropped any more.
        let (_, block, _) = block.cut_front(start, Vec::new(), SystemTime::UNIX_EPOCH);
        let appended = std::mem::take(&mut self.appended) - start;
        let open = self.file.as_ref().filter(|_| torn);
        let begun = open.map(|open| {
            let size = open.torn_size.unwrap_or(open.size);
            Begun { identity: open.identity, size, appended }
        });
        let before = self
            .begun
            .take()
            .map(|begun| Begun { appended: begun.appended.saturating_sub(start), ..begun });
        self.told = 0;
        (block, begun.or(before))
    }

    /// Goes on with what another one has given up; nothing has been loaded yet.
    pub fn take_over(&mut self, block: Block, begun: Option<Begun>) {
        let is_within = |begun: &Begun| {
            let first = block.bytes().first().map_or(0, |_| block.line_end(0));
            (1..first).contains(&begun.appended)
        };
        self.begun = begun.filter(is_within);
        self.load(block);
    }

    /// Gives a block back that is flushed, and told as such.
    pub fn take_flushed(&mut self) -> Option<Block> {
        if self.block.is_empty() || self.told < self.block.len() {
            return None;
        }
        self.appended = 0;
        self.told = 0;
        Some(std::mem::take(&mut self.block))
    }

    /// Appends what is pending, as far as the file takes it.
    pub fn flush(&mut self) -> Flushed {
        let (error, is_full) = match self.append_pending() {
            Ok(is_full) => (None, is_full),
            Err(error) => (Some(error), false),
        };
        let whole = if self.is_torn() { self.line_start() } else { self.appended };
        let told = std::mem::replace(&mut self.told, whole);
        let lines = match (told, whole) {
            (from, to) if from == to => 0,
            (from, to) => self.block.lines_between(from, to),
        };
        if let Some(open) = &mut self.file {
            open.lines += lines;
        }
        Flushed { lines, bytes: whole - told, error, is_full }
    }

    /// Returns whether the file has its size, so that the rest is for the next one.
    fn append_pending(&mut self) -> io::Result<bool> {
        self.notice_truncation()?;
        if let Some(open) = &mut self.file {
            open.end_fragment()?;
        }
        while !self.is_flushed() {
            let end = self.end_that_fits()?;
            if end == self.appended {
                return Ok(true);
            }
            let Some(open) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
            // After an error nothing has changed: a smaller size would be somebody's truncation.
            let appended = append_some(&mut open.file, &self.block.bytes()[self.appended..end])?;
            self.appended += appended;
            open.size += appended as u64;
            open.unsynced = true;
            let torn = self.is_torn();
            if let Some(open) = &mut self.file {
                open.torn_size = if torn { open.file.size().ok() } else { None };
            }
        }
        Ok(false)
    }

    /// Whoever truncated a torn file took the line's beginning away: it is written whole again.
    fn notice_truncation(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.file else { return Ok(()) };
        let Some(torn_size) = open.torn_size else { return Ok(()) };
        if open.file.size()? < torn_size {
            open.torn_size = None;
            self.appended = self.line_start();
        }
        Ok(())
    }

    /// Whether the file ends in the beginning of a line.
    pub fn is_torn(&self) -> bool {
        self.line_start() != self.appended
    }

    fn line_start(&self) -> usize {
        self.block.line_start(self.appended)
    }

    /// Opens the path again, and leaves the file that was open. The caller has flushed what the
    /// old file is to have; what it could not take goes to the new one. `sync` forces the old file
    /// to the disk.
    pub fn reopen(&mut self, missing: Missing, sync: bool) -> Reopened {
        let ours = self.identity();
        let at_path = self.disk.identity_at(&self.place.path);
        let still_ours = ours.is_some() && matches!(&at_path, Ok(found) if *found == ours);
        if still_ours {
            return Reopened::Same;
        }
        // An error here is the open's error too, except that an open might still create.
        let opened = match at_path {
            Ok(None) if missing == Missing::Leave => Err(OpenError::Missing),
            Ok(_) => self.disk.open_append(&self.place, missing),
            Err(error) => Err(OpenError::Io(error)),
        };
        match opened {
            Err(error) if self.path_names_our_file() => Reopened::Kept(error),
            Err(error) => Reopened::Closed { error, old: self.leave(sync) },
            Ok(opened) => {
                let old = self.leave(sync);
                let unterminated = self.go_on_in(opened);
                Reopened::New { old, unterminated }
            }
        }
    }

    /// Returns whether the file ends in a fragment that is not ours to go on with.
    fn go_on_in(&mut self, opened: Opened<D::File>) -> bool {
        let is_begun =
            |begun: &Begun| (begun.identity, begun.size) == (opened.identity, opened.size);
        let begun = self.begun.take().filter(is_begun);
        if let Some(begun) = &begun {
            self.appended = begun.appended;
        }
        let unterminated = opened.unterminated && begun.is_none();
        self.file = Some(Open {
            file: opened.file,
            identity: opened.identity,
            unterminated,
            torn_size: begun.map(|begun| begun.size),
            unsynced: false,
            lines: 0,
            size: opened.size,
            modified_at: (opened.size > 0).then_some(opened.modified_at),
        });
        unterminated
    }

    /// Opens the path again although it may name the file that is open: that handle is dead, or its
    /// device fails. In the same file, be it now or later, a torn line goes on where it was.
    pub fn renew(&mut self, missing: Missing) -> Reopened {
        let torn = self.is_torn();
        let Some(dead) = self.file.take() else { return self.reopen(missing, false) };
        let Open { identity, torn_size, unsynced, lines, size, .. } = dead;
        // First, since it holds the lock.
        let error = dead.file.close().err();
        let begun = Begun { identity, size: torn_size.unwrap_or(size), appended: self.appended };
        self.begun = torn.then_some(begun);
        self.appended = self.line_start();
        let mut old = Left { identity, lines, bytes: size, torn, error };
        match self.disk.open_append(&self.place, missing) {
            Err(error) => Reopened::Closed { error, old: Some(old) },
            Ok(opened) => {
                let unterminated = self.go_on_in(opened);
                if let Some(open) = self.file.as_mut().filter(|open| open.identity == identity) {
                    (open.lines, open.unsynced) = (lines, unsynced);
                    old.torn = false;
                    if old.error.is_none() {
                        return Reopened::Same;
                    }
                }
                Reopened::New { old: Some(old), unterminated }
            }
        }
    }

    fn path_names_our_file(&mut self) -> bool {
        let ours = self.identity();
        ours.is_some() && self.disk.identity_at(&self.place.path).is_ok_and(|found| found == ours)
    }

    /// What others did to the open file; nothing where there is none, or the system does not say.
    pub fn look(&mut self) -> Found {
        let at_path = self.disk.identity_at(&self.place.path);
        let Some(open) = &mut self.file else { return Found::Same };
        let Ok(Condition { is_named, size }) = open.file.condition() else { return Found::Same };
        match at_path {
            Ok(Some(found)) if found == open.identity => {
                let from = open.size;
                let shorter = size.filter(|size| *size < from);
                open.size = shorter.unwrap_or(from);
                match shorter {
                    // Removed just now; unless it is mounted there, and its name was elsewhere.
                    _ if !is_named && !self.path_names_our_file() => Found::Removed,
                    Some(to) => Found::Truncated { from, to },
                    None => Found::Same,
                }
            }
            Ok(Some(found)) => Found::Replaced { by: found.inode, is_named },
            _ if !is_named => Found::Removed,
            Ok(None) => Found::Renamed,
            // A directory of the path has become something else.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Found::Renamed,
            Err(_) => Found::Same,
        }
    }

    /// Closes the file. A torn line begins again in the next one.
    pub fn leave(&mut self, sync: bool) -> Option<Left> {
        let torn = self.is_torn();
        // Also where a panic has taken the file away before.
        self.appended = self.line_start();
        let mut open = self.file.take()?;
        let synced = if sync { open.file.sync() } else { Ok(()) };
        let (identity, lines, bytes) = (open.identity, open.lines, open.size);
        let error = synced.and(open.file.close()).err();
        Some(Left { identity, lines, bytes, torn, error })
    }

    /// Forces what was appended to the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.file else { return Ok(()) };
        open.unsynced = false;
        open.file.sync()
    }
}

/// One append that took at least a byte.
fn append_some(file: &mut impl AppendFile, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            appended => return appended,
        }
    }
}
