//! System calls that no crate in use offers as a safe call: all of the program's unsafe code.
#![allow(unsafe_code)] // each with its reason

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use calls::{fionread, pidfd_get_info};
use nix::libc;

mod calls {
    #![allow(missing_docs)] // the macros make public functions

    use nix::libc;

    nix::ioctl_read_bad!(fionread, libc::FIONREAD, libc::c_int);
    nix::ioctl_readwrite!(pidfd_get_info, 0xFF, 11, libc::pidfd_info);
}

/// What the kernel tells of the process behind a pidfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Whether it is still there; its pid may be another's else.
    pub is_there: bool,
    /// The id of its cgroup of version 2, which is the inode of the cgroup's directory; the last one
    /// of a process that has gone.
    pub cgroup_id: Option<u64>,
}

/// What the kernel tells of the process behind `pidfd`, gone or not (ioctl PIDFD_GET_INFO, Linux
/// 6.13). None where it does not tell.
pub fn process_info(pidfd: impl AsFd) -> Option<ProcessInfo> {
    // SAFETY: the struct is plain integers, for which all bits zero is a value.
    let mut info: libc::pidfd_info = unsafe { MaybeUninit::zeroed().assume_init() };
    let (pid, cgroup) = (u64::from(libc::PIDFD_INFO_PID), u64::from(libc::PIDFD_INFO_CGROUPID));
    info.mask = pid | cgroup | u64::from(libc::PIDFD_INFO_EXIT);
    // SAFETY: the descriptor is borrowed, so it is open, and the request, which carries the
    // struct's size, writes no more than that to the given address, which is valid for it.
    unsafe { pidfd_get_info(pidfd.as_fd().as_raw_fd(), &raw mut info) }.ok()?;
    let cgroup_id = (info.mask & cgroup != 0 && info.cgroupid != 0).then_some(info.cgroupid);
    Some(ProcessInfo { is_there: info.mask & pid != 0, cgroup_id })
}

/// How many bytes wait in a socket, pipe or terminal: a read would find them now; of a datagram
/// socket those of the first datagram (ioctl FIONREAD, unix(7)). 0 where the descriptor cannot
/// tell.
pub fn unread_bytes(source: impl AsFd) -> u64 {
    let mut bytes: nix::libc::c_int = 0;
    // SAFETY: the descriptor is borrowed, so it is open, and FIONREAD writes one int to the given
    // address, which is valid for it.
    match unsafe { fionread(source.as_fd().as_raw_fd(), &raw mut bytes) } {
        Ok(_) => u64::try_from(bytes).unwrap_or(0),
        Err(_) => 0,
    }
}

/// What systemd has handed over, with its FileDescriptorName (sd_listen_fds(3)): a copy of each
/// descriptor. The originals stay open, since they are nobody's.
pub fn inherited_descriptors() -> io::Result<Vec<(String, OwnedFd)>> {
    let handed_over = sd_notify::listen_fds_with_names()?;
    let copy = |(descriptor, name)| {
        // SAFETY: it is open, since its flags were changed just now, and nobody closes it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
        Ok((name, borrowed.try_clone_to_owned()?))
    };
    handed_over.map(copy).collect()
}
