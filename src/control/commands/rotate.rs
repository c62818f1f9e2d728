//! `rotate [STREAM]...`: our own rotation, now.

use super::{Answers, Command, Plane, changes, streams};
use crate::limits::CONTROL_ROTATES_MAX;

pub(super) struct Rotate;

impl Command for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn places(&self) -> usize {
        CONTROL_ROTATES_MAX
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        let wanted = streams(words, &plane.agent.stream_names())?;
        let asked = plane.agent.rotate_and_answer(&wanted);
        if asked.is_empty() {
            return Err(
                "no stream has a rotate setting; name those that are to be rotated".to_owned()
            );
        }
        changes::tell(asked, answers);
        Ok(())
    }
}
