//! The .rpm, with a database of its own.

use crate::load::under_load;
use crate::machine::Machine;
use crate::support::{Place, whole_machine};

#[test]
fn the_rpm_installs_upgrades_under_load_and_erases() {
    let _machine = whole_machine();
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.rpm(&["--install", "--nodeps", "/place/first.rpm"]);
    for unit in ["logagent.socket", "logagent.service"] {
        assert_eq!((&*machine.state_of(unit), &*machine.is_enabled(unit)), ("active", "enabled"));
    }
    machine.systemctl(&[
        "--quiet",
        "enable",
        "--now",
        "logagent@web.socket",
        "logagent@web.service",
    ]);
    assert_eq!(machine.owner("/var/log/logagent"), "2750 logagent adm");
    let pid = machine.show("logagent.service", "MainPID");
    under_load(&place, &machine, || {
        let said = machine.rpm(&["--upgrade", "--nodeps", "/place/newer.rpm"]);
        assert_eq!(said, "");
        assert_ne!(machine.show("logagent.service", "MainPID"), pid);
    });
    assert_eq!(machine.rpm(&["--query", "--queryformat=%{RELEASE}", "logagent"]), "2");

    machine.systemctl(&["start", "logagent.service"]);
    machine.rpm(&["--erase", "--nodeps", "logagent"]);
    assert_eq!(machine.state_of("logagent.service"), "inactive");
    for gone in ["/usr/bin/logagent", "/etc/logagent/logagent.toml", "/run/logagent"] {
        assert!(!machine.path(gone).exists(), "{gone}");
    }
    // What was written stays.
    assert!(machine.path("/var/log/logagent/feed.log").exists());
}

#[test]
fn an_upgrade_of_the_rpm_with_a_wrong_configuration_leaves_the_agent_running() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    machine.rpm(&["--install", "--nodeps", "/place/first.rpm"]);
    machine.agent();
    let pid = machine.show("logagent.service", "MainPID");
    machine.write_inside("/etc/logagent/logagent.toml", "[agnet]\n");
    let said = machine.rpm(&["--upgrade", "--nodeps", "/place/newer.rpm"]);
    assert!(said.contains("NOT RESTARTED") && said.contains("agnet"), "{said}");
    assert_eq!(machine.show("logagent.service", "MainPID"), pid);
    machine.agent();
}
