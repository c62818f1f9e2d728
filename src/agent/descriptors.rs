//! The limit of open descriptors, and how many connections and streams fit in it.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::config::Config;
use crate::limits::DESCRIPTORS_RESERVED;
use crate::report::{DescriptorsShort, report};

/// How many there may be.
pub(super) struct Room {
    pub(super) connections: usize,
    /// With those that connections name.
    pub(super) streams: usize,
}

/// The limits as they are, soft and hard, for whoever is to have them as they were.
pub fn descriptors_max() -> Option<(rlim_t, rlim_t)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// Raises the soft limit to the hard one, and says how much room there is.
pub(super) fn raise_limit(config: &Config) -> Room {
    let (connections, streams) = (config.agent.connections_max, config.agent.streams_max);
    let Some((soft, hard)) = descriptors_max() else {
        return Room { connections, streams };
    };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    let descriptors = usize::try_from(limit).unwrap_or(usize::MAX);
    // Each stream that connections name has a file, but never so many that nobody can connect.
    let streams_fit = config.streams.len() + descriptors / 4;
    let on_demand = match config.inputs.values().any(|input| input.routing.makes_streams()) {
        true => streams.min(descriptors / 4),
        false => 0,
    };
    // A stream has two files for the moment of a reopen, an input has its socket or FIFOs.
    let places: usize = config.inputs.values().map(|input| input.kind.places().count()).sum();
    let files = 2 * config.streams.len() + on_demand;
    let ours = files + places.max(config.inputs.len()) + DESCRIPTORS_RESERVED;
    let connections_fit = descriptors.saturating_sub(ours).max(1);
    let connect = config.inputs.values().any(|input| input.kind.has_connections());
    if connect && connections_fit < connections {
        let fit = &connections_fit;
        report(&DescriptorsShort { wanted: &connections, limit: &limit, connections: fit });
    }
    Room { connections: connections.min(connections_fit), streams: streams.min(streams_fit) }
}
