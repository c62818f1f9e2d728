//! Looks at a collector while it runs: its memory, and whether it must be ended.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::interrupt::interrupted;
use super::problem::Outcome;

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Looking at hundreds of children is dear, and they are all alike.
const LOOK_AT_FAMILY_EVERY: Duration = Duration::from_millis(500);

/// Peaks of resident memory in KiB, as `/proc/PID/status` tells them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Its own: heap, stacks, written data.
    pub(crate) anonymous_kib: u64,
    /// Of files: the program and its libraries, which other processes may share.
    pub(crate) file_kib: u64,
    /// Of both together, since exec: exact, not sampled (`VmHWM`), except of a family.
    pub(crate) peak_kib: u64,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    Alone,
    /// The collector starts a process for each connection: their memory is added up.
    Family,
}

/// A thread that looks until it is asked.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

pub(crate) struct Seen {
    pub(crate) memory: Memory,
    /// The collector did not end by itself.
    pub(crate) killed: Option<&'static str>,
}

impl Watch {
    /// The process must not be reaped before `end`.
    pub(crate) fn start(pid: Pid, kin: Kin, until: Instant) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || watch(pid, kin, until, &stopped));
        Self { stop, thread }
    }

    pub(crate) fn end(self) -> Outcome<Seen> {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().map_err(|_| "the watching thread died".into())
    }
}

fn watch(pid: Pid, kin: Kin, until: Instant, stopped: &AtomicBool) -> Seen {
    let mut memory = Memory::default();
    let mut killed = None;
    let pause = match kin {
        Kin::Alone => LOOK_EVERY,
        Kin::Family => LOOK_AT_FAMILY_EVERY,
    };
    while !stopped.load(Ordering::Acquire) {
        memory.add_peaks(of_kin(pid, kin));
        if killed.is_none() {
            killed = match (interrupted(), Instant::now() > until) {
                (true, _) => Some("interrupted"),
                (_, true) => Some("took too long"),
                _ => None,
            };
            if killed.is_some() {
                // It has not been reaped, so the number is still its own.
                kill(pid, Signal::SIGKILL).ok();
            }
        }
        thread::park_timeout(pause);
    }
    memory.add_peaks(of_kin(pid, kin));
    Seen { memory, killed }
}

impl Memory {
    fn add_peaks(&mut self, now: Memory) {
        self.anonymous_kib = self.anonymous_kib.max(now.anonymous_kib);
        self.file_kib = self.file_kib.max(now.file_kib);
        self.peak_kib = self.peak_kib.max(now.peak_kib);
    }
}

fn of_kin(pid: Pid, kin: Kin) -> Memory {
    let mut sum = of_process(pid.as_raw());
    if kin == Kin::Alone {
        return sum;
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace().flat_map(str::parse) {
        let memory = of_process(child);
        sum.anonymous_kib += memory.anonymous_kib;
        sum.file_kib += memory.file_kib;
        sum.peak_kib += memory.peak_kib;
    }
    sum
}

/// Zero when the process has ended: the peaks are what was seen before.
pub(crate) fn of_process(pid: i32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Memory { anonymous_kib: kib("RssAnon"), file_kib: kib("RssFile"), peak_kib: kib("VmHWM") }
}
