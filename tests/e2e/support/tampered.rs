//! Writes of a running agent that fail, or hang.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tools::spawn;
use super::{Agent, wait_until};

/// strace on the agent, which tampers with writes to one file.
pub struct TamperedWrites(Child);

impl TamperedWrites {
    pub fn start(agent: &Agent, file: &Path, tampering: &str) -> TamperedWrites {
        let pid = agent.pid().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid, "-e", "trace=write", "-P"]);
        strace.arg(file).args(["-e", &format!("inject=write:{tampering}")]);
        let mut strace = spawn(&mut strace);
        wait_until("strace has every thread", || {
            assert_eq!(strace.try_wait().unwrap(), None, "strace ended");
            let mut threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            threads.all(|thread| {
                let status = fs::read_to_string(thread.unwrap().path().join("status"));
                status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
            })
        });
        TamperedWrites(strace)
    }
}

impl Drop for TamperedWrites {
    fn drop(&mut self) {
        // TERM makes it let go of the agent, which goes on.
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.0.wait().unwrap();
    }
}
