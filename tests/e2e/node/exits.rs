//! Processes that log a lot and end at once, in every way in which Node.js ends.

use std::fs::{self, OpenOptions};
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;

use super::marks::Marks;
use super::programs::install;
use crate::support::{
    Agent, Checker, Place, Random, Sent, node, output_of, scale, wait_until, whole_machine,
};

const INPUTS: &str = "
    [input.app.unix-stream]
    path = \"@/app.sock\"
    stream = \"web\"
    client-names-stream = true

    [input.fifo.fifo]
    path = \"@/app.fifo\"
    stream = \"web\"
";

const LINES: u64 = 1_000;

/// How a process comes to its end, and how that is seen: its exit status, or the signal.
const ENDINGS: [(&str, Result<i32, Signal>); 7] = [
    ("exit", Ok(1)),
    ("end, then exit", Ok(1)),
    ("exception", Ok(1)),
    ("rejection", Ok(1)),
    ("SIGTERM", Err(Signal::SIGTERM)),
    ("SIGTERM, handled", Ok(0)),
    ("nothing", Ok(0)),
];

/// Of which process which ending is looked at.
struct Life<'a> {
    place: &'a Place,
    way_in: &'a str,
    client: usize,
    ending: &'a str,
    lines: u64,
}

impl Life<'_> {
    fn command(&self) -> Command {
        let mut command = node();
        command.arg(self.place.path("exit.js")).arg(self.client.to_string());
        command.arg(self.lines.to_string()).arg(self.ending).arg(self.note());
        command.env("WAY_IN", self.way_in).env("SOCKET", self.place.path("app.sock"));
        command.env("NODE_APP_INSTANCE", (self.client - 1).to_string());
        command.env("FIFO", self.place.path("app.fifo")).stdin(Stdio::null());
        command
    }

    fn note(&self) -> PathBuf {
        self.place.path(&format!("note-{}", self.client))
    }

    /// How many lines were taken, as far as its way in says.
    #[track_caller]
    fn taken(&self) -> u64 {
        let note = fs::read_to_string(self.note()).expect("it has noted nothing");
        note.parse().unwrap_or_else(|_| panic!("no whole lines: {note}"))
    }
}

#[track_caller]
fn assert_ended(output: &Output, ending: &str, how: Result<i32, Signal>) {
    let told = String::from_utf8_lossy(&output.stderr);
    let seen = output.status.code().ok_or(output.status.signal());
    assert_eq!(seen, how.map_err(|signal| Some(signal as i32)), "{ending}: {told}");
    assert!(!told.contains("logagent: "), "{ending}: {told}");
}

fn wait_for_end_of_connections(agent: &Agent) {
    wait_until("the connections are over", || agent.count("/inputs/app/connections") == 0);
}

/// Every line of every process is there, whatever its ending, but for those that `loses` names.
#[track_caller]
fn check(way_in: &str, loses: &[&str]) {
    let place = Place::new();
    install(&place);
    let agent = place.start(INPUTS);
    let mut client = 0;
    let mut lost_of = Vec::new();
    for (ending, how) in ENDINGS {
        let times = if ending == "exit" { scale(10, 100) } else { scale(2, 20) };
        for _ in 0..times {
            client += 1;
            let life = Life { place: &place, way_in, client, ending, lines: LINES };
            assert_ended(&output_of(&mut life.command()), ending, how);
            if loses.contains(&ending) {
                lost_of.push(client);
            }
        }
    }
    wait_for_end_of_connections(&agent);
    agent.stop();

    let marks = Marks::read(&[place.log("web")], 0);
    marks.assert_processes();
    marks.checker.assert_no_gap();
    marks.checker.assert_no_line_harmed();
    let mut lost = Vec::new();
    for client in 1..=client {
        let sent = Sent { clients: client..client + 1, lines: LINES };
        if marks.checker.lost(&[sent]) > 0 {
            lost.push(client);
        }
    }
    assert!(lost.iter().all(|client| lost_of.contains(client)), "lost lines of {lost:?}");
    assert_eq!(marks.checker.gaps().records, 0);
}

#[test]
fn no_ending_costs_the_stream_a_line() {
    check("stream", &[]);
}

#[test]
fn no_ending_costs_the_log4js_appender_a_line() {
    check("log4js", &[]);
}

/// A signal that nobody handles ends the thread in which pino's transport runs, untold.
#[test]
fn no_ending_but_an_unhandled_signal_costs_the_pino_transport_a_line() {
    check("pino-transport", &["SIGTERM"]);
}

#[test]
fn no_ending_costs_pino_in_the_process_a_line() {
    check("pino", &[]);
}

#[test]
fn no_ending_costs_the_winston_transport_a_line() {
    check("winston", &[]);
}

/// Processes that log until they are killed.
#[test]
fn of_processes_that_are_killed_whole_lines_are_there_up_to_the_last_one_taken() {
    let _machine = whole_machine();
    let place = Place::new();
    install(&place);
    let agent = place.start(INPUTS);
    let mut random = Random::new(7);
    let mut client = 0;
    for way_in in super::programs::PACKAGE {
        for _ in 0..scale(3, 40) {
            client += 1;
            let life = Life { place: &place, way_in, client, ending: "kill", lines: LINES };
            let before = agent.try_status().map_or(0, |status| lines_in(&status));
            let mut process = place.spawn(life.command());
            wait_until("it logs", || {
                assert_eq!(process.end_so_far(), None, "{}", process.messages());
                agent.try_status().is_some_and(|status| lines_in(&status) > before)
            });
            std::thread::sleep(std::time::Duration::from_micros(random.between(0, 30_000) as u64));
            process.signal(Signal::SIGKILL);
            wait_until("it has ended", || process.end_so_far().is_some());
        }
    }
    wait_for_end_of_connections(&agent);
    agent.stop();
    let marks = Marks::read(&[place.log("web")], 0);
    marks.assert_processes();
    marks.checker.assert_no_gap();
    marks.checker.assert_no_line_harmed();
    assert_eq!(marks.processes.len(), client, "processes of which there are lines");
}

fn lines_in(status: &serde_json::Value) -> u64 {
    status.pointer("/streams/web/lines_in").and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// Of a process that printed exactly the lines are there that were taken. Returns how many.
#[track_caller]
fn check_printed(life: &Life<'_>, checker: &Checker) -> u64 {
    let taken = life.taken();
    let sent = |lines| [Sent { clients: life.client..life.client + 1, lines }];
    checker.assert_at_least(&sent(taken));
    assert_eq!(checker.lost(&sent(life.lines)), life.lines - taken, "lost, and not taken");
    taken
}

/// Node.js prints to a pipe and to a socket without waiting for room: what it still holds when
/// process.exit() is called is gone. What the kernel has is in the file.
#[test]
fn what_was_taken_of_a_process_that_prints_and_exits_at_once_is_there() {
    let _machine = whole_machine();
    let place = Place::new();
    install(&place);
    let agent = place.start(INPUTS);
    let mut piped = place.command();
    let (input, pipe) = pipe().unwrap();
    let piped_log = place.path("piped.log");
    piped.arg("-o").arg(&piped_log).stdin(input);
    let mut piped = place.spawn(piped);
    wait_until("it has begun", || piped_log.exists());

    let mut printed = Vec::new();
    for blocking in [false, true] {
        for times in 0..scale(4, 20) {
            for to_pipe in [false, true] {
                let client = printed.len() + 1;
                // Where it does not wait, nobody reads: the kernel cannot take everything.
                let lines = if blocking { LINES } else { 20_000 };
                let life = Life { place: &place, way_in: "stdout", client, ending: "exit", lines };
                let mut command = life.command();
                let output: OwnedFd = if to_pipe {
                    pipe.try_clone().unwrap().into()
                } else {
                    UnixStream::connect(place.path("app.sock")).unwrap().into()
                };
                command.stdout(output).stderr(Stdio::piped());
                if blocking {
                    command.env("BLOCKING", "1");
                }
                let reader = if to_pipe { &piped } else { &agent };
                if !blocking && times > 0 {
                    reader.signal(Signal::SIGSTOP);
                }
                let ended = output_of(&mut command);
                reader.signal(Signal::SIGCONT);
                assert_ended(&ended, "exit", Ok(1));
                printed.push((life, blocking, times > 0, to_pipe));
            }
        }
    }
    wait_for_end_of_connections(&agent);
    agent.stop();
    drop(pipe);
    assert_eq!(piped.wait(), 0);
    let (of_pipe, of_socket) = (Checker::of(&[piped_log]), Checker::of(&[place.log("web")]));
    for (life, blocking, stopped, to_pipe) in &printed {
        let taken = check_printed(life, if *to_pipe { &of_pipe } else { &of_socket });
        eprintln!(
            "pipe {to_pipe}, blocking {blocking}, stopped {stopped}: {taken} of {}",
            life.lines
        );
        if *blocking {
            assert_eq!(taken, LINES, "a process that waits has every line taken");
        } else if *stopped {
            assert!(taken < life.lines, "everything was taken: this shows nothing");
        }
    }
}

/// What opens a FIFO by its path, as PM2 does, opens it and writes to it behind the program's back.
#[test]
fn what_was_taken_of_a_process_that_writes_to_a_fifo_by_its_path_is_there() {
    let place = Place::new();
    install(&place);
    let agent = place.start(INPUTS);
    // It stays open, as with several processes.
    let _open = OpenOptions::new().write(true).open(place.path("app.fifo")).unwrap();
    let mut lives = Vec::new();
    // With a signal it is not certain how far it gets.
    for (ending, how) in ENDINGS.into_iter().filter(|(ending, _)| !ending.starts_with("SIG")) {
        for _ in 0..scale(2, 20) {
            let client = lives.len() + 1;
            let life = Life { place: &place, way_in: "fifo", client, ending, lines: LINES };
            assert_ended(&output_of(&mut life.command()), ending, how);
            lives.push(life);
        }
    }
    agent.stop();
    let checker = Checker::of(&[place.log("web")]);
    checker.assert_no_line_harmed();
    checker.assert_no_gap();
    for life in lives {
        let taken = life.taken();
        checker.assert_at_least(&[Sent { clients: life.client..life.client + 1, lines: taken }]);
        let waits = matches!(life.ending, "nothing" | "end, then exit");
        assert_eq!(taken == LINES, waits, "{}: {taken} taken", life.ending);
    }
}
