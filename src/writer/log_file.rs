//! A stream's file as a state machine: what is pending, what is torn, which file it goes to.
//!
//! Synchronous, without a clock, over the small [`Disk`] trait: whoever owns it decides when to try
//! again. It holds at most one block, and forgets a byte of it only when a file has taken it.

use std::io;

use super::disk::{AppendFile, Disk, Identity, Missing, OpenError};
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
}

impl<F: AppendFile> Open<F> {
    /// Gives the fragment that a crash left its newline, so that the next line stands alone.
    fn end_fragment(&mut self) -> io::Result<()> {
        // Unless somebody has emptied the file meanwhile.
        if self.unterminated && self.file.size()? > 0 {
            append_some(&mut self.file, b"\n")?;
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
}

/// How a file was left.
#[derive(Debug)]
pub struct Left {
    /// Which file it was.
    pub identity: Identity,
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

impl<D: Disk> LogFile<D> {
    /// A file that is not open yet.
    pub fn new(disk: D, place: Place) -> LogFile<D> {
        LogFile { disk, place, file: None, block: Block::default(), appended: 0, told: 0 }
    }

    /// Which file is open.
    pub fn identity(&self) -> Option<Identity> {
        self.file.as_ref().map(|open| open.identity)
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
        let error = self.append_pending().err();
        let whole = if self.is_torn() { self.line_start() } else { self.appended };
        let told = std::mem::replace(&mut self.told, whole);
        let lines = match (told, whole) {
            (from, to) if from == to => 0,
            (from, to) => self.block.lines_before(to) - self.block.lines_before(from),
        };
        Flushed { lines, bytes: whole - told, error }
    }

    fn append_pending(&mut self) -> io::Result<()> {
        self.notice_truncation()?;
        if let Some(open) = &mut self.file {
            open.end_fragment()?;
        }
        while !self.is_flushed() {
            let Some(open) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
            let appended = append_some(&mut open.file, &self.block.bytes()[self.appended..]);
            // After an error nothing has changed: a smaller size would be somebody's truncation.
            self.appended += appended?;
            open.unsynced = true;
            let torn = self.is_torn();
            if let Some(open) = &mut self.file {
                open.torn_size = if torn { open.file.size().ok() } else { None };
            }
        }
        Ok(())
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

    fn is_torn(&self) -> bool {
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
                self.file = Some(Open {
                    file: opened.file,
                    identity: opened.identity,
                    unterminated: opened.unterminated,
                    torn_size: None,
                    unsynced: false,
                });
                Reopened::New { old, unterminated: opened.unterminated }
            }
        }
    }

    fn path_names_our_file(&mut self) -> bool {
        let ours = self.identity();
        ours.is_some() && self.disk.identity_at(&self.place.path).is_ok_and(|found| found == ours)
    }

    /// Closes the file. A torn line begins again in the next one.
    pub fn leave(&mut self, sync: bool) -> Option<Left> {
        let mut open = self.file.take()?;
        let torn = self.is_torn();
        self.appended = self.line_start();
        let synced = if sync { open.file.sync() } else { Ok(()) };
        let error = synced.and(open.file.close()).err();
        Some(Left { identity: open.identity, torn, error })
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
