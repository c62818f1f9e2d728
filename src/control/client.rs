//! The other side of the control socket: a command that asks a running agent.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde_json::Value;

use crate::clock;
use crate::limits::{CONTROL_TIMEOUT, KIB};
use crate::system;

/// Why a running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no socket.
    #[error("no agent answers at {path}: is it running, with this control socket?", path = .0.display())]
    NoAgent(PathBuf),
    /// Nobody listens at the socket: whoever did was killed, or else would have removed it.
    #[error("no agent answers at {path} any more: it was killed", path = .0.display())]
    Killed(PathBuf),
    /// It does not let us.
    #[error("{path}: permission denied; ask as root or as the agent's user", path = .0.display())]
    Denied(PathBuf),
    /// The system's reason.
    #[error("{path}: cannot talk to the agent", path = .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It did not answer in time.
    #[error("{path}: the agent did not answer within {} s", .1.as_secs(), path = .0.display())]
    Silent(PathBuf, Duration),
    /// It answered something else.
    #[error("{path}: the answer is not an agent's", path = .0.display())]
    Answer(PathBuf),
    /// The connection ended before the answer was complete.
    #[error("{path}: the agent has gone before its answer was complete", path = .0.display())]
    Cut(PathBuf),
    /// As many wait for the same as may.
    #[error("{0}")]
    Busy(String),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// What was heard.
#[derive(Debug)]
pub enum Heard {
    /// One line of the answer.
    Line(Value),
    /// One that came with a descriptor.
    Passed(Value, OwnedFd),
    /// There is nothing more to come.
    Complete,
    /// Nothing, until the deadline.
    Nothing,
}

/// A request to an agent, and what it answers.
#[derive(Debug)]
pub struct Conversation {
    path: PathBuf,
    socket: UnixStream,
    /// What was read and not yet taken out.
    text: Vec<u8>,
    /// In the order of the lines that they came with.
    descriptors: VecDeque<OwnedFd>,
}

impl Conversation {
    /// Asks the agent at `path`.
    pub fn begin(path: &Path, request: &str) -> Result<Conversation, ControlError> {
        let io = |error| ControlError::Io(path.to_owned(), error);
        let socket = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ControlError::NoAgent(path.to_owned()),
            io::ErrorKind::ConnectionRefused => ControlError::Killed(path.to_owned()),
            io::ErrorKind::PermissionDenied => ControlError::Denied(path.to_owned()),
            _ => io(error),
        })?;
        socket.set_write_timeout(Some(CONTROL_TIMEOUT)).map_err(io)?;
        let line = format!("{request}\n");
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match (&socket).write(rest) {
                Ok(written) => rest = &rest[written..],
                // Whoever hangs up first may have said why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(io(error)),
            }
        }
        let (text, descriptors) = (Vec::new(), VecDeque::new());
        Ok(Conversation { path: path.to_owned(), socket, text, descriptors })
    }

    /// The next line, until `deadline` at most where there is one.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Heard, ControlError> {
        loop {
            if let Some(heard) = self.take_line()? {
                return Ok(heard);
            }
            if !self.wait(deadline)? {
                return Ok(Heard::Nothing);
            }
            self.read()?;
        }
    }

    /// The only line of an answer.
    pub fn only_line(mut self, within: Duration) -> Result<Value, ControlError> {
        match self.next(Some(clock::instant() + within))? {
            Heard::Line(line) => Ok(line),
            Heard::Nothing => Err(ControlError::Silent(self.path, within)),
            Heard::Passed(..) | Heard::Complete => Err(ControlError::Answer(self.path)),
        }
    }

    /// Waits until the agent's process, which closes the connection at its end, has gone; or until
    /// `deadline`.
    pub fn wait_for_exit(&mut self, deadline: Instant) -> Result<(), ControlError> {
        let agent = getsockopt(&self.socket, PeerCredentials).map_or(0, |peer| peer.pid());
        while self.wait(Some(deadline))? {
            if let Err(ControlError::Cut(_)) = self.read() {
                break;
            }
        }
        // The last that it does comes a moment later.
        while has_process(agent) && clock::instant() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Where the agent was asked.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn take_line(&mut self) -> Result<Option<Heard>, ControlError> {
        let Some(end) = memchr::memchr(b'\n', &self.text) else { return Ok(None) };
        let line = serde_json::from_slice(&self.text[..end]);
        self.text.drain(..=end);
        let Ok(line) = line else { return Err(ControlError::Answer(self.path.clone())) };
        let line: Value = line;
        if let Some(error) = line.get("error").filter(|_| line.get("stream").is_none()) {
            let error = error.as_str().unwrap_or_default().to_owned();
            let is_busy = line.get("busy").is_some_and(|busy| *busy == true);
            return Err(match is_busy {
                true => ControlError::Busy(error),
                false => ControlError::Refused(error),
            });
        }
        if line.get("complete").is_some_and(|complete| *complete == true) {
            return Ok(Some(Heard::Complete));
        }
        if line.get("descriptor").is_some_and(|descriptor| *descriptor == true) {
            return match self.descriptors.pop_front() {
                Some(descriptor) => Ok(Some(Heard::Passed(line, descriptor))),
                None => Err(ControlError::Io(
                    self.path.clone(),
                    io::Error::other("a file was not passed on: too many are open"),
                )),
            };
        }
        Ok(Some(Heard::Line(line)))
    }

    /// Whether there is something to read before the deadline.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool, ControlError> {
        let Some(deadline) = deadline else { return Ok(true) };
        loop {
            let left = deadline.saturating_duration_since(clock::instant());
            // Rounded up, so that it does not end before the deadline.
            let left = left + Duration::from_micros(999);
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, left) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(ControlError::Io(self.path.clone(), error.into())),
            }
        }
    }

    fn read(&mut self) -> Result<(), ControlError> {
        let mut bytes = [0; 16 * KIB];
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionReset => ControlError::Cut(self.path.clone()),
            _ => ControlError::Io(self.path.clone(), error),
        };
        let (count, descriptors) =
            system::receive_with_descriptors(&self.socket, &mut bytes).map_err(io)?;
        self.descriptors.extend(descriptors);
        if count == 0 {
            return Err(ControlError::Cut(self.path.clone()));
        }
        self.text.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

impl AsFd for Conversation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether there is a process of this id, and not only what its parent still has to look at.
fn has_process(id: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    // The command, in brackets, may be anything; the state follows.
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
    !state.starts_with(['Z', 'X'])
}

/// Asks the agent at `path` for what it answers in one line.
pub fn ask(path: &Path, request: &str) -> Result<Value, ControlError> {
    Conversation::begin(path, request)?.only_line(2 * CONTROL_TIMEOUT)
}
