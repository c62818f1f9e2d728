//! `stop`: a running agent drains and stops, and says how that ended.

use std::path::Path;
use std::time::Duration;

use super::exit::Exit;
use crate::agent::{Outcome, chain};
use crate::clock;
use crate::control::{ControlError, Conversation, Heard};
use crate::limits::{CONTROL_TIMEOUT, LAST_MOMENT};

pub(super) fn run(control: &Path) -> Exit {
    match ask(control) {
        Ok(outcome) => {
            tell(&outcome);
            Exit::from(&outcome)
        }
        Err(error) => {
            super::tell(&format!("logagent: {}", chain(&error)));
            Exit::System
        }
    }
}

fn ask(control: &Path) -> Result<Outcome, ControlError> {
    let mut conversation = Conversation::begin(control, "stop")?;
    // How long it may take, it says itself.
    let mut within = 2 * CONTROL_TIMEOUT;
    loop {
        let line = match conversation.next(Some(clock::instant() + within))? {
            Heard::Line(line) => line,
            Heard::Nothing => return Err(ControlError::Silent(control.to_owned(), within)),
            _ => return Err(ControlError::Answer(control.to_owned())),
        };
        if let Some(grace) = line["grace_seconds"].as_f64() {
            let grace = Duration::try_from_secs_f64(grace).unwrap_or_default();
            within = grace + LAST_MOMENT + 2 * CONTROL_TIMEOUT;
            continue;
        }
        let outcome = serde_json::from_value(line);
        let outcome = outcome.map_err(|_| ControlError::Answer(control.to_owned()))?;
        // Until the process has gone, so that another agent can be started.
        conversation.wait_for_exit(clock::instant() + CONTROL_TIMEOUT)?;
        return Ok(outcome);
    }
}

fn tell(outcome: &Outcome) {
    if outcome.is_clean() {
        super::answer(&format!("drained: {} lines written\n", outcome.lines_written));
    } else {
        super::tell(&format!("logagent: {}", sentence(outcome)));
    }
}

/// What is in no file.
fn sentence(outcome: &Outcome) -> String {
    let mut lost = Vec::new();
    if outcome.bytes_lost > 0 {
        lost.push(format!(
            "{} lines, {} bytes, streams {}",
            outcome.lines_lost,
            outcome.bytes_lost,
            outcome.streams.join(", ")
        ));
    }
    if outcome.bytes_unread > 0 {
        lost.push(format!("{} bytes that were never read", outcome.bytes_unread));
    }
    if outcome.files_failed > 0 {
        lost.push(format!("{} files whose end may not be stored", outcome.files_failed));
    }
    if outcome.inputs_failed > 0 {
        lost.push(format!("{} inputs that could not be read to their end", outcome.inputs_failed));
    }
    format!("gave up: {}; {} lines written", lost.join("; "), outcome.lines_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_told_with_its_streams() {
        let streams = vec!["app".to_owned(), "web".to_owned()];
        let outcome = Outcome {
            lines_lost: 3,
            bytes_lost: 40,
            streams,
            lines_written: 7,
            ..Outcome::default()
        };
        assert_eq!(
            sentence(&outcome),
            "gave up: 3 lines, 40 bytes, streams app, web; 7 lines written"
        );
        let outcome = Outcome { bytes_unread: 9, ..Outcome::default() };
        assert_eq!(sentence(&outcome), "gave up: 9 bytes that were never read; 0 lines written");
    }
}
