//! Descriptors that connections leave to the rest of the agent, whoever has used up how many: to
//! files that are opened again, and to those who ask on the control socket.

use std::os::fd::{AsFd, AsRawFd};

use nix::sys::resource::{Resource, getrlimit};
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::limits::{ACCEPT_RETRY_MAX, ACCEPT_RETRY_MIN, DESCRIPTORS_KEPT};

/// Whether a connection of this descriptor leaves enough. The lowest number is given out first
/// (open(2)): whoever gets a low one is not among the last.
pub(super) fn leaves_enough(connection: impl AsFd) -> bool {
    // It may be changed from outside (prlimit(2)).
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return true };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let number = usize::try_from(connection.as_fd().as_raw_fd()).unwrap_or_default();
    number < limit - DESCRIPTORS_KEPT.min(limit / 4)
}

/// The same connection by another descriptor, once there is one that leaves enough. Dropping the
/// future loses nothing.
pub(super) async fn moved(connection: &UnixStream) -> UnixStream {
    let mut pause = ACCEPT_RETRY_MIN;
    loop {
        if let Ok(moved) = connection.as_fd().try_clone_to_owned()
            && leaves_enough(&moved)
            && let Ok(moved) = UnixStream::from_std(moved.into())
        {
            return moved;
        }
        sleep(pause).await;
        pause = (2 * pause).min(ACCEPT_RETRY_MAX);
    }
}
