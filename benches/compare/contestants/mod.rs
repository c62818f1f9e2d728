//! Who takes part, where each program comes from, and how it is started.
//!
//! A new contestant is one row in the file of its transport.

mod agent;
mod pipe;
mod syslog_daemons;
mod unix_datagram;
mod unix_seqpacket;
mod unix_stream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::check::Written;
use crate::debian::{Installed, Program};
use crate::problem::{Outcome, While};
use crate::scenario::{Scenario, Transport};
use crate::watch::Kin;

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    pub(crate) program: Program,
    pub(crate) kin: Kin,
    /// Writes its configuration, if it has one, and says how it is started.
    pub(crate) prepare: fn(&Place, &Installed) -> Outcome<Prepared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What all are compared with.
    Yardstick,
    /// It has promised that the check finds nothing: a fault fails the benchmark.
    Ours,
    /// A fault is shown, and is its own affair.
    Peer,
}

/// The contestants on a transport, the yardstick first.
pub(crate) fn on(transport: Transport) -> &'static [Contestant] {
    match transport {
        Transport::Pipe => &pipe::CONTESTANTS,
        Transport::UnixStream => &unix_stream::CONTESTANTS,
        Transport::UnixDatagram => &unix_datagram::CONTESTANTS,
        Transport::UnixSeqpacket => &unix_seqpacket::CONTESTANTS,
    }
}

/// Where a contestant runs.
pub(crate) struct Place<'a> {
    /// Empty, and its own.
    pub(crate) dir: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) scenario: &'a Scenario,
}

impl Place<'_> {
    /// `{dir}/out.log`.
    fn log(&self) -> PathBuf {
        self.dir.join("out.log")
    }

    /// Writes a configuration file of the contestant, and returns its path.
    fn configure(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, text).while_(format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// A contestant ready to be started.
pub(crate) struct Prepared {
    pub(crate) command: Command,
    /// The file that its standard output appends to; none: nowhere.
    pub(crate) stdout: Option<PathBuf>,
    pub(crate) output: Output,
    pub(crate) written: Written,
    pub(crate) configuration: Option<String>,
}

impl Prepared {
    /// Lines as they were sent, in one file, by a command without a configuration.
    fn raw(command: Command, file: PathBuf) -> Self {
        let output = Output::File(file);
        Self { command, stdout: None, output, written: Written::Raw, configuration: None }
    }

    fn configured(self, text: impl Into<String>) -> Self {
        Self { configuration: Some(text.into()), ..self }
    }
}

/// The files in which the lines are.
pub(crate) enum Output {
    File(PathBuf),
    /// `current`, and before it, in the order of their names, what was rotated to `@time`.
    Directory(PathBuf),
}

impl Output {
    /// In the order in which they were written.
    pub(crate) fn files(&self) -> Outcome<Vec<PathBuf>> {
        let dir = match self {
            Self::File(path) => return Ok(vec![path.clone()]),
            Self::Directory(dir) => dir,
        };
        let entries = fs::read_dir(dir).while_(format!("list {}", dir.display()))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"@"))
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files.push(dir.join("current"));
        Ok(files)
    }

    /// In all files together; what does not exist yet has none.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        match self {
            Self::File(path) => bytes(path),
            Self::Directory(_) => {
                self.files().unwrap_or_default().iter().map(|file| bytes(file)).sum()
            }
        }
    }
}
