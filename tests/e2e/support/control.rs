//! What an agent answers on its control socket.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::tools::{output_of, run};
use super::wait_until;

/// The agent that listens on a control socket, whoever started it.
pub struct Control {
    socket: PathBuf,
}

impl Control {
    pub fn at(socket: PathBuf) -> Control {
        Control { socket }
    }

    /// A command that asks it.
    pub fn ask(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logagent"));
        command.args(words).arg("--control").arg(&self.socket);
        command
    }

    /// What a command says that must succeed.
    #[track_caller]
    pub fn told(&self, words: &[&str]) -> String {
        String::from_utf8(run(&mut self.ask(words)).stdout).unwrap()
    }

    /// The exit status of a command, and what it complains of.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> (i32, String) {
        let output = output_of(&mut self.ask(words));
        let complaint = String::from_utf8(output.stderr).unwrap();
        (output.status.code().expect("killed by a signal"), complaint)
    }

    /// Its status, if it answers.
    pub fn try_status(&self) -> Option<Value> {
        let output = output_of(&mut self.ask(&["status", "--json"]));
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

    /// Waits until so many lines stand in the stream's files, which may not be there yet.
    #[track_caller]
    pub fn wait_for_lines(&self, stream: &str, lines: u64) {
        let pointer = format!("/streams/{stream}/lines_written");
        let mut written = 0;
        wait_until(&format!("{lines} lines written to {stream}"), || {
            written = self.status().pointer(&pointer).and_then(Value::as_u64).unwrap_or(0);
            written >= lines
        });
        assert_eq!(written, lines, "lines written to {stream}");
    }

    /// Waits until the stream, which may not be there yet, is in this state: `idle`, `writing` or
    /// `stalled`.
    #[track_caller]
    pub fn wait_for_state(&self, stream: &str, state: &str) {
        let pointer = format!("/streams/{stream}/state");
        wait_until(&format!("{stream} is {state}"), || {
            self.status().pointer(&pointer).is_some_and(|now| now == state)
        });
    }
}
