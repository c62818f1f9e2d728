//! The files are renamed and a signal is sent, as every log rotation does it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, Place, Random, Writes, scale, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

#[test]
fn renaming_and_signalling_under_a_hundred_clients_loses_doubles_and_tears_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let (rotations, lines) = scale((40, 2_000), (200, 20_000));
    let socket = place.path("web.sock");
    let gate = Gate::closed();
    let clients = Clients::connect(&socket, 0..100, lines, Writes::CutAnywhere, &gate);

    let mut random = Random::new(1);
    let mut files = Vec::new();
    for rotation in 0..rotations {
        // Somewhere inside a burst of lines.
        let burst = usize::try_from(100 * lines / rotations).unwrap();
        let sent = rotation * burst as u64 + random.between(1, burst) as u64;
        gate.open_to((rotation + 1) * lines / rotations);
        wait_until("the clients have sent some lines", || clients.lines_sent() >= sent);
        let renamed = place.log(&format!("web.{rotation:03}"));
        fs::rename(place.log("web"), &renamed).unwrap();
        agent.signal(Signal::SIGUSR2);
        files.push(renamed);
        wait_until("the file is there again", || place.log("web").exists());
    }
    gate.open_to(lines);
    let sent = clients.finish();
    agent.wait_for_lines("web", 100 * lines);
    assert!(agent.count("/streams/web/reopens") >= rotations);
    agent.stop();

    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
    let with_lines = files.iter().filter(|file| fs::metadata(file).unwrap().len() > 0).count();
    assert!(with_lines as u64 > rotations / 2, "only {with_lines} files have lines in them");
}

/// Clients of anything but a socket, while the file is renamed and signals are sent.
#[track_caller]
fn check_rotation(place: &Place, agent: &Agent, gate: &Gate, clients: Clients) {
    let mut files = Vec::new();
    gate.trickle_during(20, || {
        for rotation in 0..scale(10, 200) {
            let sent = clients.lines_sent();
            wait_until("the clients send", || clients.lines_sent() > sent);
            let renamed = place.log(&format!("web.{rotation:03}"));
            fs::rename(place.log("web"), &renamed).unwrap();
            agent.signal(Signal::SIGUSR2);
            files.push(renamed);
            wait_until("the file is there again", || place.log("web").exists());
        }
    });
    let count = clients.count() as u64;
    let sent = clients.finish();
    agent.wait_for_lines("web", count * sent.lines);
    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn renaming_and_signalling_harms_no_line_of_a_fifo() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start("[input.web.fifo]\npath = \"@/web.fifo\"\n");
    let gate = Gate::closed();
    let open = |_| OpenOptions::new().write(true).open(place.path("web.fifo")).unwrap();
    let clients = Clients::start(0..4, u64::MAX, Writes::WholeLines, &gate, open);
    check_rotation(&place, &agent, &gate, clients);
    agent.stop();
}

#[test]
fn renaming_and_signalling_harms_no_line_of_a_pipe() {
    let _machine = whole_machine();
    let place = Place::new();
    let (input, app) = std::io::pipe().unwrap();
    let mut command = place.command();
    command.arg("-o").arg(place.log("web")).stdin(input);
    command.arg("--pid-file").arg(place.path("agent.pid"));
    command.arg("--control").arg(place.path("control.sock"));
    let mut agent = place.spawn_ready(command);
    let gate = Gate::closed();
    let open = |_| app.try_clone().unwrap();
    let clients = Clients::start(0..1, u64::MAX, Writes::CutAnywhere, &gate, open);
    check_rotation(&place, &agent, &gate, clients);
    drop(app);
    assert_eq!(agent.wait(), 0);
}

#[test]
fn usr2_usr1_and_hup_each_reopen_the_files() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    let mut lines = 0;
    for signal in [Signal::SIGUSR2, Signal::SIGUSR1, Signal::SIGHUP] {
        writeln!(client, "before {signal}").unwrap();
        lines += 1;
        agent.wait_for_lines("web", lines);
        let reopens = agent.count("/streams/web/reopens");
        let renamed = place.log(signal.as_str());
        fs::rename(place.log("web"), &renamed).unwrap();
        agent.signal(signal);
        wait_until("the file is there again", || place.log("web").exists());
        wait_until("it is open", || agent.count("/streams/web/reopens") > reopens);
        writeln!(client, "after {signal}").unwrap();
        lines += 1;
        agent.wait_for_lines("web", lines);
        assert!(fs::read_to_string(renamed).unwrap().ends_with(&format!("before {signal}\n")));
        let text = fs::read_to_string(place.log("web")).unwrap();
        assert_eq!(text, format!("after {signal}\n"));
        let file = fs::metadata(place.log("web")).unwrap();
        assert_eq!(agent.count("/streams/web/inode"), file.ino());
        assert_eq!(file.permissions().mode() & 0o7777, 0o640);
    }
    agent.stop();
}

#[test]
fn a_directory_that_was_removed_is_made_again_by_a_reopen() {
    let place = Place::new();
    let agent = place.start(WEB);
    fs::remove_dir_all(place.path("log")).unwrap();
    agent.signal(Signal::SIGUSR2);
    wait_until("the file is there again", || place.log("web").exists());
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "line\n");
}

#[test]
fn a_signal_without_a_rotation_changes_nothing() {
    let place = Place::new();
    let agent = place.start(WEB);
    let inode = fs::metadata(place.log("web")).unwrap().ino();
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    client.write_all(b"one\ntw").unwrap();
    agent.wait_for_lines("web", 1);
    agent.signal(Signal::SIGUSR2);
    wait_until("it has reopened", || agent.count("/streams/web/reopens") == 1);
    client.write_all(b"o\n").unwrap();
    agent.wait_for_lines("web", 2);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::metadata(place.log("web")).unwrap().ino(), inode);
}

/// How long logrotate has to create a file that it has renamed, before the agent does.
const WAIT_FOR_CREATE: Duration = Duration::from_millis(100);

#[test]
fn a_signal_leaves_a_missing_path_to_logrotate_for_a_while() {
    let place = Place::new();
    let agent = place.start(WEB);
    for rotation in 0..10 {
        fs::rename(place.log("web"), place.log(&format!("web.{rotation}"))).unwrap();
        let signalled = Instant::now();
        agent.signal(Signal::SIGUSR2);
        wait_until("the file is there again", || {
            let (there, so_far) = (place.log("web").exists(), signalled.elapsed());
            assert!(!there || so_far >= WAIT_FOR_CREATE, "made after {so_far:?}");
            there
        });
    }
    agent.stop();
}

#[test]
fn signals_without_end_do_not_keep_a_missing_file_from_being_made() {
    let place = Place::new();
    let agent = place.start(WEB);
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    wait_until("the file is there again", || {
        agent.signal(Signal::SIGUSR2);
        place.log("web").exists()
    });
    agent.stop();
}

#[test]
fn what_logrotate_creates_in_that_while_is_used() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut created = 0;
    while created < 10 {
        let old = fs::metadata(place.log("web")).unwrap().ino();
        files.push(place.log(&format!("web.{}", files.len())));
        fs::rename(place.log("web"), files.last().unwrap()).unwrap();
        let signalled = Instant::now();
        agent.signal(Signal::SIGUSR2);
        writeln!(client, "line {}", files.len()).unwrap();
        std::thread::sleep(WAIT_FOR_CREATE / 2);
        match OpenOptions::new().write(true).create_new(true).open(place.log("web")) {
            Ok(file) => {
                created += 1;
                let new = file.metadata().unwrap().ino();
                wait_until("it is used", || agent.status_of("/streams/web/inode") == new);
            }
            Err(error) => {
                // This test was held up: too late.
                assert!(signalled.elapsed() >= WAIT_FOR_CREATE, "{error}");
                wait_until("it is open", || agent.status_of("/streams/web/inode") != old);
            }
        }
        agent.wait_for_lines("web", files.len() as u64);
    }
    agent.stop();
    let lines = files.len();
    files.push(place.log("web"));
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(text, (1..=lines).map(|line| format!("line {line}\n")).collect::<String>());
}
