//! `app | logagent -o FILE`.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    Agent, Checker, Place, Sent, SmallDisk, numbered_lines, output_of, run, scale, wait_until,
    whole_machine,
};

/// An agent in pipe mode with these options, its output in `app.log`.
fn piped(place: &Place, options: &[&str]) -> (Agent, PipeWriter) {
    let (input, output) = pipe().unwrap();
    (place.spawn(pipe_command(place, options, input)), output)
}

fn pipe_command(place: &Place, options: &[&str], input: impl Into<Stdio>) -> Command {
    let mut command = place.command();
    command.arg("-o").arg(place.path("app.log")).stdin(input.into());
    command.args(options.iter().map(|option| place.text(option)));
    command
}

fn app_log(place: &Place) -> String {
    fs::read_to_string(place.path("app.log")).unwrap_or_default()
}

#[test]
fn the_end_of_input_ends_the_program_when_all_is_written() {
    let place = Place::new();
    let (mut agent, mut app) = piped(&place, &[]);
    app.write_all(b"one\ntwo\nthree").unwrap();
    drop(app);
    assert_eq!(agent.wait(), 0);
    assert_eq!(app_log(&place), "one\ntwo\nthree\n");
    let left = place.files("");
    assert_eq!(left, ["app.log", "log", "messages-1"], "a file that nobody asked for");
    let messages = agent.messages();
    assert!(!messages.contains("warn") && !messages.contains("error"), "{messages}");
}

#[test]
fn an_input_that_is_empty_makes_an_empty_file() {
    let place = Place::new();
    let (mut agent, app) = piped(&place, &[]);
    drop(app);
    assert_eq!(agent.wait(), 0);
    assert_eq!(fs::metadata(place.path("app.log")).unwrap().len(), 0);
}

#[test]
fn the_end_of_input_takes_what_the_sockets_hold_first() {
    let place = Place::new();
    let (mut agent, app) = piped(&place, &["-l", "@/a.sock", "-l", "@/b.sock"]);
    wait_until("it listens", || place.path("b.sock").exists() && place.path("a.sock").exists());
    let mut clients: Vec<_> = ["a.sock", "b.sock"]
        .map(|socket| {
            let mut client = None;
            wait_until("it accepts", || {
                client = UnixStream::connect(place.path(socket)).ok();
                client.is_some()
            });
            client.unwrap()
        })
        .into();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(&numbered_lines(number, 0..1000)).unwrap();
    }
    drop(app);
    assert_eq!(agent.wait(), 0);
    let sent = Sent { clients: 0..2, lines: 1000 };
    Checker::of(&[place.path("app.log")]).assert_exactly(&[sent]);
}

#[test]
fn dev_null_and_a_closed_descriptor_are_no_input_where_there_is_a_socket() {
    for redirection in ["</dev/null", "<&-"] {
        let place = Place::new();
        let shell = format!("exec \"$0\" \"$@\" {redirection}");
        let mut command = place.command_under(&["sh", "-c", &shell]);
        let log = place.path("app.log");
        command.arg("-o").arg(log).arg("-l").arg(place.path("app.sock"));
        command.arg("--pid-file").arg(place.path("agent.pid"));
        let agent = place.spawn_ready(command);
        UnixStream::connect(place.path("app.sock")).unwrap().write_all(b"line\n").unwrap();
        wait_until("the line is there", || app_log(&place) == "line\n");
        agent.stop();
    }
}

#[test]
fn a_terminal_is_no_input_where_there_is_a_socket() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_logagent");
    let shell = place.text(&format!(
        "exec {program} -o @/app.log -l @/app.sock --pid-file @/agent.pid --control @/control.sock"
    ));
    let mut script = Command::new("script");
    // What script reads is at its end at once, which it passes on to the terminal.
    script.args(["-qec", &shell, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut terminal = place.spawn(script);
    let mut pid = String::new();
    wait_until("it is up", || {
        pid = fs::read_to_string(place.path("agent.pid")).unwrap_or_default();
        !pid.is_empty()
    });
    UnixStream::connect(place.path("app.sock")).unwrap().write_all(b"line\n").unwrap();
    wait_until("the line is there", || app_log(&place) == "line\n");
    kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn on_a_terminal_with_nothing_to_do_it_says_what_to_type() {
    let common = "/etc/logagent/logagent.toml";
    assert!(!fs::exists(common).unwrap(), "this test cannot run where {common} exists");
    let place = Place::new();
    let mut script = Command::new("script");
    script.args(["-qec", env!("CARGO_BIN_EXE_logagent"), "/dev/null"]).stdin(Stdio::null());
    let output = output_of(script.current_dir(place.path("")).env_remove("LOGAGENT_OUTPUT"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("logagent -o "), "{said}");
    assert_eq!(output.status.code(), Some(64), "{said}");
}

#[test]
fn term_while_the_writer_writes_goes_on_to_the_end_of_input() {
    let place = Place::new();
    let (mut agent, mut app) = piped(&place, &["--pid-file", "@/agent.pid"]);
    wait_until("it is up", || place.path("agent.pid").exists());
    for number in 0..2_000 {
        app.write_all(&numbered_lines(0, number..number + 1)).unwrap();
        if number == 500 {
            agent.signal(Signal::SIGTERM);
        }
    }
    drop(app);
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    let sent = Sent { clients: 0..1, lines: 2_000 };
    Checker::of(&[place.path("app.log")]).assert_exactly(&[sent]);
}

#[test]
fn one_term_after_the_end_of_input_does_not_cut_the_drain_short() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    let filler = disk.fill_but(0);
    let (input, mut app) = pipe().unwrap();
    let mut command = place.command();
    command.arg("-o").arg(disk.path("app.log")).stdin(input);
    let mut agent = place.spawn(command);
    app.write_all(&numbered_lines(0, 0..1_000)).unwrap();
    drop(app);
    agent.wait_for_message(&["o space left"]);
    agent.wait_for_message(&["draining"]);
    agent.signal(Signal::SIGTERM);
    fs::remove_file(filler).unwrap();
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    let sent = Sent { clients: 0..1, lines: 1_000 };
    Checker::of(&[disk.path("app.log")]).assert_exactly(&[sent]);
}

#[test]
fn term_while_a_writer_is_silent_ends_after_the_grace() {
    let place = Place::new();
    let (mut agent, mut app) = piped(&place, &["--pid-file", "@/agent.pid"]);
    app.write_all(b"one\ntwo\n").unwrap();
    wait_until("it is up", || place.path("agent.pid").exists());
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    assert_eq!(app_log(&place), "one\ntwo\n");
    drop(app);
}

#[test]
fn input_that_is_still_unread_after_the_grace_is_told_and_exit_74() {
    let place = Place::new();
    let (input, mut app) = pipe().unwrap();
    let mut command = place.command();
    command.args(["-o", "/dev/full", "--pid-file"]).arg(place.path("agent.pid")).stdin(input);
    let mut agent = place.spawn_ready(command);
    let writer = std::thread::spawn(move || {
        // Until there is nobody to read it.
        while app.write_all(&[b'x'; 99_999]).and_then(|()| app.write_all(b"\n")).is_ok() {}
    });
    agent.wait_for_message(&["o space left"]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
    writer.join().unwrap();
    agent.wait_for_message(&["never read"]);
}

/// Reads to the end in a thread.
fn read_all(mut input: PipeReader) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// A tee: the agent, what the application writes to, what the reader reads from.
fn tee(place: &Place, option: &str) -> (Agent, PipeWriter, PipeReader) {
    let (input, app) = pipe().unwrap();
    let (reader, output) = pipe().unwrap();
    let mut command = pipe_command(place, &[option], input);
    command.stdout(output);
    (place.spawn(command), app, reader)
}

#[test]
fn tee_copies_every_line_to_standard_output() {
    for option in ["--tee", "--tee=wait"] {
        let place = Place::new();
        let (mut agent, mut app, reader) = tee(&place, option);
        let copy = read_all(reader);
        let lines = numbered_lines(0, 0..1_000);
        app.write_all(&lines).unwrap();
        app.write_all(b"no newline").unwrap();
        drop(app);
        assert_eq!(agent.wait(), 0);
        let log = fs::read(place.path("app.log")).unwrap();
        assert_eq!(log, [lines.as_slice(), b"no newline\n"].concat(), "{option}");
        assert!(copy.join().unwrap() == log, "{option}: the copy differs");
    }
}

#[test]
fn a_tee_that_nobody_reads_does_not_hold_up_the_file() {
    let _machine = whole_machine();
    let place = Place::new();
    let (mut agent, mut app, reader) = tee(&place, "--tee");
    let lines = scale(200_000, 2_000_000);
    let writer =
        std::thread::spawn(move || app.write_all(&numbered_lines(0, 0..lines)).map(|()| app));
    wait_until("all is in the file", || {
        fs::metadata(place.path("app.log")).is_ok_and(|log| log.len() == lines * 120)
    });
    let copy = read_all(reader);
    drop(writer.join().unwrap().unwrap());
    assert_eq!(agent.wait(), 0);
    Checker::of(&[place.path("app.log")]).assert_exactly(&[Sent { clients: 0..1, lines }]);

    // Some lines were dropped from the copy, and told; the others are whole and in order.
    let mut copied = Checker::new();
    copied.read_bytes(&place.path("the copy"), &copy.join().unwrap());
    copied.assert_no_line_harmed();
    let dropped = copied.lost(&[Sent { clients: 0..1, lines }]);
    assert!(dropped > 0, "all of it fitted: this test shows nothing");
    agent.wait_for_message(&["left out", &format!("lines={dropped}")]);
}

#[test]
fn a_tee_that_waits_loses_nothing_to_a_slow_reader() {
    let _machine = whole_machine();
    let place = Place::new();
    let (mut agent, mut app, reader) = tee(&place, "--tee=wait");
    let lines = scale(100_000, 1_000_000);
    let writer = std::thread::spawn(move || app.write_all(&numbered_lines(0, 0..lines)).unwrap());
    wait_until("some is in the file", || {
        fs::metadata(place.path("app.log")).is_ok_and(|log| log.len() > 0)
    });
    let copy = read_all(reader);
    writer.join().unwrap();
    assert_eq!(agent.wait(), 0);
    let copy = copy.join().unwrap();
    assert!(copy == numbered_lines(0, 0..lines), "the copy is not what was sent");
    assert!(copy == fs::read(place.path("app.log")).unwrap(), "the file is not what was sent");
}

#[test]
fn a_reader_that_goes_away_ends_the_tee_and_nothing_else() {
    for option in ["--tee", "--tee=wait"] {
        let place = Place::new();
        let (mut agent, mut app, reader) = tee(&place, option);
        app.write_all(&numbered_lines(0, 0..10)).unwrap();
        drop(reader);
        app.write_all(&numbered_lines(0, 10..50_000)).unwrap();
        drop(app);
        assert_eq!(agent.wait(), 0, "{option}: {}", agent.messages());
        let sent = Sent { clients: 0..1, lines: 50_000 };
        Checker::of(&[place.path("app.log")]).assert_exactly(&[sent]);
    }
}

fn is_nonblocking(descriptor: impl AsFd) -> bool {
    let flags = fcntl(descriptor, FcntlArg::F_GETFL).unwrap();
    OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

#[test]
fn inherited_descriptors_stay_as_blocking_as_they_were() {
    let pipe_input = || pipe().map(|(input, app)| (OwnedFd::from(input), OwnedFd::from(app)));
    let socket_input = || UnixStream::pair().map(|(input, app)| (input.into(), app.into()));
    for (input, app) in [pipe_input().unwrap(), socket_input().unwrap()] {
        let place = Place::new();
        let (reader, output) = pipe().unwrap();
        let mut command = pipe_command(&place, &["--tee"], input.try_clone().unwrap());
        command.stdout(output.try_clone().unwrap());
        let mut agent = place.spawn(command);
        let copy = read_all(reader);
        let mut app = File::from(app);
        for number in 0..1_000 {
            app.write_all(&numbered_lines(0, number..number + 1)).unwrap();
            assert!(!is_nonblocking(&input) && !is_nonblocking(&output), "line {number}");
        }
        drop(app);
        assert_eq!(agent.wait(), 0);
        assert!(!is_nonblocking(&input) && !is_nonblocking(&output), "at the end");
        drop((input, output));
        copy.join().unwrap();
        let sent = Sent { clients: 0..1, lines: 1_000 };
        Checker::of(&[place.path("app.log")]).assert_exactly(&[sent]);
    }
}

#[test]
fn inherited_descriptors_that_do_not_block_serve_as_well() {
    let place = Place::new();
    let ((input, mut app), (reader, output)) = (pipe().unwrap(), pipe().unwrap());
    for end in [input.as_fd(), output.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    let mut command = pipe_command(&place, &["--tee=wait"], input.try_clone().unwrap());
    command.stdout(output.try_clone().unwrap());
    let mut agent = place.spawn(command);
    let lines = numbered_lines(0, 0..20_000);
    let writer = std::thread::spawn(move || {
        for piece in lines.chunks(5_000) {
            app.write_all(piece).unwrap();
        }
        lines
    });
    // More than the pipe to it holds.
    wait_until("some is in the file", || {
        fs::metadata(place.path("app.log")).is_ok_and(|log| log.len() > 200_000)
    });
    drop(output);
    let copy = read_all(reader);
    let lines = writer.join().unwrap();
    assert_eq!(agent.wait(), 0);
    assert!(is_nonblocking(&input));
    assert!(copy.join().unwrap() == lines, "the copy is not what was sent");
    assert!(fs::read(place.path("app.log")).unwrap() == lines, "the file is not what was sent");
}

#[test]
fn options_say_the_format_the_limit_and_the_name_of_the_stream() {
    let place = Place::new();
    let options = ["--stream", "shop", "--format", "stamped", "--max-line", "16", "--on-full=wait"];
    let (mut agent, mut app) = piped(&place, &options);
    app.write_all(b"0123456789abcdefghij\n").unwrap();
    drop(app);
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    let text = app_log(&place);
    let words: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(words.len(), 2, "{text}");
    assert!(words.iter().all(|(time, _)| humantime::parse_rfc3339(time).is_ok()), "{text}");
    assert!(words[0].1.ends_with("0123456789abcdef") && words[1].1.ends_with("ghij"), "{text}");
}

#[test]
fn the_stream_has_its_name_in_the_status() {
    let place = Place::new();
    let options = ["--stream", "shop", "--control", "@/control.sock", "--pid-file", "@/agent.pid"];
    let (agent, mut app) = piped(&place, &options);
    wait_until("it is up", || place.path("agent.pid").exists());
    app.write_all(b"line\n").unwrap();
    agent.wait_for_lines("shop", 1);
    let file = agent.status_of("/streams/shop/file");
    assert_eq!(file, place.path("app.log").to_str().unwrap());
    drop(app);
}

#[test]
fn every_option_has_a_form_in_the_environment() {
    let place = Place::new();
    let (input, mut app) = pipe().unwrap();
    let mut command = place.command();
    command.stdin(input).env("LOGAGENT_OUTPUT", place.path("app.log"));
    command.env("LOGAGENT_STREAM", "shop").env("LOGAGENT_MAX_LINE", "16");
    command.env("LOGAGENT_CONTROL", place.path("control.sock"));
    command.env("LOGAGENT_PID_FILE", place.path("agent.pid"));
    let mut agent = place.spawn_ready(command);
    app.write_all(b"0123456789abcdefghij\n").unwrap();
    agent.wait_for_lines("shop", 2);

    let mut status = place.command();
    status.args(["status", "--json"]).env("LOGAGENT_CONTROL", place.path("control.sock"));
    assert!(run(&mut status).stdout.starts_with(b"{"));
    drop(app);
    assert_eq!(agent.wait(), 0);
    assert_eq!(app_log(&place), "0123456789abcdef\nghij\n");
}
