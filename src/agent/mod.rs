//! The agent: owns inputs and writers. Start and reload are the same: a diff is applied.

mod descriptors;
mod failure;
mod pid_file;
mod running;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc, oneshot};

pub use failure::{Failure, FailureKind, chain};
pub use pid_file::PidFile;
use running::{RunningInput, RunningStream};
pub use status::Status;

use crate::clock;
use crate::config::{Config, Diff, diff};
use crate::input::{self, Commons, InputSettings};
use crate::limits::START_OPEN_MAX;
use crate::pipeline::PartialMemory;
use crate::report::{
    ConfigurationApplied, Drained, GaveUp, InputFailed, InputUnread, RestartNeeded, StreamFailed,
    report,
};
use crate::stream_name::StreamName;
use crate::writer::disk::Missing;
use crate::writer::stream::Stream;
use crate::writer::stream_writer::Order;
use crate::writer::tee::{Tee, TeePolicy};
use crate::writer::{StreamSettings, disk};

/// What the agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Opening files and sockets.
    Starting,
    /// Reading and writing.
    Running,
    /// Reading what is on its way, to stop then.
    Draining,
}

/// How the program came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Accepted lines that could not be written.
    pub lines_lost: u64,
    /// Bytes that waited and were never read.
    pub bytes_unread: u64,
}

impl Outcome {
    /// Whether everything that was sent is in a file.
    pub fn is_clean(&self) -> bool {
        *self == Outcome::default()
    }
}

/// Something ended by itself.
#[derive(Debug)]
pub enum Ended {
    /// All readers of an input: by its id.
    Input(u64),
    /// A writer: by its id.
    Stream(u64),
    /// The copy to the standard output.
    Tee,
}

/// Everything that runs.
pub struct Agent {
    config: Config,
    phase: Phase,
    started_at: Instant,
    streams: BTreeMap<StreamName, RunningStream>,
    /// No longer configured; connections that were accepted before still write to them.
    retired: Vec<RunningStream>,
    inputs: BTreeMap<String, RunningInput>,
    closing_inputs: Vec<RunningInput>,
    commons: Commons,
    tee: Option<Arc<Tee>>,
    tee_is_open: bool,
    next_id: u64,
    tell_ended: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
    /// Lines written by streams that have ended.
    lines_written_before: u64,
}

impl Agent {
    /// Opens every file and every input of `config`. Whatever is wrong is told at once. `tee`
    /// copies every line to the standard output.
    pub async fn start(config: Config, tee: Option<TeePolicy>) -> Result<Agent, Failure> {
        let connections_max = descriptors::raise_limit(&config);
        // Unbounded, but never longer than the number of inputs and streams.
        let (tell_ended, ended) = mpsc::unbounded_channel();
        let mut agent = Agent {
            config: Config { agent: config.agent.clone(), ..Config::default() },
            phase: Phase::Starting,
            started_at: clock::instant(),
            streams: BTreeMap::new(),
            retired: Vec::new(),
            inputs: BTreeMap::new(),
            closing_inputs: Vec::new(),
            commons: Commons {
                connections: Arc::new(Semaphore::new(connections_max)),
                connections_max,
                memory: PartialMemory::new(config.agent.partial_bytes_max),
            },
            tee: None,
            tee_is_open: false,
            next_id: 0,
            tell_ended,
            ended,
            lines_written_before: 0,
        };
        if let Some(policy) = tee {
            agent.start_tee(policy)?;
        }
        match agent.apply_first(config).await {
            Ok(()) => {
                agent.phase = Phase::Running;
                Ok(agent)
            }
            Err(failure) => {
                // A client may have been quick: what it sent is written all the same.
                agent.drain();
                while !agent.is_drained() {
                    let next = tokio::time::timeout(START_OPEN_MAX, agent.next_ended()).await;
                    let Ok(ended) = next else { break };
                    agent.forget(ended);
                }
                Err(failure)
            }
        }
    }

    fn start_tee(&mut self, policy: TeePolicy) -> Result<(), Failure> {
        let (tee, ended) = Tee::start(policy).map_err(Failure::system)?;
        self.tell_when(ended, Ended::Tee);
        self.tee = Some(tee);
        self.tee_is_open = true;
        Ok(())
    }

    async fn apply_first(&mut self, config: Config) -> Result<(), Failure> {
        let first = diff(&self.config, &config);
        let mut failures = Vec::new();
        let mut opening = Vec::new();
        for (name, settings) in &first.streams_added {
            let opened = self.add_stream(name, settings).map_err(Failure::system)?;
            opening.push((settings.file.path.clone(), opened));
        }
        let deadline = tokio::time::Instant::from_std(clock::instant() + START_OPEN_MAX);
        for (path, opened) in opening {
            // A file system that hangs holds up only its own stream.
            if let Ok(Ok(Err(error))) = tokio::time::timeout_at(deadline, opened).await
                && let Some(failure) = Failure::of_file(&path, &error)
            {
                failures.push(failure);
            }
        }
        if failures.is_empty() {
            for (name, settings) in &first.inputs_added {
                failures.extend(self.add_input(name, settings).err().map(Failure::of_input));
            }
        }
        self.config = config;
        Failure::all(failures)
    }

    /// Goes on with another configuration. What is in both is not touched.
    pub fn reload(&mut self, config: Config) {
        let Diff { agent, .. } = diff(&self.config, &config);
        if let Some(changed) = agent {
            self.change_agent_settings(&changed);
        }
        let config = Config { agent: self.config.agent.clone(), ..config };
        let change = diff(&self.config, &config);
        self.apply(&change);
        self.config = config;
        report(&ConfigurationApplied {
            streams_added: &change.streams_added.len(),
            streams_removed: &change.streams_removed.len(),
            inputs_added: &change.inputs_added.len(),
            inputs_removed: &change.inputs_removed.len(),
            changed: &(change.streams_changed.len() + change.inputs_changed.len()),
        });
    }

    /// Of these only the grace can change while running.
    fn change_agent_settings(&mut self, changed: &crate::config::AgentSettings) {
        self.config.agent.grace = changed.grace;
        let running = &self.config.agent;
        let differ = [
            ("pid-file", running.pid_file != changed.pid_file),
            ("control", running.control != changed.control),
            ("max-connections", running.connections_max != changed.connections_max),
            ("max-streams", running.streams_max != changed.streams_max),
            ("partial-memory", running.partial_bytes_max != changed.partial_bytes_max),
        ];
        let names: Vec<&str> = differ.iter().filter(|(_, d)| *d).map(|(name, _)| *name).collect();
        if !names.is_empty() {
            report(&RestartNeeded { settings: &names.join(", ") });
        }
    }

    fn apply(&mut self, change: &Diff) {
        for (name, settings) in &change.streams_added {
            if let Err(error) = self.add_stream(name, settings) {
                report(&StreamFailed { stream: name, error: &error });
            }
        }
        for (name, settings) in &change.streams_changed {
            if let Some(running) = self.streams.get(name) {
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
            let stream = self.stream(&settings.stream);
            if let (Some(running), Some(stream)) = (self.inputs.get_mut(name), stream)
                && let Err(error) = running.input.set(settings, stream)
            {
                report(&InputFailed { input: name, error: &failure::chain(&error) });
            }
        }
        for (name, settings) in &change.inputs_added {
            if let Err(error) = self.add_input(name, settings) {
                report(&InputFailed { input: name, error: &failure::chain(&error) });
            }
        }
        for name in &change.streams_removed {
            if let Some(mut removed) = self.streams.remove(name) {
                removed.let_go();
                self.retired.push(removed);
            }
        }
    }

    fn stream(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.streams.get(name)?.stream()
    }

    fn add_stream(
        &mut self,
        name: &StreamName,
        settings: &StreamSettings,
    ) -> std::io::Result<oneshot::Receiver<Result<(), disk::OpenError>>> {
        // Connections may still hold a stream of this name that was removed before: it is the
        // same file, so it is the same stream.
        let kept = self.retired.iter().position(|retired| retired.name() == name);
        if let Some(kept) = kept
            && self.retired[kept].take_back()
        {
            let running = self.retired.remove(kept);
            running.set(settings);
            self.streams.insert(name.clone(), running);
            return Ok(oneshot::channel().1);
        }
        let id = self.new_id();
        let (running, started) = RunningStream::start(id, name, settings, self.tee.clone())?;
        self.tell_when(started.ended, Ended::Stream(id));
        self.streams.insert(name.clone(), running);
        Ok(started.opened)
    }

    fn add_input(&mut self, name: &str, settings: &InputSettings) -> Result<(), input::OpenError> {
        // Every input's stream is in the configuration, which was checked.
        let Some(stream) = self.stream(&settings.stream) else { return Ok(()) };
        let opened = input::open(name, settings, stream, &self.commons)?;
        let id = self.new_id();
        self.tell_when(opened.ended, Ended::Input(id));
        let running = RunningInput { id, kind: settings.kind.clone(), input: opened.input };
        self.inputs.insert(name.to_owned(), running);
        Ok(())
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn tell_when(&self, ended: oneshot::Receiver<()>, what: Ended) {
        let tell = self.tell_ended.clone();
        tokio::spawn(async move {
            // Told or dropped: either way it has ended.
            ended.await.unwrap_or_default();
            tell.send(what).unwrap_or_default();
        });
    }

    /// Orders every stream to leave its file and open the path again.
    pub fn reopen(&self, missing: Missing) {
        for running in self.streams.values().chain(&self.retired) {
            running.order(Order::Reopen { missing });
        }
    }

    /// How many streams there are.
    pub fn streams_count(&self) -> usize {
        self.streams.len()
    }

    /// How many inputs there are.
    pub fn inputs_count(&self) -> usize {
        self.inputs.len()
    }

    /// The agent's settings now.
    pub fn settings(&self) -> &crate::config::AgentSettings {
        &self.config.agent
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Reads what is on its way and lets every writer finish; then [`Agent::is_drained`].
    pub fn drain(&mut self) {
        self.phase = Phase::Draining;
        for running in self.inputs.values_mut().chain(&mut self.closing_inputs) {
            running.input.drain();
        }
        for running in self.streams.values_mut().chain(&mut self.retired) {
            running.order(Order::Hurry);
            running.let_go();
        }
        self.tee = None;
    }

    /// Whether the standard input has ended, or there is none.
    pub fn stdin_has_ended(&self) -> bool {
        !self.inputs.values().any(|running| running.kind == input::InputKind::Stdin)
    }

    /// Waits until something ends by itself. Dropping the future loses nothing.
    pub async fn next_ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// Takes note of what [`Agent::next_ended`] told.
    pub fn forget(&mut self, ended: Ended) {
        match ended {
            Ended::Input(id) => {
                self.inputs.retain(|_, running| running.id != id);
                self.closing_inputs.retain(|running| running.id != id);
            }
            Ended::Stream(id) => {
                let all = self.streams.values().chain(&self.retired);
                self.lines_written_before += all
                    .filter(|running| running.id() == id)
                    .map(|running| running.snapshot().counters.lines_written)
                    .sum::<u64>();
                self.streams.retain(|_, running| running.id() != id);
                self.retired.retain(|running| running.id() != id);
            }
            Ended::Tee => self.tee_is_open = false,
        }
    }

    /// Whether every reader and every writer has ended.
    pub fn is_drained(&self) -> bool {
        self.streams.is_empty()
            && self.retired.is_empty()
            && self.inputs.is_empty()
            && self.closing_inputs.is_empty()
            && !self.tee_is_open
    }

    /// Says how it ended.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for (name, running) in &self.inputs {
            let bytes = running.input.unread_bytes();
            outcome.bytes_unread += bytes;
            if bytes > 0 {
                report(&InputUnread { input: name, bytes: &bytes });
            }
        }
        let mut bytes = 0;
        let mut behind = Vec::new();
        for running in self.streams.values().chain(&self.retired) {
            let snapshot = running.snapshot();
            outcome.lines_lost += snapshot.pending_lines;
            bytes += snapshot.pending_bytes;
            if snapshot.pending_lines > 0 {
                behind.push(running.name().as_str());
            }
        }
        if outcome.lines_lost > 0 {
            let streams = behind.join(", ");
            report(&GaveUp { lines: &outcome.lines_lost, bytes: &bytes, streams: &streams });
        } else if outcome.is_clean() {
            let still_open = self.streams.values().chain(&self.retired);
            let written: u64 = still_open.map(|s| s.snapshot().counters.lines_written).sum();
            report(&Drained { lines: &(self.lines_written_before + written) });
        }
        outcome
    }
}
