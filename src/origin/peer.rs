//! The peer of a connected socket: what the kernel noted when it connected, and what /proc tells.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

use super::{Cgroups, Origin, Unit};
use crate::system::process_info;

/// Where systemd's own child is until it has moved to its unit's cgroup.
const INIT: &str = "init.scope";

/// Who connected (unix(7), SO_PEERCRED and SO_PEERPIDFD).
#[derive(Debug)]
pub struct Peer {
    pid: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    handle: Handle,
}

/// What names a process for ever, other than its pid.
#[derive(Debug)]
enum Handle {
    /// Linux has it since 6.5.
    Pidfd(OwnedFd),
    /// The kernel makes none for a process that has gone; newer ones do.
    Gone,
    /// It has no such thing.
    None,
}

impl Handle {
    fn of(pidfd: nix::Result<OwnedFd>) -> Handle {
        match pidfd {
            Ok(pidfd) => Handle::Pidfd(pidfd),
            Err(Errno::EINVAL | Errno::ESRCH) => Handle::Gone,
            Err(_) => Handle::None,
        }
    }

    fn pidfd(&self) -> Option<&OwnedFd> {
        match self {
            Handle::Pidfd(pidfd) => Some(pidfd),
            Handle::Gone | Handle::None => None,
        }
    }
}

/// Where a process is, or was.
#[derive(Debug)]
pub enum Whereabouts {
    /// In this unit.
    Unit(Unit),
    /// It was in this cgroup at its end.
    Cgroup(u64),
    /// In no unit, or nobody can tell.
    Unknown,
}

impl Whereabouts {
    /// The unit.
    pub async fn unit(self, cgroups: &Cgroups) -> Option<Unit> {
        match self {
            Whereabouts::Unit(unit) => Some(unit),
            Whereabouts::Cgroup(id) => cgroups.unit(id).await,
            Whereabouts::Unknown => None,
        }
    }
}

/// Whether what /proc has under a pid is still our peer's.
enum Presence {
    Here,
    Gone,
    /// The kernel does not tell; it was there a moment ago.
    Unknown,
}

impl Peer {
    /// The peer of `socket`.
    pub fn of(socket: &impl AsFd) -> Peer {
        let Ok(noted) = getsockopt(socket, sockopt::PeerCredentials) else {
            return Peer { pid: None, uid: None, gid: None, handle: Handle::None };
        };
        // Of a peer in another PID namespace it is 0; users and groups are known there, too.
        let pid = u32::try_from(noted.pid()).ok().filter(|pid| *pid != 0);
        Peer {
            pid,
            uid: Some(noted.uid()),
            gid: Some(noted.gid()),
            handle: Handle::of(getsockopt(socket, sockopt::PeerPidfd)),
        }
    }

    /// All that can be found out, apart from its unit.
    pub fn origin(&self) -> Origin {
        let Peer { pid, uid, gid, .. } = *self;
        let comm = self.pid.and_then(comm);
        // Only now: a name that was read while the process was there is its own.
        let comm = comm.filter(|_| !matches!(self.presence(), Presence::Gone));
        Origin { pid, uid, gid, comm, unit: None }
    }

    /// Where it is now, or was at its end.
    pub fn whereabouts(&self, cgroups: &Cgroups) -> Whereabouts {
        let read = self.pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
        let of_pid = read.as_deref().and_then(Unit::of_proc_cgroup);
        let Some(info) = self.handle.pidfd().and_then(process_info) else {
            let gone = || matches!(self.presence(), Presence::Gone);
            return of_pid.filter(|_| !gone()).map_or(Whereabouts::Unknown, Whereabouts::Unit);
        };
        if !info.is_there {
            return info.cgroup_id.map_or(Whereabouts::Unknown, Whereabouts::Cgroup);
        }
        let of_id = read.as_deref().and_then(Unit::of_version_2);
        if let (Some(id), Some(unit)) = (info.cgroup_id, of_id)
            && unit.name() != INIT
        {
            cgroups.learn(id, &unit);
        }
        of_pid.map_or(Whereabouts::Unknown, Whereabouts::Unit)
    }

    /// Whether `whereabouts` are where systemd's child is only until it goes on.
    pub fn is_moving(&self, whereabouts: &Whereabouts) -> bool {
        self.pid != Some(1) && matches!(whereabouts, Whereabouts::Unit(unit) if unit.name() == INIT)
    }

    fn presence(&self) -> Presence {
        let pidfd = match &self.handle {
            Handle::Pidfd(pidfd) => pidfd,
            Handle::Gone => return Presence::Gone,
            Handle::None => return Presence::Unknown,
        };
        if let Some(info) = process_info(pidfd) {
            return if info.is_there { Presence::Here } else { Presence::Gone };
        }
        match fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())) {
            Ok(text) if text.lines().any(|line| line == "Pid:\t-1") => Presence::Gone,
            Ok(_) => Presence::Here,
            Err(_) => Presence::Unknown,
        }
    }
}

/// proc(5): at most 15 bytes that the process chooses itself.
fn comm(pid: u32) -> Option<Box<str>> {
    let bytes = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
    let shown: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    (!shown.is_empty()).then(|| shown.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_peer_is_known_by_what_the_kernel_noted() {
        let (one, _other) = UnixStream::pair().unwrap();
        let origin = Peer::of(&one).origin();
        assert_eq!(origin.pid, Some(std::process::id()));
        assert_eq!(origin.uid, Some(nix::unistd::geteuid().as_raw()));
        assert_eq!(origin.gid, Some(nix::unistd::getegid().as_raw()));
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(origin.comm.as_deref(), Some(own.trim_end()));
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        let file = fs::File::open("/dev/null").unwrap();
        assert_eq!(Peer::of(&file).origin(), Origin::default());
    }

    #[test]
    fn a_kernel_that_makes_no_handle_of_a_gone_process_tells_that_it_has_gone() {
        let peer = |error| Peer {
            pid: Some(std::process::id()),
            uid: None,
            gid: None,
            handle: Handle::of(Err(error)),
        };
        for error in [Errno::EINVAL, Errno::ESRCH] {
            assert!(matches!(peer(error).presence(), Presence::Gone));
        }
        assert!(matches!(peer(Errno::ENOPROTOOPT).presence(), Presence::Unknown));
    }
}
