//! System calls that no crate in use offers as a safe call: all of the program's unsafe code.
#![allow(unsafe_code)] // each with its reason

use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use calls::{fionread, pidfd_get_info};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::ftruncate;

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

/// What systemd has handed over, with its FileDescriptorName (sd_listen_fds(3)). Every further call
/// finds nothing: they are the first caller's.
pub fn inherited_descriptors() -> io::Result<Vec<(String, OwnedFd)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let handed_over = sd_notify::listen_fds_with_names()?;
    // SAFETY: it is open, since its flags were changed just now, and systemd has opened it for this
    // process, in which nobody else takes it.
    let own = |(descriptor, name)| (name, unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(handed_over.map(own).collect())
}

/// A new file in memory (memfd_create(2)) as words, for whoever is given the file too. They stay
/// mapped as long as the process lives.
pub fn shared_words(
    name: &CStr,
    count: NonZeroUsize,
) -> io::Result<(OwnedFd, &'static [AtomicU64])> {
    let bytes = count.get().checked_mul(size_of::<AtomicU64>()).and_then(NonZeroUsize::new);
    let (memory, start) = mapped(name, bytes.ok_or(io::ErrorKind::InvalidInput)?)?;
    // SAFETY: the mapping begins at a page, so it is aligned; it is as long as asked for, holds
    // zeros or what others stored, which are values of the type, and is never unmapped. Whoever
    // else has the file can only store words, as this process does.
    let words = unsafe { slice::from_raw_parts(start.as_ptr().cast::<AtomicU64>(), count.get()) };
    Ok((memory, words))
}

/// The same as bytes, which nobody else looks at as long as this process lives.
pub fn shared_bytes(name: &CStr, count: NonZeroUsize) -> io::Result<(OwnedFd, &'static mut [u8])> {
    let (memory, start) = mapped(name, count)?;
    // SAFETY: the mapping is as long as asked for, holds zeros, and is never unmapped; its file was
    // made just now, and whoever is given it reads it only when this process has gone.
    let bytes = unsafe { slice::from_raw_parts_mut(start.as_ptr().cast::<u8>(), count.get()) };
    Ok((memory, bytes))
}

/// A new file in memory, and where it is mapped.
fn mapped(name: &CStr, bytes: NonZeroUsize) -> io::Result<(OwnedFd, NonNull<c_void>)> {
    let memory = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&memory, i64::try_from(bytes.get()).map_err(io::Error::other)?)?;
    // What is mapped never ends before the mapping: a read or write would be SIGBUS else.
    fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK))?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, which the kernel places where nothing is.
    let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, &memory, 0) }?;
    Ok((memory, start))
}

/// Reads from a socket what comes with at most one descriptor, which is ours then (recvmsg(2),
/// SCM_RIGHTS in unix(7)): so many bytes, none at the end.
pub fn receive_with_descriptors(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!(libc::c_int);
    let mut buffers = [io::IoSliceMut::new(buffer)];
    let (descriptor, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
    let received = loop {
        match recvmsg::<()>(descriptor, &mut buffers, Some(&mut control), flags) {
            Err(Errno::EINTR) => {}
            received => break received?,
        }
    };
    let bytes = received.bytes;
    let rights = received.cmsgs()?.filter_map(|message| match message {
        ControlMessageOwned::ScmRights(rights) => Some(rights),
        _ => None,
    });
    // SAFETY: the kernel has just made them for this process, and nobody else knows of them.
    let descriptors = rights.flatten().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }).collect();
    Ok((bytes, descriptors))
}

/// Lets the calling thread run, and read and write, only when nobody else wants to: nice 19
/// (setpriority(2)) and the idle class (ioprio_set(2)). Where the system refuses, it runs like any
/// other.
pub fn lower_priority() {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IOPRIO_CLASS_IDLE: libc::c_int = 3;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    // SAFETY: it takes integers and touches no memory; who 0 is the calling thread on Linux.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    let idle = IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT;
    // SAFETY: it takes integers and touches no memory; who 0 is the calling thread.
    unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, idle) };
}
