//! How often a process was woken, and how often it wrote: proc_pid_status(5), summed over its
//! threads, and proc_pid_io(5).

use std::fs;

use nix::unistd::Pid;

use crate::problem::{Outcome, While};

/// Context switches of all threads since they were started, voluntary and not.
pub(crate) fn of(pid: Pid) -> Outcome<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).while_("list threads")?;
    let mut sum = 0;
    for task in tasks {
        let status = task.while_("list threads")?.path().join("status");
        let status = fs::read_to_string(status).while_("read a thread's status")?;
        sum += status
            .lines()
            .filter_map(|line| line.split_once("_ctxt_switches:"))
            .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    Ok(sum)
}

/// Its write(2) calls so far.
pub(crate) fn writes(pid: Pid) -> Outcome<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).while_("read a process's io")?;
    let count = io.lines().find_map(|line| line.strip_prefix("syscw:")?.trim().parse().ok());
    Ok(count.unwrap_or(0))
}

/// How many threads it has.
pub(crate) fn threads(pid: Pid) -> Outcome<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task")).while_("list threads")?.count())
}
