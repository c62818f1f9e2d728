//! Why the agent could not start.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{getegid, geteuid};

use crate::input;
use crate::writer::disk;

/// What kind of trouble it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The configuration asks for something that cannot be.
    Configuration,
    /// The system is in the way: another agent, no threads.
    System,
    /// There is no such command.
    CommandNotFound,
    /// The command cannot be run.
    CommandNotExecutable,
}

/// Why the agent could not start: everything at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind; a configuration's fault if any of them is.
    pub kind: FailureKind,
    /// One text for each.
    pub texts: Vec<String>,
}

impl Failure {
    /// A configuration's fault.
    pub fn configuration(text: impl fmt::Display) -> Failure {
        Failure { kind: FailureKind::Configuration, texts: vec![text.to_string()] }
    }

    /// The system's fault.
    pub fn system(text: impl fmt::Display) -> Failure {
        Failure { kind: FailureKind::System, texts: vec![text.to_string()] }
    }

    /// Whether a log file that did not open is a reason not to start. A full or failing disk is
    /// none: the stream begins stalled.
    pub(super) fn of_file(path: &Path, error: &disk::OpenError) -> Option<Failure> {
        let text = format!("{}: cannot open the log file: {error}", path.display());
        match error {
            disk::OpenError::Locked => Some(Failure::system(text)),
            disk::OpenError::Kind(_) | disk::OpenError::Missing => {
                Some(Failure::configuration(text))
            }
            disk::OpenError::Io(error) => match error.kind() {
                ErrorKind::PermissionDenied
                | ErrorKind::NotADirectory
                | ErrorKind::NotFound
                | ErrorKind::InvalidFilename
                | ErrorKind::InvalidInput => {
                    Some(Failure::configuration(text + &remedy(path, error)))
                }
                _ => None,
            },
        }
    }

    /// Why an input that did not open is a reason not to start.
    pub fn of_input(error: input::OpenError) -> Failure {
        let text = chain(&error);
        match error {
            input::OpenError::Live(_)
            | input::OpenError::Held { .. }
            | input::OpenError::NoStream(_)
            | input::OpenError::Fixed
            | input::OpenError::NotInherited(_) => Failure::system(text),
            input::OpenError::Kind { .. }
            | input::OpenError::OneStream
            | input::OpenError::Framing(_)
            | input::OpenError::Inherited { .. } => Failure::configuration(text),
            input::OpenError::Io { path, source, .. } => {
                let text = text + &remedy(&path, &source);
                match source.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
                        Failure::configuration(text)
                    }
                    _ => Failure::system(text),
                }
            }
        }
    }

    pub(super) fn all(failures: Vec<Failure>) -> Result<(), Failure> {
        let Some(kind) = failures.iter().map(|failure| failure.kind).min() else { return Ok(()) };
        let texts = failures.into_iter().flat_map(|failure| failure.texts).collect();
        Err(Failure { kind, texts })
    }
}

/// What can be done about an error at `path`, behind its text. In a container nobody else tells.
pub(super) fn remedy(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => whose(path),
        ErrorKind::ReadOnlyFilesystem => "; in a container mount a volume or a tmpfs there, in a \
                                          systemd unit the directory belongs into ReadWritePaths="
            .to_owned(),
        _ => String::new(),
    }
}

/// Where permission was denied: who we are, and whose it is.
fn whose(path: &Path) -> String {
    let found = |at: &Path| at.symlink_metadata().ok();
    let Some((at, owned)) = path.ancestors().find_map(|at| Some((at, found(at)?))) else {
        return String::new();
    };
    format!(
        "; this runs as user {} and group {}, and {} belongs to user {} and group {} with mode \
         {:04o}: give it (in a container, the volume) to this user, or run as one who may write \
         there",
        geteuid(),
        getegid(),
        at.display(),
        owned.uid(),
        owned.gid(),
        owned.mode() & 0o7777,
    )
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
