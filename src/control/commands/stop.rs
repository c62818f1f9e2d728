//! `stop`: what SIGTERM does, for somebody who wants to know how it ended.

use super::{Answers, Command, Plane, no_words};
use crate::limits::CONTROL_STOPS_MAX;

pub(super) struct Stop;

impl Command for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn places(&self) -> usize {
        CONTROL_STOPS_MAX
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        no_words(self, words)?;
        plane.stop_for(answers);
        Ok(())
    }
}
