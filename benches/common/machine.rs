//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    /// Of the directory that the collectors write to.
    pub(crate) file_system: String,
    /// `net.unix.max_dgram_qlen`, where it matters: how many datagrams wait in a socket, less one.
    pub(crate) datagrams_max: Option<usize>,
}

impl Machine {
    pub(crate) fn of(dir: &Path) -> Self {
        let value = |path: &str, key: &str, separator: char| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
            let value = line.and_then(|line| Some(line.split_once(separator)?.1.to_owned()));
            value.unwrap_or_default().trim().trim_matches('"').to_owned()
        };
        let memory = value("/proc/meminfo", "MemTotal", ':');
        let memory_kib = memory.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: value("/proc/cpuinfo", "model name", ':'),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib.unwrap_or(0) / 1024,
            kernel: format!("Linux {}", release.trim()),
            system: value("/etc/os-release", "PRETTY_NAME=", '='),
            file_system: file_system(dir).unwrap_or_else(|| "unknown".to_owned()),
            datagrams_max: None,
        }
    }

    /// With what matters only to datagrams.
    pub(crate) fn with_datagrams(self) -> Self {
        let text = fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap_or_default();
        Self { datagrams_max: text.trim().parse().ok(), ..self }
    }

    /// In one line.
    pub(crate) fn description(&self) -> String {
        let Self { processor, cores, memory_mib, kernel, system, file_system, .. } = self;
        let datagrams = self.datagrams_max.map(|max| format!("; net.unix.max_dgram_qlen {max}"));
        format!(
            "{processor}, {cores} cores, {memory_mib} MiB; {system}, {kernel}; files on {file_system}{}",
            datagrams.unwrap_or_default()
        )
    }

    /// For programs.
    pub(crate) fn document(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "system": self.system,
            "file_system": self.file_system,
            "net_unix_max_dgram_qlen": self.datagrams_max,
        })
    }
}

/// The type of the mount that is longest in common with the path: proc_pid_mountinfo(5).
fn file_system(dir: &Path) -> Option<String> {
    let dir = fs::canonicalize(dir).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        Some((mount.split(' ').nth(4)?, file_system.split(' ').next()?))
    });
    let (_, name) = mounts
        .filter(|(point, _)| dir.starts_with(point))
        // Of equally long ones the last is mounted over the others.
        .max_by_key(|(point, _)| point.len())?;
    Some(name.to_owned())
}
