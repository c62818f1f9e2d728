//! A file that grows while it is read, and may be truncated.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::limits::{TAIL_READ_BYTES, TAIL_SEEN_BYTES};

/// A file, and how far it was read.
pub(super) struct Growing {
    file: File,
    /// Where the next read begins.
    offset: u64,
    /// The last bytes before that: where they have changed, the file was truncated and has grown.
    seen: Vec<u8>,
    /// A line that has not ended yet.
    unfinished: Vec<u8>,
    /// What stands before the first newline is no line of ours: a crash has left it.
    skips_a_line: bool,
}

/// What came of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// There may be more.
    Some,
    /// The end, for now.
    End,
    /// It has been truncated; the next read begins at its beginning.
    Truncated,
}

impl Growing {
    /// A file whose lines from `offset` on are wanted.
    pub(super) fn from(file: File, offset: u64) -> Growing {
        let (seen, unfinished) = (Vec::new(), Vec::new());
        Growing { file, offset, seen, unfinished, skips_a_line: false }
    }

    /// A file that the stream's lines are appended to from `size` on.
    pub(super) fn appended_from(file: File, size: u64) -> io::Result<Growing> {
        let mut last = [b'\n'];
        if size > 0 {
            file.read_at(&mut last, size - 1)?;
        }
        let skips_a_line = last != *b"\n";
        Ok(Growing { skips_a_line, ..Growing::from(file, size) })
    }

    pub(super) fn is(&self, other: &File) -> io::Result<bool> {
        let (one, two) = (self.file.metadata()?, other.metadata()?);
        Ok((one.dev(), one.ino()) == (two.dev(), two.ino()))
    }

    /// Goes on with the same file, opened once more.
    pub(super) fn reopened(&mut self, file: File) {
        self.file = file;
    }

    /// Reads once, and hands over the lines that end in what was read, each with its newline.
    pub(super) fn read<E>(
        &mut self,
        buffer: &mut Vec<u8>,
        mut line: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> io::Result<Result<Read, E>> {
        if self.was_truncated()? {
            (self.offset, self.skips_a_line) = (0, false);
            self.seen.clear();
            self.unfinished.clear();
            return Ok(Ok(Read::Truncated));
        }
        buffer.resize(TAIL_READ_BYTES, 0);
        let count = self.file.read_at(buffer, self.offset)?;
        if count == 0 {
            return Ok(Ok(Read::End));
        }
        let mut rest = &buffer[..count];
        self.see(rest);
        self.offset += count as u64;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (ended, behind) = rest.split_at(end + 1);
            rest = behind;
            let told = if std::mem::take(&mut self.skips_a_line) {
                Ok(())
            } else if self.unfinished.is_empty() {
                line(ended)
            } else {
                self.unfinished.extend_from_slice(ended);
                line(&self.unfinished)
            };
            self.unfinished.clear();
            if let Err(error) = told {
                return Ok(Err(error));
            }
        }
        self.unfinished.extend_from_slice(rest);
        Ok(Ok(Read::Some))
    }

    fn see(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_SEEN_BYTES)..]);
        let surplus = self.seen.len().saturating_sub(TAIL_SEEN_BYTES);
        self.seen.drain(..surplus);
    }

    fn was_truncated(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.offset {
            return Ok(true);
        }
        // Also where it has just the size that it had.
        let mut there = [0; TAIL_SEEN_BYTES];
        let there = &mut there[..self.seen.len()];
        let count = self.file.read_at(there, self.offset - self.seen.len() as u64)?;
        Ok(there[..count] != self.seen)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Case {
        file: tempfile::NamedTempFile,
        growing: Growing,
    }

    impl Case {
        fn new(text: &str) -> Case {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, text).unwrap();
            let growing = Growing::from(file.reopen().unwrap(), 0);
            Case { file, growing }
        }

        fn append(&mut self, text: &str) {
            self.file.seek_to_end();
            write!(self.file, "{text}").unwrap();
        }

        /// Lines until the end, with `!` for a truncation.
        fn read(&mut self) -> String {
            let (mut lines, mut buffer) = (String::new(), Vec::new());
            loop {
                let read = self.growing.read(&mut buffer, |line| {
                    lines.push_str(std::str::from_utf8(line).unwrap());
                    Ok::<(), ()>(())
                });
                match read.unwrap().unwrap() {
                    Read::Some => {}
                    Read::Truncated => lines.push('!'),
                    Read::End => return lines,
                }
            }
        }
    }

    trait SeekToEnd {
        fn seek_to_end(&mut self);
    }

    impl SeekToEnd for tempfile::NamedTempFile {
        fn seek_to_end(&mut self) {
            use std::io::{Seek, SeekFrom};
            self.seek(SeekFrom::End(0)).unwrap();
        }
    }

    #[test]
    fn a_line_is_handed_over_once_it_has_ended() {
        let mut case = Case::new("one\ntw");
        assert_eq!(case.read(), "one\n");
        case.append("o\nthree\nf");
        assert_eq!(case.read(), "two\nthree\n");
        assert_eq!(case.read(), "");
    }

    #[test]
    fn a_truncated_file_is_read_from_its_new_beginning() {
        let mut case = Case::new("one\ntwo\nthr");
        assert_eq!(case.read(), "one\ntwo\n");
        case.file.as_file().set_len(0).unwrap();
        case.append("four\n");
        assert_eq!(case.read(), "!four\n");
    }

    #[test]
    fn a_file_that_has_grown_again_since_it_was_truncated_is_no_longer_the_same() {
        let mut case = Case::new("one\ntwo\n");
        assert_eq!(case.read(), "one\ntwo\n");
        case.file.as_file().set_len(0).unwrap();
        case.append("a\nb\nc\nd\ne\nf\n");
        assert_eq!(case.read(), "!a\nb\nc\nd\ne\nf\n");
    }

    #[test]
    fn what_a_crash_left_at_the_end_is_no_line_of_the_stream() {
        let mut case = Case::new("one\ntw");
        case.growing = Growing::appended_from(case.file.reopen().unwrap(), 6).unwrap();
        case.append("\nthree\n");
        assert_eq!(case.read(), "three\n");
        case.growing = Growing::appended_from(case.file.reopen().unwrap(), 4).unwrap();
        assert_eq!(case.read(), "tw\nthree\n");
    }
}
