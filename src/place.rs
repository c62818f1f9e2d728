//! A place in the file system where the agent makes something: a log file, a socket, a FIFO.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

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
            fchown(made.as_fd(), owner, group)?;
        }
        // After the owner: chown clears the set-id bits.
        fchmod(made.as_fd(), Mode::from_bits_truncate(self.mode))?;
        Ok(())
    }
}
