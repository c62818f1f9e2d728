//! `logagent send`, running.

use std::io::{PipeWriter, pipe};
use std::process::{Command, Stdio};

use super::{Agent, Place};

/// `logagent send` with these arguments, which are as [`Place::text`] has it.
pub fn send_command(place: &Place, arguments: &[&str], input: impl Into<Stdio>) -> Command {
    let mut command = place.command();
    command.arg("send").args(arguments.iter().map(|argument| place.text(argument)));
    command.stdin(input.into());
    command
}

/// Starts `logagent send`; what is written to the pipe is its standard input.
#[track_caller]
pub fn start_send(place: &Place, arguments: &[&str]) -> (Agent, PipeWriter) {
    let (input, output) = pipe().unwrap();
    (place.spawn(send_command(place, arguments, input)), output)
}
