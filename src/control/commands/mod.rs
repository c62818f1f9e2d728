//! Commands that a running agent answers on its control socket: one file and one row each.
//!
//! A request is one line, the command's name and its arguments with spaces between; the answer is
//! one JSON object, `{"error": "…"}` where it went wrong.

mod status;

use serde_json::{Value, json};

use crate::agent::Agent;

/// What a running agent can be asked.
pub trait Command: Sync {
    /// The request's first word.
    fn name(&self) -> &'static str;

    /// The answer.
    fn answer(&self, agent: &Agent, arguments: &[&str]) -> Result<Value, String>;
}

/// Every command there is.
static COMMANDS: &[&dyn Command] = &[&status::Status];

/// Answers one request.
pub fn run(agent: &Agent, request: &str) -> Value {
    let mut words = request.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    let Some(command) = COMMANDS.iter().find(|command| command.name() == name) else {
        let known: Vec<&str> = COMMANDS.iter().map(|command| command.name()).collect();
        let known = known.join(", ");
        return json!({ "error": format!("unknown command {name:?}; there is {known}") });
    };
    command.answer(agent, &arguments).unwrap_or_else(|error| json!({ "error": error }))
}
