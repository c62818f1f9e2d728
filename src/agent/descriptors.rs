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
    // A stream has two files for the moment of a reopen, an input has its socket.
    let ours = 2 * config.streams.len() + config.inputs.len() + DESCRIPTORS_RESERVED;
    let fit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(ours).max(1);
    if fit < wanted {
        report(&DescriptorsShort { wanted: &wanted, limit: &limit, connections: &fit });
    }
    wanted.min(fit)
}
