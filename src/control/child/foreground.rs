//! Our controlling terminal, which has one process group in its foreground: Ctrl-C and Ctrl-Z are
//! for that, and only that may read (tcsetpgrp(3)).

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The terminal. SIGTTOU must be blocked, or whoever changes its foreground is stopped.
#[derive(Debug)]
pub(super) struct Foreground {
    terminal: File,
    /// Whether the child belongs there whenever we do.
    is_for_child: bool,
}

impl Foreground {
    /// The one that we have, if any.
    pub(super) fn of_ours() -> Option<Foreground> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        Some(Foreground { terminal, is_for_child: is_alone() })
    }

    /// Whether the child is to be put there now.
    pub(super) fn is_to_give(&self) -> bool {
        self.is_for_child && self.is_ours()
    }

    /// The child has asked for the terminal itself.
    pub(super) fn child_wants_it(&mut self) {
        self.is_for_child = true;
    }

    /// For a child that puts itself there.
    pub(super) fn for_child(&self) -> Option<OwnedFd> {
        self.terminal.try_clone().map(OwnedFd::from).ok()
    }

    /// Whether we are there.
    pub(super) fn is_ours(&self) -> bool {
        self.is_of(getpgrp())
    }

    /// Whether this process group is there.
    pub(super) fn is_of(&self, group: Pid) -> bool {
        tcgetpgrp(&self.terminal) == Ok(group)
    }

    /// Puts a process group there. A terminal that has gone has no foreground.
    pub(super) fn give_to(&self, group: Pid) {
        tcsetpgrp(&self.terminal, group).unwrap_or_default();
    }

    /// Puts us there.
    pub(super) fn take_back(&self) {
        self.give_to(getpgrp());
    }
}

/// Whether nobody else of our process group can be expected to want the terminal: a pager that our
/// standard output goes to, somebody who types what comes to our standard input, a script that has
/// us run in the background, whose standard input is nothing then. Out of the foreground they would
/// be stopped as soon as they read.
fn is_alone() -> bool {
    let stdin_is_ours = io::stdin().is_terminal() || is_a(io::stdin(), SFlag::S_IFREG);
    stdin_is_ours && !is_a(io::stdout(), SFlag::S_IFIFO)
}

fn is_a(descriptor: impl AsFd, kind: SFlag) -> bool {
    let found = fstat(descriptor);
    found.is_ok_and(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == kind)
}
