//! A regular file found where a socket should be: systemd makes one for a unit that starts before
//! the socket exists. Its lines are taken in, and whoever still writes to it is named.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Alive;
use super::connection::Connection;
use super::reading::read_until_stopped;
use crate::counters::InputCounters;
use crate::report::{FileFound, ReadFailed, report};

/// A file that was renamed out of a socket's way.
pub(super) struct FoundFile {
    pub(super) input: String,
    pub(super) path: PathBuf,
    pub(super) renamed_to: PathBuf,
}

impl FoundFile {
    /// Reads it into `connection`, on a thread of its own.
    pub(super) fn take_in(
        self,
        mut connection: Connection,
        counters: Arc<InputCounters>,
        alive: Alive,
    ) -> io::Result<Arc<File>> {
        let file = Arc::new(File::open(&self.renamed_to)?);
        let reading = file.clone();
        // Nobody stops it: a regular file has an end.
        let (stopped, never_stopped) = pipe2(OFlag::O_CLOEXEC)?;
        std::thread::Builder::new().name("found-file".into()).spawn(move || {
            self.tell();
            let read = read_until_stopped(reading.as_fd(), stopped.as_fd(), &mut connection);
            if let Err(error) = read {
                counters.failed.store(true, Relaxed);
                report(&ReadFailed { input: &self.renamed_to.display(), error: &error });
            }
            connection.finish();
            drop((never_stopped, alive));
        })?;
        Ok(file)
    }

    fn tell(&self) {
        report(&FileFound {
            input: &self.input,
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
