//! One stream's files, one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;

use super::archives;
use super::growing::{Growing, Read};
use super::last_lines::last_lines;
use super::printed::{Printed, ReaderGone};

/// A stream whose lines are shown.
pub(super) struct StreamTail {
    name: String,
    /// Lines of before the first file.
    before: Vec<Vec<u8>>,
    /// Read to its end before the next.
    current: Option<Growing>,
    /// Files that were opened since, in this order: the one before each is complete.
    next: VecDeque<(File, u64)>,
    was_told_of: bool,
    buffer: Vec<u8>,
}

/// Where a stream begins to be shown.
pub(super) struct FirstFile<'a> {
    pub(super) path: &'a Path,
    /// So many lines before what comes.
    pub(super) lines: u64,
}

/// How much was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All that there is now.
    All,
    /// There may be more.
    Some,
}

impl StreamTail {
    pub(super) fn new(name: &str) -> StreamTail {
        StreamTail {
            name: name.to_owned(),
            before: Vec::new(),
            current: None,
            next: VecDeque::new(),
            was_told_of: false,
            buffer: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn was_told_of(&self) -> bool {
        self.was_told_of
    }

    /// How many it holds open.
    pub(super) fn files(&self) -> usize {
        self.next.len() + usize::from(self.current.is_some())
    }

    /// The agent has opened this file, of this size then.
    pub(super) fn opened(
        &mut self,
        file: File,
        size: u64,
        first: &FirstFile<'_>,
    ) -> io::Result<()> {
        if std::mem::replace(&mut self.was_told_of, true) {
            self.next.push_back((file, size));
            return Ok(());
        }
        self.begin(file, first)
    }

    /// The agent has no file open; what is at its path is complete.
    pub(super) fn not_open(&mut self, first: &FirstFile<'_>) -> io::Result<()> {
        self.was_told_of = true;
        match File::open(first.path) {
            Ok(file) => self.begin(file, first),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.before = archives::last_lines(first.path, None, first.lines)?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn begin(&mut self, file: File, first: &FirstFile<'_>) -> io::Result<()> {
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file, so it cannot be read back"));
        }
        let last = last_lines(&file, first.lines)?;
        if last.lines < first.lines {
            let missing = first.lines - last.lines;
            self.before = archives::last_lines(first.path, Some(&file), missing)?;
        }
        self.current = Some(Growing::from(file, last.offset));
        Ok(())
    }

    /// Shows what there is, a part at a time.
    pub(super) fn show(&mut self, printed: &mut Printed) -> Result<Shown, ReaderGone> {
        for line in std::mem::take(&mut self.before) {
            printed.line(&self.name, &line)?;
        }
        let Some(current) = &mut self.current else { return self.go_on() };
        let name = &self.name;
        let read = current.read(&mut self.buffer, |line| printed.line(name, line));
        match read {
            Ok(Ok(Read::Some)) => Ok(Shown::Some),
            Ok(Ok(Read::End)) => self.go_on(),
            Ok(Ok(Read::Truncated)) => {
                self.tell("the file was truncated: going on at its beginning");
                Ok(Shown::Some)
            }
            Ok(Err(gone)) => Err(gone),
            Err(error) => {
                self.tell(&error.to_string());
                self.current = None;
                self.go_on()
            }
        }
    }

    /// The current file is read as far as it goes: where another is open it was complete, and what
    /// has no newline at its end stands whole in the next.
    fn go_on(&mut self) -> Result<Shown, ReaderGone> {
        let Some((file, size)) = self.next.pop_front() else { return Ok(Shown::All) };
        // Told before the current file's end was seen, so nothing more can have come.
        if let Some(current) = &mut self.current
            && current.is(&file).unwrap_or(false)
        {
            current.reopened(file);
            return Ok(Shown::Some);
        }
        match Growing::appended_from(file, size) {
            Ok(next) => self.current = Some(next),
            Err(error) => self.tell(&error.to_string()),
        }
        Ok(Shown::Some)
    }

    fn tell(&self, text: &str) {
        crate::cli::tell(&format!("logagent: {}: {text}", self.name));
    }
}
