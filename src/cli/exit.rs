//! Exit statuses, as sysexits.h numbers them.

use crate::agent::{Failure, FailureKind, Outcome};

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
}

impl Exit {
    /// The status that the parent sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Usage => 64,
            Exit::System => 71,
            Exit::Lost => 74,
            Exit::Configuration => 78,
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
    }
}
