//! A regular file found where a socket should be: systemd makes one for a unit that starts before
//! the socket exists. Its lines are taken in, and whoever still writes to it is named.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Alive;
use super::connection::Connection;
use super::intake::Intake;
use super::reading::read_until_stopped;
use crate::report::{FileFound, ReadFailed, report};

/// A file that was renamed out of a socket's way.
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) renamed_to: PathBuf,
}

impl FoundFile {
    /// To be read.
    pub(super) fn open(&self) -> io::Result<Arc<File>> {
        File::open(&self.renamed_to).map(Arc::new)
    }

    /// Reads it into `connection`, on a thread of its own.
    pub(super) fn take_in(
        self,
        file: Arc<File>,
        mut connection: Connection,
        intake: Arc<Intake>,
        alive: Alive,
    ) {
        let failed = |renamed_to: &Path, intake: &Intake, error: &dyn Display| {
            intake.counters.failed.store(true, Relaxed);
            report(&ReadFailed { input: &renamed_to.display(), error });
        };
        let (renamed_to, counted) = (self.renamed_to.clone(), intake.clone());
        let thread = std::thread::Builder::new().name("found-file".into());
        let started = thread.spawn(move || {
            self.tell(&intake.input);
            if let Err(error) = read_to_end(&file, &mut connection) {
                failed(&self.renamed_to, &intake, &error);
            }
            connection.finish();
            drop(alive);
        });
        if let Err(error) = started {
            failed(&renamed_to, &counted, &error);
        }
    }

    fn tell(&self, input: &str) {
        report(&FileFound {
            input: &input,
            path: &self.path.display(),
            renamed_to: &self.renamed_to.display(),
            held_by: &self.holders(),
        });
    }

    /// The processes that have it open, as far as we may see: `12, 345`.
    fn holders(&self) -> String {
        let holds = |pid: &u32| {
            let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            // The link's text is enough: what it names may be on a file system that hangs.
            descriptors
                .flatten()
                .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == self.renamed_to))
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let holders: Vec<String> = pids.filter(holds).map(|pid| pid.to_string()).collect();
        holders.join(", ")
    }
}

/// Nobody stops it: a regular file has an end.
fn read_to_end(file: &File, connection: &mut Connection) -> nix::Result<()> {
    let (stopped, _never_stopped) = pipe2(OFlag::O_CLOEXEC)?;
    read_until_stopped(file.as_fd(), stopped.as_fd(), connection)
}
