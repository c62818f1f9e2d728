//! The command that `run` starts, from its start to its end: its output comes to us, signals go to
//! it, and its end is ours.
//!
//! Whatever it starts and leaves behind becomes our child, as PID 1 by the kernel's rule and else
//! by PR_SET_CHILD_SUBREAPER (prctl(2)), so that nothing stays a zombie.

mod foreground;
mod pty;

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use foreground::Foreground;
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::rlim_t;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::{Pid, getpid};
use pty::Pty;

use super::signals::{ChildSignal, Signals};
use crate::agent::{Failure, FailureKind, descriptors_max};
use crate::input::ChildOutput;
use crate::report::{ChildEnded, ChildStarted, ChildrenLeft, report};
use crate::system::{ChildSetUp, ChildTerminal, next_changed_child, set_up_child};

/// What is ours in the environment: not for the command.
const OUR_VARIABLES: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "FDSTORE",
];

/// Where a command's standard output and standard error lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// To one pipe.
    Together,
    /// To a pipe each.
    Apart,
    /// To a terminal of its own, where its standard input is too.
    Terminal,
}

/// A command that is about to be started, with its ends of what we read.
#[derive(Debug)]
pub struct Prepared {
    words: Vec<OsString>,
    ends: Ends,
    descriptors_max: Option<(rlim_t, rlim_t)>,
    ignored: Vec<Signal>,
}

/// What the command writes to. We hold them too, as long as we live, so that what we read has no
/// end before the command has.
#[derive(Debug)]
enum Ends {
    Together(PipeWriter),
    Apart(PipeWriter, PipeWriter),
    Terminal(Pty),
}

impl Prepared {
    /// The first word is the program. With it comes where its output is read. To be called while
    /// limits and signals are those that the command is to have, and before other threads run.
    pub fn new(
        words: Vec<OsString>,
        outputs: Outputs,
        signals: &Signals,
    ) -> io::Result<(Prepared, Vec<(ChildOutput, OwnedFd)>)> {
        // While the command is in the foreground of our terminal nothing that we do there stops us.
        SigSet::from(Signal::SIGTTOU).thread_block()?;
        let (ends, read) = match outputs {
            Outputs::Together => {
                let (read, write) = io::pipe()?;
                (Ends::Together(write), vec![(ChildOutput::Both, read.into())])
            }
            Outputs::Apart => {
                let ((stdout, to_stdout), (stderr, to_stderr)) = (io::pipe()?, io::pipe()?);
                let read = vec![
                    (ChildOutput::Stdout, stdout.into()),
                    (ChildOutput::Stderr, stderr.into()),
                ];
                (Ends::Apart(to_stdout, to_stderr), read)
            }
            Outputs::Terminal => {
                let pty = Pty::open()?;
                let read = vec![(ChildOutput::Both, pty.reader()?)];
                (Ends::Terminal(pty), read)
            }
        };
        let (descriptors_max, ignored) = (descriptors_max(), signals.ignored().to_vec());
        Ok((Prepared { words, ends, descriptors_max, ignored }, read))
    }

    /// Starts the command. Signals must be caught by now, CHLD too.
    pub fn start(self) -> Result<Child, Failure> {
        let Prepared { words, ends, descriptors_max, ignored } = self;
        // As PID 1 it is so already, and where it cannot be, init reaps what we do not.
        set_child_subreaper(true).unwrap_or_default();
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(words);
        for variable in OUR_VARIABLES {
            command.env_remove(variable);
        }
        let mut foreground = None;
        let terminal = match &ends {
            Ends::Terminal(_) => ChildTerminal::Own,
            Ends::Together(_) | Ends::Apart(..) => {
                command.process_group(0);
                foreground = Foreground::of_ours();
                let terminal = foreground.as_ref().filter(|terminal| terminal.is_to_give());
                terminal
                    .and_then(Foreground::for_child)
                    .map_or(ChildTerminal::AsItIs, ChildTerminal::Foreground)
            }
        };
        let takes_ours = matches!(terminal, ChildTerminal::Foreground(_));
        set_up_child(&mut command, ChildSetUp { terminal, descriptors_max, ignored });
        let started = ends.give_to(&mut command).and_then(|()| command.spawn());
        let started = started.map_err(|error| {
            if let Some(foreground) = foreground.as_ref().filter(|_| takes_ours) {
                foreground.take_back();
            }
            not_started(Path::new(&program), &error)
        })?;
        let pid = Pid::from_raw(started.id().cast_signed());
        report(&ChildStarted { pid: &pid });
        let mut child = Child { pid, ends, foreground, ended: None };
        if let Ends::Terminal(pty) = &mut child.ends {
            pty.connect();
        }
        Ok(child)
    }
}

impl Ends {
    fn give_to(&self, command: &mut Command) -> io::Result<()> {
        let (stdout, stderr): (Stdio, Stdio) = match self {
            Ends::Together(end) => (end.try_clone()?.into(), end.try_clone()?.into()),
            Ends::Apart(stdout, stderr) => (stdout.try_clone()?.into(), stderr.try_clone()?.into()),
            Ends::Terminal(pty) => {
                command.stdin(pty.end()?);
                (pty.end()?.into(), pty.end()?.into())
            }
        };
        command.stdout(stdout).stderr(stderr);
        Ok(())
    }
}

/// As a shell has it: 127 where there is no such command, 126 where it cannot be run.
fn not_started(program: &Path, error: &io::Error) -> Failure {
    let shown = program.display();
    let is_path = program.components().count() > 1;
    let too_many_open = [Errno::EMFILE, Errno::ENFILE].map(|errno| Some(errno as i32));
    let (kind, text) = match error.kind() {
        io::ErrorKind::NotFound if is_path && program.exists() => (
            FailureKind::CommandNotFound,
            format!(
                "{shown}: cannot be run: what it needs to be run is missing, the interpreter that \
                 its first line names or the loader of its libraries"
            ),
        ),
        io::ErrorKind::NotFound if is_path => {
            (FailureKind::CommandNotFound, format!("{shown}: {error}"))
        }
        io::ErrorKind::NotFound => {
            (FailureKind::CommandNotFound, format!("{shown}: not found in $PATH"))
        }
        io::ErrorKind::NotADirectory => (FailureKind::CommandNotFound, format!("{shown}: {error}")),
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => {
            (FailureKind::System, format!("{shown}: cannot start it: {error}"))
        }
        _ if too_many_open.contains(&error.raw_os_error()) => {
            (FailureKind::System, format!("{shown}: cannot start it: {error}"))
        }
        _ => (FailureKind::CommandNotExecutable, format!("{shown}: cannot be run: {error}")),
    };
    Failure { kind, texts: vec![text] }
}

/// The command while it runs.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    ends: Ends,
    /// Our terminal, where we have one that the command shares.
    foreground: Option<Foreground>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Does what a signal asks for.
    pub fn hear(&mut self, signal: ChildSignal) {
        match signal {
            ChildSignal::Pass(signal) => self.pass(signal),
            ChildSignal::Changed => self.look(),
            ChildSignal::GoOn => self.go_on(),
            ChildSignal::Resized => self.resized(),
        }
    }

    /// Hands a signal to the command; what it has started is its own affair, but for what a key
    /// means where we are in the foreground and the command is not: that is for all of them.
    pub fn pass(&self, signal: Signal) {
        if self.ended.is_some() {
            return;
        }
        let is_key = matches!(signal, Signal::SIGINT | Signal::SIGQUIT)
            && self.foreground.as_ref().is_some_and(Foreground::is_ours);
        // It cannot be another process: its pid is free only once it has been reaped.
        let passed = if is_key { killpg(self.pid, signal) } else { kill(self.pid, signal) };
        passed.unwrap_or_default();
    }

    /// Our terminal has another size.
    fn resized(&self) {
        match &self.ends {
            // Whoever is in the foreground there is told by the kernel.
            Ends::Terminal(pty) => pty.take_size(),
            _ => self.pass(Signal::SIGWINCH),
        }
    }

    /// Somebody goes on with us who had stopped us.
    fn go_on(&self) {
        if self.ended.is_some() {
            return;
        }
        if let Some(terminal) = self.foreground.as_ref().filter(|terminal| terminal.is_to_give()) {
            terminal.give_to(self.pid);
        }
        killpg(self.pid, Signal::SIGCONT).unwrap_or_default();
    }

    /// Reaps what has ended, whoever has started it. Whether the command has ended is known then.
    fn look(&mut self) {
        while let Some((pid, status)) = next_changed_child() {
            if pid != self.pid {
                continue;
            }
            if let Some(stopped) = status.stopped_signal() {
                self.has_stopped(stopped);
            } else {
                self.ended = Some(status);
                self.leave_terminal();
                report(&ChildEnded { pid: &pid, status: &status });
            }
        }
    }

    /// On a terminal: where the command has stopped, or was by Ctrl-Z, its shell waits for us to
    /// stop too. Elsewhere it is somebody's who will go on with it.
    fn has_stopped(&mut self, by: i32) {
        let Some(foreground) = &mut self.foreground else { return };
        let wants_terminal = by == Signal::SIGTTIN as i32 || by == Signal::SIGTTOU as i32;
        if wants_terminal {
            foreground.child_wants_it();
        }
        if wants_terminal && foreground.is_ours() {
            return self.go_on();
        }
        if wants_terminal || foreground.is_of(self.pid) {
            foreground.take_back();
            // The whole job, as the terminal would have done. It goes on here, at once where there
            // is nobody who could go on with it, as in a container.
            killpg(nix::unistd::getpgrp(), Signal::SIGTSTP).unwrap_or_default();
            self.go_on();
        }
    }

    fn leave_terminal(&mut self) {
        if let Some(foreground) = self.foreground.take()
            && foreground.is_of(self.pid)
        {
            foreground.take_back();
        }
        if let Ends::Terminal(pty) = &mut self.ends {
            pty.disconnect();
        }
    }

    /// How it has ended, if it has: its own exit status, or 128 and the signal that killed it.
    pub fn exit_status(&self) -> Option<u8> {
        let status = self.ended?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Some(u8::try_from(code).unwrap_or(u8::MAX))
    }

    /// Tells what the command has left that goes on. Where we are PID 1 it ends with us.
    pub fn tell_left(&self) {
        if getpid() == Pid::from_raw(1) {
            return;
        }
        // Of the thread that has made us: who is given to us is given to that one.
        let listed = format!("/proc/self/task/{}/children", getpid());
        let pids = std::fs::read_to_string(listed).unwrap_or_default();
        let pids = pids.trim();
        if !pids.is_empty() {
            report(&ChildrenLeft { pids: &pids });
        }
    }
}
