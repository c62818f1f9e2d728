//! Signals: their handlers stand before anything else, and what comes early waits.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use nix::sys::signal::{SigSet, Signal as SystemSignal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::{flag, low_level};

use crate::system::{is_ignored, pipe_was_ignored};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// USR2, USR1: leave every file and open its path again.
    Reopen,
    /// HUP: read the configuration again, and reopen.
    Reload,
    /// TERM, INT: drain and stop; the second one stops at once.
    Stop,
}

impl Signal {
    /// Every one.
    pub const ALL: &[Signal] = &[Signal::Reopen, Signal::Reload, Signal::Stop];

    /// The numbers that it comes as.
    pub fn numbers(self) -> &'static [i32] {
        match self {
            Signal::Reopen => &[SIGUSR2, SIGUSR1],
            Signal::Reload => &[SIGHUP],
            Signal::Stop => &[SIGTERM, SIGINT],
        }
    }

    /// What the agent does then, for manual pages.
    pub fn meaning(self) -> &'static str {
        match self {
            Signal::Reopen => {
                "Every stream leaves its file, complete and closed, and opens its path again."
            }
            Signal::Reload => {
                "The configuration is read again, the difference is applied, and every file is \
                 reopened. With a wrong configuration the files are still reopened, every mistake \
                 is told, and nothing else changes."
            }
            Signal::Stop => {
                "The agent stops listening, reads what was sent, writes everything and ends, \
                 within the grace. A second one ends it at once."
            }
        }
    }
}

/// What a signal asks for where `run` has started a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildSignal {
    /// It is for the command.
    Pass(SystemSignal),
    /// CHLD: a child has ended or was stopped.
    Changed,
    /// CONT: somebody goes on with us who had stopped us.
    GoOn,
    /// WINCH: our terminal has another size.
    Resized,
}

/// What was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It asks something of the agent.
    Agent(Signal),
    /// It has to do with the command that `run` has started.
    Child(ChildSignal),
}

/// Whose signals are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The agent's.
    ForAgent,
    /// The command's that `run` starts, but for USR2.
    ForCommand,
    /// The command's, USR2 too.
    ForCommandAll,
}

impl Meant {
    /// What the signals mean that are caught, the most urgent one first.
    fn meanings(self) -> Vec<(i32, Meaning)> {
        if self == Meant::ForAgent {
            let urgent = [Signal::Stop, Signal::Reload, Signal::Reopen];
            let of = |signal: Signal| {
                signal.numbers().iter().map(move |number| (*number, Meaning::Agent(signal)))
            };
            return urgent.into_iter().flat_map(of).collect();
        }
        let child = |signal: SystemSignal, meaning| (signal as i32, Meaning::Child(meaning));
        let pass = |signal| child(signal, ChildSignal::Pass(signal));
        vec![
            // However many come to be passed on, the end of the command is seen.
            child(SystemSignal::SIGCHLD, ChildSignal::Changed),
            pass(SystemSignal::SIGTERM),
            pass(SystemSignal::SIGINT),
            pass(SystemSignal::SIGQUIT),
            pass(SystemSignal::SIGHUP),
            pass(SystemSignal::SIGUSR1),
            match self {
                Meant::ForCommandAll => pass(SystemSignal::SIGUSR2),
                _ => (SIGUSR2, Meaning::Agent(Signal::Reopen)),
            },
            child(SystemSignal::SIGCONT, ChildSignal::GoOn),
            child(SystemSignal::SIGWINCH, ChildSignal::Resized),
        ]
    }
}

/// What is caught from the first moment on, before it is known what for.
const EARLY: [SystemSignal; 6] = [
    SystemSignal::SIGTERM,
    SystemSignal::SIGINT,
    SystemSignal::SIGHUP,
    SystemSignal::SIGUSR2,
    SystemSignal::SIGUSR1,
    SystemSignal::SIGQUIT,
];

/// Handlers that stand, and what they have caught. A handler writes one byte into a socket, which
/// waits there until somebody reads it: no runtime is needed yet.
#[derive(Debug)]
pub struct Signals {
    caught: Vec<(SystemSignal, UnixStream)>,
    /// While it is set a stop is what it is by default: the end of the process. Nothing has been
    /// read yet, and what the program does may take its time.
    stop_kills: Arc<AtomicBool>,
    /// The same for QUIT, which only `run` has a use for.
    quit_kills: Arc<AtomicBool>,
    /// Those that our parent had us ignore, as nohup(1) does.
    ignored: Vec<SystemSignal>,
}

impl Signals {
    /// Installs the handlers. To be called first of all: until then these signals kill.
    pub fn install() -> io::Result<Signals> {
        let pipe = pipe_was_ignored().then_some(SystemSignal::SIGPIPE);
        let ignored = EARLY.into_iter().filter(|signal| is_ignored(*signal)).chain(pipe).collect();
        let (stop_kills, quit_kills) = (Arc::default(), Arc::default());
        let mut caught = Vec::with_capacity(EARLY.len());
        for signal in EARLY {
            match signal {
                SystemSignal::SIGTERM | SystemSignal::SIGINT => {
                    flag::register_conditional_default(signal as i32, Arc::clone(&stop_kills))?;
                }
                SystemSignal::SIGQUIT => {
                    flag::register_conditional_default(signal as i32, Arc::clone(&quit_kills))?;
                }
                _ => {}
            }
            caught.push((signal, catch(signal as i32)?));
        }
        // A file over RLIMIT_FSIZE is an error of its write(2), EFBIG, and not our end.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        // A careful parent blocks these signals until our handlers stand.
        EARLY.into_iter().collect::<SigSet>().thread_unblock()?;
        Ok(Signals { caught, stop_kills, quit_kills, ignored })
    }

    /// This program starts no command that signals could be for: until there is something to
    /// finish a stop is the end, as QUIT always is; also one that has been caught already.
    pub fn no_command(&self) {
        self.stop_kills.store(true, Relaxed);
        self.quit_kills.store(true, Relaxed);
        for (signal, caught) in &self.caught {
            let kills = matches!(
                signal,
                SystemSignal::SIGTERM | SystemSignal::SIGINT | SystemSignal::SIGQUIT
            );
            if kills && io::Read::read(&mut &*caught, &mut [0]).is_ok_and(|count| count > 0) {
                // It does not come back from most of them.
                low_level::emulate_default_handler(*signal as i32).unwrap_or_default();
            }
        }
    }

    /// Those that our parent had us ignore.
    pub fn ignored(&self) -> &[SystemSignal] {
        &self.ignored
    }

    /// Goes on without a runtime: for a command that something may be left to do when it is stopped.
    pub fn into_stop(self) -> io::Result<Stop> {
        let (stop, handler) = pair()?;
        for signal in Signal::Stop.numbers() {
            low_level::pipe::register(*signal, handler.try_clone()?)?;
        }
        // Until now it was the end.
        self.stop_kills.store(false, Relaxed);
        Ok(Stop { stop, kills: self.stop_kills })
    }

    /// Goes on with the runtime, which must be this thread's. From now on no signal is the end of
    /// the process by itself.
    pub fn into_async(mut self, meant: Meant) -> io::Result<AsyncSignals> {
        let mut caught = Vec::new();
        let mut awaited = SigSet::empty();
        for (signal, meaning) in meant.meanings() {
            awaited.add(SystemSignal::try_from(signal)?);
            let early = self.caught.iter().position(|(early, _)| *early as i32 == signal);
            let socket = match early {
                Some(at) => self.caught.swap_remove(at).1,
                None => catch(signal)?,
            };
            let socket = tokio::net::UnixStream::from_std(socket)?;
            caught.push(Caught { socket, meaning });
        }
        // Whoever reaps children by signalfd(2) blocks CHLD, and its own may have it so.
        awaited.thread_unblock()?;
        self.stop_kills.store(false, Relaxed);
        Ok(AsyncSignals { caught })
    }
}

/// Readable once the program is to stop.
#[derive(Debug)]
pub struct Stop {
    stop: UnixStream,
    kills: Arc<AtomicBool>,
}

impl Stop {
    /// The next signal to stop is the end of the process.
    pub fn let_the_next_kill(&self) {
        self.kills.store(true, Relaxed);
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }
}

fn catch(signal: i32) -> io::Result<UnixStream> {
    let (caught, handler) = pair()?;
    low_level::pipe::register(signal, handler)?;
    Ok(caught)
}

/// Where a handler's bytes are read, and where it writes them.
fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (caught, handler) = UnixStream::pair()?;
    caught.set_nonblocking(true)?;
    Ok((caught, handler))
}

/// The same on the runtime.
#[derive(Debug)]
pub struct AsyncSignals {
    /// The most urgent one first.
    caught: Vec<Caught>,
}

#[derive(Debug)]
struct Caught {
    socket: tokio::net::UnixStream,
    meaning: Meaning,
}

impl AsyncSignals {
    /// The next signal. Several reopens that came together are one; every stop, and everything that
    /// is passed on, counts. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Meaning {
        poll_fn(|cx| {
            let mut caught = self.caught.iter();
            let first = caught.find(|caught| caught.poll(cx).is_ready());
            first.map_or(Poll::Pending, |caught| Poll::Ready(caught.meaning))
        })
        .await
    }
}

impl Caught {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 64];
        let count = match self.meaning {
            Meaning::Agent(Signal::Stop) | Meaning::Child(ChildSignal::Pass(_)) => 1,
            _ => bytes.len(),
        };
        loop {
            let ready = ready!(self.socket.poll_read_ready(cx));
            match ready.and_then(|()| self.socket.try_read(&mut bytes[..count])) {
                Ok(1..) => return Poll::Ready(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The handler keeps its end open.
                Ok(0) | Err(_) => return Poll::Pending,
            }
        }
    }
}
