//! What the npm package offers to each logger, in the workers of a cluster: the agent is restarted and
//! killed, and logrotate rotates and compresses.

use std::fs;
use std::io::{PipeWriter, pipe};
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use super::marks::Marks;
use super::programs::{install, outcome, sent};
use crate::support::{
    Agent, Control, Logrotate, Place, SystemdBox, node, rotated, scale, shipped_agent, wait_until,
    whole_machine,
};

/// What the package's README has.
const INPUT: &str = "
    [input.app.unix-stream]
    path = \"@/app.sock\"
    stream = \"app\"
    client-names-stream = true
";

/// Returns when the old file is complete, so that it can be compressed at once.
const LOGROTATE: &str = concat!(
    "@/log/*.log {
        rotate 1000
        create
        compress
        missingok
        postrotate
            ",
    env!("CARGO_BIN_EXE_logagent"),
    " reopen --control @/control.sock --if-running --quiet
        endscript
    }
"
);

const LINES_PER_MS: u32 = 5;

/// Starts a cluster that logs by this way in. It ends with its standard input.
pub fn start_cluster(place: &Place, way_in: &str, what: [&str; 3]) -> (Agent, PipeWriter) {
    install(place);
    let (input, end) = pipe().unwrap();
    let mut command = node();
    command.arg(place.path("cluster.js")).args(what).arg(place.path("outcome"));
    command.env("WAY_IN", way_in).env("SOCKET", place.path("app.sock")).stdin(input);
    (place.spawn(command), end)
}

fn lines_in(agent: &Control) -> u64 {
    let lines = |status: Value| status.pointer("/streams/web/lines_in").and_then(Value::as_u64);
    agent.try_status().and_then(lines).unwrap_or(0)
}

#[track_caller]
fn wait_for_more(agent: &Control) {
    let before = lines_in(agent);
    wait_until("lines come in", || lines_in(agent) > before + 20);
}

/// Rotates under load; each time the file is a new one.
fn rotate(place: &Place, agent: &Control, logrotate: &Logrotate) {
    for _ in 0..scale(3, 60) {
        wait_for_more(agent);
        logrotate.rotate();
        let log = place.log("web");
        wait_until("the new file is open", || {
            fs::metadata(&log).is_ok_and(|it| agent.status_of("/streams/web/inode") == it.ino())
        });
    }
}

/// Ends the cluster, and waits until everything it has logged is read.
fn finish(mut cluster: Agent, end: PipeWriter, agent: &Control) {
    drop(end);
    assert_eq!(cluster.wait(), 0, "{}", cluster.messages());
    assert_eq!(cluster.messages(), "", "what the cluster says on its standard error");
    wait_until("its connections are over", || agent.count("/inputs/app/connections") == 0);
}

/// How much is lost, how much is told; everything else is as it should be.
#[track_caller]
fn lost_and_told(place: &Place, fragments: usize) -> (u64, u64) {
    let marks = Marks::read(&rotated(&place.log("web")), fragments);
    marks.assert_processes();
    marks.checker.assert_no_line_harmed();
    let sent = sent(&outcome(place));
    assert_eq!((sent.len(), marks.processes.len()), (5, 5), "clients that sent, and are there");
    marks.checker.assert_no_strangers(&sent);
    (marks.checker.lost(&sent), marks.checker.gaps().lines)
}

/// The agent is stopped and started by itself: while it is away the package keeps the lines.
#[track_caller]
fn check_restarted(way_in: &str) {
    let _machine = whole_machine();
    let place = Place::new();
    let mut agent = place.start(INPUT);
    let lines = LINES_PER_MS.to_string();
    let (cluster, end) = start_cluster(&place, way_in, ["serve", "4", &lines]);
    let logrotate = Logrotate::configured(&place, LOGROTATE);
    for _ in 0..scale(2, 10) {
        rotate(&place, &agent, &logrotate);
        agent.stop();
        logrotate.rotate();
        agent = place.start_again();
    }
    rotate(&place, &agent, &logrotate);
    finish(cluster, end, &agent);
    agent.stop();
    assert_eq!(lost_and_told(&place, 0), (0, 0), "lost, and told as lost");
}

#[test]
fn the_stream_loses_nothing_while_the_agent_is_stopped_and_started() {
    check_restarted("stream");
}

#[test]
fn the_log4js_appender_loses_nothing_while_the_agent_is_stopped_and_started() {
    check_restarted("log4js");
}

#[test]
fn the_pino_transport_loses_nothing_while_the_agent_is_stopped_and_started() {
    check_restarted("pino-transport");
}

#[test]
fn pino_in_the_process_loses_nothing_while_the_agent_is_stopped_and_started() {
    check_restarted("pino");
}

#[test]
fn the_winston_transport_loses_nothing_while_the_agent_is_stopped_and_started() {
    check_restarted("winston");
}

/// systemd keeps the socket and the connections: nobody notices a restart, and what a kill costs is
/// told.
#[track_caller]
fn check_under_systemd(way_in: &str) {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = SystemdBox::boot(&place, &[("agent.service", &shipped_agent(200))]);
    let agent = systemd.start_agent(INPUT);
    let lines = LINES_PER_MS.to_string();
    let (cluster, end) = start_cluster(&place, way_in, ["serve", "4", &lines]);
    let logrotate = Logrotate::configured(&place, LOGROTATE);
    for _ in 0..scale(2, 10) {
        rotate(&place, &agent, &logrotate);
        systemd.systemctl(&["restart", "agent.service"]);
        systemd.agent();
    }
    assert_eq!(agent.count("/inputs/app/connections_total"), 5, "a client had to connect again");
    wait_for_more(&agent);
    let pid = agent.status_of("/pid");
    systemd.systemctl(&["kill", "--signal=KILL", "agent.service"]);
    wait_until("another agent", || agent.try_status().is_some_and(|now| now["pid"] != pid));
    rotate(&place, &agent, &logrotate);
    finish(cluster, end, &agent);
    systemd.systemctl(&["stop", "agent.service"]);

    let fragments = systemd.messages().matches("ended inside a line").count();
    let (lost, told) = lost_and_told(&place, fragments);
    eprintln!("{way_in}: {lost} lost after a kill, {told} told, {fragments} fragments");
    assert!(lost <= told + fragments as u64, "{lost} lines are lost, {told} are told");
}

#[test]
fn under_systemd_clients_of_the_stream_notice_no_restart() {
    check_under_systemd("stream");
}

#[test]
fn under_systemd_clients_of_the_log4js_appender_notice_no_restart() {
    check_under_systemd("log4js");
}

#[test]
fn under_systemd_clients_of_the_pino_transport_notice_no_restart() {
    check_under_systemd("pino-transport");
}

#[test]
fn under_systemd_clients_of_pino_in_the_process_notice_no_restart() {
    check_under_systemd("pino");
}

#[test]
fn under_systemd_clients_of_the_winston_transport_notice_no_restart() {
    check_under_systemd("winston");
}
