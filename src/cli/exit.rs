//! Exit statuses, as sysexits.h numbers them.

use crate::agent::{Failure, FailureKind, Outcome};
use crate::control::Ended;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Clean,
    /// The command line was wrong.
    Usage,
    /// The system was in the way: another agent, no descriptors, nobody to ask.
    System,
    /// Lines could not be written or were never read; how many was told.
    Lost,
    /// The configuration was wrong.
    Configuration,
    /// As the command has ended that `run` has started, or that it could not be started.
    Command(u8),
}

/// There is no such command, as a shell says it.
const COMMAND_NOT_FOUND: Exit = Exit::Command(127);
/// There is one, and it cannot be run.
const COMMAND_NOT_EXECUTABLE: Exit = Exit::Command(126);

impl Exit {
    /// Every one, by its number.
    pub const ALL: &[Exit] =
        &[Exit::Clean, Exit::Usage, Exit::System, Exit::Lost, Exit::Configuration];

    /// What it tells the parent, for manual pages.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Clean => "All was done.",
            Exit::Usage => "The command line is wrong.",
            Exit::System => {
                "The system is in the way: another agent holds the pid file, a socket or a log \
                 file, an input cannot be read, no agent answers."
            }
            Exit::Lost => {
                "Something that was sent is in no file, as far as is known: lines that could not \
                 be written, bytes that were not read any more, a file that could not be closed \
                 or synced. Which, and how much, is told."
            }
            Exit::Configuration => "The configuration is wrong; every mistake is told.",
            Exit::Command(_) => {
                "That of the command which run has started; 128 and its number where a signal has \
                 killed it, 127 where there is no such command, 126 where it cannot be run."
            }
        }
    }

    /// The status that the parent sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Usage => 64,
            Exit::System => 71,
            Exit::Lost => 74,
            Exit::Configuration => 78,
            Exit::Command(status) => status,
        }
    }
}

impl From<&Ended> for Exit {
    /// A command that has failed says more than what became of its lines, which has been told.
    fn from(ended: &Ended) -> Exit {
        match ended.command {
            None | Some(0) => Exit::from(&ended.outcome),
            Some(status) => Exit::Command(status),
        }
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Exit {
        if outcome.lines_are_lost() {
            Exit::Lost
        } else if outcome.is_clean() {
            Exit::Clean
        } else {
            Exit::System
        }
    }
}

/// Tells what was wrong with the command line.
pub(super) fn usage(text: &str) -> Exit {
    super::tell(&format!("logagent: {text}\nTry 'logagent --help'."));
    Exit::Usage
}

/// Tells why the agent could not start.
pub(super) fn failed(failure: &Failure) -> Exit {
    for text in &failure.texts {
        super::tell(&format!("logagent: {text}"));
    }
    match failure.kind {
        FailureKind::Configuration => Exit::Configuration,
        FailureKind::System => Exit::System,
        FailureKind::CommandNotFound => COMMAND_NOT_FOUND,
        FailureKind::CommandNotExecutable => COMMAND_NOT_EXECUTABLE,
    }
}
