//! The configuration as the program uses it: complete, checked, without contradictions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::defaults;
use crate::input::InputSettings;
use crate::limits;
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;

/// What concerns the agent as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Where the process id is written, if anywhere.
    pub pid_file: Option<PathBuf>,
    /// The control socket, if there is one.
    pub control: Option<PathBuf>,
    /// How long a drain may take.
    pub grace: Duration,
    /// Connections at a time; further ones wait in the backlog.
    pub connections_max: usize,
    /// Streams at a time.
    pub streams_max: usize,
    /// Unfinished lines of all connections together, beyond what each is sure of.
    pub partial_bytes_max: usize,
    /// Whether a changed configuration file is noticed and applied.
    pub watch: bool,
}

/// Without a configuration: no pid file and no control socket.
impl Default for AgentSettings {
    fn default() -> AgentSettings {
        AgentSettings {
            pid_file: None,
            control: None,
            grace: limits::GRACE_DEFAULT,
            connections_max: limits::CONNECTIONS_MAX_DEFAULT,
            streams_max: limits::STREAMS_MAX_DEFAULT,
            partial_bytes_max: limits::PARTIAL_BYTES_POOL_DEFAULT,
            watch: false,
        }
    }
}

/// A whole configuration. Every input's stream is in `streams`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The agent's own settings.
    pub agent: AgentSettings,
    /// Inputs by name.
    pub inputs: BTreeMap<String, InputSettings>,
    /// Streams that are open while the agent runs, by name.
    pub streams: BTreeMap<StreamName, StreamSettings>,
    /// Streams that connections name.
    pub on_demand: OnDemand,
}

/// Streams that are made when a connection names them: by its origin, or itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemand {
    /// Where the file of a stream is that has no table.
    pub dir: PathBuf,
    /// How it is written; the path of its file is made of `dir` and its name.
    pub defaults: StreamSettings,
    /// Streams that have a table.
    pub tables: BTreeMap<StreamName, StreamSettings>,
}

impl OnDemand {
    /// The settings of a stream of this name.
    pub fn stream(&self, name: &StreamName) -> StreamSettings {
        let mut settings = self.tables.get(name).cloned().unwrap_or_else(|| {
            let mut settings = self.defaults.clone();
            settings.writer.file.path = self.dir.join(format!("{name}.log"));
            settings
        });
        settings.writer.idle_close = Some(limits::IDLE_CLOSE);
        settings
    }
}

impl Default for OnDemand {
    fn default() -> OnDemand {
        let dir = PathBuf::from(defaults::DIR);
        OnDemand { dir, defaults: defaults::stream(PathBuf::new()), tables: BTreeMap::new() }
    }
}

impl Config {
    /// The settings of the stream of this name, be it open or made on demand.
    pub fn stream(&self, name: &StreamName) -> StreamSettings {
        self.streams.get(name).cloned().unwrap_or_else(|| self.on_demand.stream(name))
    }
}
