//! `status`: what the agent is doing, as one object.

use serde_json::Value;

use super::Command;
use crate::agent::Agent;

pub(super) struct Status;

impl Command for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn answer(&self, agent: &Agent, arguments: &[&str]) -> Result<Value, String> {
        if !arguments.is_empty() {
            return Err("status takes no arguments".to_owned());
        }
        serde_json::to_value(agent.status()).map_err(|error| error.to_string())
    }
}
