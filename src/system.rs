//! System calls that no crate in use offers as a safe call: all of the program's unsafe code.
#![allow(unsafe_code)] // each with its reason

use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use calls::{fionread, pidfd_get_info, tiocgwinsz, tiocsctty, tiocswinsz};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::resource::{Resource, rlim_t, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{Pid, ftruncate, getpid, setsid, tcsetpgrp};

mod calls {
    #![allow(missing_docs)] // the macros make public functions

    use nix::libc;

    nix::ioctl_read_bad!(fionread, libc::FIONREAD, libc::c_int);
    nix::ioctl_readwrite!(pidfd_get_info, 0xFF, 11, libc::pidfd_info);
    nix::ioctl_read_bad!(tiocgwinsz, libc::TIOCGWINSZ, libc::winsize);
    nix::ioctl_write_ptr_bad!(tiocswinsz, libc::TIOCSWINSZ, libc::winsize);
    nix::ioctl_write_int_bad!(tiocsctty, libc::TIOCSCTTY);
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
    // What is meant for another process says nothing here, be it right or wrong.
    let meant_for = std::env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok());
    if meant_for != Some(std::process::id()) {
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

/// Whether PIPE was ignored when the process began.
static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// The runtime of Rust ignores PIPE before `main`, so this is looked at earlier, as the C library
/// calls what is listed there.
// SAFETY: it is a function that takes nothing from its caller and neither unwinds nor needs what is
// set up later: one system call, and a store.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_EARLY: extern "C" fn() = {
    extern "C" fn look_early() {
        PIPE_WAS_IGNORED.store(is_ignored(Signal::SIGPIPE), Relaxed);
    }
    look_early
};

/// Whether the process was started with PIPE ignored, as systemd does it. It always is later.
pub fn pipe_was_ignored() -> bool {
    PIPE_WAS_IGNORED.load(Relaxed)
}

/// Whether the process ignores the signal: a program that is started stays so.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: the struct is plain integers and an address that is none, for which all bits zero is
    // a value.
    let mut now: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: it changes nothing, and writes the struct to the given address, which is valid.
    let asked = unsafe { libc::sigaction(signal as i32, std::ptr::null(), &raw mut now) };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}

/// The next child of this process that has ended or was stopped, and how; none where no further one
/// has (waitpid(2)). One that has ended is gone then. Its status may name a signal that nix does
/// not know.
pub fn next_changed_child() -> Option<(Pid, ExitStatus)> {
    let mut status = 0;
    loop {
        // SAFETY: it writes one int to the given address, which is valid for it.
        let child = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
        match child {
            1.. => return Some((Pid::from_raw(child), ExitStatus::from_raw(status))),
            -1 if Errno::last() == Errno::EINTR => {}
            _ => return None,
        }
    }
}

/// What a child does before it becomes the program.
#[derive(Debug)]
pub struct ChildSetUp {
    /// Whose terminal it has.
    pub terminal: ChildTerminal,
    /// Its limit of open descriptors, soft and hard.
    pub descriptors_max: Option<(rlim_t, rlim_t)>,
    /// What it ignores, as this process did when it was started.
    pub ignored: Vec<Signal>,
}

/// The terminal of a child.
#[derive(Debug)]
pub enum ChildTerminal {
    /// None, or it stays in the background.
    AsItIs,
    /// Its process group comes into the foreground of this terminal, ours.
    Foreground(OwnedFd),
    /// Its standard input is the terminal of a session of its own.
    Own,
}

/// Has `command` do this in the child.
pub fn set_up_child(command: &mut Command, wanted: ChildSetUp) {
    let set_up = move || {
        match &wanted.terminal {
            ChildTerminal::AsItIs => {}
            ChildTerminal::Foreground(terminal) => {
                // Whoever does it from the background is stopped by this signal else.
                SigSet::from(Signal::SIGTTOU).thread_block()?;
                // A terminal that has gone meanwhile is none.
                tcsetpgrp(terminal, getpid()).unwrap_or_default();
            }
            ChildTerminal::Own => {
                setsid()?;
                // SAFETY: it takes integers and touches no memory.
                unsafe { tiocsctty(libc::STDIN_FILENO, 0) }?;
            }
        }
        if let Some((soft, hard)) = wanted.descriptors_max {
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
        }
        for ignored in &wanted.ignored {
            // SAFETY: no handler is set that could run.
            unsafe { signal(*ignored, SigHandler::SigIgn) }?;
        }
        // What this process blocks is its own affair.
        SigSet::empty().thread_set_mask()?;
        Ok(())
    };
    // SAFETY: between fork(2) and exec(2) it makes system calls only, each of which is
    // async-signal-safe; it takes no memory and no lock, also where it fails.
    unsafe { command.pre_exec(set_up) };
}

/// Gives a terminal the size of another one (TIOCGWINSZ, TIOCSWINSZ in ioctl_tty(2)): whoever is in
/// its foreground is told.
pub fn copy_window_size(from: impl AsFd, to: impl AsFd) -> nix::Result<()> {
    // SAFETY: the struct is plain integers, for which all bits zero is a value.
    let mut size: libc::winsize = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the descriptor is borrowed, so it is open, and the request writes the struct to the
    // given address, which is valid for it.
    unsafe { tiocgwinsz(from.as_fd().as_raw_fd(), &raw mut size) }?;
    // SAFETY: the same, and this one only reads it.
    unsafe { tiocswinsz(to.as_fd().as_raw_fd(), &raw const size) }?;
    Ok(())
}
