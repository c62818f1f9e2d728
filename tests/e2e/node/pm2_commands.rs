//! What people do to their apps with PM2, under load.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pm2::{INPUTS, ecosystem};
use crate::support::{
    Agent, Place, Pm2, Sent, by_output, scale, wait_until, whole_machine, without_pm2s_own,
};

/// Waits until lines come in, and until nothing has for a while.
fn settle(agent: &Agent) {
    let lines =
        || agent.count("/streams/web-out/lines_in") + agent.count("/streams/web-error/lines_in");
    wait_until("everything has come", || {
        let before = lines();
        std::thread::sleep(Duration::from_millis(300));
        lines() == before
    });
}

fn wait_for_lines(agent: &Agent) {
    let before = agent.count("/streams/web-out/lines_in");
    wait_until("lines come in", || agent.count("/streams/web-out/lines_in") > before + 100);
}

/// Whether PM2 itself may lose lines.
#[derive(PartialEq)]
enum Pm2s {
    Nothing,
    Some,
}

/// What became of lines that processes have sent.
struct Outcome {
    sent: u64,
    lost: u64,
    /// Whether a line is missing before the last that is there of its process.
    has_gap: bool,
}

/// Whatever is in the files is whole, there once and in its order.
#[track_caller]
fn check(place: &Place, sent: &[Sent]) -> Outcome {
    let (out, err) = by_output(sent);
    let mut outcome = Outcome { sent: 0, lost: 0, has_gap: false };
    for (stream, sent) in [("web-out", &out), ("web-error", &err)] {
        let checker = without_pm2s_own(&[place.log(stream)]);
        checker.assert_no_line_harmed();
        outcome.sent += sent.iter().map(|sent| sent.lines).sum::<u64>();
        outcome.lost += checker.lost(sent);
        outcome.has_gap |= checker.has_gap();
    }
    outcome
}

/// Commands for a running app, under load; between those in one list nothing may run.
#[track_caller]
fn under(mode: &str, commands: &[&[&[&str]]], loss: Pm2s) -> Outcome {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let pm2 = Pm2::new(&place, &ecosystem(mode, "LINES_PER_TICK: 10"));
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("four processes log", || pm2.begun() == 4);
    for _ in 0..scale(1, 20) {
        for step in commands {
            wait_for_lines(&agent);
            step.iter().for_each(|command| drop(pm2.run(command)));
        }
    }
    wait_for_lines(&agent);
    let sent = pm2.end();
    if loss == Pm2s::Nothing {
        let (out, err) = by_output(&sent);
        for (stream, sent) in [("web-out", out), ("web-error", err)] {
            agent.wait_for_lines(stream, sent.iter().map(|sent| sent.lines).sum());
        }
    } else {
        settle(&agent);
    }
    drop(pm2);
    agent.stop();
    assert!(place.files("run").iter().all(|name| !name.contains("found")));
    let outcome = check(&place, &sent);
    let Outcome { sent, lost, .. } = outcome;
    eprintln!("{mode}, {commands:?}: lost {lost} of {sent}");
    outcome
}

/// Of processes that wait for their last line to be written before they end.
#[test]
fn reload_restart_scale_and_flush_of_pm2_in_cluster_mode_lose_nothing() {
    let outcome = under(
        "cluster",
        &[
            &[&["reload", "web"]],
            &[&["flush"]],
            &[&["restart", "web"]],
            &[&["scale", "web", "6"]],
            &[&["scale", "web", "3"]],
        ],
        Pm2s::Nothing,
    );
    assert_eq!(outcome.lost, 0);
}

/// PM2 reads what its processes print, and looks no more when one has ended: it is PM2 that may lose
/// the last lines of a process.
#[test]
fn reload_restart_and_flush_of_pm2_in_fork_mode_harm_no_line() {
    let steps: [&[&[&str]]; 3] = [&[&["reload", "web"]], &[&["flush"]], &[&["restart", "web"]]];
    assert!(!under("fork", &steps, Pm2s::Some).has_gap);
}

#[test]
fn an_app_that_pm2_starts_anew_finds_its_fifos_and_loses_nothing() {
    let start: &[&str] = &["start", "ecosystem.config.js"];
    let steps: [&[&[&str]]; 3] =
        [&[&["delete", "web"], start], &[&["save", "--force"]], &[&["kill"], &["resurrect"]]];
    assert_eq!(under("cluster", &steps, Pm2s::Nothing).lost, 0);
}

/// PM2 throws away what it has not written when it opens its files again, which nobody needs here:
/// a rotation is not its business.
#[test]
fn reload_logs_of_pm2_harms_no_line_that_pm2_does_not_lose() {
    let reload: &[&[&str]] = &[&["reloadLogs"]];
    for mode in ["cluster", "fork"] {
        under(mode, &[reload; 3], Pm2s::Some);
    }
}

/// Processes that end at once after their hundredth line, again and again, and one that is killed.
#[track_caller]
fn check_crash_loop(mode: &str) {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let pm2 = Pm2::new(&place, &ecosystem(mode, "LINES_PER_TICK: 10, CRASH_AFTER: 100"));
    pm2.run(&["start", "ecosystem.config.js"]);
    let crashes = scale(24, 400);
    wait_until("processes have crashed", || pm2.begun() > crashes);
    let killed = pm2.processes().into_iter().find(|(_, pid)| *pid > 0).unwrap().1;
    // It may have crashed already.
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap_or_default();
    // `pm2 stop` goes by one that crashes at that moment, which is then started for ever.
    pm2.end_lines();
    settle(&agent);
    let sent = pm2.sent();
    drop(pm2);
    agent.stop();
    let Outcome { sent, lost, has_gap } = check(&place, &sent);
    assert!(!has_gap);
    eprintln!("{mode}: {crashes} crashes, lost {lost} of {sent}");
}

#[test]
fn processes_of_pm2_in_cluster_mode_that_crash_leave_whole_lines() {
    check_crash_loop("cluster");
}

#[test]
fn processes_of_pm2_in_fork_mode_that_crash_leave_whole_lines() {
    check_crash_loop("fork");
}
