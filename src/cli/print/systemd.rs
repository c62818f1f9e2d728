//! `print systemd`: what logagent.service needs for a configuration, beyond what it says itself.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::quoting::{argument_for_systemd, for_shell, for_systemd, word_for_systemd};
use super::{Configured, sockets};
use crate::accounts::{self, GROUPS, USERS};
use crate::config::Config;
use crate::input::InputKind;
use crate::limits::DESCRIPTORS_RESERVED;
use crate::place::Place;

const USER: &str = "logagent";

/// Where the unit may write anyway.
const WRITABLE: &[&str] = &["/var/log", "/run/logagent", "/var/run/logagent"];
/// What ProtectHome= hides.
const HOMES: &[&str] = &["/home", "/root", "/run/user"];
/// FileDescriptorStoreMax= of the unit.
const STORED: usize = 10_200;
/// The hard limit that systemd gives, and the agent raises its own to.
const OPEN_MAX: usize = 524_288;
/// TimeoutStopSec= of the unit is 20 s.
const GRACE_MAX: Duration = Duration::from_secs(16);

/// What the agent makes in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Made {
    Logs,
    Sockets,
}

/// What is to be said, in the order of its appearance.
#[derive(Default)]
struct DropIn {
    /// What has to be done by hand.
    first: Vec<String>,
    unit: Vec<String>,
    service: Vec<String>,
}

/// A drop-in that holds whatever it needs, be it nothing.
pub(super) fn drop_in(configured: &Configured) -> String {
    let Configured { config, file, is_named } = configured;
    let mut drop_in = DropIn::default();
    if *is_named {
        let file = argument_for_systemd(file);
        drop_in.service.extend([
            "ExecStart=".to_owned(),
            format!("ExecStart=/usr/bin/logagent -c {file}"),
            "ExecReload=".to_owned(),
            format!("ExecReload=/usr/bin/logagent reload -c {file}"),
        ]);
    }
    let directories = directories(config);
    drop_in.directories(&directories);
    let mut homes = directories.iter().filter(|(directory, _)| is_below(directory, HOMES));
    if homes.next().is_some() || (*is_named && is_below(file, HOMES)) {
        drop_in.service.push("ProtectHome=read-only".to_owned());
    }
    drop_in.accounts(config);
    drop_in.limits(config);
    drop_in.sockets(config);
    drop_in.text(file)
}

/// Where it makes something, beyond what it may.
fn directories(config: &Config) -> BTreeSet<(PathBuf, Made)> {
    let streams = config.streams.values().chain(config.on_demand.tables.values());
    let logs = streams.map(|stream| stream.writer.file.path.as_path());
    let logs =
        logs.filter(|path| !path.metadata().is_ok_and(|found| found.file_type().is_char_device()));
    let made_on_demand = config.inputs.values().any(|input| input.routing.makes_streams());
    let any = config.on_demand.dir.join("any");
    let logs = logs.chain(made_on_demand.then_some(any.as_path())).map(|path| (path, Made::Logs));
    let sockets = config.inputs.values().filter_map(|input| input.kind.path());
    let own = [&config.agent.pid_file, &config.agent.control].into_iter().flatten();
    let sockets = sockets.chain(own.map(PathBuf::as_path)).map(|path| (path, Made::Sockets));
    let all = logs.chain(sockets).filter_map(|(path, made)| Some((path.parent()?, made)));
    let more = all.filter(|(directory, _)| !is_below(directory, WRITABLE));
    more.map(|(directory, made)| (directory.to_owned(), made)).collect()
}

fn is_below(path: &Path, roots: &[&str]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

impl DropIn {
    fn directories(&mut self, directories: &BTreeSet<(PathBuf, Made)>) {
        let mut groups = BTreeSet::new();
        for (directory, made) in directories {
            let word = word_for_systemd(directory);
            if *made == Made::Logs {
                self.unit.push(format!("RequiresMountsFor={word}"));
            }
            let found = directory.metadata().ok();
            match (found.as_ref(), directory.strip_prefix("/run")) {
                // It is gone at the next boot: systemd makes it again, as it has made it before.
                (found, Ok(below))
                    if below.components().next().is_some() && found.is_none_or(is_agents) =>
                {
                    self.service.push(format!("RuntimeDirectory={}", word_for_systemd(below)));
                    continue;
                }
                (None, _) => {
                    let access = match made {
                        Made::Logs => "-g adm -m 2750",
                        Made::Sockets => "-g logagent -m 0755",
                    };
                    let shown = for_shell(directory);
                    self.first.push(format!("install -d -o {USER} {access} {shown}"));
                }
                (Some(found), _) => match writable_through(found) {
                    Access::Own => {}
                    Access::Group(group) => {
                        groups.insert(group);
                    }
                    Access::None => {
                        let shown = for_shell(directory);
                        self.first.push(format!("setfacl -m u:{USER}:rwx {shown}"));
                    }
                },
            }
            self.service.push(format!("ReadWritePaths={word}"));
        }
        self.groups(&groups);
    }

    fn groups(&mut self, groups: &BTreeSet<u32>) {
        for group in groups {
            let group = accounts::group_name(*group).unwrap_or_else(|| group.to_string());
            let line = format!("SupplementaryGroups={group}");
            if !self.service.contains(&line) {
                self.service.push(line);
            }
        }
    }

    /// Whoever gives a file to a group has to be in it; to another user, has to be allowed all.
    fn accounts(&mut self, config: &Config) {
        let streams = config.streams.values().chain(config.on_demand.tables.values());
        let files = streams.map(|stream| &stream.writer.file);
        let files = files.chain([&config.on_demand.defaults.writer.file]);
        let places = config.inputs.values().filter_map(|input| input.kind.place());
        let places: Vec<&Place> = files.chain(places).collect();
        let own_group = accounts::number_of(USER, GROUPS).ok().flatten();
        let groups = places.iter().filter_map(|place| place.group);
        self.groups(&groups.filter(|group| Some(*group) != own_group).collect());
        let own = own_uid();
        if places.iter().filter_map(|place| place.owner).any(|owner| Some(owner) != own) {
            let needed = "CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE";
            self.service.extend([
                "# For `owner`: files of other users. That is nearly all that root may.".to_owned(),
                format!("CapabilityBoundingSet={needed}"),
                format!("AmbientCapabilities={needed}"),
            ]);
        }
    }

    fn limits(&mut self, config: &Config) {
        let agent = &config.agent;
        // Connections, sockets and FIFOs, and what is handed from one agent to the next.
        let places: usize = config.inputs.values().map(|input| input.kind.places().count()).sum();
        let stored = agent.connections_max + places.max(config.inputs.len()) + 8;
        if stored > STORED {
            self.service.push(format!("FileDescriptorStoreMax={stored}"));
            self.service.push(format!("Environment=FDSTORE={stored}"));
        }
        let open = agent.connections_max + 2 * agent.streams_max + DESCRIPTORS_RESERVED;
        if open > OPEN_MAX {
            self.service.push(format!("LimitNOFILE={open}"));
        }
        if agent.grace > GRACE_MAX {
            let stop = agent.grace.as_secs() + 12;
            self.service.push("# More than `grace`.".to_owned());
            self.service.push(format!("TimeoutStopSec={stop}"));
        }
    }

    fn sockets(&mut self, config: &Config) {
        for (input, settings) in &config.inputs {
            if let InputKind::Systemd(name) = &settings.kind
                && sockets::named(name).is_none()
            {
                self.first.push(format!(
                    "write a .socket unit for [input.{input}.systemd], with \
                     FileDescriptorName={name} and Service=logagent.service"
                ));
            }
        }
    }

    fn text(&self, file: &Path) -> String {
        let mut text = format!(
            "# /etc/systemd/system/logagent.service.d/paths.conf, made by `logagent print systemd`\n\
             # for {}\n",
            for_systemd(file)
        );
        if !self.first.is_empty() {
            text += "# Before:\n";
        }
        for step in &self.first {
            text += &format!("#   {step}\n");
        }
        if self.unit.is_empty() && self.service.is_empty() {
            text += "# logagent.service needs nothing more for it.\n";
        }
        for (section, lines) in [("Unit", &self.unit), ("Service", &self.service)] {
            if !lines.is_empty() {
                text += &format!("\n[{section}]\n{}\n", lines.join("\n"));
            }
        }
        text
    }
}

/// How the agent's user may write to a directory.
enum Access {
    Own,
    Group(u32),
    None,
}

fn writable_through(directory: &Metadata) -> Access {
    let is_own = own_uid().is_none_or(|own| directory.uid() == own);
    if is_own || directory.mode() & 0o002 != 0 {
        Access::Own
    } else if directory.mode() & 0o020 != 0 && directory.gid() != 0 {
        Access::Group(directory.gid())
    } else {
        Access::None
    }
}

fn is_agents(directory: &Metadata) -> bool {
    own_uid() == Some(directory.uid())
}

/// The number of the agent's user, where it is there already.
fn own_uid() -> Option<u32> {
    accounts::number_of(USER, USERS).ok().flatten()
}
