//! The limit of open descriptors, and how many connections fit in it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::limits::DESCRIPTORS_RESERVED;
use crate::report::{DescriptorsShort, report};

/// Raises the soft limit to the hard one, and says how many connections there may be.
pub(super) fn raise_limit(config: &Config) -> usize {
    let wanted = config.agent.connections_max;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    let descriptors = usize::try_from(limit).unwrap_or(usize::MAX);
    // Each stream that connections name has a file, but never so many that nobody can connect.
    let on_demand = match config.inputs.values().any(|input| input.routing.makes_streams()) {
        true => config.agent.streams_max.min(descriptors / 4),
        false => 0,
    };
    // A stream has two files for the moment of a reopen, an input has its socket.
    let streams = 2 * config.streams.len() + on_demand;
    let ours = streams + config.inputs.len() + DESCRIPTORS_RESERVED;
    let fit = descriptors.saturating_sub(ours).max(1);
    if fit < wanted {
        report(&DescriptorsShort { wanted: &wanted, limit: &limit, connections: &fit });
    }
    wanted.min(fit)
}
