//! `print logrotate`: what logrotate has to know of a configuration's files.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Configured;
use super::quoting::{all_for_logrotate, for_logrotate, for_shell};
use crate::accounts::{self, USERS};
use crate::config::{Config, defaults};
use crate::place::Place;

/// Where files of others lie too: whoever takes all of them takes too much.
const SHARED: &[&str] = &["/", "/var", "/var/log", "/srv", "/tmp", "/var/tmp", "/home", "/opt"];

/// What one stanza says of its files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rules {
    create: String,
    su: Option<String>,
}

/// A file for `/etc/logrotate.d`.
pub(super) fn stanzas(configured: &Configured) -> String {
    let Configured { config, file, .. } = configured;
    let mut text = format!(
        "# /etc/logrotate.d/logagent, made by `logagent print logrotate` for {}\n",
        file.display()
    );
    let hook = Hook::of(config);
    let agent = agent_uid(config);
    let everything = everything_in(config);
    let mut explicit: BTreeMap<Rules, Vec<String>> = BTreeMap::new();
    for (stream, settings) in config.streams.iter().chain(&config.on_demand.tables) {
        let place = &settings.writer.file;
        let is_in_pattern = everything.is_some_and(|directory| is_log_in(&place.path, directory));
        if is_device(&place.path) {
            continue;
        }
        if settings.writer.rotate.is_some() {
            let path = place.path.display();
            text += &format!("# Stream {stream} is left out: the agent rotates {path} itself.\n");
            if is_in_pattern {
                text += &never(&place.path);
            }
        } else if !is_in_pattern {
            let rules = Rules::of(place, agent);
            explicit.entry(rules).or_default().push(for_logrotate(&place.path));
        }
    }
    for (rules, mut files) in explicit {
        files.sort_unstable();
        files.dedup();
        text += &stanza(&files, &rules, &hook);
    }
    match everything {
        Some(directory) => {
            let all = [all_for_logrotate(directory, ".log")];
            text += &stanza(&all, &Rules::of_all(config, agent), &hook);
        }
        None => text += &not_everything(config),
    }
    text
}

/// A stanza for a file that another one names too: what stands first counts.
fn never(path: &Path) -> String {
    format!(
        "ignoreduplicates\n{} {{\n    # Never: it does not become as large.\n    size 1000000G\n    \
         missingok\n}}\n",
        for_logrotate(path)
    )
}

/// The directory in which every file is one of a stream's that connections name.
fn everything_in(config: &Config) -> Option<&Path> {
    let makes = config.inputs.values().any(|input| input.routing.makes_streams());
    let directory = config.on_demand.dir.as_path();
    let rotates = config.on_demand.defaults.writer.rotate.is_none();
    let shared = SHARED.iter().any(|shared| Path::new(shared) == directory);
    (makes && rotates && !shared).then_some(directory)
}

/// What is to be said where there is no such directory, although there are such streams.
fn not_everything(config: &Config) -> String {
    let makes = config.inputs.values().any(|input| input.routing.makes_streams());
    let directory = config.on_demand.dir.display();
    match (makes, &config.on_demand.defaults.writer.rotate) {
        (false, _) => String::new(),
        (true, Some(_)) => "# Streams that connections name the agent rotates itself.\n".to_owned(),
        (true, None) => format!(
            "# Streams that connections name have their files in {directory}, among those of others:\n\
             # they are not named here. With a directory of their own, dir in [defaults], they are.\n"
        ),
    }
}

fn is_log_in(path: &Path, directory: &Path) -> bool {
    path.parent() == Some(directory) && path.extension().is_some_and(|end| end == "log")
}

fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.file_type().is_char_device())
}

fn stanza(files: &[String], rules: &Rules, hook: &Hook) -> String {
    let mut text = files.join("\n") + " {\n";
    let mut line = |setting: &str| text += &format!("    {setting}\n");
    ["daily", "rotate 14", "missingok", "notifempty", "compress"].into_iter().for_each(&mut line);
    if hook.is_late() {
        line("# Nobody says when the old file is complete.");
        line("delaycompress");
    }
    line(&rules.create);
    if let Some(su) = &rules.su {
        line(su);
    }
    if let Some(command) = hook.command() {
        line("sharedscripts");
        line("postrotate");
        line(&format!("    {command}"));
        line("endscript");
    }
    text + "}\n"
}

impl Rules {
    fn of(place: &Place, agent: Option<u32>) -> Rules {
        let directory = place.path.parent().unwrap_or(Path::new("/"));
        Rules { create: create(place), su: su(directory, place, agent) }
    }

    /// For files of several settings: each is made as the one before, which the agent has made.
    fn of_all(config: &Config, agent: Option<u32>) -> Rules {
        let defaults = &config.on_demand.defaults.writer.file;
        let su = su(&config.on_demand.dir, defaults, agent);
        Rules { create: "create".to_owned(), su }
    }
}

/// What is left out is as it was of the file before, which the agent has made.
fn create(place: &Place) -> String {
    let owner = |number: u32| accounts::user_name(number).unwrap_or_else(|| number.to_string());
    let group = |number: u32| accounts::group_name(number).unwrap_or_else(|| number.to_string());
    let mode = format!("create {:04o}", place.mode);
    match (place.owner, place.group) {
        (Some(user), Some(of)) => format!("{mode} {} {}", owner(user), group(of)),
        _ => mode,
    }
}

/// logrotate refuses, as root, where others than root could put a link in its way; and where the
/// directory is the agent's own root has no business.
fn su(directory: &Path, place: &Place, agent: Option<u32>) -> Option<String> {
    let found = directory.metadata().ok()?;
    let others_write = found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && found.gid() != 0);
    let is_agents = found.uid() != 0 && Some(found.uid()) == agent;
    // As the agent's user nobody could make files of others.
    let is_plain = place.owner.is_none_or(|owner| Some(owner) == agent);
    if !(others_write || (is_agents && is_plain)) {
        return None;
    }
    let (user, group) = (found.uid(), found.gid());
    let user = accounts::user_name(user).unwrap_or_else(|| user.to_string());
    let group = accounts::group_name(group).unwrap_or_else(|| group.to_string());
    Some(format!("su {user} {group}"))
}

/// The agent's user: the one that runs, or that of a package.
fn agent_uid(config: &Config) -> Option<u32> {
    let running = config.agent.control.as_ref().and_then(|path| path.metadata().ok());
    let running = running.map(|found| found.uid());
    running.or_else(|| accounts::number_of("logagent", USERS).ok().flatten())
}

/// How the agent hears of a rotation.
enum Hook {
    /// By a command, which returns when the old files are complete.
    Command(String),
    Signal(String),
    /// It sees for itself.
    None,
}

impl Hook {
    fn of(config: &Config) -> Hook {
        if let Some(control) = &config.agent.control {
            let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("logagent"));
            let mut command = format!("{} reopen --quiet --if-running", for_shell(&program));
            if control != Path::new(defaults::CONTROL) {
                command += &format!(" --control {}", for_shell(control));
            }
            return Hook::Command(command);
        }
        match &config.agent.pid_file {
            Some(path) => {
                let path = for_shell(path);
                Hook::Signal(format!("[ ! -f {path} ] || kill -USR2 $(cat {path})"))
            }
            None => Hook::None,
        }
    }

    fn is_late(&self) -> bool {
        !matches!(self, Hook::Command(_))
    }

    fn command(&self) -> Option<&str> {
        match self {
            Hook::Command(command) | Hook::Signal(command) => Some(command),
            Hook::None => None,
        }
    }
}
