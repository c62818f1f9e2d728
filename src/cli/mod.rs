//! The command line: one file a command, and what becomes of it an exit status.

mod agent;
mod ask;
mod changes;
mod check;
mod environment;
mod exit;
mod handed_over;
mod options;
mod pipe;
mod print;
mod reload;
mod run;
mod send;
mod status;
mod stop;
mod tail;

use std::io::{self, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

pub use environment::VARIABLES;
pub use exit::Exit;
use options::{Arguments, Command};
pub use status::metrics;

use crate::config::{HumanDuration, defaults};
use crate::control::signals::Signals;
use crate::limits::SEND_TIMEOUT_DEFAULT;

/// Runs what the command line asks for. `signals` have their handlers already.
pub fn run(signals: Signals) -> Exit {
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    if let Err(text) = environment::fill(&mut arguments, &|name| std::env::var_os(name)) {
        return exit::usage(&text);
    }
    if !matches!(arguments.command, Some(Command::Run(_))) {
        signals.no_command();
    }
    match &arguments.command {
        Some(Command::Run(wanted)) => run::run(wanted, &arguments, signals),
        None => agent::run(arguments, signals),
        Some(Command::Check { file }) => check::run(file.as_deref().or(arguments.config_path())),
        Some(Command::Print { what, unit }) => {
            print::run(*what, unit.as_deref(), arguments.config_path())
        }
        Some(Command::Send { socket, stream, timeout }) => {
            let socket = socket.clone().unwrap_or_else(|| defaults::SEND_SOCKET.into());
            let timeout = timeout.map_or(SEND_TIMEOUT_DEFAULT, |HumanDuration(timeout)| timeout);
            let stream = stream.as_ref();
            send::run(&send::Sending { socket: &socket, stream, timeout }, signals)
        }
        Some(Command::Ask(what)) => ask::run(what, &arguments.control_path()),
    }
}

/// Tells why no signal can be caught, without which nothing is begun.
pub fn deaf(error: &io::Error) -> Exit {
    tell(&format!("logagent: cannot catch signals: {error}"));
    Exit::System
}

/// The definitions of the command line, for manual pages and completions.
pub fn definitions() -> clap::Command {
    Arguments::command()
}

/// Prints an answer. A reader that has gone has seen enough.
fn answer(text: &str) {
    write!(io::stdout(), "{text}").unwrap_or_default();
}

/// Tells a person what went wrong.
fn tell(text: &str) {
    writeln!(io::stderr(), "{text}").unwrap_or_default();
}

/// Help and version are answers; everything else is a mistake.
fn usage(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone has seen enough.
            error.print().unwrap_or_default();
            Exit::Clean
        }
        _ => {
            error.print().unwrap_or_default();
            Exit::Usage
        }
    }
}
