//! Commands that a running agent answers on its control socket: one file and one row each.
//!
//! A request is one line, the command's name and its arguments with spaces between. The answer is
//! one JSON object a line, `{"error": "…"}` where nothing comes of it. One that takes its time says
//! each part as soon as it is known, and then `{"complete": true}`: without that it was cut.

mod changes;
mod reload;
mod reopen;
mod rotate;
mod status;
mod stop;
mod tail;

use std::fmt;

pub(super) use reload::tell_reloaded;

use super::{Answers, Plane};
use crate::limits::{CONTROL_NAMED_MAX, CONTROL_QUOTED_BYTES_MAX};
use crate::stream_name::StreamName;

/// What a running agent can be asked.
pub trait Command: Sync {
    /// The request's first word.
    fn name(&self) -> &'static str;

    /// How many clients may wait for its answers at a time; 0 where these are one object that is known
    /// at once.
    fn places(&self) -> usize;

    /// Begins to answer, and never waits: whatever takes its time goes on in a task of its own. An
    /// error is the answer.
    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String>;
}

/// Every command there is.
pub(super) static COMMANDS: &[&dyn Command] =
    &[&status::Status, &reopen::Reopen, &rotate::Rotate, &reload::Reload, &stop::Stop, &tail::Tail];

/// A request that was understood.
pub struct Asked {
    /// What is wanted.
    pub command: &'static dyn Command,
    /// What stands behind it.
    pub words: Vec<String>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.command.name(), self.words)
    }
}

/// Reads one request, without the newline at its end. Never fails on anything but what it says.
pub fn read(line: &[u8]) -> Result<Asked, String> {
    let line = std::str::from_utf8(line).map_err(|_| "a request is UTF-8 text".to_owned())?;
    if line.chars().any(char::is_control) {
        return Err("a request is words with spaces between".to_owned());
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let Some(command) = COMMANDS.iter().find(|command| command.name() == name) else {
        let known: Vec<&str> = COMMANDS.iter().map(|command| command.name()).collect();
        return Err(format!("unknown command {}; there is {}", quoted(&name), known.join(", ")));
    };
    Ok(Asked { command: *command, words: words.collect() })
}

/// Begins to answer a request.
pub fn run(plane: &mut Plane, asked: &Asked, answers: Answers) {
    let begun = asked.command.answer(plane, &asked.words, answers.clone());
    if let Err(error) = begun {
        answers.refuse(&error);
    }
}

fn quoted(word: &str) -> String {
    let short: String = word.chars().take(CONTROL_QUOTED_BYTES_MAX).collect();
    let more = if short.len() < word.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

fn no_words(command: &dyn Command, words: &[String]) -> Result<(), String> {
    match words {
        [] => Ok(()),
        _ => Err(format!("{} takes no arguments", command.name())),
    }
}

/// The streams that a request names, each once; every one of them must be `known`.
fn streams(words: &[String], known: &[StreamName]) -> Result<Vec<StreamName>, String> {
    let mut streams: Vec<StreamName> = Vec::new();
    let mut unknown = Vec::new();
    for word in words {
        match known.iter().find(|name| name.as_str() == word) {
            None => unknown.push(quoted(word)),
            Some(name) if streams.contains(name) => {}
            Some(name) => streams.push(name.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(streams);
    }
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let there_is = if known.is_empty() { "none".to_owned() } else { some(&known) };
    Err(format!("no stream {}; there is {there_is}", some(&unknown)))
}

/// The first few of many, and how many more there are.
fn some(names: &[String]) -> String {
    match names.len().saturating_sub(CONTROL_NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..CONTROL_NAMED_MAX].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let found = match read(line.as_bytes()) {
            Ok(asked) => format!("{asked:?}"),
            Err(error) => error,
        };
        assert!(found.starts_with(expected), "{line:?}: {found}");
    }

    #[test]
    fn a_request_is_a_command_and_its_words() {
        check("status", "status []");
        check("reopen web  app ", "reopen [\"web\", \"app\"]");
        check("", "unknown command \"\"; there is status, ");
        check("reopen\tweb", "a request is words");
        check("reopen\0web", "a request is words");
        check("status\r", "a request is words");
        check(&"x".repeat(10_000), "unknown command \"xxx");
        assert!(read(&"\u{e4}".repeat(5_000).into_bytes()).is_err_and(|text| text.len() < 500));
        assert!(read(b"reopen \xff").is_err());
    }

    #[test]
    fn a_stream_that_is_not_there_is_answered_with_those_that_are() {
        let known = ["app", "web"].map(|name| name.parse().unwrap());
        let ask = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            streams(&words, &known)
        };
        assert_eq!(ask(&["web", "app", "web"]).unwrap(), [known[1].clone(), known[0].clone()]);
        let error = ask(&["web", "wbe", "../x"]).unwrap_err();
        assert_eq!(error, "no stream \"wbe\", \"../x\"; there is app, web");
        let many = vec!["x".to_owned(); 10_000];
        assert!(streams(&many, &known).is_err_and(|text| text.len() < 500));
        assert_eq!(streams(&["a".to_owned()], &[]).unwrap_err(), "no stream \"a\"; there is none");
    }
}
