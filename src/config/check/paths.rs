//! Every path that the agent will use, and that no two uses share one.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::super::defaults::DIR;
use super::super::mistake::{At, Mistakes};
use crate::limits::SOCKET_PATH_BYTES_MAX;
use crate::stream_name::StreamName;
use crate::writer::archive;

/// What a path is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum What {
    PidFile,
    Control,
    /// An input's socket.
    Socket(String),
    /// An input's FIFO.
    Fifo(String),
    /// A stream's file.
    Log(StreamName),
    /// Where the files of streams are that are made on demand.
    Dir,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::PidFile => f.write_str("the pid file"),
            What::Control => f.write_str("the control socket"),
            What::Socket(input) => write!(f, "the socket of input {input:?}"),
            What::Fifo(input) => write!(f, "the FIFO of input {input:?}"),
            What::Log(stream) => write!(f, "the file of stream \"{stream}\""),
            What::Dir => f.write_str("the directory of the streams that clients make"),
        }
    }
}

impl What {
    /// A path that would do.
    pub(super) fn example(&self) -> String {
        match self {
            What::PidFile => "/run/logagent/logagent.pid".to_owned(),
            What::Control => "/run/logagent/control.sock".to_owned(),
            What::Socket(input) => format!("/run/logagent/{input}.sock"),
            What::Fifo(input) => format!("/run/logagent/{input}.fifo"),
            What::Log(stream) => format!("/var/log/logagent/{stream}.log"),
            What::Dir => DIR.to_owned(),
        }
    }
}

/// A path, what it is for, and where that was written.
#[derive(Clone, Debug)]
pub(in crate::config) struct PathUse {
    pub(in crate::config) path: PathBuf,
    pub(in crate::config) what: What,
    pub(in crate::config) at: At,
}

/// Tells every path that is used twice, at the later place, and every socket path that is too long.
pub(super) fn distinct(paths: &mut [PathUse], mistakes: &mut Mistakes<'_>) {
    paths.sort_by_key(|one| one.at);
    let mut by_path: HashMap<PathBuf, usize> = HashMap::new();
    let mut by_inode: HashMap<(u64, u64), usize> = HashMap::new();
    for (index, one) in paths.iter().enumerate() {
        check_length(one, mistakes);
        let metadata = std::fs::metadata(&one.path).ok();
        let device = metadata.as_ref().is_some_and(|found| found.file_type().is_char_device());
        if device && matches!(one.what, What::Log(_)) {
            continue;
        }
        let same_path = *by_path.entry(normal(&one.path)).or_insert(index);
        let same_inode = metadata
            .map_or(index, |found| *by_inode.entry((found.dev(), found.ino())).or_insert(index));
        let first = same_path.min(same_inode);
        if first == index {
            continue;
        }
        let first = &paths[first];
        let place = mistakes.place(first.at, one.at.file);
        let (path, what) = (one.path.display(), &one.what);
        let same = if first.path == one.path {
            String::new()
        } else {
            format!(" is the same as {}, which", first.path.display())
        };
        let text = format!("{path}{same} is {} ({place}): give {what} another path", first.what);
        mistakes.tell(one.at, text);
    }
    check_archives(paths, &by_path, mistakes);
}

/// Tells every path that could be an archive of a stream's file, to be compressed and removed.
fn check_archives(
    paths: &[PathUse],
    by_path: &HashMap<PathBuf, usize>,
    mistakes: &mut Mistakes<'_>,
) {
    for (path, index) in by_path {
        let Some(name) = path.file_name() else { continue };
        let dashes = memchr::memchr_iter(b'-', name.as_bytes());
        let files = dashes.map(|dash| OsStr::from_bytes(&name.as_bytes()[..dash]));
        for file in files.filter(|file| archive::names::parse(name, file).is_some()) {
            let Some(other) = by_path.get(&path.with_file_name(file)) else { continue };
            let (one, other) = (&paths[*index], &paths[*other]);
            if let What::Log(_) = other.what {
                let (path, what) = (one.path.display(), &one.what);
                let text = format!(
                    "{path} is called like an archive of {}: give {what} another path",
                    other.what
                );
                mistakes.tell(one.at, text);
            }
        }
    }
}

fn check_length(one: &PathUse, mistakes: &mut Mistakes<'_>) {
    if !matches!(one.what, What::Control | What::Socket(_)) {
        return;
    }
    let bytes = one.path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let text = format!(
            "a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes, this has {bytes}: write a \
             shorter one"
        );
        mistakes.tell(one.at, text);
    }
}

/// The path by which two uses of one file are recognised: its directory without links, as far as
/// that exists, and its name.
fn normal(path: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    let mut missing = Vec::new();
    let mut existing = parent;
    loop {
        if let Ok(mut found) = existing.canonicalize() {
            for component in missing.iter().rev() {
                match component {
                    Component::ParentDir => drop(found.pop()),
                    component => found.push(component),
                }
            }
            return found.join(name);
        }
        let Some(last) = existing.components().next_back() else { return path.to_owned() };
        missing.push(last);
        let Some(above) = existing.parent() else { return path.to_owned() };
        existing = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_recognised_through_links_and_dots() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        for (path, expected) in [
            ("real/x.log", "real/x.log"),
            ("link/x.log", "real/x.log"),
            ("link/../x.log", "x.log"),
            ("./real//x.log", "real/x.log"),
            ("none/a/../x.log", "none/x.log"),
            ("none/x.log", "none/x.log"),
        ] {
            assert_eq!(normal(&root.join(path)), root.join(expected), "{path}");
        }
        assert_eq!(normal(Path::new("/x")), Path::new("/x"));
        assert_eq!(normal(Path::new("/")), Path::new("/"));
    }
}
