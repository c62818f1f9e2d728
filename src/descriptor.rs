//! Descriptors that others gave us: their O_NONBLOCK flag is shared with whoever has them too, so
//! it is never changed; either way works.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

/// Writes all of `bytes`, waiting as long as that takes.
pub fn write_whole(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match unistd::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The end of the input.
    End,
    /// `stop` has something to read, or was closed.
    Stopped,
}

/// Enlarges a pipe to `bytes_min`, where the system allows. How much it holds then; none where it is
/// no pipe.
pub fn enlarge_pipe(fd: BorrowedFd<'_>, bytes_min: i32) -> Option<i32> {
    let bytes = fcntl(fd, FcntlArg::F_GETPIPE_SZ).ok()?;
    if bytes >= bytes_min {
        return Some(bytes);
    }
    Some(fcntl(fd, FcntlArg::F_SETPIPE_SZ(bytes_min)).unwrap_or(bytes))
}

/// Reads into `buffer`, waiting until there is something or `stop` says to end.
pub fn read_or_stop(
    fd: BorrowedFd<'_>,
    stop: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> nix::Result<Read> {
    loop {
        let mut waiting =
            [PollFd::new(stop, PollFlags::POLLIN), PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut waiting, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        if waiting[0].any() == Some(true) {
            return Ok(Read::Stopped);
        }
        match unistd::read(fd, buffer) {
            Ok(0) => return Ok(Read::End),
            Ok(count) => return Ok(Read::Bytes(count)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error),
        }
    }
}
