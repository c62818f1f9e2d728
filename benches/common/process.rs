//! A process that is measured: started, watched, ended by its own number, and its CPU time taken.

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::ClockId;
use nix::unistd::Pid;

use super::problem::{Outcome, While};

const SETTLED_AFTER: Duration = Duration::from_millis(10);
/// A process that uses less than this in `SETTLED_AFTER` only waits.
const SETTLED_CPU_MAX: Duration = Duration::from_micros(50);
const SETTLES_FOR: Duration = Duration::from_secs(3);
const LISTENS_AFTER_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(1);
const ENDS_FOR: Duration = Duration::from_secs(20);

/// Reaped at the latest when it is dropped: nothing that was started stays behind.
pub(crate) struct Process {
    child: Child,
    reaped: bool,
}

impl Process {
    /// The command goes with it: it may hold the other end of a pipe.
    pub(crate) fn start(mut command: Command) -> Outcome<Self> {
        let program = command.get_program().to_owned();
        let child = command.spawn().while_(format!("start {}", program.display()))?;
        Ok(child.into())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// CPU time so far, user and system, of all its threads.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let clock = ClockId::pid_cpu_clock_id(self.pid()).while_("find a process's clock")?;
        clock.now().map(Duration::from).while_("read a process's clock")
    }

    /// Returns when it has done with starting: when it uses no CPU any more.
    pub(crate) fn settle(&self) -> Outcome<()> {
        let until = Instant::now() + SETTLES_FOR;
        let mut before = self.cpu()?;
        while Instant::now() < until && !self.ended()? {
            thread::sleep(SETTLED_AFTER);
            let now = self.cpu()?;
            if now - before < SETTLED_CPU_MAX {
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// Returns when the socket is there.
    pub(crate) fn wait_until_it_listens(&self, socket: &Path) -> Outcome<()> {
        let until = Instant::now() + LISTENS_AFTER_MAX;
        while !socket.exists() {
            if self.ended()? {
                return Err("the collector ended before it listened".into());
            }
            if Instant::now() > until {
                return Err("the collector does not listen".into());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    pub(crate) fn ended(&self) -> Outcome<bool> {
        Ok(self.wait(WaitPidFlag::WNOHANG)? != WaitStatus::StillAlive)
    }

    /// Returns the moment it ends, and leaves it to be reaped: its number is not reused until then.
    pub(crate) fn wait_for_end(&self) -> Outcome<()> {
        self.wait(WaitPidFlag::empty()).map(drop)
    }

    fn wait(&self, flags: WaitPidFlag) -> Outcome<WaitStatus> {
        waitid(Id::Pid(self.pid()), flags | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
            .while_("wait for a process")
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        kill(self.pid(), signal).while_(format!("send {signal}"))
    }

    /// SIGTERM, and SIGKILL if that is not enough: whether it was enough.
    pub(crate) fn terminate(&self) -> Outcome<bool> {
        self.signal(Signal::SIGTERM)?;
        let until = Instant::now() + ENDS_FOR;
        while Instant::now() < until {
            if self.ended()? {
                return Ok(true);
            }
            thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::SIGKILL)?;
        self.wait_for_end()?;
        Ok(false)
    }

    /// The CPU time of its whole life, its own children's included. It must have ended.
    ///
    /// What wait4(2) would tell: nobody else is waited for between the two looks. The peak of
    /// resident memory is not taken from here: it begins with that of the process that started it.
    pub(crate) fn reap(mut self) -> Outcome<Duration> {
        let before = children_cpu()?;
        self.child.wait().while_("reap a process")?;
        self.reaped = true;
        Ok(children_cpu()? - before)
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self { child, reaped: false }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            // It may have ended by itself; then there is nothing to be told.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn children_cpu() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).while_("read the CPU time used")?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1000)
}
