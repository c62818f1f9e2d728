//! What went wrong once, each under the name of what it did.

use std::fs;
use std::io::{Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{
    Checker, Clients, Gate, Place, Sent, Writes, numbered_line, numbered_lines, scale, wait_until,
    whole_machine,
};

const APPLIED: &[&str] = &["read again and applied"];

fn connect(place: &Place, socket: &str) -> UnixStream {
    UnixStream::connect(place.path(socket)).unwrap()
}

#[test]
fn a_pipe_that_never_ends_is_told_as_unread_when_the_grace_is_over() {
    let place = Place::new();
    let (input, mut app) = pipe().unwrap();
    let also = app.try_clone().unwrap();
    let mut command = place.command();
    // Nothing is ever written, so that the pipe is full for certain.
    command.args(["-o", "/dev/full", "--pid-file"]).arg(place.path("agent.pid")).stdin(input);
    let mut agent = place.spawn_ready(command);
    let writer =
        std::thread::spawn(move || while app.write_all(&numbered_lines(0, 0..1_000)).is_ok() {});
    wait_until("the pipe stays full", || {
        let waiting = nix::poll::PollFlags::POLLOUT;
        let mut full = [nix::poll::PollFd::new(also.as_fd(), waiting)];
        nix::poll::poll(&mut full, nix::poll::PollTimeout::from(100_u8)) == Ok(0)
    });
    drop(also);
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
    agent.wait_for_message(&["never read"]);
    writer.join().unwrap();
}

#[test]
fn an_unfinished_line_is_a_line_when_the_agent_is_stopped_at_once() {
    let place = Place::new();
    let (input, mut app) = pipe().unwrap();
    let mut command = place.command();
    command.args(["-o"]).arg(place.path("app.log"));
    command.args(["--pid-file"]).arg(place.path("agent.pid")).stdin(input);
    let mut agent = place.spawn_ready(command);
    app.write_all(b"first\nsecond without its end").unwrap();
    wait_until("the first arrives", || {
        fs::read(place.path("app.log")).is_ok_and(|log| log == b"first\n")
    });
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 0);
    let log = fs::read_to_string(place.path("app.log")).unwrap();
    assert_eq!(log, "first\nsecond without its end\n");
}

#[test]
fn a_fifo_that_is_removed_and_comes_back_has_one_reader() {
    let _machine = whole_machine();
    let place = Place::new();
    let with = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                [input.jobs.fifo]\npath = \"@/jobs.fifo\"\n";
    let without = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";
    let agent = place.start(with);
    // Whole lines of up to PIPE_BUF stay whole in a FIFO; the second reader would share them out.
    let gate = Gate::open();
    let lines = scale(40_000, 400_000);
    // While nobody has a FIFO open, what is in it is gone.
    let _open = fs::OpenOptions::new().read(true).write(true).open(place.path("jobs.fifo"));
    let jobs = Clients::start(0..2, lines, Writes::WholeLines, &gate, |_| {
        fs::OpenOptions::new().read(true).write(true).open(place.path("jobs.fifo")).unwrap()
    });
    for round in 1..=scale(10, 50) {
        place.configure(if round % 2 == 0 { with } else { without });
        let told = agent.messages().matches(APPLIED[0]).count();
        agent.signal(Signal::SIGHUP);
        wait_until("it is applied", || agent.messages().matches(APPLIED[0]).count() > told);
    }
    let sent = jobs.finish();
    // A stream that ended meanwhile began its counts anew.
    wait_until("all is read", || {
        fs::metadata(place.log("jobs")).is_ok_and(|log| log.len() == 2 * sent.lines * 120)
    });
    agent.stop();
    Checker::of(&[place.log("jobs")]).assert_exactly(&[sent]);
}

#[test]
fn a_fifo_whose_mode_is_changed_inside_a_line_keeps_the_line_whole() {
    let place = Place::new();
    let fifo =
        |mode: &str| format!("[input.jobs.fifo]\npath = \"@/jobs.fifo\"\nmode = \"{mode}\"\n");
    let agent = place.start(&fifo("0660"));
    let mut jobs = fs::OpenOptions::new().write(true).open(place.path("jobs.fifo")).unwrap();
    jobs.write_all(b"one line in ").unwrap();
    wait_until("its beginning is read", || agent.count("/inputs/jobs/bytes_in") == 12);
    place.configure(&fifo("0600"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(APPLIED);
    jobs.write_all(b"two writes\n").unwrap();
    agent.wait_for_lines("jobs", 1);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("jobs")).unwrap(), "one line in two writes\n");
}

#[test]
fn a_stream_that_is_renamed_and_keeps_its_file_does_not_wait_for_old_clients() {
    let place = Place::new();
    let named = |stream: &str| {
        format!(
            "[input.web.unix-stream]\npath = \"@/web.sock\"\nstream = \"{stream}\"\n\
             [stream.{stream}]\nfile = \"@/the.log\"\n"
        )
    };
    let agent = place.start(&named("a"));
    let mut old = connect(&place, "web.sock");
    old.write_all(b"old\n").unwrap();
    agent.wait_for_lines("a", 1);
    for (round, stream) in ["b", "c", "b"].into_iter().enumerate() {
        place.configure(&named(stream));
        agent.signal(Signal::SIGHUP);
        wait_until("it is applied", || agent.messages().matches(APPLIED[0]).count() == round + 1);
        connect(&place, "web.sock").write_all(format!("{stream}\n").as_bytes()).unwrap();
        agent.wait_for_lines(stream, round as u64 + 2);
    }
    old.write_all(b"still old\n").unwrap();
    agent.wait_for_lines("b", 5);
    assert!(!agent.messages().contains("another agent"), "{}", agent.messages());
    agent.stop();
    assert_eq!(fs::read_to_string(place.path("the.log")).unwrap(), "old\nb\nc\nb\nstill old\n");
}

#[test]
fn an_idle_listener_takes_no_place_of_another_inputs_connections() {
    let place = Place::new();
    let agent = place.start(
        "max-connections = 1\n[input.a.unix-stream]\npath = \"@/a.sock\"\n\
         [input.b.unix-stream]\npath = \"@/b.sock\"\n",
    );
    for (stream, other) in [("a", "b"), ("b", "a"), ("a", "b")] {
        let before = agent.count(&format!("/streams/{stream}/lines_written"));
        connect(&place, &format!("{stream}.sock")).write_all(&numbered_line(0, before)).unwrap();
        agent.wait_for_lines(stream, before + 1);
        assert_eq!(agent.count(&format!("/inputs/{other}/connections")), 0);
    }
    agent.stop();
}

#[test]
fn an_input_that_failed_at_one_reload_is_opened_by_the_next() {
    let place = Place::new();
    let agent = place.start("[input.web.unix-stream]\npath = \"@/web.sock\"\n");
    let listener = std::os::unix::net::UnixListener::bind(place.path("new.sock")).unwrap();
    place.configure(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         [input.new.unix-stream]\npath = \"@/new.sock\"\n",
    );
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&["cannot open the input", "new.sock"]);
    drop(listener);
    agent.signal(Signal::SIGHUP);
    wait_until("it is applied", || agent.messages().matches(APPLIED[0]).count() == 2);
    connect(&place, "new.sock").write_all(b"x\n").unwrap();
    agent.wait_for_lines("new", 1);
    agent.stop();
}

#[test]
fn a_file_that_is_no_pid_file_is_not_removed_as_one() {
    let place = Place::new();
    let notes = place.write("notes.txt", "dear diary\n");
    let mut command = place.command();
    command.args(["-o"]).arg(place.path("app.log")).args(["--pid-file"]).arg(&notes);
    let mut agent = place.spawn(command);
    assert_eq!(agent.wait(), 78);
    agent.wait_for_message(&["notes.txt", "no pid file"]);
    assert_eq!(fs::read_to_string(notes).unwrap(), "dear diary\n");
}

#[test]
fn a_wrong_configuration_leaves_no_stale_pid_file_behind() {
    let place = Place::new();
    let mut bystander = Command::new("sleep").arg("3600").spawn().unwrap();
    place.configure("nonsense = 1\n[input.web.unix-stream]\npath = \"@/web.sock\"\n");
    place.write("agent.pid", &format!("{}\n", bystander.id()));
    let mut agent = place.spawn(place.daemon());
    assert_eq!(agent.wait(), 78);
    assert!(!place.path("agent.pid").exists(), "the hook would signal a bystander");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn an_output_that_is_also_read_is_refused() {
    let place = Place::new();
    let log = place.write("app.log", "a line\n");
    let mut command = place.command();
    command.args(["-o"]).arg(&log).stdin(fs::File::open(&log).unwrap());
    assert_eq!(place.spawn(command).wait(), 64);
    let mut command = place.command();
    command.args(["-o"]).arg(&log).args(["-l"]).arg(&log).stdin(Stdio::null());
    assert_eq!(place.spawn(command).wait(), 64);
    assert_eq!(fs::read_to_string(log).unwrap(), "a line\n");
}

#[test]
fn a_start_that_fails_takes_nothing_from_the_pipe() {
    let place = Place::new();
    fs::create_dir(place.path("a.sock")).unwrap();
    let (input, mut app) = pipe().unwrap();
    app.write_all(b"not ours\n").unwrap();
    let mut command = place.command();
    command.args(["-o"]).arg(place.path("app.log")).args(["-l"]).arg(place.path("a.sock"));
    let mut agent = place.spawn({
        command.stdin(input.try_clone().unwrap());
        command
    });
    assert_eq!(agent.wait(), 78);
    drop(app);
    assert_eq!(std::io::read_to_string(input).unwrap(), "not ours\n");
}

#[test]
fn a_gap_record_that_could_not_be_written_is_a_loss() {
    let place = Place::new();
    let mut agent = place.start(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         [stream.web]\nfile = \"/dev/full\"\nmax-line = 16\nover-long = \"drop\"\n",
    );
    connect(&place, "web.sock").write_all(b"a line of more than sixteen bytes\n").unwrap();
    wait_until("it is dropped", || agent.count("/streams/web/gap_records") == 1);
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
}

/// The kind of load that a busy thread must not let a quiet stream wait behind; that none of it is
/// lost is all that can be asserted without a clock.
#[test]
fn a_quiet_stream_beside_busy_ones_gets_every_line() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(
        "[input.busy.unix-stream]\npath = \"@/busy.sock\"\n\
         [input.quiet.unix-stream]\npath = \"@/quiet.sock\"\n",
    );
    let gate = Gate::open();
    let lines = scale(20_000, 500_000);
    let busy = Clients::connect(&place.path("busy.sock"), 0..8, lines, Writes::CutAnywhere, &gate);
    let mut quiet = connect(&place, "quiet.sock");
    let mut count = 0;
    while busy.lines_sent() < 8 * lines && count < 50 {
        quiet.write_all(&numbered_line(8, count)).unwrap();
        count += 1;
        // Each one arrives while the others are busy.
        agent.wait_for_lines("quiet", count);
    }
    let sent = busy.finish();
    drop(quiet);
    wait_until("all is written", || agent.count("/streams/busy/lines_written") == 8 * lines);
    agent.stop();
    Checker::of(&[place.log("busy")]).assert_exactly(&[sent]);
    let quiet = Sent { clients: 8..9, lines: count };
    Checker::of(&[place.log("quiet")]).assert_exactly(&[quiet]);
}

/// logrotate compresses nothing after a hook that fails, and next time puts another file in its place.
#[test]
fn a_reopen_that_finds_its_agent_killed_waits_for_the_next_one_and_succeeds() {
    let place = Place::new();
    let web = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";
    let mut agent = place.start(web);
    agent.signal(Signal::SIGKILL);
    agent.child().wait().unwrap();
    assert!(place.path("control.sock").exists());
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    // It cannot be done in no time, and says so.
    let (status, complaint) = agent.refused(&["reopen", "--if-running", "--timeout", "1ms"]);
    assert_eq!(status, 71);
    assert!(complaint.contains("it was killed"), "{complaint}");

    let mut reopen = agent.ask(&["reopen", "--quiet"]).spawn().unwrap();
    wait_until("it has asked in vain", || {
        let syscalls = fs::read_to_string(format!("/proc/{}/wchan", reopen.id())).unwrap();
        syscalls.contains("nanosleep")
    });
    assert_eq!(reopen.try_wait().unwrap(), None);
    let agent = place.start_again();
    assert!(reopen.wait().unwrap().success());
    connect(&place, "web.sock").write_all(b"new\n").unwrap();
    agent.wait_for_lines("web", 1);
    assert_eq!(fs::read(place.log("web")).unwrap(), b"new\n");

    // Stopped on purpose it has no file open.
    let control = crate::support::Control::at(place.path("control.sock"));
    agent.stop();
    assert_eq!(control.refused(&["reopen", "--quiet"]).0, 71);
    assert_eq!(control.told(&["reopen", "--if-running"]), "");
}
