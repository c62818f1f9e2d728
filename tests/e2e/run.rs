//! `logagent run`: output, signals, exit status.

use std::ffi::OsString;
use std::fs;
use std::io::{PipeWriter, Write, pipe};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, HangingDisk, Place, Sent, numbered_lines, output_of, run, scale, wait_until,
    whole_machine,
};

/// `run` with these options and this command, its output in `app.log`.
pub fn wrapper(place: &Place, options: &[&str], words: &[&str]) -> Command {
    let mut command = place.command();
    command.arg("run").arg("-o").arg(place.path("app.log"));
    command.args(options.iter().map(|option| place.text(option)));
    command.arg("--").args(words.iter().map(|word| place.text(word)));
    command
}

pub fn app_log(place: &Place) -> String {
    fs::read_to_string(place.path("app.log")).unwrap_or_default()
}

/// A command that tells each signal that it gets, and each line that it reads. `end N` ends it.
pub const LISTENER: &str = r#"
import os, signal, sys

def say(text):
    os.write(1, (text + "\n").encode())

def got(number, _):
    say("got " + signal.Signals(number).name)

for name in "TERM INT HUP QUIT USR1 USR2 WINCH".split():
    signal.signal(getattr(signal, "SIG" + name), got)
say(f"ready {os.getpid()}")
for line in sys.stdin:
    words = line.split()
    if words[0] == "end":
        # At once, while its handlers stand.
        os._exit(int(words[1]))
    say("read " + line.strip())
"#;

/// How often this line stands in the file.
pub fn count(place: &Place, wanted: &str) -> usize {
    app_log(place).lines().filter(|line| *line == wanted).count()
}

pub fn wait_for_count(place: &Place, wanted: &str, times: usize) {
    wait_until(&format!("{wanted:?} {times} times"), || count(place, wanted) >= times);
}

/// A [`LISTENER`] that has begun, and what it reads.
fn listener(place: &Place, options: &[&str]) -> (Agent, PipeWriter) {
    let (input, typed) = pipe().unwrap();
    let mut command = wrapper(place, options, &["python3", "-c", LISTENER]);
    let agent = place.spawn(command.stdin(input).pipe_through());
    wait_until("it is ready", || app_log(place).contains("ready"));
    (agent, typed)
}

/// A command, moved out of a borrow.
trait PipeThrough {
    fn pipe_through(&mut self) -> Command;
}

impl PipeThrough for Command {
    fn pipe_through(&mut self) -> Command {
        std::mem::replace(self, Command::new("false"))
    }
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let cases = [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
        ("kill -40 $$", 168),
        // Whatever it does with its outputs, it has not ended before it has.
        ("exec >&- 2>&-; sleep 0.3; exit 4", 4),
    ];
    for (script, status) in cases {
        let place = Place::new();
        let script = format!("echo to the end; {script}");
        let mut agent = place.spawn(wrapper(&place, &[], &["sh", "-c", &script]));
        assert_eq!(agent.wait(), status, "{script}");
        assert_eq!(app_log(&place), "to the end\n", "{script}");
    }
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_a_shell_does() {
    let place = Place::new();
    let script = |name: &str, text: &str, mode: &str| {
        let path = place.write(name, text);
        run(Command::new("chmod").arg(mode).arg(path));
    };
    script("plain", "text", "0644");
    script("orphan", "#!/no/such/interpreter\n", "0755");
    let cases = [
        ("no-such-command", 127, "not found in $PATH"),
        ("@/no-such-file", 127, "No such file"),
        ("@/plain/below", 127, "Not a directory"),
        ("@/orphan", 127, "interpreter"),
        ("@/plain", 126, "Permission denied"),
        ("@/", 126, "Permission denied"),
    ];
    for (command, status, word) in cases {
        let mut agent = place.spawn(wrapper(&place, &["--pid-file", "@/agent.pid"], &[command]));
        assert_eq!(agent.wait(), status, "{command}: {}", agent.messages());
        let messages = agent.messages();
        assert!(messages.contains(&place.text(command)) && messages.contains(word), "{messages}");
        assert!(!place.path("agent.pid").exists(), "{command}: its pid file is left");
    }
}

#[test]
fn what_run_needs_is_told() {
    let cases: [(&[&str], &str); 6] = [
        (&["run"], "CMD"),
        (&["run", "--", "true"], "-o FILE"),
        (&["run", "-o", "@/a.log"], "CMD"),
        (&["-o", "@/a.log", "run", "--", "true"], "--output stands before"),
        (&["run", "-o", "@/a.log", "--stderr", "@/a.log", "--", "true"], "same path"),
        (&["run", "-o", "@/a.log", "-c", "@/agent.toml", "--", "true"], "--config"),
    ];
    let place = Place::new();
    for (words, said) in cases {
        let mut command = place.command();
        let output = output_of(command.args(words.iter().map(|word| place.text(word))));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{words:?}: {complaint}");
        assert!(complaint.contains(said), "{words:?}: {complaint}");
    }
}

#[test]
fn a_terminal_and_a_file_for_the_standard_error_exclude_each_other_in_the_environment_too() {
    let place = Place::new();
    let (error, one) = (place.path("err.log"), OsString::from("1"));
    for (options, name, value) in [
        (&["--stderr", "@/err.log"][..], "LOGAGENT_TTY", &one),
        (&["--tty"], "LOGAGENT_STDERR", &error.into_os_string()),
    ] {
        let output = output_of(wrapper(&place, options, &["true"]).env(name, value));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{name}: {complaint}");
        assert!(complaint.contains(name), "{complaint}");
        assert!(!place.path("app.log").exists(), "{name}");
    }
}

#[test]
fn lost_lines_are_exit_74_where_the_command_has_ended_well() {
    let place = Place::new();
    let start = |script: &str| {
        let mut command = place.command();
        command.args(["run", "-o", "/dev/full", "--", "sh", "-c", script]);
        place.spawn(command)
    };
    let (mut well, mut badly) = (start("echo line"), start("echo line; exit 5"));
    assert_eq!((well.wait(), badly.wait()), (74, 5));
    for agent in [well, badly] {
        agent.wait_for_message(&["could not be written", "lines=1"]);
    }
}

#[test]
fn what_is_in_the_pipe_when_the_disk_stays_full_is_told() {
    let place = Place::new();
    let mut command = place.command();
    command.args(["run", "-o", "/dev/full", "--control"]).arg(place.path("control.sock"));
    let mut agent = place.spawn(command.args(["--", "yes"]).pipe_through());
    agent.wait_for_message(&["o space left"]);
    let listed = format!("/proc/{0}/task/{0}/children", agent.pid());
    let yes = fs::read_to_string(listed).unwrap();
    wait_until("queue and pipe are full", || {
        let waits_for = fs::read_to_string(format!("/proc/{}/syscall", yes.trim())).unwrap();
        // The queue holds 4 MiB, and the pipe one.
        agent.count("/streams/full/pending_bytes") > 7 << 19 && waits_for.starts_with("1 0x1 ")
    });
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 143);
    agent.wait_for_message(&["never read", "input=child"]);
    agent.wait_for_message(&["could not be written", "streams=full"]);
}

#[test]
fn each_signal_goes_to_the_command_once() {
    let place = Place::new();
    let (mut agent, mut typed) = listener(&place, &[]);
    let signals = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGWINCH,
    ];
    for round in 1..=scale(20, 200) {
        for signal in signals {
            agent.signal(signal);
            wait_for_count(&place, &format!("got {signal}"), round);
        }
    }
    agent.signal(Signal::SIGUSR2);
    agent.wait_for_message(&["reopening"]);
    typed.write_all(b"end 7\n").unwrap();
    assert_eq!(agent.wait(), 7);
    for signal in signals {
        assert_eq!(count(&place, &format!("got {signal}")), scale(20, 200), "{signal}");
    }
    assert_eq!(count(&place, "got SIGUSR2"), 0);
}

#[test]
fn a_storm_of_signals_ends_nothing_before_the_command_has_ended() {
    const STORM: &str = "n=0; while [ $n -lt 3000 ]; do for s in TERM INT HUP USR2 WINCH; do
        kill -$s $0 || exit 0; done; n=$((n + 1)); done";
    let place = Place::new();
    let (mut agent, mut typed) = listener(&place, &[]);
    let pid = agent.pid().to_string();
    run(Command::new("sh").args(["-c", STORM, &pid]));
    wait_for_count(&place, "got SIGTERM", 1);
    assert_eq!(agent.end_so_far(), None);
    let mut storm =
        Command::new("sh").args(["-c", STORM, &pid]).stderr(Stdio::null()).spawn().unwrap();
    typed.write_all(b"last\nend 9\n").unwrap();
    assert_eq!(agent.wait(), 9);
    assert_eq!(count(&place, "read last"), 1);
    storm.wait().unwrap();
}

#[test]
fn a_command_takes_its_time_to_end_and_its_last_line_is_in_the_file() {
    let place = Place::new();
    let script = "trap 'sleep 3; echo last; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut agent = place.spawn(wrapper(&place, &[], &["sh", "-c", script]));
    wait_until("it is ready", || app_log(&place) == "ready\n");
    let begin = std::time::Instant::now();
    agent.signal(Signal::SIGTERM);
    // Somebody who is impatient changes nothing.
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 7);
    assert!(begin.elapsed().as_secs() >= 3, "{:?}", begin.elapsed());
    assert_eq!(app_log(&place), "ready\nlast\n");
}

#[test]
fn a_signal_that_comes_before_the_command_is_passed_on_to_it() {
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let place = Place::new();
        let disk = HangingDisk::mount(&place, "disk");
        disk.hang();
        // Also where these tests were started with some of them ignored.
        let mut command = place.command_under(&["env", "--default-signal"]);
        command.arg("run").arg("-o").arg(place.path("disk/app.log")).args(["--", "sleep", "600"]);
        let mut agent = place.spawn(command);
        wait_until("it catches signals", || agent.catches(Signal::SIGQUIT));
        agent.signal(signal);
        assert!(!agent.messages().contains("started the command"), "{}", agent.messages());
        disk.go_on();
        assert_eq!(agent.wait(), status);
        assert!(agent.messages().contains("started the command"));
    }
}

#[test]
fn usr2_is_the_commands_where_that_is_wanted() {
    let place = Place::new();
    let (mut agent, mut typed) = listener(&place, &["--forward-usr2"]);
    agent.signal(Signal::SIGUSR2);
    wait_for_count(&place, "got SIGUSR2", 1);
    typed.write_all(b"end 0\n").unwrap();
    assert_eq!(agent.wait(), 0);
    assert!(!agent.messages().contains("reopening"));
}

/// Writes the lines of a file one by one, to its standard output and standard error in turn.
const IN_TURN: &str = "
import os, sys
for number, line in enumerate(open(sys.argv[1], 'rb')):
    os.write(1 + number % 2, line)
";

#[test]
fn output_and_error_stay_in_their_order_across_rotations_under_load() {
    let _machine = whole_machine();
    let place = Place::new();
    let lines = scale(300_000, 5_000_000);
    fs::write(place.path("lines"), numbered_lines(0, 0..lines)).unwrap();
    let words = ["python3", "-c", IN_TURN, "@/lines"];
    let mut agent = place.spawn(wrapper(&place, &[], &words));
    let mut files = Vec::new();
    while agent.end_so_far().is_none() {
        wait_until("there are lines in the file", || {
            agent.end_so_far().is_some()
                || fs::metadata(place.path("app.log")).is_ok_and(|log| log.len() > 500_000)
        });
        if agent.end_so_far().is_none() {
            let renamed = place.path(&format!("app.log.{:05}", files.len()));
            fs::rename(place.path("app.log"), &renamed).unwrap();
            files.push(renamed);
            agent.signal(Signal::SIGUSR2);
        }
    }
    assert_eq!(agent.wait(), 0);
    assert!(files.len() > 2, "only {} rotations", files.len());
    files.extend(place.path("app.log").exists().then(|| place.path("app.log")));
    Checker::of(&files).assert_exactly(&[Sent { clients: 0..1, lines }]);
}

#[test]
fn a_standard_error_with_a_file_of_its_own_is_another_stream() {
    let _machine = whole_machine();
    let place = Place::new();
    let lines = scale(200_000, 2_000_000);
    for client in 0..2 {
        fs::write(place.path(&client.to_string()), numbered_lines(client, 0..lines)).unwrap();
    }
    let script = "cat @/0 & cat @/1 >&2; wait";
    let options = ["--stderr", "@/err.log", "--control", "@/control.sock"];
    let mut command = wrapper(&place, &options, &["sh", "-c", script]);
    let mut agent = place.spawn(command.stdout(Stdio::null()).pipe_through());
    assert_eq!(agent.wait(), 0);
    for (client, file) in ["app.log", "err.log"].iter().enumerate() {
        let sent = Sent { clients: client..client + 1, lines };
        Checker::of(&[place.path(file)]).assert_exactly(&[sent]);
    }
}

#[test]
fn streams_of_a_command_have_names_and_its_inputs_a_kind() {
    for (options, streams) in [
        (&["--stderr", "@/err.log"][..], ["app", "err"]),
        (&["--stderr", "@/log/app.log"], ["app", "app-stderr"]),
        (&["--stderr", "@/err.log", "--stream", "shop"], ["shop", "shop-stderr"]),
    ] {
        let place = Place::new();
        let options = [options, &["--control", "@/control.sock"]].concat();
        let (mut agent, mut typed) = listener(&place, &options);
        let status = agent.status();
        for stream in streams {
            assert!(status["streams"].get(stream).is_some(), "{status}");
        }
        for input in ["stdout", "stderr"] {
            assert_eq!(status["inputs"][input]["kind"], "child", "{status}");
        }
        let first = format!("/streams/{}/lines_in", streams[0]);
        assert_eq!(agent.count(&first), 1);
        typed.write_all(b"end 0\n").unwrap();
        assert_eq!(agent.wait(), 0);
    }
}

#[test]
fn a_standard_error_says_so_in_the_format_of_container_runtimes() {
    let place = Place::new();
    let options = ["--stderr", "@/err.log", "--format", "cri"];
    let mut agent = place.spawn(wrapper(&place, &options, &["sh", "-c", "echo one; echo two >&2"]));
    assert_eq!(agent.wait(), 0);
    assert!(app_log(&place).ends_with(" stdout F one\n"));
    assert!(fs::read_to_string(place.path("err.log")).unwrap().ends_with(" stderr F two\n"));
}

#[test]
fn a_tee_copies_each_output_to_its_own() {
    for (options, stdout, stderr) in [
        (&["--tee"][..], "one\ntwo\n", ""),
        (&["--tee", "--stderr", "@/err.log"], "one\n", "two\n"),
        (&["--tee=wait", "--stderr", "@/err.log"], "one\n", "two\n"),
    ] {
        let place = Place::new();
        let mut command = wrapper(&place, options, &["sh", "-c", "echo one; echo two >&2"]);
        let output = run(command.env("LOGAGENT_LOG", "warn"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout, "{options:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), stderr, "{options:?}");
    }
}

#[test]
fn a_reader_who_takes_no_copies_does_not_make_it_deaf_to_a_stop() {
    let place = Place::new();
    // Nobody reads it, and it stays open.
    let (_unread, output) = pipe().unwrap();
    let mut command = wrapper(&place, &["--tee=wait"], &["seq", "200000"]);
    command.env("LOGAGENT_LOG", "info");
    let mut agent = place.spawn(command.stdout(output).pipe_through());
    // When the command has ended, and when the first signal has given the reader the grace.
    for times in 1..=2 {
        wait_until("it drains", || agent.messages().matches("draining: ").count() == times);
        agent.signal(Signal::SIGINT);
    }
    assert_eq!(agent.wait(), 0);
    agent.wait_for_message(&["copies were left out"]);
    assert!(app_log(&place).ends_with("\n200000\n"));
}

#[test]
fn standard_input_is_the_commands() {
    let place = Place::new();
    let (input, mut typed) = pipe().unwrap();
    let mut command = wrapper(&place, &[], &["cat"]);
    let mut agent = place.spawn(command.stdin(input).pipe_through());
    typed.write_all(&numbered_lines(0, 0..5_000)).unwrap();
    drop(typed);
    assert_eq!(agent.wait(), 0);
    Checker::of(&[place.path("app.log")]).assert_exactly(&[Sent { clients: 0..1, lines: 5_000 }]);
}

#[test]
fn sockets_beside_a_command_are_read_to_the_end() {
    let place = Place::new();
    let (mut agent, mut typed) = listener(&place, &["-l", "@/app.sock"]);
    let mut client = UnixStream::connect(place.path("app.sock")).unwrap();
    client.write_all(&numbered_lines(1, 0..1_000)).unwrap();
    typed.write_all(b"end 3\n").unwrap();
    assert_eq!(agent.wait(), 3);
    let log = app_log(&place);
    let (said, sent): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with("ready"));
    assert_eq!(said.len(), 1);
    let sent = sent.iter().map(|line| format!("{line}\n")).collect::<String>();
    assert!(sent.as_bytes() == numbered_lines(1, 0..1_000), "not what was sent");
}

#[test]
fn a_stop_that_is_asked_for_is_one_of_the_command() {
    let place = Place::new();
    let script = "trap 'echo last; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let mut agent =
        place.spawn(wrapper(&place, &["--control", "@/control.sock"], &["sh", "-c", script]));
    wait_until("it is ready", || app_log(&place) == "ready\n");
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    agent.told(&["reopen"]);
    agent.told(&["stop"]);
    assert_eq!(agent.wait(), 0);
    assert_eq!(app_log(&place), "last\n");
}

#[test]
fn the_options_of_run_have_forms_in_the_environment() {
    let place = Place::new();
    let mut command = place.command();
    command.env("LOGAGENT_OUTPUT", place.path("app.log"));
    command.env("LOGAGENT_STDERR", place.path("err.log"));
    command.env("LOGAGENT_MAX_LINE", "16");
    command.args(["run", "sh", "-c", "echo 0123456789abcdefghij; echo error >&2"]);
    let mut agent = place.spawn(command);
    assert_eq!(agent.wait(), 0);
    assert_eq!(app_log(&place), "0123456789abcdef\nghij\n");
    assert_eq!(fs::read_to_string(place.path("err.log")).unwrap(), "error\n");
}
