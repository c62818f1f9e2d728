//! The pid file: never empty, never another process's, and held by a lock for as long as we live.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::fcntl::OFlag;

use super::failure::remedy;
use super::{Failure, FailureKind};
use crate::input::socket::make_directory;
use crate::limits::PID_FILE_BYTES_MAX;
use crate::report::{StalePidFile, report};

/// Our pid file. Removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Its lock says that we live.
    file: Option<File>,
}

impl PidFile {
    /// Makes sure that no other agent lives, and removes what a dead one left behind: that process
    /// id may be somebody else's by now, whom a signal would kill.
    pub fn claim(path: &Path) -> Result<PidFile, Failure> {
        let claim = PidFile { path: path.to_owned(), file: None };
        claim.remove_stale().map(|()| claim)
    }

    fn remove_stale(&self) -> Result<(), Failure> {
        let path = &self.path;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
            let mut file = match options.open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(self.failure("cannot open the pid file", &error)),
            };
            if !is_pid_file(&file) {
                let text = "it is there and is no pid file; remove it, or name another path";
                return Err(Failure::configuration(format!("{}: {text}", path.display())));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(self.held_by_another(&mut file)),
                Err(TryLockError::Error(error)) => {
                    return Err(self.failure("cannot lock the pid file", &error));
                }
            }
            // It may have been removed, and another made, before we had the lock.
            if same_file(&file, path) {
                fs::remove_file(path)
                    .map_err(|e| self.failure("cannot remove the pid file", &e))?;
                report(&StalePidFile { path: &path.display() });
            }
        }
    }

    /// Writes our process id: from now on the path names us.
    pub fn publish(&mut self) -> Result<(), Failure> {
        let path = self.path.clone();
        make_directory(&path).map_err(|error| Failure {
            kind: FailureKind::Configuration,
            ..Failure::of_input(error)
        })?;
        let mut temporary = path.clone().into_os_string();
        temporary.push(format!(".{}", process::id()));
        let temporary = PathBuf::from(temporary);
        let made = self.make(&temporary).and_then(|file| {
            // Unlike a rename, a link never takes the place of another agent's.
            match fs::hard_link(&temporary, &path) {
                // Some file systems have no links.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    fs::rename(&temporary, &path).map(|()| file)
                }
                linked => linked.map(|()| file),
            }
        });
        // It has its name, or is not needed.
        fs::remove_file(&temporary).unwrap_or_default();
        match made {
            Ok(file) => {
                self.file = Some(file);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("{}: another agent has just started", path.display());
                Err(Failure::system(text))
            }
            Err(error) => Err(self.failure("cannot write the pid file", &error)),
        }
    }

    fn make(&self, temporary: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        let mut file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(temporary)?;
        file.lock()?;
        let text = format!("{}\n", process::id());
        if file.write(text.as_bytes())? < text.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(file)
    }

    fn held_by_another(&self, file: &mut File) -> Failure {
        let mut pid = String::new();
        // It is only for the message.
        file.take(32).read_to_string(&mut pid).unwrap_or_default();
        let (path, pid) = (self.path.display(), pid.trim());
        Failure::system(format!("{path}: another agent is running, process {pid}"))
    }

    fn failure(&self, operation: &str, error: &io::Error) -> Failure {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                FailureKind::Configuration
            }
            _ => FailureKind::System,
        };
        let (path, remedy) = (self.path.display(), remedy(&self.path, error));
        Failure { kind, texts: vec![format!("{path}: {operation}: {error}{remedy}")] }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Removed while the lock is still held, and only if it is ours.
        if self.file.as_ref().is_some_and(|file| same_file(file, &self.path)) {
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// A regular file with nothing but a number in it, or nothing at all.
fn is_pid_file(mut file: &File) -> bool {
    let mut text = Vec::new();
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    let limit = PID_FILE_BYTES_MAX as u64 + 1;
    let read = is_file && Read::by_ref(&mut file).take(limit).read_to_end(&mut text).is_ok();
    let read = read && file.rewind().is_ok();
    let is_number = text.trim_ascii().iter().all(u8::is_ascii_digit);
    read && is_number && text.len() <= PID_FILE_BYTES_MAX
}

fn same_file(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(found)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (ours.dev(), ours.ino()) == (found.dev(), found.ino())
}
