//! Which files a process holds a flock(2) on: proc_locks(5).
//!
//! logagent locks every log file that it has open, so this tells when it has left one and opened
//! the other, without asking it anything.

use std::collections::HashSet;
use std::fs;

use nix::unistd::Pid;

use crate::problem::{Outcome, While};

/// The inodes.
pub(crate) fn of(pid: Pid) -> Outcome<HashSet<u64>> {
    let locks = fs::read_to_string("/proc/locks").while_("read /proc/locks")?;
    let pid = pid.to_string();
    // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:131086 0 EOF
    let inode = |line: &str| -> Option<u64> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, owner, file, ..] = words[..] else { return None };
        (owner == pid).then(|| file.rsplit(':').next()?.parse().ok())?
    };
    Ok(locks.lines().filter_map(inode).collect())
}
