//! Where a file's last lines begin.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::limits::KIB;

/// Where they begin, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastLines {
    pub(super) offset: u64,
    pub(super) lines: u64,
}

const CHUNK_BYTES: u64 = 64 * KIB as u64;

/// Finds the last `lines` lines that have ended, by reading backwards from the end.
pub(super) fn last_lines(file: &File, lines: u64) -> io::Result<LastLines> {
    let mut begin = file.metadata()?.len();
    let mut chunk = vec![0; CHUNK_BYTES as usize];
    // Newlines found: the first one ends the last line.
    let mut found = 0;
    while begin > 0 {
        let bytes = begin.min(CHUNK_BYTES);
        begin -= bytes;
        // Shorter where somebody has truncated the file meanwhile.
        let count = file.read_at(&mut chunk[..bytes as usize], begin)?;
        for at in memchr::memrchr_iter(b'\n', &chunk[..count]) {
            found += 1;
            if found > lines {
                return Ok(LastLines { offset: begin + at as u64 + 1, lines });
            }
        }
    }
    Ok(LastLines { offset: 0, lines: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: u64, offset: u64, found: u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let expected = LastLines { offset, lines: found };
        assert_eq!(last_lines(file.as_file(), lines).unwrap(), expected, "{lines} of {text:?}");
    }

    #[test]
    fn lines_are_counted_from_the_end() {
        check("", 3, 0, 0);
        check("a\nb\nc\n", 2, 2, 2);
        check("a\nb\nc\n", 3, 0, 3);
        check("a\nb\nc\n", 9, 0, 3);
        check("a\nb\nc\n", 0, 6, 0);
    }

    #[test]
    fn a_line_that_has_not_ended_is_not_counted() {
        check("a\nb\nc", 1, 2, 1);
        check("a\nb\nc", 0, 4, 0);
        check("abc", 1, 0, 0);
    }

    #[test]
    fn lines_longer_than_what_is_read_at_once_are_found() {
        let long = "x".repeat(200 * KIB);
        check(&format!("a\n{long}\nb\n"), 2, 2, 2);
        check(&format!("a\n{long}\nb\n"), 3, 0, 3);
    }
}
