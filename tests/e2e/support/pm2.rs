//! The real PM2, with a daemon of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tools::output_of;
use super::{Checker, Place, Sent, node, node_modules, wait_until};

/// An app whose processes log numbered lines.
const APP: &str = include_str!("../node/pm2/app.js");

/// Of a process's number, that of its errors.
const ERRORS: usize = 50_000;

/// PM2 in a place: its home, the app, and what its processes have sent. The daemon ends with it.
pub struct Pm2<'a> {
    place: &'a Place,
}

impl<'a> Pm2<'a> {
    /// With this `ecosystem.config.js`; nothing is started yet.
    pub fn new(place: &'a Place, ecosystem: &str) -> Pm2<'a> {
        fs::create_dir(place.path("numbers")).unwrap();
        place.write("app.js", APP);
        let pm2 = Pm2 { place };
        pm2.configure(ecosystem);
        pm2
    }

    pub fn configure(&self, ecosystem: &str) {
        self.place.write("ecosystem.config.js", ecosystem);
    }

    /// The command, to whatever end.
    pub fn command(&self, words: &[&str]) -> Command {
        let program = node_modules().join("pm2/bin/pm2");
        let mut command = Command::new("timeout");
        command.args(["60", "node"]).arg(program).args(words);
        command
            .current_dir(self.place.path(""))
            .envs(node().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PM2_HOME", self.place.path("pm2")).env("NO_COLOR", "1");
        command.env("PM2_DISABLE_VERSION_CHECK", "true");
        command
    }

    /// What it prints. It must succeed.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = output_of(&mut self.command(words));
        let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "pm2 {words:?}: {status}\n{said}\n{wrong}");
        said.into_owned()
    }

    /// The process of the daemon.
    pub fn daemon(&self) -> Option<Pid> {
        let pid = fs::read_to_string(self.place.path("pm2/pm2.pid")).ok()?;
        pid.trim().parse().ok().map(Pid::from_raw)
    }

    /// The ids and processes of its apps.
    pub fn processes(&self) -> Vec<(u64, i32)> {
        let listed: serde_json::Value = serde_json::from_str(&self.run(&["jlist"])).unwrap();
        let process = |it: &serde_json::Value| {
            (it["pm_id"].as_u64().unwrap(), i32::try_from(it["pid"].as_i64().unwrap()).unwrap())
        };
        listed.as_array().unwrap().iter().map(process).collect()
    }

    /// How many processes have begun to log.
    pub fn begun(&self) -> usize {
        let is_one = |name: &String| name != "end";
        self.place.files("numbers").iter().filter(|name| is_one(name)).count()
    }

    /// Has every process end its lines, those that are still to start, too.
    pub fn end_lines(&self) {
        fs::write(self.place.path("numbers/end"), "").unwrap();
    }

    /// Has every process end its lines, and waits for what each has sent.
    #[track_caller]
    pub fn end(&self) -> Vec<Sent> {
        self.end_lines();
        let has_said = |number| self.place.path(&format!("numbers/{number}/sent")).exists();
        wait_until("every process has said what it sent", || (0..self.begun()).all(has_said));
        self.sent()
    }

    /// What each process has sent, as output and as errors, that could say it at its end.
    pub fn sent(&self) -> Vec<Sent> {
        let sent = |number: usize| {
            let path = self.place.path(&format!("numbers/{number}/sent"));
            let text = fs::read_to_string(path).ok()?;
            let (out, err) = text.split_once(' ').unwrap();
            let errors = number + ERRORS;
            Some([
                Sent { clients: number..number + 1, lines: out.parse().unwrap() },
                Sent { clients: errors..errors + 1, lines: err.parse().unwrap() },
            ])
        };
        (0..self.begun()).filter_map(sent).flatten().collect()
    }
}

/// What was sent as output, and as errors.
pub fn by_output(sent: &[Sent]) -> (Vec<Sent>, Vec<Sent>) {
    sent.iter().cloned().partition(|sent| sent.clients.start < ERRORS)
}

/// The numbered lines of these files. Besides, PM2 prints lines of its own when it opens its files
/// again: "Reloading log..." and what a destroyed stream says.
pub fn without_pm2s_own(files: &[PathBuf]) -> Checker {
    let mut checker = Checker::new();
    for file in files {
        let contents = super::contents(file);
        let lines = contents.split_inclusive(|byte| *byte == b'\n');
        let is_numbered = |line: &&[u8]| line.first().is_some_and(u8::is_ascii_digit);
        let kept: Vec<u8> = lines.filter(is_numbered).flatten().copied().collect();
        checker.read_bytes(file, &kept);
    }
    checker
}

impl Drop for Pm2<'_> {
    fn drop(&mut self) {
        let daemon = self.daemon();
        let children = daemon.map_or(Vec::new(), |daemon| {
            let path = format!("/proc/{daemon}/task/{daemon}/children");
            let pids = fs::read_to_string(path).unwrap_or_default();
            pids.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
        });
        if std::thread::panicking() {
            let log = fs::read_to_string(self.place.path("pm2/pm2.log")).unwrap_or_default();
            eprintln!("PM2's own log:\n{log}");
        }
        let Some(daemon) = daemon.filter(|daemon| kill(*daemon, None).is_ok()) else { return };
        let _whatever_it_says = self.command(&["kill"]).output();
        // One that waits for a FIFO's reader does not hear of it.
        for pid in [daemon].into_iter().chain(children) {
            let _gone_already = kill(pid, Signal::SIGKILL);
        }
    }
}
