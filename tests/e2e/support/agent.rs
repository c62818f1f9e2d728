//! The program, running.

use std::fs;
use std::ops::Deref;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Control, tools, wait_until};

pub struct Agent {
    child: Child,
    messages: PathBuf,
    control: Control,
    ended: Option<ExitStatus>,
}

impl Agent {
    #[track_caller]
    pub fn spawn(mut command: Command, messages: PathBuf, control: PathBuf) -> Agent {
        let child = tools::spawn(&mut command);
        Agent { child, messages, control: Control::at(control), ended: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What it has said so far on its standard error.
    pub fn messages(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.messages).unwrap()).into_owned()
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        assert_eq!(self.ended, None, "the agent has ended");
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn end_so_far(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Whether its process has gone, or is only waited for by its parent, which we are.
    pub fn has_gone(&self) -> bool {
        proc_status(self.pid()).is_none_or(|text| text.contains("\nState:\tZ"))
    }

    /// Waits for its end; its exit status, which must not be a signal.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        wait_until("the agent ends", || self.end_so_far().is_some());
        let status = self.ended.unwrap();
        assert_eq!(status.signal(), None, "the agent was killed");
        status.code().unwrap()
    }

    /// Asks it to stop, which it must do with nothing lost.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait(), 0, "exit status after TERM");
    }

    /// Waits until it has said so on its standard error.
    #[track_caller]
    pub fn wait_for_message(&self, words: &[&str]) {
        wait_until(&format!("a message with {words:?}"), || {
            self.messages().lines().any(|line| words.iter().all(|word| line.contains(word)))
        });
    }

    /// A number of kB in its `/proc/PID/status`, as bytes.
    #[track_caller]
    pub fn memory(&self, field: &str) -> u64 {
        let text = proc_status(self.pid()).expect("the agent has ended");
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// Whether the process has a handler for the signal.
    pub fn catches(&self, signal: Signal) -> bool {
        proc_status(self.pid()).is_some_and(|text| {
            let line = text.lines().find(|line| line.starts_with("SigCgt:")).unwrap();
            let mask = u64::from_str_radix(line["SigCgt:".len()..].trim(), 16).unwrap();
            mask & (1 << (signal as i32 - 1)) != 0
        })
    }
}

impl Deref for Agent {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

fn proc_status(pid: u32) -> Option<String> {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.end_so_far().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            let messages = self.messages();
            let lines: Vec<_> = messages.lines().collect();
            eprintln!(
                "what the agent said:\n{}",
                lines[lines.len().saturating_sub(50)..].join("\n")
            );
        }
    }
}
