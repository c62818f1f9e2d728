//! The directory of a benchmark: everything that it writes is there, and removed at the end.

use std::fs;
use std::path::{Path, PathBuf};

use super::problem::{Outcome, While};

const UNIX_PATH_BYTES_MAX: usize = 107;

/// The directory of everything.
pub(crate) struct Work(pub(crate) PathBuf);

impl Work {
    /// `{parent}/{benchmark}-{pid}`.
    pub(crate) fn new(parent: &Path, benchmark: &str) -> Outcome<Self> {
        let dir = parent.join(format!("{benchmark}-{}", std::process::id()));
        fs::create_dir_all(&dir).while_(format!("create {}", dir.display()))?;
        // The collectors have other working directories in mind than ours.
        Ok(Self(fs::canonicalize(&dir).while_(format!("find {}", dir.display()))?))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// A run's directory, removed with all that is in it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(parent: &Path) -> Outcome<Self> {
        let dir = parent.join("run");
        fs::create_dir(&dir).while_(format!("create {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed with the whole directory at the end, or told then.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The path of a socket in `dir`, if it fits.
pub(crate) fn socket(dir: &Path, name: &str) -> Outcome<PathBuf> {
    let socket = dir.join(name);
    if socket.as_os_str().len() > UNIX_PATH_BYTES_MAX {
        let socket = socket.display();
        return Err(format!("{socket} is too long for a socket: choose a shorter --dir").into());
    }
    Ok(socket)
}
