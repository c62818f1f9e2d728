//! What systemd is told, and given to keep: datagrams to its notification socket (sd_notify(3)).

use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::pipe2;

use crate::limits::NOTICES_WAITING_MAX;

/// The one who has started us and keeps what we give it. It takes notices in order; we never wait
/// for it, since it may be busy.
#[derive(Debug)]
pub struct Supervisor {
    socket: UnixDatagram,
    waiting: Mutex<VecDeque<Notice>>,
    more: Condvar,
}

#[derive(Debug)]
struct Notice {
    text: String,
    descriptor: Option<OwnedFd>,
}

impl Supervisor {
    /// The one that `$NOTIFY_SOCKET` names, if any.
    pub fn of_environment() -> io::Result<Option<Arc<Supervisor>>> {
        match env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => Supervisor::at(&name).map(Some),
            _ => Ok(None),
        }
    }

    /// The one at this address: a path, or `@` and an abstract name (unix(7)).
    pub fn at(name: &OsStr) -> io::Result<Arc<Supervisor>> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        let (waiting, more) = (Mutex::default(), Condvar::new());
        let supervisor = Arc::new(Supervisor { socket, waiting, more });
        let late = supervisor.clone();
        let thread = std::thread::Builder::new().name("notify".into());
        thread.spawn(move || late.send_waiting())?;
        Ok(supervisor)
    }

    /// Tells it `text`, assignments with newlines between.
    pub fn tell(&self, text: &str) {
        self.send(text, None);
    }

    /// Gives it a descriptor to keep under `name`, also when its other end has gone. False where too
    /// many wait for it to take them.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> bool {
        self.send(&format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0"), Some(descriptor))
    }

    /// Has it close what it keeps under `name`.
    pub fn forget(&self, name: &str) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None);
    }

    fn send(&self, text: &str, descriptor: Option<BorrowedFd<'_>>) -> bool {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            match send(&self.socket, text, descriptor, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN | Errno::ENOBUFS) => {}
                sent => return sent.is_ok(),
            }
        }
        // What it is to forget must be told, and is never more than what it keeps.
        if descriptor.is_some() && waiting.len() >= NOTICES_WAITING_MAX {
            return false;
        }
        let Ok(descriptor) = descriptor.map(|fd| fd.try_clone_to_owned()).transpose() else {
            return false;
        };
        waiting.push_back(Notice { text: text.to_owned(), descriptor });
        self.more.notify_one();
        true
    }

    fn send_waiting(&self) {
        loop {
            let mut waiting = self.lock();
            while waiting.is_empty() {
                waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(notice) = waiting.front() else { continue };
            let text = notice.text.clone();
            let descriptor =
                notice.descriptor.as_ref().and_then(|fd| fd.as_fd().try_clone_to_owned().ok());
            drop(waiting);
            // Until it is sent it stands in front, so that the next ones wait behind it.
            let descriptor = descriptor.as_ref().map(AsFd::as_fd);
            while send(&self.socket, &text, descriptor, MsgFlags::empty()) == Err(Errno::EINTR) {}
            self.lock().pop_front();
        }
    }

    /// Waits until it has taken everything that it was told, but not longer than `time`. Whether it
    /// has.
    pub fn wait_until_taken(&self, time: Duration) -> bool {
        let Ok((taken, pending)) = pipe2(OFlag::O_CLOEXEC) else { return false };
        if !self.send("BARRIER=1", Some(pending.as_fd())) {
            return false;
        }
        drop(pending);
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        let mut waited = [PollFd::new(taken.as_fd(), PollFlags::POLLIN)];
        // It closes the other end of the pipe.
        poll(&mut waited, timeout).is_ok_and(|ready| ready > 0)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(
    socket: &UnixDatagram,
    text: &str,
    descriptor: Option<BorrowedFd<'_>>,
    flags: MsgFlags,
) -> nix::Result<()> {
    let descriptors = descriptor.map(|fd| [fd.as_raw_fd()]);
    let rights = descriptors.as_ref().map(|fds| ControlMessage::ScmRights(fds));
    let (text, flags) = ([IoSlice::new(text.as_bytes())], flags | MsgFlags::MSG_NOSIGNAL);
    sendmsg::<()>(socket.as_raw_fd(), &text, rights.as_slice(), flags, None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::os::fd::RawFd;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    /// The next notice, and how many descriptors came with it.
    fn receive(socket: &UnixDatagram) -> (String, usize) {
        let mut bytes = [0; 1024];
        let mut iov = [IoSliceMut::new(&mut bytes)];
        let mut space = nix::cmsg_space!([RawFd; 4]);
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags).unwrap();
        let descriptors = message.cmsgs().unwrap().map(|control| match control {
            ControlMessageOwned::ScmRights(fds) => {
                let count = fds.len();
                fds.into_iter().for_each(|fd| nix::unistd::close(fd).unwrap());
                count
            }
            _ => 0,
        });
        let (descriptors, length) = (descriptors.sum(), message.bytes);
        (String::from_utf8(bytes[..length].to_vec()).unwrap(), descriptors)
    }

    #[test]
    fn notices_come_whole_and_in_order_however_slow_their_reader_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor::at(path.as_os_str()).unwrap();
        // More than the socket holds.
        for number in 0..300 {
            assert!(supervisor.keep(&format!("c-{number}"), listener.as_fd()));
            supervisor.forget(&format!("c-{number}"));
        }
        let waiting = supervisor.clone();
        let waiter = std::thread::spawn(move || waiting.wait_until_taken(Duration::from_secs(60)));
        for number in 0..300 {
            let kept = format!("FDSTORE=1\nFDNAME=c-{number}\nFDPOLL=0");
            assert_eq!(receive(&listener), (kept, 1));
            let forgotten = format!("FDSTOREREMOVE=1\nFDNAME=c-{number}");
            assert_eq!(receive(&listener), (forgotten, 0));
        }
        assert_eq!(receive(&listener), ("BARRIER=1".to_owned(), 1));
        assert!(waiter.join().unwrap());
    }
}
