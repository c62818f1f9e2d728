//! Listeners and their connections on one level-triggered epoll: what the bare loops share.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::load::raise_descriptors_max;
use super::problem::{Outcome, While};

const EVENTS_MAX: usize = 1024;
/// No descriptor is so large: from here on a number names a listener in an event.
const LISTENERS: u64 = 1 << 32;

/// What becomes of a connection that was read from.
pub(super) enum Then {
    Keep,
    Close,
}

pub(super) struct Connections {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    listeners: Vec<UnixListener>,
    /// By descriptor, with the listener's index: the quickest way from an event to its connection.
    open: Vec<Option<(UnixStream, usize)>>,
}

impl Connections {
    pub(super) fn new() -> Outcome<Self> {
        raise_descriptors_max()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).while_("create an epoll")?;
        let events = vec![EpollEvent::empty(); EVENTS_MAX];
        Ok(Self { epoll, events, listeners: Vec::new(), open: Vec::new() })
    }

    pub(super) fn listen(&mut self, listener: UnixListener) -> Outcome<()> {
        listener.set_nonblocking(true).while_("keep the listener from blocking")?;
        let name = LISTENERS + self.listeners.len() as u64;
        self.epoll
            .add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, name))
            .while_("watch a listener")?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Waits, and hands over each connection that has something, with its listener's index.
    pub(super) fn round(
        &mut self,
        mut take: impl FnMut(&mut UnixStream, usize) -> Outcome<Then>,
    ) -> Outcome<()> {
        let ready = match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(()),
            other => other.while_("wait for lines")?,
        };
        for at in 0..ready {
            let name = self.events[at].data();
            if name >= LISTENERS {
                self.accept((name - LISTENERS) as usize)?;
                continue;
            }
            let open = &mut self.open[name as usize];
            let Some((connection, listener)) = open else { continue };
            if let Then::Close = take(connection, *listener)? {
                *open = None;
            }
        }
        Ok(())
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
        if self.open.len() <= descriptor {
            self.open.resize_with(descriptor + 1, || None);
        }
        self.open[descriptor] = Some((connection, listener));
        Ok(())
    }
}
