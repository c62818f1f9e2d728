//! The control loop: one step at a time, none of which waits.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::Signal as SystemSignal;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::announce::Announcer;
use super::child::Child;
use super::loading::{Loaded, Loading};
use super::signals::{AsyncSignals, ChildSignal, Meaning, Signal};
use super::{Answers, Mode, Request, commands};
use crate::agent::{Agent, Notice, Outcome, Phase};
use crate::clock;
use crate::config::{Config, Mistake};
use crate::limits::LAST_MOMENT;
use crate::report::{ConfigurationMistake, ConfigurationRefused, Draining, ReopenAsked, report};
use crate::writer::disk::Missing;

/// What is to be done next.
enum Step {
    Signal(Signal),
    Child(ChildSignal),
    Request(Request),
    Noticed(Notice),
    Loaded(Box<Loaded>),
    LoadedSinceTouched(Box<Loaded>),
    GraceOver,
    Announce,
}

/// The agent, and what has been asked of it as a whole.
pub struct Plane {
    pub(super) agent: Agent,
    mode: Mode,
    loading: Loading,
    /// What somebody has changed, whether or not that changes anything.
    loading_touched: Loading,
    /// What was wrong with that when it was told.
    refused: Vec<Mistake>,
    announcer: Announcer,
    /// Until when a drain may take, once it has begun.
    grace_over: Option<Instant>,
    stop_was_asked: bool,
    /// The same of the command, which decides when to end.
    child_was_stopped: bool,
    /// Those who wait for the end.
    wait_for_end: Vec<Answers>,
}

/// How it came to its end.
#[derive(Debug)]
pub struct Ended {
    /// What is in no file.
    pub outcome: Outcome,
    /// The exit status of the command, where `run` has started one.
    pub command: Option<u8>,
}

/// Runs the agent until it has stopped.
pub async fn run(
    agent: Agent,
    mut signals: AsyncSignals,
    mut requests: mpsc::Receiver<Request>,
    mode: Mode,
) -> Ended {
    let mut plane = Plane::new(agent, mode);
    plane.watch_configuration();
    plane.announcer.ready();
    while !plane.is_done() {
        let grace_over = plane.grace_over;
        let step = tokio::select! {
            meaning = signals.next() => match meaning {
                Meaning::Agent(signal) => Step::Signal(signal),
                Meaning::Child(signal) if plane.means_us(signal) => Step::Signal(Signal::Stop),
                Meaning::Child(signal) => Step::Child(signal),
            },
            Some(request) = requests.recv() => Step::Request(request),
            notice = plane.agent.next_notice() => Step::Noticed(notice),
            () = plane.announcer.due() => Step::Announce,
            loaded = plane.loading.finished() => Step::Loaded(Box::new(loaded)),
            loaded = plane.loading_touched.finished() => {
                Step::LoadedSinceTouched(Box::new(loaded))
            }
            () = sleep_until(grace_over.unwrap_or_else(far_future)), if grace_over.is_some() => {
                Step::GraceOver
            }
        };
        match step {
            Step::Signal(Signal::Reopen) => plane.reopen(),
            Step::Announce => plane.announcer.announce(&plane.agent),
            Step::Signal(Signal::Reload) => {
                if !plane.reload(None) {
                    plane.reopen();
                }
            }
            // The second one: at once, whatever is left.
            Step::Signal(Signal::Stop) if plane.stop_was_asked => {
                plane.grace_over = Some(now());
                break;
            }
            Step::Signal(Signal::Stop) => plane.stop(),
            Step::Child(signal) => plane.tell_child(signal),
            Step::Request(Request { asked, answers }) => {
                surviving(|| commands::run(&mut plane, &asked, answers));
            }
            Step::Noticed(notice) => surviving(|| plane.take_note(notice)),
            Step::Loaded(loaded) => surviving(|| plane.apply(*loaded)),
            Step::LoadedSinceTouched(loaded) => surviving(|| plane.take_touched(loaded.config)),
            Step::GraceOver if plane.waits_for_readers() && plane.agent.is_drained() => {
                plane.grace_over = None;
            }
            Step::GraceOver => break,
        }
    }
    plane.end().await
}

/// Does something whose panic, which has been told, must not end the program: whoever asked for it
/// gets no answer.
fn surviving(step: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_default();
}

impl Plane {
    fn new(agent: Agent, mode: Mode) -> Plane {
        let announcer = Announcer::new(mode.supervisor.clone());
        Plane {
            agent,
            mode,
            announcer,
            loading: Loading::default(),
            loading_touched: Loading::default(),
            refused: Vec::new(),
            grace_over: None,
            stop_was_asked: false,
            child_was_stopped: false,
            wait_for_end: Vec::new(),
        }
    }

    fn is_done(&self) -> bool {
        let draining = self.agent.phase() == Phase::Draining;
        draining && self.agent.is_drained() && !self.agent.waits_for_tee()
    }

    fn reopen(&self) {
        report(&ReopenAsked { streams: &self.agent.streams_count() });
        self.agent.reopen(Missing::Leave);
    }

    /// Reads the configuration again, and reopens every file: at once, or where somebody waits for
    /// that, when the configuration is applied. Returns whether there is one; nothing happens else.
    pub(super) fn reload(&mut self, answers: Option<Answers>) -> bool {
        let Some(file) = self.mode.config_file.clone() else { return false };
        self.announcer.reloading();
        if answers.is_none() {
            self.reopen();
        }
        self.loading.start(file, answers);
        true
    }

    fn apply(&mut self, Loaded { config, answers }: Loaded) {
        if self.agent.phase() == Phase::Draining {
            answers.into_iter().for_each(|answers| answers.refuse("the agent is stopping"));
            return;
        }
        let answer = match config {
            Ok(config) => {
                let applied = self.agent.reload(self.mode.overriding(config));
                self.watch_configuration();
                serde_json::to_value(applied)
                    .unwrap_or_else(|error| json!({ "error": error.to_string() }))
            }
            Err(mistakes) => {
                refuse(&mistakes);
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                json!({ "mistakes": mistakes })
            }
        };
        self.announcer.ready();
        for answers in answers {
            commands::tell_reloaded(self, answer.clone(), answers);
        }
    }

    /// Begins the drain, and bounds it.
    fn stop(&mut self) {
        self.stop_was_asked = true;
        self.announcer.stopping();
        self.drain();
    }

    /// Whether a signal for the command is one for us: it has ended, and nobody else can be meant.
    fn means_us(&self, signal: ChildSignal) -> bool {
        use SystemSignal::{SIGINT, SIGTERM};
        self.running_child().is_none() && matches!(signal, ChildSignal::Pass(SIGINT | SIGTERM))
    }

    /// Whether somebody who reads our standard output may take his time beyond the grace.
    fn waits_for_readers(&self) -> bool {
        !self.stop_was_asked && !self.child_was_stopped
    }

    fn running_child(&self) -> Option<&Child> {
        self.mode.child.as_ref().filter(|child| child.exit_status().is_none())
    }

    /// The same for somebody who waits for the end.
    pub(super) fn stop_for(&mut self, answers: Answers) {
        if let Some(child) = self.running_child() {
            // Its end is ours.
            child.pass(SystemSignal::SIGTERM);
        } else if !self.stop_was_asked {
            self.stop();
        }
        let left = self.grace_over.unwrap_or_else(far_future).duration_since(now());
        answers.say_now(json!({ "draining": true, "grace_seconds": left.as_secs_f64() }));
        self.wait_for_end.push(answers);
    }

    /// What `run` hears is for its command; when that has ended, so does the program.
    fn tell_child(&mut self, signal: ChildSignal) {
        let Some(child) = &mut self.mode.child else { return };
        child.hear(signal);
        if signal == ChildSignal::Pass(SystemSignal::SIGTERM) {
            self.child_was_stopped = true;
        }
        if child.exit_status().is_some() && self.agent.phase() == Phase::Running {
            self.drain();
        }
    }

    fn drain(&mut self) {
        let grace = self.agent.settings().grace;
        report(&Draining { grace: &humantime::format_duration(grace) });
        self.agent.drain();
        self.grace_over = Some(now() + grace);
    }

    fn watch_configuration(&mut self) {
        self.agent.watch_configuration(self.mode.config_file.as_deref());
    }

    /// Goes on with a configuration that was touched, or says what is wrong with it; once, however
    /// often it is touched without a difference.
    fn take_touched(&mut self, config: Result<Config, Vec<Mistake>>) {
        if self.agent.phase() == Phase::Draining {
            return;
        }
        match config.map(|config| self.mode.overriding(config)) {
            Ok(config) => {
                self.refused.clear();
                if self.agent.would_change(&config) {
                    self.agent.reload(config);
                }
            }
            Err(mistakes) if mistakes == self.refused => {}
            Err(mistakes) => {
                refuse(&mistakes);
                self.refused = mistakes;
            }
        }
        self.watch_configuration();
    }

    fn take_note(&mut self, notice: Notice) {
        if matches!(notice, Notice::ConfigurationTouched) {
            if let Some(file) = self.mode.config_file.clone() {
                self.loading_touched.start(file, None);
            }
            return;
        }
        self.agent.take_note(notice);
        let running = self.agent.phase() == Phase::Running;
        if self.mode.ends_with_stdin && running && self.agent.stdin_has_ended() {
            self.drain();
        }
    }

    async fn end(mut self) -> Ended {
        self.agent.stop_reading();
        self.agent.wait_until_drained(LAST_MOMENT).await;
        self.agent.leave_unwritten().await;
        let grace_left = self.grace_over.unwrap_or_else(far_future).duration_since(now());
        self.agent.finish_tees(grace_left).await;
        self.agent.stop_archivist();
        self.agent.hand_over();
        let outcome = self.agent.outcome();
        outcome.report();
        let answer = serde_json::to_value(&outcome).unwrap_or_default();
        let mut goodbyes = JoinSet::new();
        for answers in self.wait_for_end {
            goodbyes.spawn(answers.say_goodbye(answer.clone()));
        }
        goodbyes.join_all().await;
        let child = self.mode.child;
        child.iter().for_each(Child::tell_left);
        Ended { outcome, command: child.and_then(|child| child.exit_status()) }
    }
}

fn refuse(mistakes: &[Mistake]) {
    for mistake in mistakes {
        report(&ConfigurationMistake { mistake });
    }
    report(&ConfigurationRefused { mistakes: &mistakes.len() });
}

fn now() -> Instant {
    Instant::from_std(clock::instant())
}

fn far_future() -> Instant {
    now() + std::time::Duration::from_secs(86_400)
}
