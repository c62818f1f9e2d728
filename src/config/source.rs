//! The configuration's files: the main one, and `conf.d/*.toml` beside it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::value::Size;
use crate::limits::CONFIGURATION_BYTES_MAX;

/// A configuration file as read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// What could be read of it.
    pub(super) text: String,
    /// Why that is not all, and what to do about it.
    pub(super) unreadable: Option<String>,
    /// Where lines begin.
    line_starts: Vec<usize>,
}

impl Source {
    /// A whole file.
    pub(super) fn new(path: &Path, text: String) -> Source {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let line_starts = std::iter::once(0).chain(ends.map(|end| end + 1)).collect();
        Source { path: path.to_owned(), text, unreadable: None, line_starts }
    }

    fn unreadable(path: &Path, readable: &str, why: String) -> Source {
        Source { unreadable: Some(why), ..Source::new(path, readable.to_owned()) }
    }

    /// The bytes of a line, from 1, with its newline.
    pub(super) fn line(&self, line: usize) -> Range<usize> {
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.line_starts[line - 1]..end
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub(super) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = self.text[self.line_starts[line - 1]..].char_indices();
        let before =
            before.take_while(|(at, c)| self.line_starts[line - 1] + at + c.len_utf8() <= offset);
        // A byte order mark takes no column.
        (line, before.filter(|(_, c)| *c != '\u{feff}').count() + 1)
    }
}

/// The main file, readable or not, and then those of `conf.d` in the order of their names.
pub(super) fn read_all(main: &Path) -> Vec<Source> {
    let mut sources = vec![read(main)];
    let directory = main.with_file_name("conf.d");
    match file_names(&directory) {
        Ok(names) => sources.extend(names.iter().map(|path| read_regular(path))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // Beside a pipe, as in `-c <(…)`, there may be anything.
        Err(_) if !main.is_file() => {}
        Err(error) => {
            let why = format!("cannot list this directory ({error}): {}", mend(&error));
            sources.push(Source::unreadable(&directory, "", why));
        }
    }
    sources
}

/// The configuration files in `directory`: neither hidden ones nor what editors and package
/// managers leave behind, which ends otherwise.
fn file_names(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_bytes().ends_with(b".toml") && !name.as_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads what should be a regular file: opening a FIFO would wait for its writer.
fn read_regular(path: &Path) -> Source {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let why = "this is no regular file: remove it, or give it a name without .toml";
            Source::unreadable(path, "", why.to_owned())
        }
        Ok(_) | Err(_) => read(path),
    }
}

pub(super) fn read(path: &Path) -> Source {
    let mut bytes = Vec::new();
    let limit = CONFIGURATION_BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        let why = format!("cannot read this file ({error}): {}", mend(&error));
        return Source::unreadable(path, "", why);
    }
    if bytes.len() > CONFIGURATION_BYTES_MAX {
        let most = Size(CONFIGURATION_BYTES_MAX);
        let why = format!("this file is over {most}, too large for a configuration: name another");
        return Source::unreadable(path, "", why);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Source::new(path, text),
        Err(error) => {
            let valid =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let why = "from here on this is not UTF-8: save the file as UTF-8".to_owned();
            Source::unreadable(path, &valid, why)
        }
    }
}

/// What to do about a file that cannot be read.
fn mend(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "write it, or name another file with -c".to_owned(),
        ErrorKind::PermissionDenied => {
            format!("let user {} read it, by its owner or its mode", nix::unistd::geteuid())
        }
        ErrorKind::IsADirectory => "name a file in it".to_owned(),
        _ => "make it readable, or remove it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_characters_from_one() {
        let source = Source::new(Path::new("x"), "\u{feff}a = 1\nä = \"ö\" # x\n".to_owned());
        for (offset, expected) in
            [(0, (1, 1)), (3, (1, 1)), (7, (1, 5)), (8, (1, 6)), (9, (2, 1)), (14, (2, 5))]
        {
            assert_eq!(source.line_and_column(offset), expected, "offset {offset}");
        }
        assert_eq!(source.line_and_column(10), (2, 1), "inside a character");
        assert_eq!(source.line_and_column(usize::MAX), (3, 1));
        assert_eq!([1, 2, 3].map(|line| source.line(line)), [0..9, 9..23, 23..23]);
        assert_eq!(Source::new(Path::new("x"), String::new()).line_and_column(0), (1, 1));
    }
}
