//! What is sent, and how: one cell of the matrix that the contestants run.

use super::line::{CLIENTS_MAX, LINE_BYTES_MAX, LINE_BYTES_MIN, LINES_PER_CLIENT_MAX};

/// The way the lines come to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Pipe,
    UnixStream,
    UnixDatagram,
    UnixSeqpacket,
}

/// What a packet's record begins with, as syslog(3) writes it.
const RECORD_HEAD: &str = "<13>Nov 21 06:33:06 app: ";

impl Transport {
    pub(crate) const ALL: [Self; 4] =
        [Self::Pipe, Self::UnixStream, Self::UnixDatagram, Self::UnixSeqpacket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::UnixStream => "unix-stream",
            Self::UnixDatagram => "unix-datagram",
            Self::UnixSeqpacket => "unix-seqpacket",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }

    /// Whether a write is a packet: one syslog record, which has no newline before it is in a file.
    pub(crate) fn has_packets(self) -> bool {
        match self {
            Self::Pipe | Self::UnixStream => false,
            Self::UnixDatagram | Self::UnixSeqpacket => true,
        }
    }

    /// What stands before the numbered line in every line that is sent, and counts as a part of it.
    pub(crate) fn head(self) -> &'static str {
        if self.has_packets() { RECORD_HEAD } else { "" }
    }
}

/// A transport and the shape of the load.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) transport: Transport,
    pub(crate) clients: usize,
    pub(crate) lines_per_write: usize,
    /// In the file, with the newline.
    pub(crate) line_bytes: usize,
    pub(crate) writes_per_client: usize,
}

impl Scenario {
    /// About `lines` lines: every client sends the same number of whole writes.
    pub(crate) fn new(
        transport: Transport,
        (clients, lines_per_write, line_bytes): (usize, usize, usize),
        lines: usize,
    ) -> Result<Self, String> {
        let writes_per_client = lines.div_ceil(clients.max(1) * lines_per_write.max(1));
        let scenario = Self { transport, clients, lines_per_write, line_bytes, writes_per_client };
        if !(1..=CLIENTS_MAX).contains(&clients) {
            return Err(format!("--clients {clients}: give 1 to {CLIENTS_MAX}"));
        }
        if lines_per_write == 0 || lines == 0 {
            return Err("--lines and --lines-per-write are at least 1".to_owned());
        }
        let line_bytes_min = LINE_BYTES_MIN + transport.head().len();
        if !(line_bytes_min..=LINE_BYTES_MAX).contains(&line_bytes) {
            return Err(format!(
                "--line-bytes {line_bytes}: give {line_bytes_min} to {LINE_BYTES_MAX} on {}",
                transport.name()
            ));
        }
        if scenario.lines_per_client() > LINES_PER_CLIENT_MAX {
            return Err(format!("--lines {lines}: at most {LINES_PER_CLIENT_MAX} a client"));
        }
        Ok(scenario)
    }

    pub(crate) fn lines_per_client(&self) -> usize {
        self.writes_per_client * self.lines_per_write
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines_per_client() * self.clients
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.lines() * self.line_bytes) as u64
    }

    /// `unix-stream, 16 clients, 1 line a write, 120 B lines`.
    pub(crate) fn title(&self) -> String {
        let clients = match (self.transport, self.clients) {
            (Transport::Pipe, _) => String::new(),
            (_, 1) => "1 client, ".to_owned(),
            (_, clients) => format!("{clients} clients, "),
        };
        let (line, write) =
            if self.transport.has_packets() { ("record", "packet") } else { ("line", "write") };
        let plural = if self.lines_per_write == 1 { "" } else { "s" };
        format!(
            "{}, {clients}{} {line}{plural} a {write}, {} B {line}s",
            self.transport.name(),
            self.lines_per_write,
            self.line_bytes
        )
    }
}
