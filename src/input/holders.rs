//! Which other processes have a file open, as far as we may see.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

/// Processes, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Holders {
    seen: Vec<u32>,
    /// There are processes of which we may not see what they have open.
    some_unseen: bool,
}

impl Holders {
    /// Those that have any of these open, which have no symbolic links in them.
    pub(super) fn of(paths: &[PathBuf]) -> Holders {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut holders = Holders::default();
        for pid in pids.filter(|pid| *pid != process::id()) {
            match holds(pid, paths) {
                Ok(true) => holders.seen.push(pid),
                Ok(false) => {}
                Err(error) => {
                    holders.some_unseen |= error.kind() == io::ErrorKind::PermissionDenied;
                }
            }
        }
        holders
    }

    /// Those that have this file open, whatever it is called by now.
    pub(super) fn of_file(file: &File) -> Holders {
        Holders::of(&paths(file))
    }

    /// Those of them that still have this file open.
    pub(super) fn still_of_file(self, file: &File) -> Holders {
        let paths = paths(file);
        let holds = |pid: &u32| holds(*pid, &paths).unwrap_or(false);
        Holders { seen: self.seen.into_iter().filter(holds).collect(), ..self }
    }

    /// Whether we see none.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether there may be others.
    pub(super) fn some_unseen(&self) -> bool {
        self.some_unseen
    }

    /// `12, 345`
    pub(super) fn list(&self) -> String {
        let pids: Vec<String> = self.seen.iter().map(u32::to_string).collect();
        pids.join(", ")
    }
}

fn paths(file: &File) -> Vec<PathBuf> {
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    path.into_iter().collect()
}

/// The link's text is enough: what it names may be on a file system that hangs.
fn holds(pid: u32, paths: &[PathBuf]) -> io::Result<bool> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let is_one = |to: &Path| paths.iter().any(|path| path == to);
    Ok(descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| is_one(&to))))
}
