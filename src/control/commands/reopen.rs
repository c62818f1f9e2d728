//! `reopen [STREAM]...`: each stream leaves its file, complete and closed, for the one that its path
//! names.

use super::{Answers, Command, Plane, changes, streams};
use crate::limits::CONTROL_REOPENS_MAX;
use crate::report::{ReopenAsked, report};

pub(super) struct Reopen;

impl Command for Reopen {
    fn name(&self) -> &'static str {
        "reopen"
    }

    fn places(&self) -> usize {
        CONTROL_REOPENS_MAX
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        let wanted = streams(words, &plane.agent.stream_names())?;
        let asked = plane.agent.reopen_and_answer(&wanted);
        report(&ReopenAsked { streams: &asked.len() });
        changes::tell(asked, answers);
        Ok(())
    }
}
