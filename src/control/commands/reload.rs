//! `reload`: what SIGHUP does, for somebody who wants to know what came of it.

use super::{Answers, Command, Plane, no_words};
use crate::agent::Phase;
use crate::limits::CONTROL_RELOADS_MAX;

pub(super) struct Reload;

impl Command for Reload {
    fn name(&self) -> &'static str {
        "reload"
    }

    fn places(&self) -> usize {
        CONTROL_RELOADS_MAX
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        no_words(self, words)?;
        if plane.agent.phase() == Phase::Draining {
            return Err("the agent is stopping".to_owned());
        }
        if !plane.reload(Some(answers)) {
            return Err("this agent was started without a configuration file".to_owned());
        }
        Ok(())
    }
}
