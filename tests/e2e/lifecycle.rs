//! Start, signals, pid file, stop, exit status.

use std::fs;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use nix::sys::signal::Signal;

use crate::support::{
    Checker, Clients, Gate, Place, Random, Sent, Writes, numbered_line, numbered_lines, run, scale,
    spawn, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// As it stands in thousands of logrotate files.
const HOOK: &str = "[ ! -f @/agent.pid ] || kill -USR2 $(cat @/agent.pid)";

#[test]
fn usr2_from_the_moment_it_is_caught_never_kills_and_reopens_when_up() {
    let _machine = whole_machine();
    let place = Place::new();
    place.configure(WEB);
    for _ in 0..scale(40, 200) {
        let mut agent = place.spawn(place.daemon());
        wait_until("USR2 is caught", || agent.catches(Signal::SIGUSR2));
        wait_until("the agent is up", || {
            agent.signal(Signal::SIGUSR2);
            assert_eq!(agent.end_so_far(), None, "the agent ended:\n{}", agent.messages());
            place.path("agent.pid").exists()
        });
        wait_until("it has reopened", || agent.count("/streams/web/reopens") > 0);

        fs::rename(place.log("web"), place.log("web.1")).unwrap();
        agent.signal(Signal::SIGUSR2);
        wait_until("the file is there again", || place.log("web").exists());
        agent.stop();
    }
}

/// A process that USR2 would kill.
struct Bystander(Child);

impl Bystander {
    fn start() -> Bystander {
        Bystander(spawn(Command::new("sleep").arg("3600")))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_bystander_named_by_a_stale_pid_file_survives_the_hook() {
    let place = Place::new();
    place.configure(WEB);
    let hook = place.text(HOOK);
    for _ in 0..scale(10, 50) {
        let mut bystander = Bystander::start();
        let stale = bystander.0.id().to_string();
        fs::write(place.path("agent.pid"), format!("{stale}\n")).unwrap();
        let agent = place.spawn(place.daemon());
        let named = || fs::read_to_string(place.path("agent.pid")).unwrap_or_default();
        wait_until("the stale pid file is gone", || named().trim() != stale);
        wait_until("the agent is up", || {
            // A kill of nobody, while the file is made anew, fails as it does everywhere.
            Command::new("sh").args(["-c", &hook]).output().unwrap();
            named().trim() == agent.pid().to_string()
        });
        run(Command::new("sh").args(["-c", &hook]));
        wait_until("it has reopened", || agent.count("/streams/web/reopens") > 0);
        assert_eq!(bystander.0.try_wait().unwrap(), None, "the bystander is dead");
        agent.stop();
    }
}

#[test]
fn a_stale_pid_file_is_gone_before_anything_else_can_fail() {
    let place = Place::new();
    place.configure(WEB);
    let bystander = Bystander::start();
    fs::write(place.path("agent.pid"), format!("{}\n", bystander.0.id())).unwrap();
    // The socket is another program's, so there will be no agent.
    let listener = UnixListener::bind(place.path("web.sock")).unwrap();
    let mut agent = place.spawn(place.daemon());
    assert_eq!(agent.wait(), 71, "{}", agent.messages());
    assert!(!place.path("agent.pid").exists(), "it still names the bystander");
    drop(listener);
}

#[test]
fn the_pid_file_is_never_empty_and_gone_at_a_clean_end() {
    let place = Place::new();
    place.configure(WEB);
    for _ in 0..10 {
        let agent = place.spawn(place.daemon());
        let mut text = Err(());
        wait_until("the pid file is there", || {
            text = fs::read_to_string(place.path("agent.pid")).map_err(drop);
            text.is_ok()
        });
        assert_eq!(text.unwrap().trim(), agent.pid().to_string());
        agent.stop();
        assert!(!place.path("agent.pid").exists(), "the pid file is left behind");
        let left = place.files("");
        assert!(left.iter().all(|name| !name.contains("pid")), "left behind: {left:?}");
    }
}

#[test]
fn a_stale_pid_file_of_a_killed_agent_does_not_hinder_the_next() {
    let place = Place::new();
    let mut killed = place.start(WEB);
    killed.signal(Signal::SIGKILL);
    wait_until("it is dead", || killed.end_so_far().is_some());
    assert!(place.path("agent.pid").exists());
    let agent = place.start_again();
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}

/// A second agent with `body` must end with 71 and say `words`; the first goes on.
#[track_caller]
fn check_second_agent(body: &str, words: &[&str]) {
    let place = Place::new();
    let first = place.start(WEB);
    let config = place.write("second.toml", body);
    let mut command = place.command();
    command.arg("-c").arg(config);
    let mut second = place.spawn(command);
    assert_eq!(second.wait(), 71, "{}", second.messages());
    second.wait_for_message(words);

    assert_eq!(
        fs::read_to_string(place.path("agent.pid")).unwrap().trim(),
        first.pid().to_string()
    );
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    first.wait_for_lines("web", 1);
    first.stop();
}

#[test]
fn a_second_agent_on_the_same_pid_file_is_refused() {
    check_second_agent(
        "[agent]\npid-file = \"@/agent.pid\"\ncontrol = \"@/second.sock\"\n\
         [defaults]\ndir = \"@/second\"\n[input.b.unix-stream]\npath = \"@/b.sock\"\n",
        &["agent.pid"],
    );
}

#[test]
fn a_second_agent_on_the_same_socket_is_refused() {
    check_second_agent(
        "[agent]\npid-file = \"@/second.pid\"\ncontrol = \"@/second.sock\"\n\
         [defaults]\ndir = \"@/second\"\n[input.b.unix-stream]\npath = \"@/web.sock\"\n",
        &["web.sock"],
    );
}

#[test]
fn a_second_agent_on_the_same_log_file_is_refused() {
    check_second_agent(
        "[agent]\npid-file = \"@/second.pid\"\ncontrol = \"@/second.sock\"\n\
         [defaults]\ndir = \"@/log\"\n[input.web.unix-stream]\npath = \"@/b.sock\"\n",
        &["web.log"],
    );
}

#[test]
fn term_and_int_take_what_was_sent_and_end_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let mut agent = place.start(WEB);
        // Still connected, and inside a line.
        let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
        client.write_all(&numbered_lines(0, 0..1000)).unwrap();
        agent.signal(signal);
        assert_eq!(agent.wait(), 0);
        let sent = Sent { clients: 0..1, lines: 1000 };
        Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
        assert!(place.path("web.sock").exists(), "the socket file stays");
    }
}

#[test]
fn clients_that_nobody_had_accepted_before_term_are_still_read() {
    let place = Place::new();
    let mut agent = place.start(WEB);
    // While it stands still nobody is accepted; then it sees clients and signal at once.
    agent.signal(Signal::SIGSTOP);
    let clients: Vec<_> = (0..400)
        .map(|number| {
            let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
            client.write_all(&numbered_lines(number, 0..10)).unwrap();
            client
        })
        .collect();
    agent.signal(Signal::SIGTERM);
    agent.signal(Signal::SIGCONT);
    assert_eq!(agent.wait(), 0);
    drop(clients);
    Checker::of(&[place.log("web")]).assert_exactly(&[Sent { clients: 0..400, lines: 10 }]);
}

#[test]
fn every_line_that_was_sent_before_term_is_in_the_file() {
    let _machine = whole_machine();
    for _ in 0..scale(5, 25) {
        let place = Place::new();
        let mut agent = place.start(WEB);
        const CLIENTS: usize = 20;
        let begun = Arc::new(Barrier::new(CLIENTS + 1));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let mut output = UnixStream::connect(place.path("web.sock")).unwrap();
                let (begun, lines_sent) = (begun.clone(), Arc::new(AtomicU64::new(0)));
                let counter = lines_sent.clone();
                let thread = std::thread::spawn(move || {
                    begun.wait();
                    // Until the agent hangs up.
                    for number in 0.. {
                        if output.write_all(&numbered_line(client, number)).is_err() {
                            return;
                        }
                        counter.store(number + 1, Ordering::SeqCst);
                    }
                });
                (thread, lines_sent)
            })
            .collect();
        begun.wait();
        wait_until("all are sending", || clients.iter().all(|c| c.1.load(Ordering::SeqCst) > 100));
        let sent: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| Sent {
                clients: number..number + 1,
                lines: client.1.load(Ordering::SeqCst),
            })
            .collect();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0);
        for (thread, _) in clients {
            thread.join().unwrap();
        }
        Checker::of(&[place.log("web")]).assert_at_least(&sent);
    }
}

#[test]
fn every_line_that_was_written_to_a_fifo_before_term_is_in_the_file() {
    let _machine = whole_machine();
    for _ in 0..scale(3, 15) {
        let place = Place::new();
        let mut agent = place.start("[input.web.fifo]\npath = \"@/web.fifo\"\n");
        let lines_sent = Arc::new(AtomicU64::new(0));
        let (counter, path) = (lines_sent.clone(), place.path("web.fifo"));
        let writer = std::thread::spawn(move || {
            let mut output = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            // Until the agent has gone.
            for number in 0.. {
                if output.write_all(&numbered_line(0, number)).is_err() {
                    return;
                }
                counter.store(number + 1, Ordering::SeqCst);
            }
        });
        wait_until("it writes", || lines_sent.load(Ordering::SeqCst) > 10_000);
        let sent = Sent { clients: 0..1, lines: lines_sent.load(Ordering::SeqCst) };
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0);
        writer.join().unwrap();
        Checker::of(&[place.log("web")]).assert_at_least(&[sent]);
    }
}

const TAKES_NOTHING: &str = "[stream.web]\nfile = \"/dev/full\"\n";

#[test]
fn lines_that_could_not_be_written_at_the_end_are_told_and_exit_74() {
    let place = Place::new();
    let mut agent = place.start(&format!("grace = \"100ms\"\n{WEB}{TAKES_NOTHING}"));
    UnixStream::connect(place.path("web.sock"))
        .unwrap()
        .write_all(&b"line\n".repeat(1234))
        .unwrap();
    wait_until("the lines are pending", || agent.count("/streams/web/pending_lines") == 1234);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
    agent.wait_for_message(&["1234"]);
}

#[test]
fn a_second_term_stops_at_once() {
    let place = Place::new();
    let mut agent = place.start(&format!("grace = \"1h\"\n{WEB}{TAKES_NOTHING}"));
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    wait_until("the line is pending", || agent.count("/streams/web/pending_lines") == 1);
    agent.signal(Signal::SIGTERM);
    // It no longer listens: the first one was heard.
    wait_until("it drains", || UnixStream::connect(place.path("web.sock")).is_err());
    assert_eq!(agent.end_so_far(), None, "it did not wait for its grace");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
}

#[test]
fn after_sigkill_the_next_agent_goes_on_and_no_line_is_harmed() {
    let _machine = whole_machine();
    let place = Place::new();
    place.configure(WEB);
    let mut random = Random::new(3);
    let rounds = scale(10, 50);
    for round in 0..rounds {
        let mut agent = place.start_again();
        let socket = place.path("web.sock");
        let numbers = round * 5..(round + 1) * 5;
        let clients =
            Clients::connect(&socket, numbers, 100_000, Writes::CutAnywhere, &Gate::open());
        let lines = random.between(1, 100_000) as u64;
        wait_until("they send", || clients.lines_sent() > lines);
        agent.signal(Signal::SIGKILL);
        wait_until("it is dead", || agent.end_so_far().is_some());
        clients.abandon();
    }
    let agent = place.start_again();
    let last = numbered_line(rounds * 5, 0);
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(&last).unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
    let mut checker = Checker::new();
    // Each kill may have cut one write(2).
    checker.accept_fragments(rounds);
    checker.read(&place.log("web"));
    checker.assert_no_line_harmed();
}

#[test]
fn a_daemon_that_reads_its_standard_input_goes_on_after_its_end() {
    let place = Place::new();
    place.configure(&format!("{WEB}[input.own.stdin]\nstream = \"web\"\n"));
    let (input, mut output) = std::io::pipe().unwrap();
    let mut command = place.daemon();
    command.stdin(input);
    let agent = place.spawn_ready(command);
    output.write_all(b"from its input\n").unwrap();
    agent.wait_for_lines("web", 1);
    drop(output);
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"from a socket\n").unwrap();
    agent.wait_for_lines("web", 2);
    agent.stop();
}

#[test]
fn nonsense_on_the_control_socket_harms_nothing() {
    let place = Place::new();
    let agent = place.start(WEB);
    let connect = || UnixStream::connect(place.path("control.sock")).unwrap();
    let silent: Vec<_> = (0..10).map(|_| connect()).collect();
    for seed in 0..20 {
        let mut client = connect();
        // It may hang up on us.
        client.write_all(&Random::new(seed).bytes(100_000)).unwrap_or_default();
        client.write_all(b"\nstatus\n").unwrap_or_default();
    }
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    drop(silent);
    agent.stop();
}

#[test]
fn usage_errors_exit_with_64() {
    let place = Place::new();
    place.configure(WEB);
    for arguments in [
        vec!["-c", "agent.toml", "-o", "app.log"],
        vec!["--no-such-option"],
        vec!["no-such-command"],
        vec!["-l", "app.sock"],
    ] {
        let mut command = place.command();
        command.args(&arguments);
        let mut agent = place.spawn(command);
        assert_eq!(agent.wait(), 64, "{arguments:?}: {}", agent.messages());
        assert!(!agent.messages().is_empty());
    }
}
