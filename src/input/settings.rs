//! What an input's owner decides about it.

use std::path::Path;

use super::ChildOutput;
use crate::framing::{Borders, Framing, Multiline, Records};
use crate::place::Place;
use crate::routing::Routing;

/// Where an input's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A listening Unix stream socket (unix(7)).
    UnixStream(Place),
    /// A Unix datagram socket.
    UnixDatagram(Place),
    /// A listening Unix seqpacket socket.
    UnixSeqpacket(Place),
    /// A named pipe (fifo(7)), and beside it one for each of so many instances of a program.
    Fifo {
        /// Where it is; the others are numbered.
        place: Place,
        /// How many others there are.
        instances: usize,
    },
    /// The standard input.
    Stdin,
    /// What the command prints that `run` starts.
    Child(ChildOutput),
    /// Sockets and FIFOs that systemd hands over under this name (sd_listen_fds(3)).
    Systemd(String),
}

impl InputKind {
    /// The kind's name in the configuration and the status.
    pub fn name(&self) -> &'static str {
        match self {
            InputKind::UnixStream(_) => "unix-stream",
            InputKind::UnixDatagram(_) => "unix-datagram",
            InputKind::UnixSeqpacket(_) => "unix-seqpacket",
            InputKind::Fifo { .. } => "fifo",
            InputKind::Stdin => "stdin",
            InputKind::Child(_) => "child",
            InputKind::Systemd(_) => "systemd",
        }
    }

    /// Whether it makes a socket.
    pub fn is_socket(&self) -> bool {
        self.place().is_some() && !matches!(self, InputKind::Fifo { .. })
    }

    /// Whether clients connect to it. To what systemd hands over they may.
    pub fn has_connections(&self) -> bool {
        match self {
            InputKind::UnixStream(_) | InputKind::UnixSeqpacket(_) | InputKind::Systemd(_) => true,
            InputKind::UnixDatagram(_)
            | InputKind::Fifo { .. }
            | InputKind::Stdin
            | InputKind::Child(_) => false,
        }
    }

    /// Whether it is the same kind at the same path, or of the same name.
    pub fn same_place(&self, other: &InputKind) -> bool {
        match (self, other) {
            (InputKind::Systemd(one), InputKind::Systemd(two)) => one == two,
            _ => self.name() == other.name() && self.path() == other.path(),
        }
    }

    /// Where it is made, if it is made.
    pub fn place(&self) -> Option<&Place> {
        match self {
            InputKind::UnixStream(place)
            | InputKind::UnixDatagram(place)
            | InputKind::UnixSeqpacket(place)
            | InputKind::Fifo { place, .. } => Some(place),
            InputKind::Stdin | InputKind::Child(_) | InputKind::Systemd(_) => None,
        }
    }

    /// Every place where it makes something.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let instances = match self {
            InputKind::Fifo { instances, .. } => *instances,
            _ => 0,
        };
        let place = self.place().cloned();
        let numbered = place.clone().into_iter();
        let numbered =
            numbered.flat_map(move |place| (0..instances).map(move |it| place.of_instance(it)));
        place.into_iter().chain(numbered)
    }

    /// The path it is reached at, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.place().map(|place| place.path.as_path())
    }
}

/// An input as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// Where its bytes come from.
    pub kind: InputKind,
    /// Where one record ends and the next begins.
    pub framing: &'static Framing,
    /// What becomes of newlines inside a record.
    pub multiline: Multiline,
    /// Who may send, and which stream that goes to.
    pub routing: Routing,
}

impl InputSettings {
    /// How its bytes become records.
    pub fn records(&self, borders: Borders) -> Records {
        Records { framing: self.framing, borders, multiline: self.multiline }
    }
}
