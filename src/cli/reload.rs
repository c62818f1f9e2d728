//! `reload`: a running agent reads its configuration again, and says what has changed.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::exit::Exit;
use crate::agent::{Applied, chain};
use crate::control::{ControlError, Conversation};

pub(super) fn run(control: &Path, timeout: Duration) -> Exit {
    match ask(control, timeout) {
        Ok(answer) => tell(&answer, control),
        Err(error) => {
            super::tell(&format!("logagent: {}", chain(&error)));
            Exit::System
        }
    }
}

fn ask(control: &Path, timeout: Duration) -> Result<Value, ControlError> {
    match Conversation::begin(control, "reload") {
        Ok(conversation) => conversation.only_line(timeout),
        Err(error) => Err(error),
    }
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
