//! What systemd hears of us (sd_notify(3)): that we are up, what we are doing, that we are alive.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep_until};

use crate::agent::Agent;
use crate::clock;
use crate::limits::ANNOUNCE_EVERY;
use crate::store::Supervisor;

/// Tells systemd, where it has started us.
#[derive(Debug)]
pub(super) struct Announcer {
    supervisor: Option<Arc<Supervisor>>,
    /// How often it wants a sign of life, if it does.
    watchdog: Option<Duration>,
    next_at: Instant,
    status: String,
}

impl Announcer {
    /// For the one who has started us, if anybody wants to know.
    pub(super) fn new(supervisor: Option<Arc<Supervisor>>) -> Announcer {
        let watchdog = sd_notify::watchdog_enabled().map(|time| time / 2);
        let next_at = Instant::from_std(clock::instant());
        Announcer { supervisor, watchdog, next_at, status: String::new() }
    }

    fn tell(&self, text: &str) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.tell(text);
        }
    }

    /// Files and inputs are open.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// A configuration is being read.
    pub(super) fn reloading(&self) {
        // systemd orders it by the clock; without one it takes the notice all the same.
        let at =
            NotifyState::monotonic_usec_now().map_or_else(|_| String::new(), |at| at.to_string());
        self.tell(&format!("RELOADING=1\n{at}"));
    }

    /// The drain has begun.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Waits until there is something to announce again; for ever, where nobody wants to know.
    pub(super) async fn due(&self) {
        match self.supervisor {
            Some(_) => sleep_until(self.next_at).await,
            None => std::future::pending().await,
        }
    }

    /// A sign of life, and the sums, where they have changed.
    pub(super) fn announce(&mut self, agent: &Agent) {
        let pause = self.watchdog.map_or(ANNOUNCE_EVERY, |watchdog| watchdog.min(ANNOUNCE_EVERY));
        self.next_at = Instant::from_std(clock::instant()) + pause;
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
        let status = agent.summary();
        if status != self.status {
            self.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }
}
