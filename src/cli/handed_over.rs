//! What systemd hands over: sockets and FIFOs of a .socket unit.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};

use super::pipe::STDIN;
use crate::agent::Failure;
use crate::store;
use crate::system::inherited_descriptors;

/// Descriptors with their FileDescriptorName.
pub(super) type Descriptors = Vec<(String, OwnedFd)>;

/// Everything that was handed over, also what an agent before has had kept. To be called before
/// anything else is opened that could have its numbers.
pub(super) fn take() -> Result<Descriptors, Failure> {
    inherited_descriptors().map_err(|error| {
        Failure::system(format!("cannot take what systemd has handed over: {error}"))
    })
}

/// The names that pipe mode reads, which is all of them, each once. The standard input is one of
/// them where systemd has connected a socket or FIFO to it.
pub(super) fn read_by_pipe(descriptors: &mut Descriptors) -> Vec<String> {
    if let Some(stdin) = standard_input() {
        descriptors.push((STDIN.to_owned(), stdin));
    }
    names(descriptors)
}

/// Whether systemd keeps something that an agent before had it keep.
pub(super) fn is_kept_for_us(descriptors: &Descriptors) -> bool {
    descriptors.iter().any(|(name, _)| store::is_kept_as(name))
}

/// The names of all that was handed over for inputs, each once.
pub(super) fn names(descriptors: &Descriptors) -> Vec<String> {
    let names = descriptors.iter().map(|(name, _)| name);
    let mut names: Vec<_> = names.filter(|name| !store::is_kept_as(name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The standard input where it is a socket or FIFO of systemd's that has no end (StandardInput=socket
/// with Accept=no): not what somebody writes to us, but what somebody may connect to.
fn standard_input() -> Option<OwnedFd> {
    let started_by_systemd = std::env::var("SYSTEMD_EXEC_PID").ok()?;
    if started_by_systemd != std::process::id().to_string() {
        return None;
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let stdin = std::fs::File::from(stdin);
    let kind = stdin.metadata().ok()?.file_type();
    let has_no_end = if kind.is_fifo() {
        let flags = fcntl(&stdin, FcntlArg::F_GETFL).ok()?;
        flags & OFlag::O_ACCMODE.bits() == OFlag::O_RDWR.bits()
    } else if kind.is_socket() {
        getsockopt(&stdin, sockopt::SockType) == Ok(SockType::Datagram)
            || getsockopt(&stdin, sockopt::AcceptConn) == Ok(true)
    } else {
        false
    };
    has_no_end.then(|| stdin.into())
}
