//! What is done inside a box; and the agent there as a package installs it: its units, its user, its
//! directories.

use std::fs;

use super::{Control, SystemdBox, wait_until};

/// Every file of `systemd/`, and where it goes.
const FILES: &[(&str, &str, &str)] = &[
    ("logagent.service", UNITS, include_str!("../../../systemd/logagent.service")),
    ("logagent.socket", UNITS, include_str!("../../../systemd/logagent.socket")),
    ("logagent@.service", UNITS, include_str!("../../../systemd/logagent@.service")),
    ("logagent@.socket", UNITS, include_str!("../../../systemd/logagent@.socket")),
    ("logagent.conf", USERS, include_str!("../../../systemd/sysusers.d/logagent.conf")),
    ("logagent.conf", DIRECTORIES, include_str!("../../../systemd/tmpfiles.d/logagent.conf")),
];

const UNITS: &str = "/usr/lib/systemd/system";
const USERS: &str = "/usr/lib/sysusers.d";
const DIRECTORIES: &str = "/usr/lib/tmpfiles.d";

/// What a unit's drop-in says that ends up in the agent.
pub const APP_DROP_IN: &str = include_str!("../../../systemd/app.conf");

impl SystemdBox<'_> {
    /// Installs the program, its units, its user and its directories, with this configuration.
    /// Nothing is started.
    pub fn install(&self, configuration: &str) {
        for (name, directory, text) in FILES {
            self.write_inside(&format!("{directory}/{name}"), text);
        }
        self.write_inside("/etc/logagent/logagent.toml", configuration);
        self.install_program();
        self.succeeds(&["systemd-sysusers", &format!("{USERS}/logagent.conf")]);
        self.succeeds(&["systemd-tmpfiles", "--create", &format!("{DIRECTORIES}/logagent.conf")]);
        self.systemctl(&["daemon-reload"]);
    }

    /// Has a unit's output go to the agent, with the drop-in that comes with the program.
    pub fn send_output_of(&self, unit: &str) {
        self.write_inside(&format!("/etc/systemd/system/{unit}.d/logagent.conf"), APP_DROP_IN);
    }

    /// Puts the program where it belongs as packages do: another file takes its name.
    pub fn install_program(&self) {
        self.succeeds(&["cp", "/usr/local/bin/logagent", "/usr/bin/logagent.new"]);
        self.succeeds(&["mv", "/usr/bin/logagent.new", "/usr/bin/logagent"]);
    }

    /// Writes a file in the box, whose directory is made.
    pub fn write_inside(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a command in the box says, which must succeed.
    #[track_caller]
    pub fn succeeds(&self, words: &[&str]) -> String {
        let output = self.output_of(words);
        let told = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words:?}: {}\n{said}{told}", output.status);
        said.into_owned()
    }

    /// The installed agent, when it is up.
    #[track_caller]
    pub fn installed_agent(&self) -> Control {
        self.agent_at("/run/logagent/control.sock")
    }

    /// The agent with this control socket, when it is up.
    #[track_caller]
    pub fn agent_at(&self, control: &str) -> Control {
        let control = Control::at(self.path(control));
        wait_until("the agent answers", || control.try_status().is_some());
        control
    }

    /// What a unit has said to the journal.
    pub fn journal(&self, unit: &str) -> String {
        self.succeeds(&["journalctl", "--sync", "--quiet"]);
        self.succeeds(&["journalctl", "--quiet", "--output=cat", "--unit", unit])
    }
}
