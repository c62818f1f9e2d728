//! The yardstick on a Unix socket: the least that any collector must do, with no thought of lines.
//!
//! One thread, level-triggered epoll, one read of up to 256 KiB for each ready connection, and a
//! write(2) of just that to the file. Several clients' lines may well be torn: a collector that
//! keeps them whole does more work, and this says how much more. Several sockets have a file each.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::load::raise_descriptors_max;
use super::problem::{Outcome, While};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--bare-loop";

const READ_BYTES_MAX: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
/// No descriptor is so large: from here on a number names a listener in an event.
const LISTENERS: u64 = 1 << 32;

/// `--bare-loop [SOCKET FILE]...`: runs until it is killed.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    raise_descriptors_max()?;
    let mut bare_loop = BareLoop::new()?;
    for pair in arguments.chunks(2) {
        let [socket, file] = pair else { return Err("bare loop: [SOCKET FILE]...".into()) };
        let file =
            OpenOptions::new().create(true).append(true).open(file).while_(format!("open {file}"));
        let listener = UnixListener::bind(socket).while_(format!("listen on {socket}"))?;
        listener.set_nonblocking(true).while_("keep the listener from blocking")?;
        bare_loop.listen(listener, file?)?;
    }
    bare_loop.run()
}

struct BareLoop {
    epoll: Epoll,
    listeners: Vec<UnixListener>,
    /// Of the listener of the same index.
    files: Vec<File>,
    /// By descriptor, with the file's index: the quickest way from an event to its connection.
    connections: Vec<Option<(UnixStream, usize)>>,
    buffer: Vec<u8>,
}

impl BareLoop {
    fn new() -> Outcome<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).while_("create an epoll")?;
        let (listeners, files, connections) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { epoll, listeners, files, connections, buffer: vec![0; READ_BYTES_MAX] })
    }

    fn listen(&mut self, listener: UnixListener, file: File) -> Outcome<()> {
        let name = LISTENERS + self.listeners.len() as u64;
        self.epoll
            .add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, name))
            .while_("watch a listener")?;
        self.listeners.push(listener);
        self.files.push(file);
        Ok(())
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
                    listener @ LISTENERS.. => self.accept((listener - LISTENERS) as usize)?,
                    descriptor => self.copy(descriptor as usize)?,
                }
            }
        }
    }

    fn accept(&mut self, listener: usize) -> Outcome<()> {
        let connection = match self.listeners[listener].accept() {
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
        self.connections[descriptor] = Some((connection, listener));
        Ok(())
    }

    fn copy(&mut self, descriptor: usize) -> Outcome<()> {
        let Some((connection, file)) = &mut self.connections[descriptor] else { return Ok(()) };
        // A level-triggered epoll says again what is still there: one read, then the next one's turn.
        let bytes = connection.read(&mut self.buffer).while_("read from a connection")?;
        if bytes == 0 {
            self.connections[descriptor] = None;
            return Ok(());
        }
        self.files[*file].write_all(&self.buffer[..bytes]).while_("write to the file")
    }
}
