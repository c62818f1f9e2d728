//! A regular file found where a socket should be: systemd makes one for a unit that starts before
//! the socket exists. Its lines are taken in, and whoever still writes to it is named.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Alive;
use super::connection::Connection;
use super::reading::read_to_end_blocking;
use crate::report::{ReadFailed, report};

/// Reads `path` into `connection` on a thread of its own.
pub(super) fn take_in(path: &Path, mut connection: Connection, alive: Alive) -> io::Result<()> {
    let file = File::open(path)?;
    let name = path.display().to_string();
    std::thread::Builder::new().name("found-file".into()).spawn(move || {
        if let Err(error) = read_to_end_blocking(file.as_fd(), &mut connection) {
            report(&ReadFailed { input: &name, error: &error });
        }
        connection.finish();
        drop(alive);
    })?;
    Ok(())
}

/// The processes that have `path` open, as far as we may see: `12, 345`.
pub(super) fn holders(path: &Path) -> String {
    let Ok(wanted) = path.metadata() else { return String::new() };
    let holds = |pid: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs::metadata(descriptor.path())
                .is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
        })
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holders: Vec<String> = pids.filter(holds).map(|pid| pid.to_string()).collect();
    holders.join(", ")
}
