//! The .deb on a machine that has not seen it before.

use std::fs;

use crate::machine::Machine;
use crate::support::{Place, wait_until};

const APP: &str = "
[Service]
User=nobody
ExecStart=sh -c 'echo from %i; exec sleep infinity'
";

/// Rotates with what the package has installed. Returns what it has said, which should be nothing.
#[track_caller]
fn rotate(machine: &Machine<'_>) -> String {
    let rotate = "exec logrotate --force --state /place/state /etc/logrotate.d/logagent 2>&1";
    machine.succeeds(&["sh", "-c", rotate])
}

#[test]
fn once_installed_it_runs_and_units_and_commands_write_through_it() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    for unit in ["logagent.socket", "logagent.service"] {
        assert_eq!((&*machine.state_of(unit), &*machine.is_enabled(unit)), ("active", "enabled"));
    }
    machine.succeeds(&["logagent", "status"]);
    assert_eq!(machine.owner("/var/log/logagent"), "2750 logagent adm");
    assert_eq!(machine.owner("/run/logagent/units.sock"), "600 root root");
    assert_eq!(machine.owner("/run/logagent/logagent.sock"), "660 logagent logagent");

    machine.write_inside("/etc/systemd/system/myapp@.service", APP);
    let drop_in = "/etc/systemd/system/myapp@.service.d";
    machine.succeeds(&["mkdir", drop_in]);
    let example = "/usr/share/doc/logagent/examples/app.conf";
    machine.succeeds(&["cp", example, &format!("{drop_in}/logagent.conf")]);
    machine.systemctl(&["daemon-reload"]);
    machine.systemctl(&["start", "myapp@1"]);
    machine.succeeds(&["sh", "-c", "echo saved | logagent send --stream backup"]);
    let agent = machine.agent();
    agent.wait_for_lines("myapp", 1);
    agent.wait_for_lines("backup", 1);
    let logs = machine.path("/var/log/logagent");
    assert_eq!(fs::read_to_string(logs.join("myapp.log")).unwrap(), "from 1\n");
    assert_eq!(fs::read_to_string(logs.join("backup.log")).unwrap(), "saved\n");
    assert_eq!(machine.owner("/var/log/logagent/myapp.log"), "640 logagent adm");
}

#[test]
fn its_logrotate_file_rotates_and_compresses_and_does_not_fail_without_an_agent() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    let web = ["logagent@web.socket", "logagent@web.service"];
    machine.systemctl(&[&["start"][..], &web].concat());
    let say = |line: &str| {
        let send = format!("echo {line} | logagent send --stream app");
        machine.succeeds(&["sh", "-c", &send]);
        let send = format!("echo {line} | logagent send --socket /run/logagent/web.sock");
        machine.succeeds(&["sh", "-c", &send]);
    };
    let archive = |name: &str| {
        machine.succeeds(&["gzip", "-dc", &format!("/var/log/logagent/{name}.log.1.gz")])
    };
    let log = |name: &str| machine.path(&format!("/var/log/logagent/{name}.log"));
    let read = |name: &str| fs::read_to_string(log(name)).unwrap();

    say("one");
    wait_until("the first lines", || {
        ["app", "web"].iter().all(|name| log(name).exists() && read(name) == "one\n")
    });
    assert_eq!(rotate(&machine), "");
    say("two");
    wait_until("the second lines", || ["app", "web"].iter().all(|name| read(name) == "two\n"));
    for name in ["app", "web"] {
        assert_eq!(archive(name), "one\n");
        assert_eq!(machine.owner(&format!("/var/log/logagent/{name}.log")), "640 logagent adm");
    }

    machine.systemctl(&[&["stop", "logagent.socket", "logagent.service"][..], &web].concat());
    assert_eq!(rotate(&machine), "");
    assert_eq!((archive("app"), archive("web")), ("two\n".to_owned(), "two\n".to_owned()));

    machine.dpkg(&["--remove", "logagent"]);
    fs::write(log("app"), "three\n").unwrap();
    assert_eq!(rotate(&machine), "");
    assert_eq!(archive("app"), "three\n");
}
