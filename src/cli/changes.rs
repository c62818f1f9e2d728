//! `reopen` and `rotate`: what becomes of streams' files, one line a stream as soon as it is known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::exit::Exit;
use crate::clock;
use crate::control::{ControlError, Conversation, Heard, ask};
use crate::limits::CONTROL_BUSY_PAUSE;

/// What is asked of an agent, and how.
pub(super) struct Asking<'a> {
    /// `reopen`, `rotate` or `reload`.
    pub(super) command: &'static str,
    pub(super) control: &'a Path,
    /// None: all that there are.
    pub(super) streams: &'a [String],
    pub(super) timeout: Duration,
    pub(super) print: Print,
    pub(super) stopped: Stopped,
}

/// What it means that no agent runs: its socket is not there, which it removes as the last thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Nothing was done, which is a failure.
    Fails,
    /// Nothing needs to be done: nobody has a file open.
    IsClean,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Print {
    /// One sentence a stream.
    People,
    /// What the agent says, one object a line.
    Json,
    /// Only what went wrong.
    Errors,
}

/// Clean only if every stream said that all is done.
pub(super) fn run(asking: &Asking<'_>) -> Exit {
    let deadline = clock::instant() + asking.timeout;
    match ask_until_answered(asking, deadline) {
        Ok(exit) => exit,
        Err(ControlError::NoAgent(_)) if asking.stopped == Stopped::IsClean => Exit::Clean,
        Err(error) => {
            super::tell(&format!("logagent: {}", crate::agent::chain(&error)));
            if matches!(error, ControlError::NoAgent(_) | ControlError::Killed(_)) {
                super::tell(
                    "logagent: without an agent nobody says that the old files are complete, so \
                     this is no success",
                );
            }
            Exit::System
        }
    }
}

/// Asks again where that helps: a hook of logrotate's that fails costs a whole file, since logrotate
/// then compresses nothing, and puts the next file in that one's place.
fn ask_until_answered(asking: &Asking<'_>, deadline: Instant) -> Result<Exit, ControlError> {
    let helps = |error: &ControlError| match error {
        // Of whom there are as many as may be the first has been answered soon, or waits for a file
        // that hangs. Or there is another agent soon.
        ControlError::Busy(_) | ControlError::Killed(_) => true,
        // Twice does no harm here: the next agent has opened the path anew.
        ControlError::Cut(_) => asking.command == "reopen",
        _ => false,
    };
    until_answered(deadline, helps, || ask_streams(asking, deadline))
}

/// Asks again after each error for which that `helps`, until it would be too late.
pub(super) fn until_answered(
    deadline: Instant,
    helps: impl Fn(&ControlError) -> bool,
    ask: impl Fn() -> Result<Exit, ControlError>,
) -> Result<Exit, ControlError> {
    loop {
        match ask() {
            Err(error) if helps(&error) && clock::instant() + CONTROL_BUSY_PAUSE < deadline => {}
            asked => return asked,
        }
        std::thread::sleep(CONTROL_BUSY_PAUSE);
    }
}

fn ask_streams(asking: &Asking<'_>, deadline: Instant) -> Result<Exit, ControlError> {
    let request = [&[asking.command.to_owned()], asking.streams].concat().join(" ");
    let conversation = Conversation::begin(asking.control, &request)?;
    hear(asking, conversation, deadline)
}

/// Prints what becomes of each stream's file, to the end of the answer.
pub(super) fn hear(
    asking: &Asking<'_>,
    mut conversation: Conversation,
    deadline: Instant,
) -> Result<Exit, ControlError> {
    // Which streams they are when all are meant is known from the first line.
    let mut missing: Vec<String> = Vec::new();
    let mut exit = Exit::Clean;
    loop {
        let line = match conversation.next(Some(deadline))? {
            Heard::Line(line) | Heard::Passed(line, _) => line,
            Heard::Complete if missing.is_empty() => return Ok(exit),
            Heard::Complete => return Err(ControlError::Answer(asking.control.to_owned())),
            Heard::Nothing => {
                tell_missing(asking, &missing);
                return Ok(Exit::System);
            }
        };
        if let Some(streams) = line["asked"].as_array() {
            missing = streams.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
            continue;
        }
        let stream = line["stream"].as_str().unwrap_or_default();
        missing.retain(|name| name != stream);
        let failed = line.get("error").is_some();
        if failed {
            exit = Exit::System;
        }
        match asking.print {
            Print::Json => super::answer(&format!("{line}\n")),
            _ if failed => super::tell(&format!("logagent: {}", sentence(&line))),
            Print::People => super::answer(&format!("{}\n", sentence(&line))),
            Print::Errors => {}
        }
    }
}

/// What an agent says of a file that has changed.
#[derive(serde::Deserialize)]
struct Changed {
    file: PathBuf,
    old: Option<Old>,
    new_inode: Option<u64>,
    moved_lines: u64,
    archive: Option<PathBuf>,
}

#[derive(serde::Deserialize)]
struct Old {
    inode: u64,
    lines: u64,
    bytes: u64,
}

fn sentence(line: &Value) -> String {
    let stream = line["stream"].as_str().unwrap_or("?");
    if let Some(error) = line["error"].as_str() {
        return format!("{stream}: {error}");
    }
    let Ok(changed) = serde_json::from_value::<Changed>(line.clone()) else {
        return format!("{stream}: {line}");
    };
    let file = changed.file.display();
    let now = match changed.new_inode {
        Some(inode) => format!("{file} is inode {inode}"),
        None => format!("{file} is opened by the next line"),
    };
    let moved = match changed.moved_lines {
        0 => String::new(),
        lines => format!("; {lines} lines that it could not take are in the new one"),
    };
    let archive = match &changed.archive {
        Some(archive) => format!(", now {},", archive.display()),
        None => String::new(),
    };
    match changed.old {
        Some(Old { inode, lines, bytes }) => format!(
            "{stream}: {now}; the old file (inode {inode}){archive} is complete: {lines} lines \
             written, {bytes} bytes{moved}"
        ),
        None if changed.new_inode.is_some() => format!("{stream}: {now}, as before"),
        None => format!("{stream}: {now}"),
    }
}

/// Tells which streams have not answered, and what is known of each.
fn tell_missing(asking: &Asking<'_>, missing: &[String]) {
    let time = humantime::format_duration(asking.timeout);
    let status = ask(asking.control, "status").unwrap_or_default();
    if missing.is_empty() {
        super::tell(&format!("logagent: no answer within {time}"));
    }
    for name in missing {
        let stream = &status["streams"][name.as_str()];
        let known: BTreeMap<&str, String> = ["state", "pending_lines", "pending_bytes"]
            .map(|key| (key, super::status::text(&stream[key])))
            .into();
        let error = match &stream["last_error"] {
            Value::String(error) => format!(", last error: {error}"),
            _ => String::new(),
        };
        super::tell(&format!(
            "logagent: {name}: no answer within {time}: {}, {} lines and {} bytes pending{error}",
            known["state"], known["pending_lines"], known["pending_bytes"]
        ));
        if asking.print == Print::Json {
            let line = serde_json::json!({ "stream": name, "error": "no answer in time" });
            super::answer(&format!("{line}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(line: Value, expected: &str) {
        assert_eq!(sentence(&line), expected);
    }

    #[test]
    fn a_change_is_told_in_a_sentence() {
        let old = json!({"inode": 7, "lines": 3, "bytes": 12});
        check(
            json!({"stream": "web", "file": "/l/web.log", "old": old, "new_inode": 8, "moved_lines": 0}),
            "web: /l/web.log is inode 8; the old file (inode 7) is complete: 3 lines written, 12 bytes",
        );
        check(
            json!({"stream": "web", "file": "/l/web.log", "old": old, "new_inode": 8, "moved_lines": 2,
                "archive": "/l/web.log-1"}),
            "web: /l/web.log is inode 8; the old file (inode 7), now /l/web.log-1, is complete: \
             3 lines written, 12 bytes; 2 lines that it could not take are in the new one",
        );
        check(
            json!({"stream": "web", "file": "/l/web.log", "old": null, "new_inode": 8, "moved_lines": 0}),
            "web: /l/web.log is inode 8, as before",
        );
        check(
            json!({"stream": "web", "file": "/l/web.log", "old": null, "new_inode": null, "moved_lines": 0}),
            "web: /l/web.log is opened by the next line",
        );
        check(json!({"stream": "web", "error": "it does not exist"}), "web: it does not exist");
    }
}
