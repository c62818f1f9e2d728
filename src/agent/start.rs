//! Start: files first, inputs last, and everything that is wrong at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{Agent, Copies, Failure, Outcome, Phase, descriptors};
use crate::clock;
use crate::config::Config;
use crate::input::{self, Commons, Inherited, InputKind, Streams};
use crate::limits::START_OPEN_MAX;
use crate::pipeline::PartialMemory;
use crate::report::Complaint;
use crate::store::Store;
use crate::watch::Watch;
use crate::writer::archive::archivist::Archivist;

impl Agent {
    /// Opens every file of `config`; nothing is read yet. Whatever is wrong is told at once. Every
    /// line is copied as `copies` says.
    pub async fn start(
        config: Config,
        inherited: Inherited,
        store: Store,
        copies: Option<Copies>,
    ) -> Result<Agent, Failure> {
        let room = descriptors::raise_limit(&config);
        // Unbounded, but never longer than the number of inputs and streams.
        let (tell, told) = mpsc::unbounded_channel();
        let (streams, streams_wanted) = Streams::new();
        let mut agent = Agent {
            config: Config { agent: config.agent.clone(), ..Config::default() },
            phase: Phase::Starting,
            started_at: clock::instant(),
            streams: BTreeMap::new(),
            retired: Vec::new(),
            inputs: BTreeMap::new(),
            inputs_to_open: BTreeMap::new(),
            closing_inputs: Vec::new(),
            commons: Commons {
                connections: Arc::new(Semaphore::new(room.connections)),
                connections_max: room.connections,
                memory: PartialMemory::new(config.agent.partial_bytes_max),
                full_told: Arc::default(),
                streams,
                cgroups: Arc::default(),
                inherited: Arc::new(inherited),
                store,
            },
            watch: Watch::start(),
            tees: Vec::new(),
            archivist: Archivist::default(),
            next_id: 0,
            tell,
            told,
            streams_wanted,
            streams_max: room.streams,
            full_told: Complaint::default(),
            failed_told: Complaint::default(),
            idle_look_at: None,
            ended_outcome: Outcome::default(),
        };
        if let Some(copies) = copies {
            agent.start_tees(copies)?;
        }
        agent.open_files(&config).await?;
        agent.config.streams = config.streams;
        agent.config.on_demand = config.on_demand;
        agent.inputs_to_open = config.inputs;
        Ok(agent)
    }

    async fn open_files(&mut self, config: &Config) -> Result<(), Failure> {
        let mut opening = Vec::new();
        for (name, settings) in &config.streams {
            let opened = self.add_stream(name, settings).map_err(Failure::system)?;
            opening.push((settings.writer.file.path.clone(), opened));
        }
        let deadline = tokio::time::Instant::from_std(clock::instant() + START_OPEN_MAX);
        let mut failures = Vec::new();
        for (path, opened) in opening {
            // A file system that hangs holds up only its own stream.
            if let Ok(Ok(Err(error))) = tokio::time::timeout_at(deadline, opened).await
                && let Some(failure) = Failure::of_file(&path, &error)
            {
                failures.push(failure);
            }
        }
        Failure::all(failures)
    }

    /// Opens every input and begins to read. After a failure [`Agent::abandon`] it: a client may
    /// have been quick.
    pub fn open_inputs(&mut self) -> Result<(), Failure> {
        input::share(self.commons.store.take_buffer());
        self.write_what_was_left();
        let inputs = std::mem::take(&mut self.inputs_to_open);
        let (stdin, others): (Vec<_>, Vec<_>) =
            inputs.iter().partition(|(_, settings)| settings.kind == InputKind::Stdin);
        let mut failures = Vec::new();
        for (name, settings) in others {
            failures.extend(self.add_input(name, settings).err().map(Failure::of_input));
        }
        Failure::all(failures)?;
        // Last: what is read from a pipe cannot be put back.
        for (name, settings) in stdin {
            self.add_input(name, settings).map_err(Failure::of_input)?;
        }
        self.config.inputs = inputs;
        self.tell_unused_descriptors();
        self.commons.store.begin();
        self.tell_crashed_lines();
        self.phase = Phase::Running;
        Ok(())
    }

    /// Ends an agent that did not come up: what clients have sent is written all the same.
    pub async fn abandon(&mut self) {
        if self.commons.store.is_untouched() {
            // Nothing has been read or written yet, and the next agent finds it all.
            return;
        }
        self.drain();
        self.stop_reading();
        self.wait_until_drained(START_OPEN_MAX).await;
        self.leave_unwritten().await;
        self.stop_archivist();
        self.hand_over();
        let outcome = self.outcome();
        if !outcome.is_clean() {
            outcome.report();
        }
    }
}
