//! How many bytes wait in a socket, pipe or terminal (ioctl FIONREAD).
#![allow(unsafe_code)] // the ioctl below; no crate in use offers it as a safe call

use std::os::fd::{AsFd, AsRawFd};

nix::ioctl_read_bad!(fionread, nix::libc::FIONREAD, nix::libc::c_int);

/// Bytes that a read would find now; 0 where the descriptor cannot tell.
pub(super) fn unread_bytes(source: impl AsFd) -> u64 {
    let mut bytes: nix::libc::c_int = 0;
    // SAFETY: the descriptor is borrowed, so it is open, and FIONREAD writes one int to the given
    // address, which is valid for it.
    match unsafe { fionread(source.as_fd().as_raw_fd(), &raw mut bytes) } {
        Ok(_) => u64::try_from(bytes).unwrap_or(0),
        Err(_) => 0,
    }
}
