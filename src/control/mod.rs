//! The control plane: signals and the control socket, one step at a time. It may be slow; the data
//! plane does not wait for it.

pub mod commands;
pub mod signals;
mod socket;

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub use socket::{ControlError, Request, ask, serve};

use crate::agent::{Agent, Ended, Outcome, Phase};
use crate::clock;
use crate::config;
use crate::control::signals::{AsyncSignals, Signal};
use crate::report::{ConfigurationMistake, ConfigurationRefused, Draining, ReopenAsked, report};
use crate::writer::disk::Missing;

/// How the program is to behave as a whole.
#[derive(Debug, Default)]
pub struct Mode {
    /// What SIGHUP reads again.
    pub config_file: Option<PathBuf>,
    /// The end of the standard input is the end of the program.
    pub ends_with_stdin: bool,
}

/// What is to be done next.
enum Step {
    Signal(Signal),
    Request(Request),
    Ended(Ended),
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
    while !(agent.phase() == Phase::Draining && agent.is_drained()) {
        let step = tokio::select! {
            signal = signals.next() => Step::Signal(signal),
            Some(request) = requests.recv() => Step::Request(request),
            ended = agent.next_ended() => Step::Ended(ended),
            () = sleep_until(grace_over.unwrap_or_else(far_future)), if grace_over.is_some() => {
                Step::GraceOver
            }
        };
        match step {
            Step::Signal(Signal::Reopen) => reopen(&agent),
            Step::Signal(Signal::Reload) => {
                reload(&mut agent, &mode).await;
                reopen(&agent);
            }
            // The second one: at once, whatever is left.
            Step::Signal(Signal::Stop) if agent.phase() == Phase::Draining => break,
            Step::Signal(Signal::Stop) => {
                grace_over = Some(drain(&mut agent));
            }
            Step::Request(request) => {
                let answer = commands::run(&agent, request.text());
                request.answer(answer);
            }
            Step::Ended(ended) => {
                agent.forget(ended);
                if mode.ends_with_stdin
                    && agent.phase() == Phase::Running
                    && agent.stdin_has_ended()
                {
                    grace_over = Some(drain(&mut agent));
                }
            }
            Step::GraceOver => break,
        }
    }
    agent.outcome()
}

fn reopen(agent: &Agent) {
    report(&ReopenAsked { streams: &agent.streams_count() });
    agent.reopen(Missing::Leave);
}

async fn reload(agent: &mut Agent, mode: &Mode) {
    let Some(file) = mode.config_file.clone() else { return };
    if agent.phase() != Phase::Running {
        return;
    }
    // The file may be on a disk that hangs.
    let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
    match loaded {
        Ok(Ok(config)) => agent.reload(config),
        Ok(Err(mistakes)) => {
            for mistake in &mistakes {
                report(&ConfigurationMistake { mistake });
            }
            report(&ConfigurationRefused { mistakes: &mistakes.len() });
        }
        // The panic has been reported.
        Err(_) => {}
    }
}

/// Begins the drain, and says until when it may take.
fn drain(agent: &mut Agent) -> Instant {
    let grace = agent.settings().grace;
    report(&Draining { grace: &humantime::format_duration(grace) });
    agent.drain();
    Instant::from_std(clock::instant() + grace)
}

fn far_future() -> Instant {
    Instant::from_std(clock::instant() + std::time::Duration::from_secs(86_400))
}
