//! A place in the file system where the agent makes something: a log file, a socket, a FIFO.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

/// A path, and whose what is made there becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute, or relative to the working directory.
    pub path: PathBuf,
    /// Permission bits, whatever the umask.
    pub mode: u32,
    /// User id; the agent's own if none.
    pub owner: Option<u32>,
    /// Group id; the agent's own if none.
    pub group: Option<u32>,
}

impl Place {
    /// Gives what was just made its owner, group and mode, through its descriptor.
    pub fn give(&self, made: impl AsFd) -> io::Result<()> {
        if self.owner.is_some() || self.group.is_some() {
            let (owner, group) = (self.owner.map(Uid::from_raw), self.group.map(Gid::from_raw));
            fchown(made.as_fd(), owner, group).map_err(not_given)?;
        }
        // After the owner: chown clears the set-id bits.
        fchmod(made.as_fd(), Mode::from_bits_truncate(self.mode))?;
        Ok(())
    }
}

/// What chown(2) has refused, with what helps: only root gives something to another user, others to
/// the groups that they are in.
pub fn not_given(error: Errno) -> io::Error {
    match error {
        Errno::EPERM => io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it may not be given to this owner or group: the agent must be root, or its user in the \
             group (`logagent print systemd` says what its unit needs)",
        ),
        error => error.into(),
    }
}
