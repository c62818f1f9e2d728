//! The control plane: signals and the control socket, one step at a time. It may be slow; the data
//! plane does not wait for it.

pub mod commands;
pub mod signals;
mod socket;

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

pub use socket::{ControlError, Request, ask, serve};

use crate::agent::{Agent, Notice, Outcome, Phase};
use crate::clock;
use crate::config::{self, Config, Mistake};
use crate::control::signals::{AsyncSignals, Signal};
use crate::limits::LAST_MOMENT;
use crate::report::{ConfigurationMistake, ConfigurationRefused, Draining, ReopenAsked, report};
use crate::writer::disk::Missing;

/// How the program is to behave as a whole.
#[derive(Debug, Default)]
pub struct Mode {
    /// What SIGHUP reads again.
    pub config_file: Option<PathBuf>,
    /// The end of the standard input is the end of the program.
    pub ends_with_stdin: bool,
    /// The control socket, where the command line says it.
    pub control: Option<PathBuf>,
}

impl Mode {
    /// A configuration with what the command line says otherwise.
    pub fn overriding(&self, mut config: Config) -> Config {
        if let Some(control) = &self.control {
            config.agent.control = Some(control.clone());
        }
        config
    }
}

/// What is to be done next.
enum Step {
    Signal(Signal),
    Request(Request),
    Noticed(Notice),
    Loaded(Box<Result<Config, Vec<Mistake>>>),
    GraceOver,
}

/// Runs the agent until it has stopped.
pub async fn run(
    mut agent: Agent,
    mut signals: AsyncSignals,
    mut requests: mpsc::Receiver<Request>,
    mode: Mode,
) -> Outcome {
    let mut grace_over = None;
    let mut loading = Loading::default();
    let mut stop_was_asked = false;
    while !(agent.phase() == Phase::Draining && agent.is_drained() && !agent.waits_for_tee()) {
        let step = tokio::select! {
            signal = signals.next() => Step::Signal(signal),
            Some(request) = requests.recv() => Step::Request(request),
            notice = agent.next_notice() => Step::Noticed(notice),
            loaded = loading.finished() => Step::Loaded(Box::new(loaded)),
            () = sleep_until(grace_over.unwrap_or_else(far_future)), if grace_over.is_some() => {
                Step::GraceOver
            }
        };
        match step {
            Step::Signal(Signal::Reopen) => reopen(&agent),
            Step::Signal(Signal::Reload) => {
                loading.start(mode.config_file.as_deref());
                reopen(&agent);
            }
            // The second one: at once, whatever is left.
            Step::Signal(Signal::Stop) if stop_was_asked => {
                grace_over = Some(now());
                break;
            }
            Step::Signal(Signal::Stop) => {
                stop_was_asked = true;
                grace_over = Some(drain(&mut agent));
            }
            Step::Request(request) => {
                let answer = commands::run(&agent, request.text());
                request.answer(answer);
            }
            Step::Noticed(notice) => {
                agent.take_note(notice);
                if mode.ends_with_stdin
                    && agent.phase() == Phase::Running
                    && agent.stdin_has_ended()
                {
                    grace_over = Some(drain(&mut agent));
                }
            }
            Step::Loaded(_) if agent.phase() == Phase::Draining => {}
            Step::Loaded(loaded) => match *loaded {
                Ok(config) => agent.reload(mode.overriding(config)),
                Err(mistakes) => refuse(&mistakes),
            },
            // Nobody has asked to stop: whoever reads our standard output may take his time.
            Step::GraceOver if !stop_was_asked && agent.is_drained() => grace_over = None,
            Step::GraceOver => break,
        }
    }
    agent.stop_reading();
    agent.wait_until_drained(LAST_MOMENT).await;
    let grace_left = grace_over.unwrap_or_else(far_future).duration_since(now());
    agent.finish_tee(grace_left).await;
    let outcome = agent.outcome();
    outcome.report();
    outcome
}

fn reopen(agent: &Agent) {
    report(&ReopenAsked { streams: &agent.streams_count() });
    agent.reopen(Missing::Leave);
}

fn refuse(mistakes: &[Mistake]) {
    for mistake in mistakes {
        report(&ConfigurationMistake { mistake });
    }
    report(&ConfigurationRefused { mistakes: &mistakes.len() });
}

/// A configuration that is being read. The file may be on a disk that hangs, or look at one that
/// does: neither signals nor commands wait for it.
#[derive(Default)]
struct Loading {
    task: Option<JoinHandle<Result<Config, Vec<Mistake>>>>,
    /// It may have changed since the reading began.
    again: Option<PathBuf>,
}

impl Loading {
    fn start(&mut self, file: Option<&Path>) {
        let Some(file) = file.map(Path::to_owned) else { return };
        if self.task.is_some() {
            self.again = Some(file);
        } else {
            self.task = Some(tokio::task::spawn_blocking(move || config::load(&file)));
        }
    }

    /// What was read; never, where nothing is being read. Dropping the future loses nothing.
    async fn finished(&mut self) -> Result<Config, Vec<Mistake>> {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let loaded = task.await;
        self.task = None;
        if let Some(file) = self.again.take() {
            self.start(Some(&file));
        }
        // A panic has been reported; no mistake of the file's is known.
        loaded.unwrap_or_else(|_| Err(Vec::new()))
    }
}

/// Begins the drain, and says until when it may take.
fn drain(agent: &mut Agent) -> Instant {
    let grace = agent.settings().grace;
    report(&Draining { grace: &humantime::format_duration(grace) });
    agent.drain();
    now() + grace
}

fn now() -> Instant {
    Instant::from_std(clock::instant())
}

fn far_future() -> Instant {
    now() + std::time::Duration::from_secs(86_400)
}
