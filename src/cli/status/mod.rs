//! `status`: asks a running agent what it is doing, and shows it.

mod prometheus;
mod rates;
mod table;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use super::exit::Exit;
use crate::agent::chain;
use crate::control::{ControlError, ask};
use crate::limits::STATUS_EVERY;
pub use prometheus::metrics;
use rates::Rates;
pub(super) use table::text;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Tables, for people.
    Tables,
    /// One JSON object.
    Json,
    /// Prometheus' text exposition format.
    Prometheus,
}

impl Shown {
    fn text(self, status: &Value) -> String {
        match self {
            Shown::Tables => table::tables(status, None),
            Shown::Json => format!("{status:#}\n"),
            Shown::Prometheus => prometheus::text(status),
        }
    }
}

pub(super) fn run(control: &Path, shown: Shown) -> Exit {
    match ask(control, "status") {
        Ok(status) => {
            super::answer(&shown.text(&status));
            Exit::Clean
        }
        Err(error) => failed(&error),
    }
}

/// Shows it again and again, on a terminal in the same place, until the agent or the reader has gone.
pub(super) fn watch(control: &Path) -> Exit {
    let clear = if io::stdout().is_terminal() { "\x1b[H\x1b[J" } else { "" };
    let mut rates = Rates::default();
    let mut shown_before = false;
    loop {
        let status = match ask(control, "status") {
            Ok(status) => status,
            Err(ControlError::NoAgent(_) | ControlError::Killed(_)) if shown_before => {
                super::tell("logagent: the agent has gone");
                return Exit::System;
            }
            Err(error) => return failed(&error),
        };
        let text = table::tables(&status, Some(&rates.since_before(&status)));
        let blank = if clear.is_empty() && shown_before { "\n" } else { "" };
        let mut out = io::stdout();
        let printed = write!(out, "{clear}{blank}{text}").and_then(|()| out.flush());
        if printed.is_err() {
            // Whoever read it has gone.
            return Exit::Clean;
        }
        shown_before = true;
        std::thread::sleep(STATUS_EVERY);
    }
}

fn failed(error: &ControlError) -> Exit {
    super::tell(&format!("logagent: {}", chain(error)));
    Exit::System
}
