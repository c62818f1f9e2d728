//! The yardstick on a Unix socket: the least that any collector must do, with no thought of lines.
//!
//! One thread, level-triggered epoll, one read of up to 256 KiB for each ready connection, and a
//! write(2) of just that to the file. Several clients' lines may well be torn: a collector that
//! keeps them whole does more work, and this says how much more.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::problem::{Outcome, While};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--bare-loop";

const READ_BYTES_MAX: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
/// No descriptor is the listener's number, so it can name the listener in an event.
const LISTENER: u64 = u64::MAX;

/// `--bare-loop SOCKET FILE`: runs until it is killed.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [socket, file] = arguments else { return Err("bare loop: SOCKET FILE".into()) };
    let file =
        OpenOptions::new().create(true).append(true).open(file).while_(format!("open {file}"))?;
    let listener = UnixListener::bind(socket).while_(format!("listen on {socket}"))?;
    listener.set_nonblocking(true).while_("keep the listener from blocking")?;
    BareLoop::new(listener, file)?.run()
}

struct BareLoop {
    epoll: Epoll,
    listener: UnixListener,
    /// By descriptor: the quickest way from an event to its connection.
    connections: Vec<Option<UnixStream>>,
    file: File,
    buffer: Vec<u8>,
}

impl BareLoop {
    fn new(listener: UnixListener, file: File) -> Outcome<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).while_("create an epoll")?;
        epoll
            .add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))
            .while_("watch the listener")?;
        let buffer = vec![0; READ_BYTES_MAX];
        Ok(Self { epoll, listener, connections: Vec::new(), file, buffer })
    }

    fn run(mut self) -> Outcome<()> {
        let mut events = vec![EpollEvent::empty(); EVENTS_MAX];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.while_("wait for lines")?,
            };
            for event in &events[..ready] {
                match event.data() {
                    LISTENER => self.accept()?,
                    descriptor => self.copy(descriptor as usize)?,
                }
            }
        }
    }

    fn accept(&mut self) -> Outcome<()> {
        let connection = match self.listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            other => other.while_("accept a connection")?.0,
        };
        let descriptor = connection.as_raw_fd() as usize;
        self.epoll
            .add(connection.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, descriptor as u64))
            .while_("watch a connection")?;
        if self.connections.len() <= descriptor {
            self.connections.resize_with(descriptor + 1, || None);
        }
        self.connections[descriptor] = Some(connection);
        Ok(())
    }

    fn copy(&mut self, descriptor: usize) -> Outcome<()> {
        let Some(connection) = &mut self.connections[descriptor] else { return Ok(()) };
        // A level-triggered epoll says again what is still there: one read, then the next one's turn.
        let bytes = connection.read(&mut self.buffer).while_("read from a connection")?;
        if bytes == 0 {
            self.connections[descriptor] = None;
            return Ok(());
        }
        self.file.write_all(&self.buffer[..bytes]).while_("write to the file")
    }
}
