//! A system in which the program is installed with its own units, where packages put everything; it
//! has a network of its own and runs the logrotate.service of its Debian.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::tools::rotated;
use super::{Control, Place, SystemdBox, wait_until};

const PROGRAM: &str = "/usr/bin/logagent";
const SERVICE: &str = "logagent.service";

/// What packages have rotated every day.
const LOGROTATE: &str = include_str!("../../../packaging/logrotate");

/// A booted system with the program installed, which is not started yet.
pub struct Installed<'a> {
    systemd: SystemdBox<'a>,
}

impl<'a> Deref for Installed<'a> {
    type Target = SystemdBox<'a>;

    fn deref(&self) -> &SystemdBox<'a> {
        &self.systemd
    }
}

impl Installed<'_> {
    #[track_caller]
    pub fn boot<'a>(place: &'a Place, configuration: &str) -> Installed<'a> {
        Installed::boot_with(place, configuration, &[])
    }

    /// The same, with more options of systemd-nspawn's.
    #[track_caller]
    pub fn boot_with<'a>(place: &'a Place, configuration: &str, options: &[&str]) -> Installed<'a> {
        // The files are on a disk, and stay when it has gone down.
        let log = format!("--bind={}:/var/log/logagent", place.path("log").display());
        let options = [&["--private-network", &log], options].concat();
        let systemd = SystemdBox::boot_with(place, &[], &options);
        let installed = Installed { systemd };
        installed.install(configuration);
        // Here it rotates whatever has a byte, and keeps it; and nothing else that is rotated on
        // this machine.
        let often = LOGROTATE.replace("daily", "size 1").replace("rotate 14", "rotate 1000");
        assert!(often.contains("size 1") && often.contains("rotate 1000"));
        installed.write_inside("/etc/logrotate.conf", &often);
        // It ends with every run; systemd would not start it this often.
        installed.drop_in("logrotate.service", "[Unit]\nStartLimitIntervalSec=0\n");
        installed.systemctl(&["daemon-reload"]);
        installed
    }

    /// Settings of a unit's that are this system's own.
    pub fn drop_in(&self, unit: &str, text: &str) {
        self.write_inside(&format!("/etc/systemd/system/{unit}.d/own.conf"), text);
    }

    /// One property of a unit.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let shown = self.systemctl(&["show", "--property", property, "--value", unit]);
        shown.trim_end().to_owned()
    }

    /// Starts the agent and its socket, and waits until it is up.
    #[track_caller]
    pub fn start_agent(&self) -> Control {
        self.systemctl(&["start", "logagent.socket", SERVICE]);
        self.agent()
    }

    /// The agent, when it is up.
    #[track_caller]
    pub fn agent(&self) -> Control {
        self.installed_agent()
    }

    /// Restarts it as an administrator or a package does.
    #[track_caller]
    pub fn restart_agent(&self) {
        self.systemctl(&["restart", SERVICE]);
    }

    /// Stops it, but not its socket, which systemctl warns of.
    #[track_caller]
    pub fn stop_agent(&self) {
        self.succeeds(&["systemctl", "stop", SERVICE]);
    }

    /// Kills it, and waits for the next one.
    #[track_caller]
    pub fn crash_agent(&self) {
        let pid = self.show(SERVICE, "MainPID");
        self.systemctl(&["kill", "--kill-whom=main", "--signal=KILL", SERVICE]);
        wait_until("another agent", || {
            let now = self.show(SERVICE, "MainPID");
            now != "0" && now != pid && self.state_of(SERVICE) == "active"
        });
    }

    /// Replaces its program, and restarts it.
    #[track_caller]
    pub fn upgrade_agent(&self) {
        let inode = |path: &str| fs::metadata(self.path(path)).unwrap().ino();
        let before = inode(PROGRAM);
        self.install_program();
        self.succeeds(&["logagent", "check"]);
        self.restart_agent();
        let runs = inode(&format!("/proc/{}/exe", self.show(SERVICE, "MainPID")));
        assert_eq!((runs == inode(PROGRAM), runs == before), (true, false), "the new one runs");
    }

    /// Lets nobody begin anything new, waits until everything is written, and stops the agent.
    #[track_caller]
    pub fn finish(&self, agent: &Control, inputs: &[&str]) {
        self.stop_rotating();
        wait_until("no connection is left, and nothing is pending", || {
            let status = agent.status();
            let streams = status["streams"].as_object().unwrap();
            inputs.iter().all(|input| status["inputs"][input]["connections"] == 0)
                && streams.values().all(|stream| stream["pending_lines"] == 0)
        });
        self.systemctl(&["stop", SERVICE, "logagent.socket"]);
    }

    /// Has logrotate.timer start logrotate.service at this pace.
    pub fn rotate_every(&self, every: Duration) {
        let timer = format!(
            "[Timer]\nOnCalendar=\nPersistent=no\nOnActiveSec=1ms\nOnUnitActiveSec={}ms\n\
             AccuracySec=1ms\n",
            every.as_millis()
        );
        self.drop_in("logrotate.timer", &timer);
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["start", "logrotate.timer"]);
    }

    /// Ends that, with the run under way.
    #[track_caller]
    pub fn stop_rotating(&self) {
        self.systemctl(&["stop", "logrotate.timer"]);
        wait_until("logrotate has ended", || {
            let state = self.state_of("logrotate.service");
            assert_ne!(state, "failed", "{}", self.journal("logrotate.service"));
            state == "inactive"
        });
    }

    /// The files of a stream, the oldest first.
    pub fn files_of(&self, stream: &str) -> Vec<PathBuf> {
        rotated(&self.path(&format!("/var/log/logagent/{stream}.log")))
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for unit in [SERVICE, "logrotate.service"] {
                let said = self.output_of(&["journalctl", "--output=cat", "--unit", unit]).stdout;
                eprintln!("what {unit} said:\n{}", String::from_utf8_lossy(&said));
            }
        }
    }
}
