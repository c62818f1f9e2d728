//! `logagent run` at a terminal, and with a terminal for its command.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::run::{LISTENER, app_log, count, wait_for_count, wrapper};
use crate::support::{Agent, Place, Terminal, wait_until};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";

/// A [`LISTENER`] at a terminal, when it has begun; and its pid.
fn listener(place: &Place, terminal: &Terminal, options: &[&str]) -> (Agent, i32) {
    let command = wrapper(place, options, &["python3", "-c", LISTENER]);
    let agent = place.spawn(terminal.put(&command));
    (agent, pid_of_listener(place))
}

fn pid_of_listener(place: &Place) -> i32 {
    let mut pid = None;
    wait_until("it is ready", || {
        let log = app_log(place);
        pid = log.lines().find_map(|line| line.strip_prefix("ready ")?.parse().ok());
        pid.is_some()
    });
    pid.unwrap()
}

/// The letter of a process's state (proc_pid_stat(5)): `T` is stopped.
fn state(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().chars().next().unwrap()
}

#[test]
fn ctrl_c_reaches_the_command_once_and_it_reads_what_is_typed() {
    let (place, terminal) = (Place::new(), Terminal::new());
    let (mut agent, _) = listener(&place, &terminal, &[]);
    for times in 1..=5 {
        terminal.press(CTRL_C);
        wait_for_count(&place, "got SIGINT", times);
        // What is typed behind it is read only when it has been dealt with.
        terminal.press(&format!("line {times}\n"));
        wait_for_count(&place, &format!("read line {times}"), 1);
        assert_eq!(count(&place, "got SIGINT"), times);
    }
    terminal.press("end 4\n");
    assert_eq!(agent.wait(), 4);
    assert_eq!(count(&place, "got SIGINT"), 5);
}

#[test]
fn a_command_of_a_shells_job_stops_and_goes_on_with_it() {
    let (place, terminal) = (Place::new(), Terminal::new());
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noediting", "-i"]).env("PS1", "$ ");
    let mut shell = place.spawn(terminal.put(&shell));
    let program = place.write("listener.py", LISTENER);
    let ours = wrapper(&place, &[], &["python3", program.to_str().unwrap()]);
    let words = std::iter::once(ours.get_program()).chain(ours.get_args());
    let line: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    terminal.press(&format!("{}; echo rc=$?\n", line.join(" ")));
    let pid = pid_of_listener(&place);
    for round in 1..=2 {
        terminal.press(CTRL_Z);
        wait_until("the shell says so", || shell.messages().matches("Stopped").count() == round);
        assert_eq!(state(pid), 'T');
        terminal.press("fg\n");
        wait_until("it goes on", || state(pid) != 'T');
        terminal.press(&format!("line {round}\n"));
        wait_for_count(&place, &format!("read line {round}"), 1);
        terminal.press(CTRL_C);
        wait_for_count(&place, "got SIGINT", round);
    }
    terminal.press("end 5\n");
    wait_until("it has ended", || !fs::exists(format!("/proc/{pid}")).unwrap());
    // The shell has its terminal again.
    terminal.press("echo still $((40 + 2)); exit 3\n");
    terminal.wait_for("still 42");
    assert_eq!(shell.wait(), 3);
    assert_eq!(count(&place, "got SIGINT"), 2);
}

#[test]
fn ctrl_z_stops_nothing_where_nobody_could_go_on_with_it() {
    let (place, terminal) = (Place::new(), Terminal::new());
    let (mut agent, _) = listener(&place, &terminal, &[]);
    terminal.press(CTRL_Z);
    terminal.press("line\n");
    wait_for_count(&place, "read line", 1);
    terminal.press(CTRL_C);
    wait_for_count(&place, "got SIGINT", 1);
    terminal.press("end 0\n");
    assert_eq!(agent.wait(), 0);
}

#[test]
fn a_command_in_the_background_leaves_the_terminal_to_the_shell() {
    let (place, terminal) = (Place::new(), Terminal::new());
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noediting", "-i"]).env("PS1", "$ ");
    let mut shell = place.spawn(terminal.put(&shell));
    let ours = wrapper(&place, &[], &["sh", "-c", "'echo begun; exec sleep 600'"]);
    let words = std::iter::once(ours.get_program()).chain(ours.get_args());
    let line: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    terminal.press(&format!("{} &\n", line.join(" ")));
    wait_until("it has begun", || app_log(&place) == "begun\n");
    terminal.press("echo mine $((40 + 2))\n");
    terminal.wait_for("mine 42");
    // What is for the terminal's job in the foreground, the shell, is not for ours.
    terminal.press(CTRL_C);
    terminal.wait_for("^C");
    wait_until("the shell goes on", || {
        // It may throw away what it reads before it has dealt with the signal.
        terminal.press("echo again $((40 + 3))\n");
        terminal.shown().contains("again 43")
    });
    terminal.press("kill %1; wait %1; echo status $?\n");
    terminal.wait_for("status 143");
    // Neither is one that cannot be run.
    let words = [line[0], "run", "-o", line[3], "--", "no-such-command"];
    terminal.press(&format!("{} & wait $!; echo ended $?\n", words.join(" ")));
    terminal.wait_for("ended 127");
    terminal.press(&format!("{}; echo found $?\n", words.join(" ")));
    terminal.wait_for("found 127");
    terminal.press("exit 3\n");
    assert_eq!(shell.wait(), 3);
}

#[test]
fn others_of_its_job_keep_the_terminal() {
    const WAIT: &str = "echo begun; until [ -e end ]; do sleep 0.05; done";
    const READ: &str = "read line; echo mine: $line";
    for (before, command, behind, shown) in [
        ("", WAIT, format!("| {{ {READ}; }} < /dev/tty"), "mine: typed"),
        ("", WAIT, format!("& {READ}; wait"), "mine: typed"),
        ("cat | ", "echo begun; read line; echo got: $line", String::new(), "got: typed"),
    ] {
        let (place, terminal) = (Place::new(), Terminal::new());
        let mut shell = Command::new("bash");
        shell.args(["--norc", "--noediting", "-i"]).env("PS1", "$ ");
        let ours = wrapper(&place, &["--tee"], &["sh", "command.sh"]);
        let words = std::iter::once(ours.get_program()).chain(ours.get_args());
        let line: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
        place.write("command.sh", command);
        place.write("job.sh", &format!("{before}{} {behind}\n", line.join(" ")));
        // With it they are a job of their own.
        let mut shell = place.spawn(terminal.put(&shell));
        let at = place.path("").display().to_string();
        terminal.press(&format!("cd {at}; sh job.sh; echo rc=$?; exit\n"));
        wait_until("it has begun", || app_log(&place).starts_with("begun\n"));
        terminal.press("typed\n");
        terminal.wait_for(shown);
        place.write("end", "");
        // Whoever types has to say that this was all.
        terminal.press(CTRL_D);
        terminal.wait_for("rc=0");
        assert_eq!(shell.wait(), 0, "{before}{behind}");
        assert!(!terminal.shown().contains("Stopped"), "{}", terminal.shown());
    }
}

#[test]
fn ctrl_c_is_for_all_of_the_command_where_it_is_not_in_the_foreground() {
    let (place, terminal) = (Place::new(), Terminal::new());
    let ours = wrapper(&place, &[], &["sh", "-c", "echo $$; sh -c 'echo $$; sleep 600; echo no'"]);
    // Its standard input is nothing, as that of what a script runs in the background.
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" \"$@\" < /dev/null; exit 3"]);
    shell.arg(ours.get_program()).args(ours.get_args());
    let mut shell = place.spawn(terminal.put(&shell));
    wait_until("it has begun", || app_log(&place).lines().count() == 2);
    let pids = app_log(&place);
    terminal.press(CTRL_C);
    wait_until("the shell ends", || shell.end_so_far().is_some());
    for pid in pids.lines() {
        wait_until("it has ended", || !fs::exists(format!("/proc/{pid}")).unwrap());
    }
}

#[test]
fn a_terminal_for_the_command_is_one_and_its_lines_end_as_any() {
    let place = Place::new();
    let script = "test -t 0 && test -t 1 && test -t 2 && tty > /dev/tty && echo on error >&2; cat";
    let mut agent = place.spawn(wrapper(&place, &["--tty"], &["sh", "-c", script]));
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    let log = app_log(&place);
    let lines: Vec<_> = log.lines().collect();
    assert!(lines[0].starts_with("/dev/pts/"), "{log:?}");
    assert_eq!(lines[1..], ["on error"], "{log:?}");
    assert!(!log.contains('\r'), "{log:?}");
}

#[test]
fn a_terminal_for_the_command_passes_on_input_and_all_output() {
    let place = Place::new();
    fs::write(place.path("input"), "one\ntwo\nhalf").unwrap();
    let mut command = wrapper(&place, &["--tty"], &["sh", "-c", "cat; seq 200000; exit 5"]);
    command.stdin(fs::File::open(place.path("input")).unwrap());
    let mut agent = place.spawn(command);
    assert_eq!(agent.wait(), 5);
    let numbers: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    // What was left open is a line that goes on.
    assert!(app_log(&place) == format!("one\ntwo\nhalf{numbers}"), "not what was printed");
}

#[test]
fn keys_and_the_size_of_our_terminal_are_those_of_the_commands() {
    let (place, terminal) = (Place::new(), Terminal::new());
    terminal.resize(33, 101);
    let before = terminal.settings();
    let (mut agent, pid) = listener(&place, &terminal, &["--tty"]);
    let size = || {
        let terminal = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap();
        let output = crate::support::run(Command::new("stty").arg("-F").arg(terminal).arg("size"));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(size(), "33 101\n");
    for times in 1..=3 {
        terminal.press(CTRL_C);
        wait_for_count(&place, "^Cgot SIGINT", times);
    }
    terminal.resize(44, 120);
    // The kernel tells the job in the foreground of a terminal of its size; so do others.
    agent.signal(Signal::SIGWINCH);
    wait_for_count(&place, "got SIGWINCH", 1);
    assert_eq!(size(), "44 120\n");
    agent.signal(Signal::SIGTERM);
    wait_for_count(&place, "got SIGTERM", 1);
    terminal.press("end 6\n");
    assert_eq!(agent.wait(), 6);
    assert!(terminal.settings() == before, "our terminal is not as it was");
}
