//! The archive for machines without either kind of package.

use std::fs;

use crate::machine::{Machine, Release, package};
use crate::support::Place;

const NOTES: &str = include_str!("../../packaging/INSTALL.md");

#[test]
fn whoever_follows_the_notes_of_the_archive_has_it_running_and_upgraded_and_removed() {
    let place = Place::new();
    let machine = Machine::boot(&place);
    fs::copy(package(Release::First, ".tar.gz"), place.path("logagent.tar.gz")).unwrap();
    let unpack =
        "mkdir /place/a && tar -xf /place/logagent.tar.gz -C /place/a --strip-components=1";
    machine.succeeds(&["sh", "-c", unpack]);
    let mut blocks = NOTES.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut follow = || {
        // As an administrator may have it who lets nobody read what is new.
        let script = format!("umask 077; cd /place/a\n{}", blocks.next().unwrap());
        machine.succeeds(&["sh", "-euc", &script]);
    };
    // For pipe mode.
    follow();
    machine.succeeds(&[
        "sh",
        "-c",
        "seq 3 | logagent -o /place/three && seq 3 | cmp /place/three -",
    ]);
    // As a service.
    follow();
    machine.succeeds(&["sh", "-c", "echo saved | logagent send --stream backup"]);
    machine.agent().wait_for_lines("backup", 1);
    // An upgrade.
    let pid = machine.show("logagent.service", "MainPID");
    follow();
    assert_ne!(machine.show("logagent.service", "MainPID"), pid);
    machine.agent();
    // Its end.
    machine.systemctl(&["start", "logagent@web.socket", "logagent@web.service"]);
    follow();
    assert!(blocks.next().is_none());
    for unit in ["logagent.service", "logagent@web.socket", "logagent@web.service"] {
        assert_eq!(machine.state_of(unit), "inactive", "{unit}");
    }
    for gone in ["/usr/bin/logagent", "/etc/logagent", "/usr/share/man/man1/logagent.1.gz"] {
        assert!(!machine.path(gone).exists(), "{gone}");
    }
    assert!(machine.path("/var/log/logagent/backup.log").exists());
}
