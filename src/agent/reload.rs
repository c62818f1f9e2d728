//! Reload: the difference of two configurations is applied to what runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Agent, chain};
use crate::config::{AgentSettings, Config, Diff, diff};
use crate::input::{self, InputSettings};
use crate::report::{ConfigurationApplied, InputFailed, RestartNeeded, StreamFailed, report};
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;

/// What another configuration has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Streams that are new.
    pub streams_added: Vec<String>,
    /// Streams that are no more.
    pub streams_removed: Vec<String>,
    /// Streams that go on with other settings.
    pub streams_changed: Vec<String>,
    /// Inputs that are new.
    pub inputs_added: Vec<String>,
    /// Inputs that are no more.
    pub inputs_removed: Vec<String>,
    /// Inputs that go on with other settings or another name.
    pub inputs_changed: Vec<String>,
    /// Settings that change only with a restart.
    pub restart_needed: Vec<String>,
    /// What could not be done; the next reload tries it again.
    pub failed: Vec<String>,
}

impl Applied {
    fn of(change: &Diff) -> Applied {
        fn names<'a>(names: impl Iterator<Item = &'a (impl ToString + 'a)>) -> Vec<String> {
            names.map(ToString::to_string).collect()
        }
        let renamed = change.inputs_renamed.iter().map(|(_, new)| new);
        let changed: BTreeSet<_> = change.inputs_changed.keys().chain(renamed).collect();
        Applied {
            streams_added: names(change.streams_added.keys()),
            streams_removed: names(change.streams_removed.iter()),
            streams_changed: names(change.streams_changed.keys()),
            inputs_added: names(change.inputs_added.keys()),
            inputs_removed: names(change.inputs_removed.iter()),
            inputs_changed: names(changed.into_iter()),
            ..Applied::default()
        }
    }
}

impl Agent {
    /// Whether another configuration differs from the one that is in force.
    pub fn would_change(&self, config: &Config) -> bool {
        !diff(&self.config, config).is_empty()
    }

    /// Goes on with another configuration. What is in both is not touched.
    pub fn reload(&mut self, config: Config) -> Applied {
        let Diff { agent, .. } = diff(&self.config, &config);
        let restart_needed = agent.map(|changed| self.change_agent_settings(&changed));
        let config = Config { agent: self.config.agent.clone(), ..config };
        let change = diff(&self.config, &config);
        let before = std::mem::replace(&mut self.config, config);
        let mut applied = Applied::of(&change);
        applied.restart_needed = restart_needed.unwrap_or_default();
        applied.failed = self.apply(&change, &before);
        // What failed is not configured.
        let Config { streams, inputs, .. } = &self.config;
        applied.streams_added.retain(|name| streams.keys().any(|it| it.as_str() == name));
        applied.inputs_added.retain(|name| inputs.contains_key(name));
        let wanted = &change.inputs_changed;
        applied.inputs_changed.retain(|name| {
            wanted.get(name).is_none_or(|settings| inputs.get(name) == Some(settings))
        });
        self.set_on_demand();
        self.tell_unused_descriptors();
        report(&ConfigurationApplied {
            streams_added: &change.streams_added.len(),
            streams_removed: &change.streams_removed.len(),
            inputs_added: &change.inputs_added.len(),
            inputs_removed: &change.inputs_removed.len(),
            changed: &(change.streams_changed.len() + change.inputs_changed.len()),
        });
        applied
    }

    /// Of these only the grace, and whether the configuration is watched, can change while running.
    /// Returns which others would.
    fn change_agent_settings(&mut self, changed: &AgentSettings) -> Vec<String> {
        self.config.agent.grace = changed.grace;
        self.config.agent.watch = changed.watch;
        let running = &self.config.agent;
        let differ = [
            ("pid-file", running.pid_file != changed.pid_file),
            ("control", running.control != changed.control),
            ("max-connections", running.connections_max != changed.connections_max),
            ("max-streams", running.streams_max != changed.streams_max),
            ("partial-memory", running.partial_bytes_max != changed.partial_bytes_max),
        ];
        let names = differ.iter().filter(|(_, d)| *d).map(|(name, _)| (*name).to_owned());
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            report(&RestartNeeded { settings: &names.join(", ") });
        }
        names
    }

    /// What fails is told, and does not count as configured: the next reload tries it again.
    fn apply(&mut self, change: &Diff, before: &Config) -> Vec<String> {
        let mut failed = Vec::new();
        for (name, settings) in &change.streams_added {
            // One that a connection has named is configured from now on.
            if let Some(running) = self.streams.get_mut(name) {
                running.set(settings);
                continue;
            }
            if self.rename_stream(change, name, settings) {
                continue;
            }
            if let Err(error) = self.add_stream(name, settings) {
                report(&StreamFailed { stream: name, error: &error });
                failed.push(format!("stream {name}: {error}"));
                self.config.streams.remove(name);
            }
        }
        for (name, settings) in &change.streams_changed {
            if let Some(running) = self.streams.get_mut(name) {
                running.set(settings);
            }
        }
        for name in &change.inputs_removed {
            if let Some(mut removed) = self.inputs.remove(name) {
                removed.input.close();
                self.closing_inputs.push(removed);
            }
        }
        let renamed: Vec<_> = (change.inputs_renamed.iter())
            .filter_map(|(old, new)| Some((new, self.inputs.remove(old)?)))
            .collect();
        for (new, running) in renamed {
            self.inputs.insert(new.clone(), running);
        }
        for (name, settings) in &change.inputs_changed {
            if let Err(error) = self.set_input(name, settings) {
                report(&InputFailed { input: name, error: &chain(&error) });
                failed.push(format!("input {name}: {}", chain(&error)));
                if let Some(settings) = before.inputs.get(name) {
                    self.config.inputs.insert(name.clone(), settings.clone());
                }
            }
        }
        for (name, settings) in &change.inputs_added {
            if let Err(error) = self.add_input(name, settings) {
                report(&InputFailed { input: name, error: &chain(&error) });
                failed.push(format!("input {name}: {}", chain(&error)));
                self.config.inputs.remove(name);
            }
        }
        for name in &change.streams_removed {
            if let Some(mut removed) = self.streams.remove(name) {
                removed.let_go();
                self.retired.push(removed);
            }
        }
        failed
    }

    fn set_input(&mut self, name: &str, settings: &InputSettings) -> Result<(), input::OpenError> {
        let stream = self.fixed_stream(settings)?;
        match self.inputs.get_mut(name) {
            Some(running) => running.input.set(settings, stream),
            None => Ok(()),
        }
    }

    /// A stream that takes over the file of one that is removed is that stream under another name:
    /// connections to the old one go on writing to the same file.
    fn rename_stream(
        &mut self,
        change: &Diff,
        name: &StreamName,
        settings: &StreamSettings,
    ) -> bool {
        let revived = change.streams_removed.iter().find(|old| {
            self.streams.get_mut(*old).is_some_and(|running| running.revive(name, settings))
        });
        let Some(running) = revived.and_then(|old| self.streams.remove(old)) else { return false };
        self.streams.insert(name.clone(), running);
        true
    }
}
