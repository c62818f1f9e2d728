//! PM2 beside an agent that a real systemd restarts: the FIFOs are kept open, and PM2 notices nothing.

use std::fs;

use super::pm2::{INPUTS, ecosystem};
use crate::support::{
    Checker, Control, Place, Pm2, Sent, SystemdBox, by_output, contents, shipped_agent, wait_until,
    whole_machine,
};

const STREAMS: [&str; 2] = ["web-out", "web-error"];

fn wait_for_lines(agent: &Control) {
    let lines =
        || agent.try_status().and_then(|now| now["streams"]["web-out"]["lines_in"].as_u64());
    let before = lines().unwrap_or_default();
    wait_until("lines come in", || lines().is_some_and(|lines| lines > before));
}

/// Waits until every line is in its file, where none is lost.
fn wait_for_all(place: &Place, sent: &[Sent]) {
    let (out, err) = by_output(sent);
    for (stream, sent) in STREAMS.into_iter().zip([out, err]) {
        let lines: u64 = sent.iter().map(|sent| sent.lines).sum();
        let bytes = || fs::metadata(place.log(stream)).map_or(0, |found| found.len());
        wait_until("every line is written", || bytes() >= 120 * lines);
    }
}

#[track_caller]
fn assert_exactly(place: &Place, sent: &[Sent]) {
    let (out, err) = by_output(sent);
    for (stream, sent) in STREAMS.into_iter().zip([out, err]) {
        Checker::of(&[place.log(stream)]).assert_exactly(&sent);
    }
}

fn kill_agent(systemd: &SystemdBox<'_>, agent: &Control) {
    let pid = agent.status_of("/pid");
    systemd.systemctl(&["kill", "--signal=KILL", "agent.service"]);
    wait_until("another agent", || agent.try_status().is_some_and(|now| now["pid"] != pid));
}

#[test]
fn pm2_notices_no_restart_of_the_agent_and_a_kill_loses_only_what_is_told() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = SystemdBox::boot(&place, &[("agent.service", &shipped_agent(200))]);
    let agent = systemd.start_agent(INPUTS);
    let pm2 = Pm2::new(&place, &ecosystem("cluster", "LINES_PER_TICK: 20"));
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("four processes log", || pm2.begun() == 4);
    for _ in 0..3 {
        wait_for_lines(&agent);
        systemd.systemctl(&["restart", "agent.service"]);
        systemd.agent();
    }
    let sent = pm2.end();
    wait_for_all(&place, &sent);
    assert_exactly(&place, &sent);

    fs::remove_file(place.path("numbers/end")).unwrap();
    pm2.run(&["restart", "web"]);
    for _ in 0..3 {
        wait_for_lines(&agent);
        kill_agent(&systemd, &agent);
    }
    wait_for_lines(&agent);
    let sent = pm2.end();
    let lines = || agent.count("/streams/web-out/lines_in");
    wait_until("everything has come", || {
        let before = lines();
        std::thread::sleep(std::time::Duration::from_millis(300));
        lines() == before
    });
    drop(pm2);
    systemd.systemctl(&["stop", "agent.service"]);
    let fragments = systemd.messages().matches("ended inside a line").count();
    let (out, err) = by_output(&sent);
    for (stream, sent) in STREAMS.into_iter().zip([out, err]) {
        let mut checker = Checker::new();
        checker.accept_fragments(fragments);
        checker.accept_gaps();
        checker.read_bytes(&place.log(stream), &contents(&place.log(stream)));
        checker.assert_no_line_harmed();
        let (lost, told) = (checker.lost(&sent), checker.gaps().lines);
        assert!(lost <= told + fragments as u64, "{lost} lines are lost, {told} are told");
    }
}

/// As `instances = 4` would, but before anybody starts.
fn socket(output: &str) -> String {
    let fifos = (0..4).map(|number| format!("ListenFIFO=@/run/web-{output}-{number}.log\n"));
    let fifos: String = fifos.collect();
    format!(
        "[Socket]\n{fifos}FileDescriptorName=web-{output}\nService=agent.service\n\
         TriggerLimitIntervalSec=0\n"
    )
}

#[test]
fn fifos_of_a_socket_unit_are_there_before_agent_and_pm2_and_a_restart_loses_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let (out, error) = (socket("out"), socket("error"));
    let systemd = SystemdBox::boot(&place, &[("out.socket", &out), ("error.socket", &error)]);
    systemd.configure("[input.web-out.systemd]\n[input.web-error.systemd]\n");
    systemd.systemctl(&["start", "out.socket", "error.socket"]);
    assert_eq!(systemd.state_of("agent.service"), "inactive");
    let pm2 = Pm2::new(&place, &ecosystem("cluster", "LINES_PER_TICK: 20"));
    // The first line starts the agent.
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("four processes log", || pm2.begun() == 4);
    let agent = systemd.agent();
    for _ in 0..3 {
        wait_for_lines(&agent);
        systemd.systemctl(&["restart", "agent.service"]);
        systemd.agent();
    }
    let sent = pm2.end();
    wait_for_all(&place, &sent);
    drop(pm2);
    systemd.systemctl(&["stop", "out.socket", "error.socket", "agent.service"]);
    assert_exactly(&place, &sent);
}
