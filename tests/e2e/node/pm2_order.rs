//! Who starts first, PM2 or the agent, and what happens when one of them is not there.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use super::pm2::{INPUTS, ecosystem};
use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Pm2, Sent, Writes, by_output, contents,
    wait_until, whole_machine,
};

/// The lines of a file in the order of their numbers: what waited in a file that was found is read
/// beside what comes through the FIFO.
#[track_caller]
fn assert_exactly_in_any_order(place: &Place, stream: &str, sent: &[Sent]) {
    let text = contents(&place.log(stream));
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort();
    let mut checker = Checker::new();
    checker.read_bytes(&place.log(stream), &lines.concat());
    checker.assert_exactly(sent);
}

fn wait_for_all(agent: &Agent, sent: &[Sent]) {
    let (out, err) = by_output(sent);
    for (stream, sent) in [("web-out", &out), ("web-error", &err)] {
        let lines = sent.iter().map(|sent| sent.lines).sum();
        let written = format!("/streams/{stream}/lines_written");
        wait_until("every line is written", || agent.count(&written) >= lines);
    }
}

#[test]
fn where_pm2_was_first_its_files_are_taken_in_and_after_restarts_it_writes_to_fifos() {
    let _machine = whole_machine();
    let place = Place::new();
    let pm2 = Pm2::new(&place, &ecosystem("cluster", ""));
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("four processes log", || pm2.begun() == 4);
    assert!(fs::metadata(place.path("run/web-out-3.log")).unwrap().is_file());

    let agent = place.start(INPUTS);
    for (id, pid) in pm2.processes() {
        let [path, found] = ["", ".found-"].map(|end| format!("web-out-{id}.log{end}"));
        agent.wait_for_message(&["reloadLogs", &path, &found, &pid.to_string()]);
    }
    pm2.run(&["restart", "web"]);
    wait_until("four others log", || pm2.begun() == 8);
    let sent = pm2.end();
    wait_for_all(&agent, &sent);
    drop(pm2);
    agent.stop();
    let (out, err) = by_output(&sent);
    assert_exactly_in_any_order(&place, "web-out", &out);
    assert_exactly_in_any_order(&place, "web-error", &err);
    let kept = place.files("run").iter().filter(|name| name.contains(".log.found-")).count();
    assert_eq!(kept, 8, "nothing is removed");
}

#[test]
fn pm2_waits_for_an_agent_that_starts_after_it_and_its_logs_take_no_line_away() {
    let _machine = whole_machine();
    let place = Place::new();
    fs::create_dir(place.path("run")).unwrap();
    for (output, number) in ["out", "error"].into_iter().flat_map(|it| (0..4).map(move |n| (it, n)))
    {
        mkfifo(&place.path(&format!("run/web-{output}-{number}.log")), Mode::S_IRWXU).unwrap();
    }
    let pm2 = Pm2::new(&place, &ecosystem("cluster", ""));
    let mut start = pm2.command(&["start", "ecosystem.config.js"]);
    let mut start = start.stdout(Stdio::null()).spawn().unwrap();
    wait_until("PM2 starts the app", || {
        fs::read_to_string(place.path("pm2/pm2.log")).is_ok_and(|log| log.contains("App [web:0]"))
    });
    assert_eq!(pm2.begun(), 0, "it waits for a reader");

    let agent = place.start(INPUTS);
    wait_until("pm2 start has returned", || start.try_wait().unwrap().is_some());
    wait_until("four processes log", || pm2.begun() == 4);
    check_logs(&pm2);
    let sent = pm2.end();
    wait_for_all(&agent, &sent);
    drop(pm2);
    agent.stop();
    let (out, err) = by_output(&sent);
    Checker::of(&[place.log("web-out")]).assert_exactly(&out);
    Checker::of(&[place.log("web-error")]).assert_exactly(&err);
}

/// `pm2 logs` wants to read the end of a file, which a FIFO has not; it takes no line out of it.
#[track_caller]
fn check_logs(pm2: &Pm2<'_>) {
    let output = pm2.command(&["logs", "--nostream"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("ESPIPE") && !output.status.success(), "{said}");
    let mut logs = pm2.command(&["logs", "--lines", "0", "--raw"]);
    let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(logs.stdout.take().unwrap()).read_line(&mut line).unwrap();
    kill(Pid::from_raw(logs.id().cast_signed()), Signal::SIGTERM).unwrap();
    logs.wait().unwrap();
    assert_eq!(line.len(), LINE_BYTES, "{line}");
}

#[test]
fn a_stop_tells_who_writes_to_fifos_and_where_somebody_keeps_them_open_nothing_is_lost() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let pm2 = Pm2::new(&place, &ecosystem("cluster", ""));
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("four processes log", || pm2.begun() == 4);

    // Somebody who has a FIFO open for reading, too, as `sleep infinity 3<>FIFO` has, keeps what
    // is written.
    let open = |(output, number): (&str, u32)| {
        let path = place.path(&format!("run/web-{output}-{number}.log"));
        OpenOptions::new().read(true).write(true).open(path).unwrap()
    };
    let all = ["out", "error"].into_iter().flat_map(|it| (0..4).map(move |n| (it, n)));
    let keepers: Vec<_> = all.map(open).collect();
    let pids: Vec<String> = pm2.processes().iter().map(|(_, pid)| pid.to_string()).collect();
    let mut agent = agent;
    for _ in 0..2 {
        agent = stop_and_start(&place, agent, &pids);
        wait_for_lines(&agent);
    }
    let sent = pm2.end();
    wait_for_all_since(&agent, &place, &sent);
    let (out, err) = by_output(&sent);
    Checker::of(&[place.log("web-out")]).assert_exactly(&out);
    Checker::of(&[place.log("web-error")]).assert_exactly(&err);

    // Without them PM2 sees its writes fail, and opens a FIFO again only when it is told to.
    drop(keepers);
    fs::remove_file(place.path("numbers/end")).unwrap();
    pm2.run(&["restart", "web"]);
    wait_for_lines(&agent);
    let pids: Vec<String> = pm2.processes().iter().map(|(_, pid)| pid.to_string()).collect();
    let agent = stop_and_start(&place, agent, &pids);
    pm2.run(&["reloadLogs"]);
    wait_for_lines(&agent);
    drop(pm2);
    agent.stop();
}

/// What it says at its end names everybody who writes to it.
#[track_caller]
fn stop_and_start(place: &Place, agent: Agent, pids: &[String]) -> Agent {
    let messages = place.files("").into_iter().filter(|it| it.starts_with("messages-")).max();
    agent.stop();
    let said = fs::read_to_string(place.path(&messages.unwrap())).unwrap();
    let told = said.lines().find(|line| line.contains("stopped reading a FIFO")).unwrap();
    assert!(told.contains("pm2 reloadLogs"), "{told}");
    assert!(pids.iter().all(|pid| told.contains(pid)), "{pids:?}: {told}");
    place.start_again()
}

fn wait_for_lines(agent: &Agent) {
    wait_until("lines come in", || agent.count("/streams/web-out/lines_in") > 100);
}

/// The counters have begun anew.
fn wait_for_all_since(agent: &Agent, place: &Place, sent: &[Sent]) {
    let (out, err) = by_output(sent);
    for (stream, sent) in [("web-out", &out), ("web-error", &err)] {
        let lines: u64 = sent.iter().map(|sent| sent.lines).sum();
        wait_until("every line is written", || {
            agent.count(&format!("/streams/{stream}/pending_lines")) == 0
                && fs::metadata(place.log(stream)).unwrap().len() >= 120 * lines
        });
    }
}

#[test]
fn instances_come_and_go_with_a_reload_and_no_line_is_lost() {
    let place = Place::new();
    let input =
        |instances: &str| format!("[input.web.fifo]\npath = \"@/run/web.log\"\n{instances}");
    let agent = place.start(&input("instances = 4\n"));
    let gate = Gate::open();
    let lines = 5_000;
    let clients = |numbers: std::ops::Range<usize>| {
        let open = |number| {
            let path = place.path(&format!("run/web-{number}.log"));
            OpenOptions::new().write(true).open(path).unwrap()
        };
        Clients::start(numbers, lines, Writes::WholeLines, &gate, open)
    };
    let reload = |instances: &str| {
        place.configure(&input(instances));
        agent.told(&["reload"]);
    };
    let four = clients(0..4);
    reload("instances = 6\n");
    let two = clients(4..6);
    let sent = [four.finish(), two.finish()];
    // What is in the pipes of those that go is read.
    reload("instances = 2\n");
    let names = place.files("run");
    assert_eq!(names, ["web-0.log", "web-1.log", "web.log"]);
    agent.wait_for_lines("web", 6 * lines);
    wait_until("three are read", || agent.count("/inputs/web/connections") == 3);

    reload("");
    assert_eq!(place.files("run"), ["web.log"]);
    let mut one = OpenOptions::new().write(true).open(place.path("run/web.log")).unwrap();
    reload("instances = 1\n");
    one.write_all(b"").unwrap();
    let last = clients(0..1);
    last.finish();
    agent.wait_for_lines("web", 7 * lines);
    fs::write(place.path("run/web-7.log"), "not read\n").unwrap();
    agent.wait_for_message(&["web-7.log", "write=8", "instances=1"]);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    let first: String = text.split_inclusive('\n').take(6 * 5_000).collect();
    let mut checker = Checker::new();
    checker.read_bytes(&place.log("web"), first.as_bytes());
    checker.assert_exactly(&sent);
}
