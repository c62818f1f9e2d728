//! A terminal for the command (pty(7)): what it prints there we read, and what is typed to us it
//! gets.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{
    InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr,
    tcsetattr,
};
use nix::unistd::{getpgrp, pipe2, tcgetpgrp};

use crate::descriptor::{Read, read_or_stop, write_whole};
use crate::limits::TYPED_BYTES;
use crate::system::copy_window_size;

/// Both ends of a terminal.
#[derive(Debug)]
pub(super) struct Pty {
    ours: OwnedFd,
    /// The command's.
    end: OwnedFd,
    /// How our own terminal was before.
    before: Option<Termios>,
    /// Closing it ends the copying.
    stop: Option<OwnedFd>,
}

/// What our standard input is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typed {
    /// Somebody types.
    Here,
    /// Somebody types, but to another job.
    Elsewhere,
    /// It is a pipe, a file, or nothing.
    NotAtAll,
}

impl Pty {
    pub(super) fn open() -> io::Result<Pty> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let ours = posix_openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let end = OwnedFd::from(options.open(ptsname_r(&ours)?)?);
        let mut settings = tcgetattr(&end)?;
        // A line in a log ends with a newline, and nothing before it.
        settings.output_flags.remove(OutputFlags::ONLCR);
        if typed() == Typed::NotAtAll {
            // What nobody types is not to be seen.
            settings.local_flags.remove(LocalFlags::ECHO);
        }
        tcsetattr(&end, SetArg::TCSANOW, &settings)?;
        let pty = Pty { ours: ours.into(), end, before: None, stop: None };
        pty.take_size();
        Ok(pty)
    }

    /// Where its output is read.
    pub(super) fn reader(&self) -> io::Result<OwnedFd> {
        self.ours.try_clone()
    }

    /// For the command.
    pub(super) fn end(&self) -> io::Result<OwnedFd> {
        self.end.try_clone()
    }

    /// Gives it the size of our own terminal, where we have one.
    pub(super) fn take_size(&self) {
        // Without one it stays unknown.
        copy_window_size(io::stdin(), &self.ours)
            .or_else(|_| copy_window_size(io::stdout(), &self.ours))
            .or_else(|_| copy_window_size(io::stderr(), &self.ours))
            .unwrap_or_default();
    }

    /// From now on the command gets what is typed to us.
    pub(super) fn connect(&mut self) {
        let typed = typed();
        if typed == Typed::Elsewhere {
            return;
        }
        let copying = || -> io::Result<OwnedFd> {
            let (stopped, stop) = pipe2(OFlag::O_CLOEXEC)?;
            let (to, end) = (self.ours.try_clone()?, self.end.try_clone()?);
            let thread = std::thread::Builder::new().name("typed".into());
            // A command that has gone takes nothing more.
            thread.spawn(move || copy(&stopped, &to, &end).unwrap_or_default())?;
            Ok(stop)
        };
        // Without it the command has a terminal where nobody types.
        self.stop = copying().ok();
        if typed == Typed::Here {
            self.before = pass_on_every_key().ok();
        }
    }

    /// The command has gone.
    pub(super) fn disconnect(&mut self) {
        self.stop = None;
        if let Some(before) = self.before.take() {
            // A terminal that has gone needs it no more.
            tcsetattr(io::stdin(), SetArg::TCSANOW, &before).unwrap_or_default();
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.disconnect();
    }
}

fn typed() -> Typed {
    let stdin = io::stdin();
    match stdin.is_terminal() {
        false => Typed::NotAtAll,
        true if tcgetpgrp(&stdin) == Ok(getpgrp()) => Typed::Here,
        true => Typed::Elsewhere,
    }
}

/// Our terminal leaves to the command's what keys mean, Ctrl-C too, and what is echoed. How it was
/// before.
fn pass_on_every_key() -> nix::Result<Termios> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut settings = before.clone();
    let keys = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN;
    settings.local_flags.remove(keys);
    let flow = InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IGNCR | InputFlags::IXON;
    settings.input_flags.remove(flow);
    settings.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    settings.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    tcsetattr(&stdin, SetArg::TCSANOW, &settings)?;
    Ok(before)
}

/// Copies our standard input to its end, which becomes one for whoever reads the terminal.
fn copy(stopped: &OwnedFd, to: &OwnedFd, end: &OwnedFd) -> nix::Result<()> {
    let stdin = io::stdin();
    let mut buffer = [0; TYPED_BYTES];
    let mut at_line_start = true;
    loop {
        match read_or_stop(stdin.as_fd(), stopped.as_fd(), &mut buffer) {
            Ok(Read::Bytes(count)) => {
                write_whole(to.as_fd(), &buffer[..count])?;
                at_line_start = buffer[count - 1] == b'\n';
            }
            // Of a terminal that has gone nothing more comes either.
            Ok(Read::End) | Err(Errno::EIO) => break,
            Ok(Read::Stopped) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    // Inside a line the first one only hands over what there is of it (termios(3), VEOF).
    let key = tcgetattr(end)?.control_chars[SpecialCharacterIndices::VEOF as usize];
    let keys = if at_line_start { &[key][..] } else { &[key, key] };
    write_whole(to.as_fd(), keys)
}
