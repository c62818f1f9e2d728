//! The configuration's files: the main one, and `conf.d/*.toml` beside it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
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
}

impl Source {
    pub(super) fn new(path: &Path, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), unreadable: None }
    }

    fn unreadable(path: &Path, why: String) -> Source {
        Source { path: path.to_owned(), text: String::new(), unreadable: Some(why) }
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
            sources.push(Source::unreadable(&directory, why));
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
            Source::unreadable(path, why.to_owned())
        }
        Ok(_) | Err(_) => read(path),
    }
}

fn read(path: &Path) -> Source {
    let mut bytes = Vec::new();
    let limit = CONFIGURATION_BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Source::unreadable(
            path,
            format!("cannot read this file ({error}): {}", mend(&error)),
        );
    }
    if bytes.len() > CONFIGURATION_BYTES_MAX {
        let most = Size(CONFIGURATION_BYTES_MAX);
        let why = format!("this file is over {most}, too large for a configuration: name another");
        return Source::unreadable(path, why);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Source { path: path.to_owned(), text, unreadable: None },
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let why = "here the text is not UTF-8: save the file as UTF-8".to_owned();
            Source { path: path.to_owned(), text, unreadable: Some(why) }
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
