//! `status`: what the agent is doing, as one object.

use super::{Answers, Command, Plane, no_words};

pub(super) struct Status;

impl Command for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn places(&self) -> usize {
        0
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        no_words(self, words)?;
        let status = serde_json::to_value(plane.agent.status());
        answers.answer(status.map_err(|error| error.to_string())?);
        Ok(())
    }
}
