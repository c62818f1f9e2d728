//! Framing: where in an input's bytes one record ends and the next begins.
//!
//! A framer is pure: no IO, no clock, it cannot fail and holds no bytes. It only says what the next
//! bytes are, newlines in records among them; `pipeline` keeps the unfinished line and the bounds.
//! A new framing is one file and its row in [`FRAMINGS`].

mod log4js;
mod newline;
mod nul;
mod octet_counting;
mod position;
mod syslog;
#[cfg(test)]
mod tests;

pub use log4js::Log4js;
pub use newline::Newline;
pub use nul::Nul;
pub use octet_counting::OctetCounting;
pub use position::{Part, Position};
pub use syslog::Syslog;

/// What the first bytes of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the record, from the front of the input. Zero is fine: an empty record, for
    /// example.
    pub record_bytes: usize,
    /// Bytes to take from the front of the input: the record's and, behind them, the framing's own.
    pub taken_bytes: usize,
    /// What comes behind these bytes.
    pub then: Then,
}

/// What comes behind a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More of the line.
    More,
    /// The end of a line of the record, where newlines inside records end lines.
    Line,
    /// The same, and with it the end of the record.
    LastLine,
    /// The end of the record. It ends a line, too, unless that is empty and stands behind a
    /// [`Then::Line`].
    End,
    /// The record itself: what was taken of it until now, this piece too, was the framing's own,
    /// a count for example. That is never more than [`LINE_BYTES_MIN`](crate::limits::LINE_BYTES_MIN).
    Record,
    /// More of the line. A count made no sense: how it goes on is the framing's choice.
    Senseless,
    /// More of the line, before the piece's own bytes: what had been taken for the beginning of a
    /// terminator, which [`Framer::give_up`] tells.
    GivenUp,
}

/// Finds the ends of records, one connection's bytes at a time.
pub trait Framer: Send {
    /// What the first bytes of `input` are. `input` is never empty. At least one byte of it is
    /// taken; none is fine before [`Then::Record`] and [`Then::Senseless`], which come once, and
    /// before [`Then::GivenUp`], of which there are no more than a terminator has bytes.
    fn next_piece(&mut self, input: &[u8]) -> Piece;

    /// What had been taken for the beginning of a terminator, up to where one may begin again;
    /// called once behind a [`Then::GivenUp`]. It is apart from that so that pieces stay small.
    fn give_up(&mut self) -> &'static [u8] {
        b""
    }

    /// The input ends here: what had been taken for the beginning of a terminator is the line's.
    fn end(&mut self) -> &'static [u8] {
        b""
    }

    /// Whether the next byte begins a record, as far as the framer has seen one.
    fn is_between_records(&self) -> bool {
        true
    }

    /// Where it is, for one that goes on there.
    fn position(&self) -> Position {
        Position::default()
    }

    /// Goes on at another one's position, with the bytes of the record that are still to come.
    fn go_on_at(&mut self, position: Position) {
        let _ = position;
    }

    /// Whether records end here as lines do in a file, with exactly one newline, so that bytes that
    /// were read need no change to be written.
    fn is_as_in_files(&self) -> bool {
        false
    }

    /// The length of the longest prefix of `input` that is whole lines, each ended by exactly one
    /// newline; asked only where a line begins. The pipeline hands such a prefix on without a look
    /// at its single lines. Framings that end lines otherwise leave this at 0.
    fn whole_lines_bytes(&self, input: &[u8]) -> usize {
        let _ = input;
        0
    }
}

/// A framing, as configured by its name.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// The name in the configuration.
    pub name: &'static str,
    /// One line about it, for messages and examples.
    pub summary: &'static str,
    /// What its records may say of themselves.
    pub heads: Heads,
    /// Finds records in bytes without borders.
    build: fn(Multiline) -> Box<dyn Framer>,
    /// What it means where whatever carries the bytes keeps records apart.
    in_packets: InPackets,
}

/// What records may say of themselves, beside their message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heads {
    /// Nothing.
    #[default]
    None,
    /// Severity, facility and tag, in a head of syslog.
    Syslog,
    /// Level, category and process: they are events of log4js.
    Log4js,
}

/// What a framing means in packets, each of which ends a record whatever it ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InPackets {
    /// A packet is a record.
    Whole,
    /// The framing's own ends are found in it, too.
    Framed,
    /// Nothing.
    Never,
}

/// Whether whatever carries an input's bytes keeps records apart by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// Bytes without borders: a stream socket, a FIFO.
    None,
    /// Packets: a datagram or seqpacket socket.
    Packets,
}

/// What becomes of newlines inside a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multiline {
    /// Each ends a line.
    #[default]
    Lines,
    /// They are escaped: a record is one line.
    Escape,
}

/// How an input's bytes become records, and records lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// Where a record ends.
    pub framing: &'static Framing,
    /// Whether packets have ends of their own.
    pub borders: Borders,
    /// What becomes of newlines inside a record.
    pub multiline: Multiline,
}

impl Records {
    /// Records of a connection without borders, whose newlines end lines.
    pub fn of(framing: &'static Framing) -> Records {
        Records { framing, borders: Borders::None, multiline: Multiline::Lines }
    }

    /// A framer for one connection; none where a packet is a record.
    pub fn framer(&self) -> Option<Box<dyn Framer>> {
        match (self.borders, self.framing.in_packets) {
            (Borders::None, _) | (Borders::Packets, InPackets::Framed) => {
                Some((self.framing.build)(self.multiline))
            }
            (Borders::Packets, InPackets::Whole | InPackets::Never) => None,
        }
    }

    /// Whether a record may hold newlines.
    pub fn may_hold_newlines(&self) -> bool {
        self.borders == Borders::Packets || self.framing.name != FRAMINGS[0].name
    }
}

impl Framing {
    /// The framing of that name.
    pub fn named(name: &str) -> Option<&'static Framing> {
        FRAMINGS.iter().find(|framing| framing.name == name)
    }

    /// Whether it means anything where packets keep records apart.
    pub fn fits_packets(&self) -> bool {
        self.in_packets != InPackets::Never
    }
}

/// By name, which is unique.
impl PartialEq for Framing {
    fn eq(&self, other: &Framing) -> bool {
        self.name == other.name
    }
}

impl Eq for Framing {}

/// Every framing there is; the first is the default.
pub static FRAMINGS: &[Framing] = &[
    Framing {
        name: "newline",
        summary: "a line ends with a newline",
        heads: Heads::None,
        build: |_| Box::new(Newline),
        in_packets: InPackets::Whole,
    },
    Framing {
        name: "nul",
        summary: "a record ends with a NUL byte",
        heads: Heads::None,
        build: |multiline| Box::new(Nul { multiline }),
        in_packets: InPackets::Framed,
    },
    Framing {
        name: "octet-counting",
        summary: "each record has its length before it (RFC 6587)",
        heads: Heads::Syslog,
        build: |multiline| Box::new(OctetCounting::new(multiline)),
        in_packets: InPackets::Never,
    },
    Framing {
        name: "syslog",
        summary: "as syslog senders do: a packet, a counted record, a newline or a NUL",
        heads: Heads::Syslog,
        build: |multiline| Box::new(Syslog::new(multiline)),
        in_packets: InPackets::Whole,
    },
    Framing {
        name: "log4js",
        summary: "events of log4js's tcp appender, each with __LOG4JS__ behind it",
        heads: Heads::Log4js,
        build: |multiline| Box::new(Log4js::new(multiline)),
        in_packets: InPackets::Never,
    },
];

/// The piece of `input` up to what was found in it, or all of it where there was nothing.
fn up_to(found: Option<usize>, then: Then, input: &[u8]) -> Piece {
    match found {
        Some(at) => Piece { record_bytes: at, taken_bytes: at + 1, then },
        None => Piece { record_bytes: input.len(), taken_bytes: input.len(), then: Then::More },
    }
}
