//! The agent: owns inputs and writers. Start and reload are the same: a diff is applied.

mod copies;
mod descriptors;
mod failure;
mod hand_over;
mod on_demand;
mod outcome;
mod pid_file;
mod reload;
mod running;
mod start;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

pub use copies::Copies;
use copies::RunningTee;
pub use descriptors::descriptors_max;
pub use failure::{Failure, FailureKind, chain};
pub use outcome::Outcome;
pub use pid_file::PidFile;
pub use reload::Applied;
use running::{RunningInput, RunningStream, Surroundings};
pub use status::Status;

use crate::clock;
use crate::config::Config;
use crate::input::{self, Commons, InputKind, InputSettings, StreamWanted};
use crate::report::Complaint;
use crate::stream_name::StreamName;
use crate::watch::Watch;
use crate::writer::archive::archivist::Archivist;
use crate::writer::disk::Missing;
use crate::writer::following::Follower;
use crate::writer::order::{FileChange, Order, Reply};
use crate::writer::stream::Stream;
use crate::writer::tee::TeeOutput;
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

/// Something to take note of.
#[derive(Debug)]
pub enum Notice {
    /// All readers of an input have ended: by its id.
    InputEnded(u64),
    /// A writer has ended: by its id.
    StreamEnded(u64),
    /// The copy to one of our outputs has ended.
    TeeEnded(TeeOutput),
    /// A connection wants its stream.
    StreamWanted(StreamWanted),
    /// It is time to look for streams that nobody uses any more.
    LookForIdle,
    /// Somebody has done something to the configuration's files.
    ConfigurationTouched,
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
    inputs_to_open: BTreeMap<String, InputSettings>,
    closing_inputs: Vec<RunningInput>,
    commons: Commons,
    watch: Arc<Watch>,
    tees: Vec<RunningTee>,
    archivist: Archivist,
    next_id: u64,
    tell: mpsc::UnboundedSender<Notice>,
    told: mpsc::UnboundedReceiver<Notice>,
    streams_wanted: mpsc::UnboundedReceiver<StreamWanted>,
    /// How many streams there may be, with those that connections name.
    streams_max: usize,
    /// When it was told last that there are as many streams as there may be.
    full_told: Complaint,
    /// When it was told last that a stream that a connection names could not be started.
    failed_told: Complaint,
    /// When to look for streams that nobody uses any more, where there may be some.
    idle_look_at: Option<tokio::time::Instant>,
    /// Of streams and inputs that have ended.
    ended_outcome: Outcome,
}

impl Agent {
    fn stream(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.streams.get(name)?.stream()
    }

    fn add_stream(
        &mut self,
        name: &StreamName,
        settings: &StreamSettings,
    ) -> std::io::Result<oneshot::Receiver<Result<(), disk::OpenError>>> {
        // Connections may still hold a stream that was removed before: where it is the same file,
        // it is the same stream.
        let kept = self.retired.iter_mut().position(|retired| retired.revive(name, settings));
        if let Some(kept) = kept {
            let running = self.retired.remove(kept);
            self.streams.insert(name.clone(), running);
            return Ok(oneshot::channel().1);
        }
        let id = self.new_id();
        let surroundings = Surroundings {
            tee: self.tee_of(name),
            archivist: self.archivist.clone(),
            store: self.commons.store.clone(),
            watch: self.watch.clone(),
        };
        let (running, started) = RunningStream::start(id, name, settings, surroundings)?;
        self.tell_when(started.ended, Notice::StreamEnded(id));
        self.streams.insert(name.clone(), running);
        Ok(started.opened)
    }

    fn add_input(&mut self, name: &str, settings: &InputSettings) -> Result<(), input::OpenError> {
        let stream = self.fixed_stream(settings)?;
        let closing = self.closing_inputs.iter_mut().position(|closing| {
            closing.kind.same_place(&settings.kind)
                && closing.input.take_back(settings, stream.as_ref())
        });
        if let Some(closing) = closing {
            let mut running = self.closing_inputs.remove(closing);
            running.name = name.to_owned();
            self.inputs.insert(name.to_owned(), running);
            return Ok(());
        }
        if settings.kind.is_socket() {
            self.remove_closing_socket(&settings.kind);
        }
        let opened = input::open(name, settings, stream, &self.commons)?;
        let before = self.commons.store.before(|before| before.inputs.remove(name));
        if let Some(counts) = before {
            opened.input.counters().add(&counts);
        }
        let id = self.new_id();
        self.tell_when(opened.ended, Notice::InputEnded(id));
        let (name, kind) = (name.to_owned(), settings.kind.clone());
        let identity = RunningInput::identity_at(&kind);
        let running = RunningInput { id, name: name.clone(), kind, identity, input: opened.input };
        self.inputs.insert(name, running);
        Ok(())
    }

    /// Makes way for an input at the path of a socket of ours that still reads what waits in it: it
    /// looks like somebody else's.
    fn remove_closing_socket(&self, kind: &InputKind) {
        let is_ours = |closing: &RunningInput| closing.kind.is_socket() && closing.has_made(kind);
        if let Some(path) = kind.path()
            && self.closing_inputs.iter().any(is_ours)
        {
            // Where it stays, that will be told of the input.
            std::fs::remove_file(path).unwrap_or_default();
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The stream that an input's routing leads to by itself, if it does.
    fn fixed_stream(
        &self,
        settings: &InputSettings,
    ) -> Result<Option<Arc<Stream>>, input::OpenError> {
        let Some(name) = settings.routing.fixed_stream() else { return Ok(None) };
        let stream = self.stream(name);
        stream.map(Some).ok_or_else(|| input::OpenError::NoStream(name.clone()))
    }

    fn tell_when(&self, ended: oneshot::Receiver<()>, notice: Notice) {
        let tell = self.tell.clone();
        tokio::spawn(async move {
            // Told or dropped: either way it has ended.
            ended.await.unwrap_or_default();
            tell.send(notice).unwrap_or_default();
        });
    }

    /// Orders every stream to leave its file and open the path again.
    pub fn reopen(&self, missing: Missing) {
        for running in self.all_streams() {
            running.order(Order::Reopen { missing });
        }
    }

    /// Has every stream that `wanted` names leave its file and open the path again at once; all of
    /// them where none is named. The receivers tell what came of it, each when it is known.
    pub fn reopen_and_answer(
        &self,
        wanted: &[StreamName],
    ) -> Vec<(StreamName, oneshot::Receiver<Result<FileChange, String>>)> {
        self.ask(wanted, |_| true, Order::ReopenAndAnswer)
    }

    /// Has every stream that `wanted` names rotate its file at once; all whose files are rotated by
    /// us where none is named. The receivers tell what came of it, each when it is known.
    pub fn rotate_and_answer(
        &self,
        wanted: &[StreamName],
    ) -> Vec<(StreamName, oneshot::Receiver<Result<FileChange, String>>)> {
        self.ask(wanted, RunningStream::rotates, Order::RotateAndAnswer)
    }

    fn ask(
        &self,
        wanted: &[StreamName],
        unnamed: fn(&RunningStream) -> bool,
        order: fn(Reply) -> Order,
    ) -> Vec<(StreamName, oneshot::Receiver<Result<FileChange, String>>)> {
        let is_wanted = |running: &&RunningStream| match wanted {
            [] => unnamed(running),
            wanted => wanted.contains(running.name()),
        };
        let streams = self.all_streams().filter(is_wanted);
        let ask = |running: &RunningStream| {
            let (reply, answer) = oneshot::channel();
            running.order(order(reply));
            (running.name().clone(), answer)
        };
        streams.map(ask).collect()
    }

    /// Has every stream of these names tell `follower` of its files.
    pub fn follow(&self, wanted: &[StreamName], follower: &Follower) {
        for running in self.all_streams().filter(|running| wanted.contains(running.name())) {
            running.order(Order::Follow(follower.clone()));
        }
    }

    /// The names of all streams, those included that are no longer configured and still written to.
    pub fn stream_names(&self) -> Vec<StreamName> {
        let names: BTreeSet<_> = self.all_streams().map(|running| running.name().clone()).collect();
        names.into_iter().collect()
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

    /// Has [`Notice::ConfigurationTouched`] tell of this file, and `conf.d` beside it, where the
    /// settings say so.
    pub fn watch_configuration(&self, file: Option<&Path>) {
        self.watch.set_configuration(file.filter(|_| self.config.agent.watch));
    }

    /// Reads what is on its way and lets every writer finish; then [`Agent::is_drained`].
    pub fn drain(&mut self) {
        if self.phase == Phase::Draining {
            return;
        }
        self.phase = Phase::Draining;
        for running in self.inputs.values_mut().chain(&mut self.closing_inputs) {
            running.input.drain();
        }
        for running in self.streams.values_mut().chain(&mut self.retired) {
            running.order(Order::Hurry);
            running.let_go();
        }
        self.close_tees();
    }

    /// Whether the standard input has ended, or there is none.
    pub fn stdin_has_ended(&self) -> bool {
        !self.all_inputs().any(|running| running.kind == InputKind::Stdin)
    }

    /// Waits for something to take note of. Dropping the future loses nothing.
    pub async fn next_notice(&mut self) -> Notice {
        let idle_look_at = self.idle_look_at;
        let look_for_idle = async {
            match idle_look_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // We hold a sender of each ourselves.
            Some(notice) = self.told.recv() => notice,
            Some(wanted) = self.streams_wanted.recv() => Notice::StreamWanted(wanted),
            () = look_for_idle => Notice::LookForIdle,
            () = self.watch.configuration_touched() => Notice::ConfigurationTouched,
        }
    }

    /// Does what [`Agent::next_notice`] told of.
    pub fn take_note(&mut self, notice: Notice) {
        match notice {
            Notice::StreamWanted(wanted) => self.give_stream(wanted),
            Notice::LookForIdle => self.retire_idle(),
            Notice::InputEnded(id) => {
                // What one that was removed left unread is somebody else's now.
                let at_the_end = self.phase == Phase::Draining;
                let ended = self.all_inputs().find(|running| running.id == id && at_the_end);
                if let Some(ended) = ended {
                    self.hand_over_input(ended);
                    let outcome = outcome::of_input(ended);
                    self.ended_outcome.add(&outcome);
                }
                self.inputs.retain(|_, running| running.id != id);
                self.closing_inputs.retain(|running| running.id != id);
            }
            Notice::StreamEnded(id) => {
                let ended = self.all_streams().find(|running| running.id() == id);
                if let Some(ended) = ended {
                    self.hand_over_stream(ended);
                    ended.end();
                    let outcome = outcome::of_stream(ended);
                    self.ended_outcome.add(&outcome);
                }
                self.streams.retain(|_, running| running.id() != id);
                self.retired.retain(|running| running.id() != id);
            }
            Notice::TeeEnded(output) => self.tee_has_ended(output),
            // Whoever runs the agent reads it.
            Notice::ConfigurationTouched => {}
        }
    }

    fn all_inputs(&self) -> impl Iterator<Item = &RunningInput> {
        self.inputs.values().chain(&self.closing_inputs)
    }

    fn all_streams(&self) -> impl Iterator<Item = &RunningStream> {
        self.streams.values().chain(&self.retired)
    }

    /// Waits until every reader and writer has ended, but not longer than `time`.
    pub async fn wait_until_drained(&mut self, time: Duration) {
        let deadline = tokio::time::Instant::from_std(clock::instant() + time);
        while !self.is_drained() {
            let Ok(notice) = tokio::time::timeout_at(deadline, self.next_notice()).await else {
                return;
            };
            self.take_note(notice);
        }
    }

    /// Whether every reader and every writer of a file has ended.
    pub fn is_drained(&self) -> bool {
        self.all_streams().next().is_none() && self.all_inputs().next().is_none()
    }

    /// Reads nothing more, wherever that can be stopped: what has been read is all there is.
    pub fn stop_reading(&mut self) {
        for running in self.inputs.values_mut().chain(&mut self.closing_inputs) {
            running.input.stop();
        }
    }

    /// Ends what is done to archives, in a moment: the next start goes on with it.
    pub fn stop_archivist(&self) {
        self.archivist.stop();
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = self.ended_outcome.clone();
        for running in self.all_streams() {
            outcome.add(&outcome::of_stream(running));
        }
        for running in self.all_inputs() {
            outcome.add(&outcome::of_input(running));
        }
        outcome
    }
}
