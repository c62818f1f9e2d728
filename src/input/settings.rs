//! What an input's owner decides about it.

use std::path::Path;

use crate::framing::Framing;
use crate::place::Place;
use crate::stream_name::StreamName;

/// Where an input's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A listening Unix stream socket (unix(7)).
    UnixStream(Place),
    /// A named pipe (fifo(7)).
    Fifo(Place),
    /// The standard input.
    Stdin,
}

impl InputKind {
    /// The kind's name in the configuration and the status.
    pub fn name(&self) -> &'static str {
        match self {
            InputKind::UnixStream(_) => "unix-stream",
            InputKind::Fifo(_) => "fifo",
            InputKind::Stdin => "stdin",
        }
    }

    /// Whether it is the same kind at the same path.
    pub fn same_place(&self, other: &InputKind) -> bool {
        self.name() == other.name() && self.path() == other.path()
    }

    /// The path it is reached at, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            InputKind::UnixStream(place) | InputKind::Fifo(place) => Some(&place.path),
            InputKind::Stdin => None,
        }
    }
}

/// An input as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// Where its bytes come from.
    pub kind: InputKind,
    /// Where one line ends and the next begins.
    pub framing: &'static Framing,
    /// The stream its lines go to.
    pub stream: StreamName,
}
