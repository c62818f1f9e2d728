//! Senders that put numbered lines into records of every kind.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};

use super::Random;

/// How a sender marks the records of a connection without borders.
#[derive(Clone, Copy, Debug)]
pub enum Marks {
    /// A newline behind each.
    Newline,
    /// A NUL behind each.
    Nul,
    /// Its length before each.
    Count,
}

/// Takes lines in any pieces, and writes a record for each: with `before` in front of the line,
/// marked, and cut anywhere.
pub struct Records<W> {
    to: W,
    marks: Marks,
    before: &'static str,
    /// Of a line that has not come whole.
    line: Vec<u8>,
    cuts: Cuts,
}

enum Cuts {
    Anywhere(Random),
    Nowhere,
}

impl<W: Write> Records<W> {
    pub fn cut_anywhere(to: W, marks: Marks, before: &'static str, seed: u64) -> Records<W> {
        let cuts = Cuts::Anywhere(Random::new(seed));
        Records { to, marks, before, line: Vec::new(), cuts }
    }

    /// One write a call.
    pub fn uncut(to: W, marks: Marks, before: &'static str) -> Records<W> {
        Records { to, marks, before, line: Vec::new(), cuts: Cuts::Nowhere }
    }
}

impl<W: Write> Write for Records<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut records = Vec::new();
        for piece in lines.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            let Some(line) = self.line.strip_suffix(b"\n") else { break };
            let record = [self.before.as_bytes(), line].concat();
            match self.marks {
                Marks::Newline => records.extend([&record[..], b"\n"].concat()),
                Marks::Nul => records.extend([&record[..], b"\0"].concat()),
                Marks::Count => {
                    records.extend(format!("{} ", record.len()).bytes());
                    records.extend(record);
                }
            }
            self.line.clear();
        }
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let bytes = match &mut self.cuts {
                Cuts::Nowhere => rest.len(),
                Cuts::Anywhere(random) => random.between(1, 400).min(rest.len()),
            };
            self.to.write_all(&rest[..bytes])?;
            rest = &rest[bytes..];
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that sends packets: what is written in one call is one.
pub struct Packets {
    socket: OwnedFd,
    before: &'static str,
}

impl Packets {
    pub fn connect(kind: SockType, path: &Path, before: &'static str) -> Packets {
        let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        connect(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
        Packets { socket, before }
    }

    /// Sends `packet` if that is possible at once.
    pub fn try_send(&self, packet: &[u8]) -> nix::Result<usize> {
        send(self.socket.as_raw_fd(), packet, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)
    }

    /// Sends `packet`, and waits as long as that takes.
    pub fn send(&self, packet: &[u8]) -> nix::Result<usize> {
        send(self.socket.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL)
    }
}

impl Write for Packets {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        let sent = match self.before {
            "" => self.send(packet)?,
            before => self.send(&[before.as_bytes(), packet].concat())?,
        };
        assert_eq!(sent, self.before.len() + packet.len(), "a packet was cut");
        Ok(packet.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
