//! `[agent]`: every key, or its default.

use std::path::PathBuf;

use toml::Spanned;

use super::super::defaults;
use super::super::mistake::{At, Mistakes};
use super::super::used::AgentSettings;
use super::super::value::{Count, HumanDuration, PathOrOff, Setting, Size};
use super::super::written::{Agent, Table};
use super::paths::{PathUse, What};
use crate::limits;

/// The agent's settings, and the place for a mistake about `max-streams`.
pub(super) fn settings(
    written: Option<Spanned<Table<Agent>>>,
    paths: &mut Vec<PathUse>,
    mistakes: &mut Mistakes<'_>,
) -> (AgentSettings, At) {
    let at = At { file: 0, offset: written.as_ref().map_or(0, |agent| agent.span().start) };
    let Table(agent) = written.map(Spanned::into_inner).unwrap_or_default();
    let Agent { pid_file, control, grace, max_connections, max_streams, partial_memory, watch } =
        agent;

    let pid_file = mistakes.setting(0, pid_file);
    let pid_file = path(pid_file, defaults::PID_FILE, What::PidFile, at, paths);
    let control = mistakes.setting(0, control);
    let control = path(control, defaults::CONTROL, What::Control, at, paths);
    let max_streams = mistakes.setting(0, max_streams);
    let max_streams_at = if let Setting::Right(_, at) = &max_streams { *at } else { at };
    let grace = mistakes.setting(0, grace).right().map(|HumanDuration(grace)| grace);
    let connections = mistakes.setting(0, max_connections).right().map(|Count(count)| count);
    let partial = mistakes.setting(0, partial_memory).right().map(|Size(bytes)| bytes);
    let watch = mistakes.setting(0, watch).right().unwrap_or_default();
    let streams = max_streams.right().map(|Count(count)| count);
    let settings = AgentSettings {
        pid_file,
        control,
        grace: grace.unwrap_or(limits::GRACE_DEFAULT),
        connections_max: connections.unwrap_or(limits::CONNECTIONS_MAX_DEFAULT),
        streams_max: streams.unwrap_or(limits::STREAMS_MAX_DEFAULT),
        partial_bytes_max: partial.unwrap_or(limits::PARTIAL_BYTES_POOL_DEFAULT),
        watch,
    };
    (settings, max_streams_at)
}

fn path(
    setting: Setting<PathOrOff>,
    default: &str,
    what: What,
    table: At,
    paths: &mut Vec<PathUse>,
) -> Option<PathBuf> {
    let (path, at) = match setting {
        Setting::Absent => (Some(PathBuf::from(default)), table),
        Setting::Wrong => return None,
        Setting::Right(PathOrOff(path), at) => (path, at),
    };
    if let Some(path) = &path {
        paths.push(PathUse { path: path.clone(), what, at });
    }
    path
}
