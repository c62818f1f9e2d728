//! The control plane: signals and the control socket, one step at a time. It may be slow; the data
//! plane does not wait for it.

mod announce;
mod answers;
pub mod child;
mod client;
pub mod commands;
mod loading;
mod plane;
pub mod signals;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;

pub use answers::{Answers, Gone};
pub use client::{ControlError, Conversation, Heard, ask};
pub use plane::{Ended, Plane, run};
pub use socket::{Request, serve};

use child::Child;

use crate::config::Config;
use crate::store::Supervisor;

/// How the program is to behave as a whole.
#[derive(Debug, Default)]
pub struct Mode {
    /// What SIGHUP reads again.
    pub config_file: Option<PathBuf>,
    /// The end of the standard input is the end of the program.
    pub ends_with_stdin: bool,
    /// The command whose end is the end of the program.
    pub child: Option<Child>,
    /// The control socket, where the command line says it.
    pub control: Option<PathBuf>,
    /// Who has started us, and wants to hear of us.
    pub supervisor: Option<Arc<Supervisor>>,
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
