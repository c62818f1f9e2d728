//! Upgrades of the .deb in place.

use crate::load::under_load;
use crate::machine::Machine;
use crate::support::{Place, scale, whole_machine};

#[test]
fn upgrades_of_the_package_under_load_lose_nothing() {
    let _machine = whole_machine();
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
    let pids = || ["logagent.service", "logagent@web"].map(|unit| machine.show(unit, "MainPID"));
    let mut seen = vec![pids()];
    under_load(&place, &machine, || {
        for _ in 0..scale(2, 10) {
            for package in ["/place/newer.deb", "/place/first.deb"] {
                machine.dpkg(&["--install", package]);
                seen.push(pids());
            }
        }
    });
    for two in seen.windows(2) {
        for (before, after) in two[0].iter().zip(&two[1]) {
            assert!(before != after && after != "0", "an agent is not the new one: {seen:?}");
        }
    }
}

#[test]
fn an_upgrade_with_a_wrong_configuration_is_told_and_leaves_the_agent_running() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    let agent = machine.agent();
    let pid = machine.show("logagent.service", "MainPID");
    let send = |line: &str| {
        let send = format!("echo {line} | logagent send --stream app");
        machine.succeeds(&["sh", "-c", &send]);
    };
    send("before");
    let configuration = "/etc/logagent/logagent.toml";
    let correct = std::fs::read_to_string(machine.path(configuration)).unwrap();
    machine.write_inside(configuration, &correct.replace("path =", "paht ="));

    let said = machine.dpkg(&["--install", "/place/newer.deb"]);
    for words in ["NOT RESTARTED", "logagent.toml:", "paht", "systemctl restart logagent"] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    assert_eq!(machine.dpkg_state(), "install ok installed");
    assert_eq!(machine.show("logagent.service", "MainPID"), pid);
    send("after");
    agent.wait_for_lines("app", 2);

    // As it says.
    machine.write_inside(configuration, &correct);
    machine.succeeds(&["sh", "-c", "logagent check && systemctl restart logagent"]);
    assert_ne!(machine.show("logagent.service", "MainPID"), pid);
    send("last");
    machine.agent().wait_for_lines("app", 3);
    let log = std::fs::read_to_string(machine.path("/var/log/logagent/app.log")).unwrap();
    assert_eq!(log, "before\nafter\nlast\n");
}

#[test]
fn an_upgrade_looks_at_the_configuration_as_the_agents_user_does() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    machine.agent();
    let pid = machine.show("logagent.service", "MainPID");
    let elsewhere = "[input.web.unix-stream]\npath = \"/run/logagent/web.sock\"\n\
                     [stream.web]\nfile = \"/srv/web.log\"\n";
    machine.write_inside("/etc/logagent/conf.d/web.toml", elsewhere);
    machine.succeeds(&["logagent", "check"]);
    let said = machine.dpkg(&["--install", "/place/newer.deb"]);
    for words in ["NOT RESTARTED", "web.toml:", "may not make files in /srv"] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    assert_eq!(machine.show("logagent.service", "MainPID"), pid);
}

#[test]
fn an_upgrade_starts_nothing_that_an_administrator_has_stopped() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.dpkg(&["--install", "/place/first.deb"]);
    let units = ["logagent.socket", "logagent.service"];
    let check = |enabled: &str, package: &str| {
        machine.systemctl(&[&["stop"][..], &units].concat());
        machine.dpkg(&["--install", package]);
        let states = units.map(|unit| (machine.state_of(unit), machine.is_enabled(unit)));
        let still = ("inactive".to_owned(), enabled.to_owned());
        assert_eq!(states, [still.clone(), still]);
    };
    check("enabled", "/place/newer.deb");
    machine.systemctl(&[&["--quiet", "disable"][..], &units].concat());
    check("disabled", "/place/first.deb");
    machine.systemctl(&[&["--quiet", "mask"][..], &units].concat());
    check("masked", "/place/newer.deb");

    // Nor does it disable or stop what is disabled and runs all the same.
    machine.systemctl(&[&["--quiet", "unmask"][..], &units].concat());
    machine.systemctl(&[&["start"][..], &units].concat());
    let pid = machine.show("logagent.service", "MainPID");
    machine.dpkg(&["--install", "/place/first.deb"]);
    machine.agent();
    assert_ne!(machine.show("logagent.service", "MainPID"), pid);
    assert_eq!(machine.is_enabled("logagent.service"), "disabled");
}
