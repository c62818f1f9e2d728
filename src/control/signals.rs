//! Signals: their handlers stand before anything else, and what comes early waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::sys::signal::{SigSet, Signal as SystemSignal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::{flag, low_level};

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

/// Handlers that stand, and what they have caught. A handler writes one byte into a socket, which
/// waits there until somebody reads it: no runtime is needed yet.
#[derive(Debug)]
pub struct Signals {
    reopen: UnixStream,
    reload: UnixStream,
    stop: UnixStream,
    /// While it is set a stop is what it is by default: the end of the process. Nothing has been
    /// read yet, and what the program does may take its time.
    nothing_to_finish: Arc<AtomicBool>,
}

impl Signals {
    /// Installs the handlers. To be called first of all: until then these signals kill.
    pub fn install() -> io::Result<Signals> {
        let nothing_to_finish = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_default(signal, nothing_to_finish.clone())?;
        }
        let signals = Signals {
            nothing_to_finish,
            reopen: caught(&[SIGUSR2, SIGUSR1])?,
            reload: caught(&[SIGHUP])?,
            stop: caught(&[SIGTERM, SIGINT])?,
        };
        // A file over RLIMIT_FSIZE is an error of its write(2), EFBIG, and not our end.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        // A careful parent blocks these signals until our handlers stand.
        let ours = [
            SystemSignal::SIGUSR1,
            SystemSignal::SIGUSR2,
            SystemSignal::SIGHUP,
            SystemSignal::SIGTERM,
            SystemSignal::SIGINT,
        ];
        ours.into_iter().collect::<SigSet>().thread_unblock()?;
        Ok(signals)
    }

    /// Goes on without a runtime: for a command that something may be left to do when it is stopped.
    pub fn into_stop(self) -> Stop {
        self.nothing_to_finish.store(false, Relaxed);
        Stop { stop: self.stop, nothing_to_finish: self.nothing_to_finish }
    }

    /// Goes on with the runtime, which must be this thread's. From now on a stop is a drain.
    pub fn into_async(self) -> io::Result<AsyncSignals> {
        self.nothing_to_finish.store(false, Relaxed);
        let watch = tokio::net::UnixStream::from_std;
        Ok(AsyncSignals {
            reopen: watch(self.reopen)?,
            reload: watch(self.reload)?,
            stop: watch(self.stop)?,
        })
    }
}

/// Readable once the program is to stop.
#[derive(Debug)]
pub struct Stop {
    stop: UnixStream,
    nothing_to_finish: Arc<AtomicBool>,
}

impl Stop {
    /// The next signal to stop is the end of the process.
    pub fn let_the_next_kill(&self) {
        self.nothing_to_finish.store(true, Relaxed);
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }
}

fn caught(signals: &[i32]) -> io::Result<UnixStream> {
    let (caught, handler) = UnixStream::pair()?;
    caught.set_nonblocking(true)?;
    for signal in signals {
        low_level::pipe::register(*signal, handler.try_clone()?)?;
    }
    Ok(caught)
}

/// The same on the runtime.
#[derive(Debug)]
pub struct AsyncSignals {
    reopen: tokio::net::UnixStream,
    reload: tokio::net::UnixStream,
    stop: tokio::net::UnixStream,
}

impl AsyncSignals {
    /// The next signal. Several reopens that came together are one; every stop counts. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> Signal {
        loop {
            let caught = tokio::select! {
                biased;
                ready = self.stop.readable() => ready.map(|()| (&self.stop, Signal::Stop)),
                ready = self.reload.readable() => ready.map(|()| (&self.reload, Signal::Reload)),
                ready = self.reopen.readable() => ready.map(|()| (&self.reopen, Signal::Reopen)),
            };
            let Ok((socket, signal)) = caught else { continue };
            let mut bytes = [0; 64];
            let count = if signal == Signal::Stop { 1 } else { bytes.len() };
            if let Ok(1..) = socket.try_read(&mut bytes[..count]) {
                return signal;
            }
        }
    }
}
