//! `send`: the standard input's lines to a running agent, over its socket.
//!
//! Only whole lines are handed over, those of one write together or not at all: what an agent that
//! stops has of a connection, the beginning of a line too, is a line to it. Where the connection
//! ends, whatever the socket has not taken yet goes to the next one. What it had taken and the agent
//! has not read is lost then, and that is told; sending it again could double it. A line that is too
//! long for one write goes to the next connection from its beginning, which stands alone before it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt,
};

use super::exit::Exit;
use crate::clock;
use crate::control::signals::{Signals, Stop};
use crate::descriptor::{self, read_or_stop, write_whole};
use crate::limits::{
    GRACE_DEFAULT, LINE_BYTES_MAX_DEFAULT, READ_BYTES_MAX, SEND_LEAVE_MIN, SEND_RETRY_MAX,
    SEND_RETRY_MIN, SEND_WRITE_BYTES_MAX, SOCKET_PATH_BYTES_MAX,
};
use crate::line::newlines;
use crate::routing::handshake;
use crate::stream_name::StreamName;

/// Where to send, and how.
pub(super) struct Sending<'a> {
    pub(super) socket: &'a Path,
    pub(super) stream: Option<&'a StreamName>,
    /// How long to try to get a connection.
    pub(super) timeout: Duration,
}

pub(super) fn run(sending: &Sending<'_>, signals: Signals) -> Exit {
    let path_bytes = sending.socket.as_os_str().len();
    if path_bytes > SOCKET_PATH_BYTES_MAX {
        return super::exit::usage(&format!(
            "--socket {}: the path has {path_bytes} bytes, a socket's may have \
             {SOCKET_PATH_BYTES_MAX}",
            sending.socket.display()
        ));
    }
    let stop = match signals.into_stop() {
        Ok(stop) => stop,
        Err(error) => {
            super::tell(&format!("logagent: cannot catch signals: {error}"));
            return Exit::System;
        }
    };
    let mut sender = Sender {
        sending,
        stop,
        stopped_at: None,
        connection: None,
        pause: SEND_RETRY_MIN,
        lost: false,
    };
    match sender.send_all() {
        Ok(()) if sender.lost => Exit::Lost,
        Ok(()) => Exit::Clean,
        Err(unsent) => {
            super::tell(&format!("logagent send: {unsent}"));
            Exit::Lost
        }
    }
}

/// Why it ended with lines that were not sent.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error("cannot read the standard input: {0}")]
    Input(nix::Error),
    #[error("{why}: {lines} lines, {bytes} bytes were not sent, nor what came behind them")]
    Lines { why: String, lines: u64, bytes: usize },
}

const TAKES_NOTHING: &str = "stopped, and the agent takes nothing";

/// Why it could send only so many bytes.
struct SentOnly {
    bytes: usize,
    why: String,
}

struct Sender<'a> {
    sending: &'a Sending<'a>,
    stop: Stop,
    /// When we were told to stop.
    stopped_at: Option<Instant>,
    connection: Option<Connection>,
    /// Before the next attempt, once one was of no use.
    pause: Duration,
    /// Something was taken by a connection and never read.
    lost: bool,
}

struct Connection {
    client: UnixStream,
    /// When it was made.
    since: Instant,
    /// What the client's socket has taken of the lines.
    bytes_taken: usize,
}

impl Sender<'_> {
    fn send_all(&mut self) -> Result<(), Unsent> {
        let stdin = io::stdin();
        let mut chunk = vec![0; READ_BYTES_MAX];
        let mut lines = Vec::new();
        loop {
            let read = read_or_stop(stdin.as_fd(), self.stop.as_fd(), &mut chunk);
            match read.map_err(Unsent::Input)? {
                descriptor::Read::Bytes(length) => lines.extend_from_slice(&chunk[..length]),
                descriptor::Read::End => break,
                descriptor::Read::Stopped => {
                    self.note_stop();
                    break;
                }
            }
            let whole = memchr::memrchr(b'\n', &lines).map_or(0, |last| last + 1);
            // A line without end is sent in parts: nothing else bounds what is held here.
            let ready = if whole == 0 && lines.len() >= LINE_BYTES_MAX_DEFAULT {
                lines.len()
            } else {
                whole
            };
            self.send(&lines[..ready]).map_err(|sent| unsent(sent, &lines))?;
            lines.drain(..ready);
        }
        if !lines.is_empty() {
            let last = lines.len();
            lines.push(b'\n');
            self.send(&lines).map_err(|sent| unsent(sent, &lines[..last]))?;
        }
        self.finish();
        Ok(())
    }

    /// Sends lines, over as many connections as it takes.
    fn send(&mut self, lines: &[u8]) -> Result<(), SentOnly> {
        let mut sent = 0;
        while sent < lines.len() {
            let connection = match self.connected() {
                Ok(connection) => connection,
                Err(why) => return Err(SentOnly { bytes: sent, why }),
            };
            match connection.client.write(for_one_write(&lines[sent..])) {
                Ok(bytes) => {
                    sent += bytes;
                    connection.bytes_taken += bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.wait_until_writable() == Waited::TooLong {
                        self.give_up();
                        return Err(SentOnly { bytes: sent, why: TAKES_NOTHING.to_owned() });
                    }
                }
                Err(error) => {
                    self.leave(&error);
                    sent = memchr::memrchr(b'\n', &lines[..sent]).map_or(0, |last| last + 1);
                }
            }
        }
        Ok(())
    }

    /// The connection, a new one if there is none; else why there is none.
    fn connected(&mut self) -> Result<&mut Connection, String> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None if self.grace_left() == Some(Duration::ZERO) => {
                return Err(TAKES_NOTHING.to_owned());
            }
            None => {
                let client = self.connect()?;
                Connection { client, since: clock::instant(), bytes_taken: 0 }
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn connect(&mut self) -> Result<UnixStream, String> {
        let path = self.sending.socket;
        let deadline = clock::instant() + self.sending.timeout;
        loop {
            let error = match self.greet(path) {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            if error.raw_os_error() == Some(Errno::EPROTOTYPE as i32) {
                return Err(format!(
                    "{}: it is no stream socket; send needs an input of kind unix-stream",
                    path.display()
                ));
            }
            let now = clock::instant();
            if now >= deadline || self.stopped_at.is_some() {
                return Err(format!("{}: no agent takes lines there: {error}", path.display()));
            }
            self.wait_before_next(deadline - now);
        }
    }

    /// Waits before the next attempt, each time longer.
    fn wait_before_next(&mut self, time_max: Duration) {
        self.wait(None, self.pause.min(time_max));
        self.pause = (2 * self.pause).min(SEND_RETRY_MAX);
    }

    /// A new connection whose stream is named.
    fn greet(&self, path: &Path) -> io::Result<UnixStream> {
        // Where the backlog is full it fails, other than std's, which would wait.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(client.as_raw_fd(), &UnixAddr::new(path)?)?;
        if let Some(stream) = self.sending.stream {
            write_whole(client.as_fd(), handshake::line(stream).as_bytes())?;
        }
        Ok(UnixStream::from(client))
    }

    fn wait_until_writable(&mut self) -> Waited {
        self.wait_for(PollFlags::POLLOUT, None)
    }

    /// What is left of the grace, once we are to stop.
    fn grace_left(&self) -> Option<Duration> {
        self.stopped_at.map(|at| GRACE_DEFAULT.saturating_sub(clock::instant() - at))
    }

    /// Waits for the connection until `deadline`, or, once we are to stop, as long as the grace is.
    fn wait_for(&mut self, flags: PollFlags, deadline: Option<Instant>) -> Waited {
        let until = |deadline: Instant| deadline.saturating_duration_since(clock::instant());
        let left = self.grace_left().or(deadline.map(until)).unwrap_or(Duration::MAX);
        if left.is_zero() {
            return Waited::TooLong;
        }
        self.wait(Some(flags), left);
        Waited::Over
    }

    /// Waits for the connection, or until we are to stop, or so long.
    fn wait(&mut self, flags: Option<PollFlags>, time: Duration) {
        let mut waiting = Vec::with_capacity(2);
        let client = self.connection.as_ref().map(|connection| connection.client.as_fd());
        waiting.extend(client.zip(flags).map(|(client, flags)| PollFd::new(client, flags)));
        let stop_at = waiting.len();
        if self.stopped_at.is_none() {
            waiting.push(PollFd::new(self.stop.as_fd(), PollFlags::POLLIN));
        }
        let millis = time.as_millis().saturating_add(1);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::NONE);
        // An interrupted wait is tried again by whoever waits.
        poll(&mut waiting, timeout).unwrap_or_default();
        if waiting.get(stop_at).is_some_and(|stop| stop.any() == Some(true)) {
            self.note_stop();
        }
    }

    fn note_stop(&mut self) {
        self.stopped_at = Some(clock::instant());
        self.stop.let_the_next_kill();
    }

    /// Leaves a connection that the agent ends, which may still read what the socket has taken.
    fn leave(&mut self, error: &io::Error) {
        let since = self.connection.as_ref().map(|connection| connection.since);
        // The peer's end with something unread is told once, here or by the next read (unix(7)).
        if error.kind() != io::ErrorKind::ConnectionReset && self.is_read_to_its_end() {
            self.connection = None;
        } else {
            self.give_up();
        }
        // An agent that refuses us ends every connection at once, and a killed one may still seem
        // to listen; one that is restarted had us for longer.
        if since.is_some_and(|since| clock::instant() - since >= SEND_RETRY_MAX) {
            self.pause = SEND_RETRY_MIN;
        } else {
            self.wait_before_next(SEND_RETRY_MAX);
        }
    }

    /// Waits until the agent has read everything.
    fn finish(&mut self) {
        let Some(connection) = &self.connection else { return };
        // It fails only where the agent has gone, which a read will tell.
        connection.client.shutdown(std::net::Shutdown::Write).unwrap_or_default();
        if !self.is_read_to_its_end() {
            self.give_up();
        }
    }

    /// Waits until the agent ends the connection; whether it has read everything.
    fn is_read_to_its_end(&mut self) -> bool {
        let deadline = clock::instant() + self.sending.timeout.max(SEND_LEAVE_MIN);
        loop {
            let Some(Connection { client, .. }) = &mut self.connection else { return true };
            match client.read(&mut [0]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.wait_for(PollFlags::POLLIN, Some(deadline)) == Waited::TooLong {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Ends a connection that holds what the agent has not read, and tells how much that may be.
    fn give_up(&mut self) {
        let Some(Connection { client, bytes_taken, .. }) = self.connection.take() else { return };
        if bytes_taken == 0 {
            return;
        }
        self.lost = true;
        // A socket that is not full takes one write more.
        let held = getsockopt(&client, sockopt::SndBuf).map(|bytes| bytes + SEND_WRITE_BYTES_MAX);
        super::tell(&format!(
            "logagent send: the agent has not read everything that was sent: up to {} bytes may be \
             missing",
            held.map_or(bytes_taken, |held| bytes_taken.min(held))
        ));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Over,
    TooLong,
}

/// As many whole lines as a socket takes together or not at all; the beginning of a line that is
/// too long for that.
fn for_one_write(lines: &[u8]) -> &[u8] {
    let window = &lines[..lines.len().min(SEND_WRITE_BYTES_MAX)];
    match memchr::memrchr(b'\n', window) {
        Some(last) => &window[..=last],
        None => window,
    }
}

/// All of `read` but what was sent.
fn unsent(sent: SentOnly, read: &[u8]) -> Unsent {
    let rest = &read[sent.bytes.min(read.len())..];
    let begun = rest.last().is_some_and(|last| *last != b'\n');
    Unsent::Lines { why: sent.why, lines: newlines(rest) + u64::from(begun), bytes: rest.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_write_is_whole_lines_unless_a_line_is_too_long() {
        assert_eq!(for_one_write(b"one\ntwo\n"), b"one\ntwo\n");
        assert_eq!(for_one_write(b"one\ntwo"), b"one\n");
        assert_eq!(for_one_write(b"one"), b"one");
        let lines = b"0123456789\n".repeat(SEND_WRITE_BYTES_MAX);
        let write = for_one_write(&lines);
        assert!(write.ends_with(b"9\n") && write.len() > SEND_WRITE_BYTES_MAX - 11);
        let long = [&b"x".repeat(SEND_WRITE_BYTES_MAX)[..], b"\n"].concat();
        assert_eq!(for_one_write(&long).len(), SEND_WRITE_BYTES_MAX);
        assert_eq!(for_one_write(&long[1..]).len(), SEND_WRITE_BYTES_MAX);
    }

    #[test]
    fn a_socket_takes_one_write_whole_or_not_at_all_and_no_more_than_is_told() {
        for write_bytes in [SEND_WRITE_BYTES_MAX, SEND_WRITE_BYTES_MAX - 1, 20_000, 5_000, 120] {
            let (mut client, _agent) = UnixStream::pair().unwrap();
            client.set_nonblocking(true).unwrap();
            let mut taken = 0;
            while let Ok(bytes) = client.write(&vec![b'x'; write_bytes]) {
                assert_eq!(bytes, write_bytes);
                taken += bytes;
            }
            let held = getsockopt(&client, sockopt::SndBuf).unwrap();
            assert!(taken <= held + SEND_WRITE_BYTES_MAX, "{taken} bytes, not {held}");
        }
    }

    #[test]
    fn what_was_not_sent_is_counted_with_the_line_that_was_begun() {
        let shown = |bytes, read: &[u8]| unsent(SentOnly { bytes, why: "why".into() }, read);
        let expected = "why: 2 lines, 7 bytes were not sent, nor what came behind them";
        assert_eq!(shown(4, b"one\ntwo\nend").to_string(), expected);
        let expected = "why: 1 lines, 4 bytes were not sent, nor what came behind them";
        assert_eq!(shown(0, b"one\n").to_string(), expected);
    }
}
