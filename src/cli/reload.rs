//! `reload`: a running agent reads its configuration again, and says what has changed.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::changes::{self, Asking, Print, Stopped};
use super::exit::Exit;
use crate::agent::{Applied, chain};
use crate::clock;
use crate::control::{ControlError, Conversation, Heard};

pub(super) fn run(control: &Path, timeout: Duration) -> Exit {
    let deadline = clock::instant() + timeout;
    // Others wait for their answer: that comes.
    let helps = |error: &ControlError| matches!(error, ControlError::Busy(_));
    match changes::until_answered(deadline, helps, || ask(control, timeout, deadline)) {
        Ok(exit) => exit,
        Err(error) => {
            super::tell(&format!("logagent: {}", chain(&error)));
            Exit::System
        }
    }
}

/// The first line is about the configuration; then the files are reopened, whatever it was.
fn ask(control: &Path, timeout: Duration, deadline: Instant) -> Result<Exit, ControlError> {
    let mut conversation = Conversation::begin(control, "reload")?;
    let of_configuration = match conversation.next(Some(deadline))? {
        Heard::Line(answer) => tell(&answer, control),
        Heard::Nothing => return Err(ControlError::Silent(control.to_owned(), timeout)),
        Heard::Passed(..) | Heard::Complete => {
            return Err(ControlError::Answer(control.to_owned()));
        }
    };
    let (print, stopped) = (Print::Errors, Stopped::Fails);
    let asking = Asking { command: "reload", control, streams: &[], timeout, print, stopped };
    let of_files = changes::hear(&asking, conversation, deadline)?;
    Ok(if of_configuration == Exit::Clean { of_files } else { of_configuration })
}

fn tell(answer: &Value, control: &Path) -> Exit {
    if let Some(mistakes) = answer["mistakes"].as_array() {
        for mistake in mistakes {
            super::tell(mistake.as_str().unwrap_or_default());
        }
        super::tell("logagent: nothing is changed: the configuration before stays in force");
        return Exit::Configuration;
    }
    let Ok(applied) = serde_json::from_value::<Applied>(answer.clone()) else {
        super::tell(&format!("logagent: {}", ControlError::Answer(control.to_owned())));
        return Exit::System;
    };
    super::answer(&summary(&applied));
    if !applied.restart_needed.is_empty() {
        let settings = applied.restart_needed.join(", ");
        super::tell(&format!("logagent: changed, but only a restart brings it: {settings}"));
    }
    for failed in &applied.failed {
        super::tell(&format!("logagent: {failed}"));
    }
    if applied.failed.is_empty() { Exit::Clean } else { Exit::System }
}

fn summary(applied: &Applied) -> String {
    let changes = [
        ("streams added", &applied.streams_added),
        ("streams removed", &applied.streams_removed),
        ("streams changed", &applied.streams_changed),
        ("inputs added", &applied.inputs_added),
        ("inputs removed", &applied.inputs_removed),
        ("inputs changed", &applied.inputs_changed),
    ];
    let changes = changes.into_iter().filter(|(_, names)| !names.is_empty());
    let lines: String =
        changes.map(|(what, names)| format!("{what}: {}\n", names.join(", "))).collect();
    if lines.is_empty() { "applied: nothing has changed\n".to_owned() } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_named() {
        assert_eq!(summary(&Applied::default()), "applied: nothing has changed\n");
        let two = vec!["app".to_owned(), "web".to_owned()];
        let applied = Applied { streams_added: two, ..Applied::default() };
        assert_eq!(summary(&applied), "streams added: app, web\n");
    }
}
