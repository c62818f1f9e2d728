//! The .deb removed, installed again, and purged.

use std::collections::BTreeSet;
use std::fs;

use crate::machine::Machine;
use crate::support::Place;

const APP: &str = "
[Service]
Type=exec
ExecStart=sh -c 'echo again; exec sleep infinity'
";

/// Every path where a package may leave something.
fn everything(machine: &Machine<'_>) -> BTreeSet<String> {
    let found = machine.succeeds(&["find", "/etc", "/usr", "/var", "/run", "-xdev"]);
    found.lines().map(str::to_owned).collect()
}

/// What dpkg and the tools that make users keep for themselves, and what services have of their own;
/// and what others make meanwhile on the machine below this one, whose files it shows.
const OTHERS: &[&str] = &[
    "/var/lib/dpkg/",
    "/var/log/",
    "/var/cache/",
    "/var/tmp/",
    "/run/",
    "/etc/.pwd.lock",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
];

fn is_ours(path: &str) -> bool {
    path.contains("logagent") || !OTHERS.iter().any(|other| path.starts_with(other))
}

#[test]
fn purged_it_leaves_nothing_but_its_user() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    let before = everything(&machine);
    machine.dpkg(&["--install", "/place/first.deb"]);
    machine.systemctl(&[
        "--quiet",
        "enable",
        "--now",
        "logagent@web.socket",
        "logagent@web.service",
    ]);
    machine.write_inside("/etc/logagent/web.env", "LOGAGENT_FORMAT=json\n");
    machine.write_inside("/etc/logagent/conf.d/own.toml", "[stream.web]\n");
    machine.succeeds(&["sh", "-c", "echo saved | logagent send --stream backup"]);
    machine.agent().wait_for_lines("backup", 1);

    machine.dpkg(&["--purge", "logagent"]);
    let left: Vec<_> = everything(&machine).difference(&before).cloned().collect();
    let left: Vec<_> = left.iter().filter(|path| is_ours(path)).collect();
    assert!(left.is_empty(), "{left:#?}");
    let units = ["list-units", "--all", "--plain", "--no-legend", "logagent*"];
    assert_eq!(machine.systemctl(&units), "");
    // Files elsewhere may be its own.
    machine.succeeds(&["id", "logagent"]);

    // A package in its place finds what the first one found.
    machine.dpkg(&["--install", "/place/newer.deb"]);
    machine.agent();
    assert_eq!(machine.is_enabled("logagent.service"), "enabled");
}

#[test]
fn removed_it_stops_tells_who_depends_on_it_and_comes_back_with_the_next_installation() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    machine.systemctl(&[
        "--quiet",
        "enable",
        "--now",
        "logagent@web.socket",
        "logagent@web.service",
    ]);
    let drop_in = "/etc/systemd/system/app.service.d/logagent.conf";
    machine.write_inside("/etc/systemd/system/app.service", APP);
    machine.send_output_of("app.service");
    machine.systemctl(&["daemon-reload"]);
    machine.succeeds(&["sh", "-c", "echo saved | logagent send --stream backup"]);
    machine.agent().wait_for_lines("backup", 1);

    let said = machine.dpkg(&["--remove", "logagent"]);
    assert!(said.contains(drop_in), "{said}");
    for unit in ["logagent.socket", "logagent.service", "logagent@web.socket", "logagent@web"] {
        assert_eq!(machine.state_of(unit), "inactive", "{unit}");
    }
    // A unit is told at once, instead of writing where nobody looks.
    assert!(!machine.output_of(&["systemctl", "start", "app.service"]).status.success());
    assert!(!machine.path("/run/logagent").exists());
    let log = machine.path("/var/log/logagent/backup.log");
    assert_eq!(fs::read_to_string(&log).unwrap(), "saved\n");
    assert!(machine.path("/etc/logagent/logagent.toml").exists());

    let said = machine.dpkg(&["--install", "/place/newer.deb"]);
    machine.agent();
    for unit in ["logagent.socket", "logagent.service", "logagent@web.socket", "logagent@web"] {
        assert_eq!(machine.state_of(unit), "active", "{unit}: {said}");
    }
    machine.systemctl(&["start", "app.service"]);
    machine.succeeds(&["sh", "-c", "echo again | logagent send --stream backup"]);
    machine.agent().wait_for_lines("app", 1);
    machine.agent().wait_for_lines("backup", 1);
    assert_eq!(fs::read_to_string(log).unwrap(), "saved\nagain\n");
}

#[test]
fn it_is_purged_where_something_is_mounted_at_its_log_directory() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    let logs = "/var/log/logagent";
    machine.succeeds(&["mount", "--bind", logs, logs]);
    machine.succeeds(&["sh", "-c", "echo saved | logagent send --stream backup"]);
    machine.agent().wait_for_lines("backup", 1);
    machine.dpkg(&["--purge", "logagent"]);
    let left = fs::read_dir(machine.path(logs)).unwrap().count();
    assert_eq!(left, 0, "logs are left");
    let known = machine.output_of(&["dpkg-query", "--show", "logagent"]);
    assert!(!known.status.success(), "it is not purged");
}
