//! The program, running.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::tools::{self, output_of};
use super::wait_until;

pub struct Agent {
    child: Child,
    messages: PathBuf,
    control: PathBuf,
    ended: Option<ExitStatus>,
}

impl Agent {
    #[track_caller]
    pub fn spawn(mut command: Command, messages: PathBuf, control: PathBuf) -> Agent {
        let child = tools::spawn(&mut command);
        Agent { child, messages, control, ended: None }
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

    /// Its status, if it answers.
    pub fn try_status(&self) -> Option<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logagent"));
        command.args(["status", "--json", "--control"]).arg(&self.control);
        let output = output_of(&mut command);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.try_status().expect("the agent does not answer")
    }

    /// One value of the status, such as `/streams/web/lines_in`.
    #[track_caller]
    pub fn status_of(&self, pointer: &str) -> Value {
        let status = self.status();
        status.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {status}")).clone()
    }

    #[track_caller]
    pub fn count(&self, pointer: &str) -> u64 {
        self.status_of(pointer).as_u64().unwrap_or_else(|| panic!("{pointer} is no count"))
    }

    /// Waits until so many lines stand in the stream's files.
    #[track_caller]
    pub fn wait_for_lines(&self, stream: &str, lines: u64) {
        let pointer = format!("/streams/{stream}/lines_written");
        let mut written = 0;
        wait_until(&format!("{lines} lines written to {stream}"), || {
            written = self.count(&pointer);
            written >= lines
        });
        assert_eq!(written, lines, "lines written to {stream}");
    }

    /// Waits until the stream is in this state: `idle`, `writing` or `stalled`.
    #[track_caller]
    pub fn wait_for_state(&self, stream: &str, state: &str) {
        let pointer = format!("/streams/{stream}/state");
        wait_until(&format!("{stream} is {state}"), || self.status_of(&pointer) == state);
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
