//! `reload`: what SIGHUP does, for somebody who wants to know what came of it: first of the
//! configuration, then of each stream's file.

use serde_json::Value;

use super::{Answers, Command, Plane, changes, no_words};
use crate::agent::Phase;
use crate::limits::CONTROL_RELOADS_MAX;
use crate::report::{ReopenAsked, report};

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

/// Tells what came of the configuration, right or wrong, and reopens every file.
pub(crate) fn tell_reloaded(plane: &Plane, of_configuration: Value, answers: Answers) {
    answers.say_now(of_configuration);
    let asked = plane.agent.reopen_and_answer(&[]);
    report(&ReopenAsked { streams: &asked.len() });
    changes::tell(asked, answers);
}
