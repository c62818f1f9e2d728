//! The kinds of inputs, and what there is to know of each before its keys are looked at.

use super::super::written::{Input, InputKeys};
use super::paths::What;
use crate::framing::Borders;

/// `KIND` in `[input.NAME.KIND]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    UnixStream,
    UnixDatagram,
    UnixSeqpacket,
    Fifo,
    Stdin,
    Systemd,
}

impl Kind {
    /// Takes a table apart: its kind, where it begins, and its keys.
    pub(super) fn take_apart(input: Input) -> (Kind, usize, InputKeys) {
        macro_rules! apart {
            ($kind:ident, $table:ident) => {
                (Kind::$kind, $table.span().start, $table.into_inner().0.into())
            };
        }
        match input {
            Input::UnixStream(table) => apart!(UnixStream, table),
            Input::UnixDatagram(table) => apart!(UnixDatagram, table),
            Input::UnixSeqpacket(table) => apart!(UnixSeqpacket, table),
            Input::Fifo(table) => apart!(Fifo, table),
            Input::Stdin(table) => apart!(Stdin, table),
            Input::Systemd(table) => apart!(Systemd, table),
        }
    }

    /// What the path of such an input called `name` is for, if it has one.
    pub(super) fn what(self, name: &str) -> Option<What> {
        match self {
            Kind::UnixStream | Kind::UnixDatagram | Kind::UnixSeqpacket => {
                Some(What::Socket(name.to_owned()))
            }
            Kind::Fifo => Some(What::Fifo(name.to_owned())),
            Kind::Stdin | Kind::Systemd => None,
        }
    }

    /// Whether records have ends of their own; none where only the start will tell.
    pub(super) fn borders(self) -> Option<Borders> {
        match self {
            Kind::UnixStream | Kind::Fifo | Kind::Stdin => Some(Borders::None),
            Kind::UnixDatagram | Kind::UnixSeqpacket => Some(Borders::Packets),
            Kind::Systemd => None,
        }
    }

    /// Whether there are connections, each with its own origin and stream. What systemd hands over
    /// may have some.
    pub(super) fn has_connections(self) -> bool {
        matches!(self, Kind::UnixStream | Kind::UnixSeqpacket | Kind::Systemd)
    }

    /// In a sentence.
    pub(super) fn as_subject(self) -> &'static str {
        match self {
            Kind::UnixStream => "a stream socket",
            Kind::UnixDatagram => "a datagram socket",
            Kind::UnixSeqpacket => "a seqpacket socket",
            Kind::Fifo => "a FIFO",
            Kind::Stdin => "the standard input",
            Kind::Systemd => "what systemd hands over",
        }
    }
}
