//! Node's own cluster: a primary and its workers, which inherit its standard output and print.

use std::fs;
use std::io::{PipeWriter, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::programs::{install, outcome, sent};
use crate::support::{
    Agent, Checker, Control, LINE_BYTES, Logrotate, Place, Sent, SystemdBox, rotated, run, scale,
    wait_until, whole_machine,
};

/// Each as it stands in users' logrotate files.
const SIGNAL: &str = "[ ! -f @/agent.pid ] || kill -USR2 $(cat @/agent.pid)";
const SIGNAL_IN_BACKTICKS: &str = "[ ! -f @/agent.pid ] || kill -USR2 `cat @/agent.pid`";
const COMMAND: &str = concat!(
    env!("CARGO_BIN_EXE_logagent"),
    " reopen --control @/control.sock --if-running --quiet"
);

/// How the workers' output comes to the agent.
#[derive(Clone, Copy)]
enum WayIn {
    /// `node cluster.js | logagent -o FILE`
    Pipe,
    /// `logagent run -o FILE -- node cluster.js`
    Run,
}

const WAYS_IN: [WayIn; 2] = [WayIn::Pipe, WayIn::Run];

/// What a cluster does, see `cluster.js`, and whether its prints wait for room, see `logagent/stdout`.
struct Work {
    what: &'static str,
    lives: u32,
    lines: u32,
    waits: bool,
}

impl Work {
    fn command(&self, place: &Place, way_in: WayIn) -> Command {
        install(place);
        let (log, pid, control) =
            (place.path("log/app.log"), place.path("agent.pid"), place.path("control.sock"));
        let mut command = match way_in {
            WayIn::Pipe => {
                let script = "node \"$@\" | \"$0\" -o @/log/app.log --pid-file @/agent.pid \
                              --control @/control.sock";
                place.command_under(&["sh", "-c", &place.text(script)])
            }
            WayIn::Run => {
                let mut command = place.command();
                command.args(["run", "-o"]).arg(log).arg("--pid-file").arg(pid);
                command.arg("--control").arg(control).args(["--", "node"]);
                command
            }
        };
        if self.waits {
            command.arg("--require").arg(place.path("stdout.js"));
        }
        command.arg(place.path("cluster.js")).arg(self.what);
        command.args([self.lives, self.lines].map(|number| number.to_string()));
        command.arg(place.path("outcome"));
        command
    }

    /// Starts it. It ends with its standard input.
    fn start(&self, place: &Place, way_in: WayIn) -> (Agent, PipeWriter) {
        let (input, end) = pipe().unwrap();
        let mut command = self.command(place, way_in);
        command.stdin(input);
        (place.spawn(command), end)
    }
}

/// Workers that print so many lines every millisecond until they are told to end.
fn serving(lines: u32) -> Work {
    Work { what: "serve", lives: 4, lines, waits: false }
}

fn logrotate_text(directives: &str, hook: &str) -> String {
    format!(
        "@/log/*.log {{\n rotate 1000\n sharedscripts\n {directives}\n postrotate\n {hook}\n \
         endscript\n}}\n"
    )
}

/// Rotates again and again while lines come in; after each time the file is a new one.
fn rotate_under_load(place: &Place, agent: &Control, rotate: impl Fn()) {
    wait_until("the agent answers", || agent.try_status().is_some());
    for _ in 0..scale(8, 300) {
        let before = agent.count("/streams/app/lines_in");
        wait_until("lines come in", || agent.count("/streams/app/lines_in") > before + 20);
        rotate();
        let log = place.log("app");
        wait_until("the new file is open", || {
            fs::metadata(&log).is_ok_and(|it| agent.status_of("/streams/app/inode") == it.ino())
        });
    }
}

/// Every line of each life is there.
#[track_caller]
fn assert_nothing_lost(place: &Place, rotations: u32) {
    let files = rotated(&place.log("app"));
    assert_eq!(files.len(), rotations as usize + 1);
    let outcome = outcome(place);
    let sent = sent(&outcome);
    assert_eq!(sent.len(), outcome.len(), "somebody has not told how much it printed");
    Checker::of(&files).assert_exactly(&sent);
}

/// A cluster that serves, with its agent, under rotation; it ends as one that is told to.
#[track_caller]
fn check_rotated(way_in: WayIn, directives: &str, hook: &str) {
    let _machine = whole_machine();
    let place = Place::new();
    let (mut agent, end) = serving(2).start(&place, way_in);
    let logrotate = Logrotate::configured(&place, &logrotate_text(directives, hook));
    rotate_under_load(&place, &agent, || logrotate.rotate());
    drop(end);
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    assert_nothing_lost(&place, scale(8, 300));
}

#[test]
fn a_cluster_piped_into_the_agent_loses_nothing_under_logrotate() {
    check_rotated(WayIn::Pipe, "create\n compress\n delaycompress", SIGNAL);
}

#[test]
fn a_cluster_piped_into_the_agent_loses_nothing_where_the_hook_has_backticks() {
    check_rotated(WayIn::Pipe, "compress\n delaycompress\n missingok", SIGNAL_IN_BACKTICKS);
}

#[test]
fn a_cluster_under_run_loses_nothing_under_logrotate() {
    check_rotated(WayIn::Run, "create\n compress\n delaycompress", SIGNAL);
}

#[test]
fn a_cluster_loses_nothing_where_logrotate_compresses_at_once_after_a_reopen() {
    for way_in in WAYS_IN {
        check_rotated(way_in, "create\n compress", COMMAND);
    }
}

#[test]
fn workers_that_print_and_exit_at_once_lose_nothing() {
    for way_in in WAYS_IN {
        let _machine = whole_machine();
        let place = Place::new();
        let lives = scale(12, 100);
        let work = Work { what: "exit", lives, lines: 1_000, waits: true };
        let (mut agent, _end) = work.start(&place, way_in);
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        let outcome = outcome(&place);
        assert_eq!(outcome.len() as u32, lives + 1);
        assert_nothing_lost(&place, 0);
    }
}

#[test]
fn of_workers_that_are_killed_whole_lines_are_there_and_nothing_of_the_others_is_lost() {
    for way_in in WAYS_IN {
        let _machine = whole_machine();
        let place = Place::new();
        let work = Work { what: "killed", lives: scale(20, 200), lines: 20, waits: true };
        let (mut agent, _end) = work.start(&place, way_in);
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        let checker = Checker::of(&[place.log("app")]);
        checker.assert_no_gap();
        // The primary was not killed: of it all lines are there.
        checker.assert_at_least(&sent(&outcome(&place)));
    }
}

/// Lines of 120 bytes that were made longer by so many letters of their client's, as they were before.
fn shortened(log: &Path, longer: usize) -> Vec<u8> {
    let mut shortened = Vec::new();
    for line in fs::read(log).unwrap().split_inclusive(|byte| *byte == b'\n') {
        let is_whole = line.len() == LINE_BYTES + longer && {
            let client: usize = String::from_utf8_lossy(&line[..5]).parse().unwrap_or(0);
            let letter = b'a' + u8::try_from(client % 26).unwrap();
            line[LINE_BYTES - 1..LINE_BYTES - 1 + longer].iter().all(|byte| *byte == letter)
        };
        if is_whole {
            shortened.extend_from_slice(&line[..LINE_BYTES - 1]);
            shortened.push(b'\n');
        } else {
            shortened.extend_from_slice(line);
        }
    }
    shortened
}

/// A cluster that prints long lines as fast as it can, to what is given to it.
fn print_long_lines(place: &Place, line_bytes: usize, output: OwnedFd) -> Vec<Sent> {
    install(place);
    let mut command = Command::new("node");
    command.arg("--require").arg(place.path("stdout.js")).arg(place.path("cluster.js"));
    command.args(["exit", &scale(4, 40).to_string(), "300"]).arg(place.path("outcome"));
    command.env("LONGER", (line_bytes - LINE_BYTES).to_string());
    let (input, _end) = pipe().unwrap();
    run(command.stdin(input).stdout(output).stderr(Stdio::inherit()));
    sent(&outcome(place))
}

#[track_caller]
fn assert_long_lines(log: &Path, line_bytes: usize, sent: &[Sent]) {
    let mut checker = Checker::new();
    checker.read_bytes(log, &shortened(log, line_bytes - LINE_BYTES));
    checker.assert_exactly(sent);
}

#[test]
fn lines_of_a_page_that_workers_print_to_one_pipe_at_full_speed_are_whole() {
    let _machine = whole_machine();
    let place = Place::new();
    let (input, output) = pipe().unwrap();
    let mut command = place.command();
    command.arg("-o").arg(place.log("app")).stdin(input);
    let mut agent = place.spawn(command);
    let sent = print_long_lines(&place, 4096, output.into());
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    assert_long_lines(&place.log("app"), 4096, &sent);
}

#[test]
fn lines_of_32_kib_that_workers_print_to_one_connection_at_full_speed_are_whole() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUT);
    let connection = UnixStream::connect(place.path("app.sock")).unwrap();
    let sent = print_long_lines(&place, 32 * 1024, connection.into());
    wait_until("its connection is over", || agent.count("/inputs/app/connections") == 0);
    agent.stop();
    assert_long_lines(&place.log("app"), 32 * 1024, &sent);
}

/// What stands in a unit file for such a cluster. All workers share the primary's connection.
const CLUSTER: &str = "
    [Service]
    ExecStart=node --require @/stdout.js @/cluster.js WHAT @/outcome
    StandardOutput=file:@/app.sock
    StandardError=inherit
    KillMode=mixed
";

const INPUT: &str = "
    [input.app.unix-stream]
    path = \"@/app.sock\"
";

/// A system with the agent and a cluster unit that does this, and has begun.
fn boot<'a>(place: &'a Place, what: &str) -> (SystemdBox<'a>, Control) {
    install(place);
    let unit = CLUSTER.replace("WHAT", what);
    let systemd = SystemdBox::boot(place, &[("cluster.service", &unit)]);
    let agent = systemd.start_agent(&format!("pid-file = \"@/agent.pid\"\n{INPUT}"));
    systemd.systemctl(&["start", "cluster.service"]);
    (systemd, agent)
}

fn finish(systemd: &SystemdBox<'_>, agent: &Control) {
    wait_until("the cluster has ended", || systemd.state_of("cluster.service") == "inactive");
    wait_until("its connection is over", || agent.count("/inputs/app/connections") == 0);
    systemd.systemctl(&["stop", "agent.service"]);
}

#[test]
fn a_cluster_as_a_unit_loses_nothing_under_logrotate() {
    let _machine = whole_machine();
    let place = Place::new();
    let (systemd, agent) = boot(&place, "serve 4 20");
    let configuration = logrotate_text("create\n compress\n delaycompress", SIGNAL);
    fs::write(place.path("logrotate.conf"), configuration.replace("@/", "/place/")).unwrap();
    rotate_under_load(&place, &agent, || {
        let state = "--state=/place/logrotate.state";
        systemd.succeeds(&["logrotate", "--force", state, "/place/logrotate.conf"]);
    });
    systemd.systemctl(&["stop", "cluster.service"]);
    finish(&systemd, &agent);
    assert_nothing_lost(&place, scale(8, 300));
}

#[test]
fn workers_of_a_unit_that_print_and_exit_at_once_lose_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let (systemd, agent) = boot(&place, &format!("exit {} 1000", scale(12, 100)));
    finish(&systemd, &agent);
    assert_nothing_lost(&place, 0);
}
