//! `logagent send` while its agent is restarted, killed or stuck, and while it is stopped itself.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use logagent::limits::GRACE_DEFAULT as GRACE;
use logagent::system::unread_bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};

use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Sent, Writes, numbered_line, numbered_lines,
    scale, send_command, start_send, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";
const TO_WEB: &[&str] = &["-s", "@/web.sock"];

/// A feeder of numbered lines, and the `send` that it feeds.
struct Fed {
    send: Agent,
    clients: Clients,
    /// The feeder's end of the pipe.
    pipe: std::io::PipeWriter,
}

impl Fed {
    #[track_caller]
    fn start(place: &Place, arguments: &[&str], lines: u64, gate: &Arc<Gate>) -> Fed {
        let (send, pipe) = start_send(place, arguments);
        let open = |_| pipe.try_clone().unwrap();
        let clients = Clients::start(0..1, lines, Writes::CutAnywhere, gate, open);
        Fed { send, clients, pipe }
    }

    /// Waits until `send` cannot get rid of what it has: until it sleeps while its input is full.
    #[track_caller]
    fn wait_until_held_up(&self) {
        let is_full = || {
            let mut pipe = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLOUT)];
            poll(&mut pipe, PollTimeout::ZERO).unwrap() == 0
        };
        wait_until("send is held up", || (0..10).all(|_| is_full() && sleeps(&self.send)));
    }

    #[track_caller]
    fn wait_for_lines_more(&self, lines: u64) {
        let before = self.clients.lines_sent();
        wait_until("the feeder goes on", || self.clients.lines_sent() > before + lines);
    }

    /// Waits for the feeder's end, and for that of `send` with this status.
    #[track_caller]
    fn finish(mut self, status: i32) -> (Sent, String) {
        drop(self.pipe);
        let sent = self.clients.finish();
        assert_eq!(self.send.wait(), status, "{}", self.send.messages());
        (sent, self.send.messages())
    }
}

fn sleeps(process: &Agent) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('S')
}

/// Lines a millisecond: some MB a second.
const TRICKLE: u64 = 50;

#[test]
fn send_goes_on_where_the_agent_is_restarted() {
    let _machine = whole_machine();
    let place = Place::new();
    let mut agent = place.start(&format!("{WEB}client-names-stream = true\n"));
    let gate = Gate::closed();
    let fed = Fed::start(&place, &["-s", "@/web.sock", "--stream", "jobs"], u64::MAX, &gate);
    gate.trickle_during(TRICKLE, || {
        for round in 0..scale(10, 100) {
            fed.wait_for_lines_more(100);
            if round % 2 == 1 {
                agent.signal(Signal::SIGSTOP);
                fed.wait_until_held_up();
                agent.signal(Signal::SIGTERM);
                agent.signal(Signal::SIGCONT);
            } else {
                agent.signal(Signal::SIGTERM);
            }
            assert_eq!(agent.wait(), 0);
            agent = place.start_again();
        }
    });
    let (sent, messages) = fed.finish(0);
    assert_eq!(messages, "");
    agent.stop();
    Checker::of(&[place.log("jobs")]).assert_exactly(&[sent]);
}

#[test]
fn a_file_that_is_sent_while_the_agent_is_restarted_arrives_once_and_whole() {
    let _machine = whole_machine();
    let place = Place::new();
    // Far more than a socket holds.
    let lines = scale(50_000, 500_000);
    fs::write(place.path("in"), numbered_lines(0, 0..lines)).unwrap();
    let mut agent = place.start(WEB);
    agent.signal(Signal::SIGSTOP);
    let input = fs::File::open(place.path("in")).unwrap();
    let mut send = place.spawn(send_command(&place, TO_WEB, input));
    for _ in 0..scale(5, 50) {
        // It waits for room in the socket, unless it is about to connect.
        wait_until("send waits", || send.end_so_far().is_some() || (0..10).all(|_| sleeps(&send)));
        agent.signal(Signal::SIGTERM);
        agent.signal(Signal::SIGCONT);
        assert_eq!(agent.wait(), 0);
        agent = place.start_again();
        agent.signal(Signal::SIGSTOP);
    }
    agent.signal(Signal::SIGCONT);
    assert_eq!(send.wait(), 0, "{}", send.messages());
    assert_eq!(send.messages(), "");
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[Sent { clients: 0..1, lines }]);
}

#[test]
fn a_send_that_has_nothing_to_send_finds_the_next_agent() {
    let place = Place::new();
    let mut agent = place.start(WEB);
    let (mut send, mut input) = start_send(&place, TO_WEB);
    for number in 0..scale(5, 50) {
        input.write_all(&numbered_line(0, number)).unwrap();
        agent.wait_for_lines("web", 1);
        agent.stop();
        agent = place.start_again();
    }
    drop(input);
    assert_eq!(send.wait(), 0, "{}", send.messages());
    agent.stop();
    let sent = Sent { clients: 0..1, lines: scale(5, 50) };
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

#[test]
fn send_waits_for_an_agent_that_comes_later() {
    let place = Place::new();
    place.configure(WEB);
    let gate = Gate::closed();
    let fed = Fed::start(&place, TO_WEB, u64::MAX, &gate);
    gate.open_to(10_000);
    // It holds what it has read, and its feeder.
    fed.wait_until_held_up();
    let agent = place.start_again();
    gate.trickle_during(TRICKLE, || fed.wait_for_lines_more(1_000));
    let (sent, messages) = fed.finish(0);
    assert_eq!(messages, "");
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

/// All that `send` says may be missing, in bytes.
fn told(messages: &str) -> u64 {
    let numbers = messages.lines().map(|line| {
        let (_, number) = line.split_once("up to ").unwrap_or_else(|| panic!("it said: {line}"));
        let (number, words) = number.split_once(' ').unwrap();
        assert_eq!(words, "bytes may be missing");
        number.parse::<u64>().unwrap()
    });
    numbers.sum()
}

/// Lines that are in no file; no other line may be harmed, fragments apart.
#[track_caller]
fn lost(place: &Place, sent: &Sent, fragments: usize) -> u64 {
    let mut checker = Checker::new();
    checker.accept_fragments(fragments);
    checker.read(&place.log("web"));
    checker.assert_no_line_harmed();
    checker.lost(std::slice::from_ref(sent)) * LINE_BYTES as u64
}

#[test]
fn what_a_killed_agent_has_not_read_is_told_and_nothing_is_doubled() {
    let _machine = whole_machine();
    for _ in 0..scale(5, 50) {
        let place = Place::new();
        let mut killed = place.start(WEB);
        let gate = Gate::closed();
        let fed = Fed::start(&place, TO_WEB, 10_000, &gate);
        gate.open_to(100);
        killed.wait_for_lines("web", 100);
        // All that it has is in the file; from now on it reads nothing.
        killed.signal(Signal::SIGSTOP);
        gate.open_to(u64::MAX);
        fed.wait_until_held_up();
        killed.signal(Signal::SIGKILL);
        wait_until("it is dead", || killed.end_so_far().is_some());
        let agent = place.start_again();
        let (sent, messages) = fed.finish(74);
        agent.stop();
        let lost = lost(&place, &sent, 0);
        assert!(lost > 0 && lost <= told(&messages), "lost {lost} bytes, but: {messages}");
        assert!(told(&messages) < 300_000, "{messages}");
    }
}

#[test]
fn agents_that_are_killed_as_they_read_double_and_tear_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    // What an agent has read and not written dies with it: little, here.
    const QUEUE: u64 = 1 << 20;
    let defaults = format!("[defaults]\nqueue = \"{QUEUE}\"\nmax-line = \"4KiB\"\n");
    let mut agent = place.start(&format!("{defaults}{WEB}"));
    let rounds = scale(5, 50);
    let gate = Gate::closed();
    let fed = Fed::start(&place, TO_WEB, u64::MAX, &gate);
    gate.trickle_during(TRICKLE, || {
        for _ in 0..rounds {
            fed.wait_for_lines_more(1_000);
            agent.signal(Signal::SIGKILL);
            wait_until("it is dead", || agent.end_so_far().is_some());
            agent = place.start_again();
        }
        fed.wait_for_lines_more(1_000);
    });
    let Fed { mut send, clients, pipe } = fed;
    drop(pipe);
    let sent = clients.finish();
    let status = send.wait();
    agent.stop();
    let (lost, told) = (lost(&place, &sent, rounds), told(&send.messages()));
    assert!(lost <= told + rounds as u64 * QUEUE, "lost {lost} bytes, told {told}");
    assert_eq!(status, if told > 0 { 74 } else { 0 });
}

#[test]
fn what_send_has_read_before_term_arrives_and_the_rest_stays_in_the_pipe() {
    let _machine = whole_machine();
    for round in 0..scale(10, 100) {
        let place = Place::new();
        let agent = place.start(WEB);
        let (mut input, output) = std::io::pipe().unwrap();
        let given = input.try_clone().unwrap();
        let mut send = place.spawn(send_command(&place, TO_WEB, given));
        let open = |_| output.try_clone().unwrap();
        let clients = Clients::start(0..1, 50_000, Writes::WholeLines, &Gate::open(), open);
        drop(output);
        // More than the pipe holds, so that it has read some.
        wait_until("it reads", || clients.lines_sent() > 600 + round * 200);
        send.signal(Signal::SIGTERM);
        assert_eq!(send.wait(), 0, "{}", send.messages());
        assert_eq!(send.messages(), "");
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).unwrap();
        let sent = clients.finish();
        agent.stop();
        let mut checker = Checker::of(&[place.log("web")]);
        checker.read_bytes(Path::new("pipe"), &rest);
        checker.assert_exactly(&[sent]);
    }
}

#[test]
fn term_makes_a_line_that_was_begun_a_whole_one() {
    let place = Place::new();
    let agent = place.start(WEB);
    let (mut send, mut input) = start_send(&place, TO_WEB);
    input.write_all(b"one\ntwo").unwrap();
    wait_until("it has read that", || unread_bytes(&input) == 0);
    agent.wait_for_lines("web", 1);
    send.signal(Signal::SIGTERM);
    assert_eq!(send.wait(), 0, "{}", send.messages());
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "one\ntwo\n");
}

#[test]
fn term_ends_a_send_that_nobody_takes_lines_from() {
    let place = Place::new();
    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock", "--timeout", "1h"]);
    input.write_all(&numbered_lines(0, 0..10)).unwrap();
    wait_until("it has read them", || unread_bytes(&input) == 0);
    send.signal(Signal::SIGTERM);
    assert_eq!(send.wait(), 74);
    send.wait_for_message(&["No such file", "10 lines, 1200 bytes were not sent"]);
}

/// A socket whose backlog is full, and that nobody accepts at: connect(2) would wait there.
fn full_backlog(path: &Path) -> (OwnedFd, UnixStream) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let first = UnixStream::connect(path).unwrap();
    (listener, first)
}

#[test]
fn an_agent_that_accepts_nobody_does_not_hold_send_for_ever() {
    let place = Place::new();
    let _full = full_backlog(&place.path("web.sock"));
    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock", "--timeout", "50ms"]);
    input.write_all(b"one\n").unwrap();
    assert_eq!(send.wait(), 74);
    send.wait_for_message(&["web.sock", "1 lines, 4 bytes were not sent"]);

    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock", "--timeout", "1h"]);
    input.write_all(b"one\n").unwrap();
    wait_until("it has read that", || unread_bytes(&input) == 0);
    send.signal(Signal::SIGTERM);
    assert_eq!(send.wait(), 74);
    send.wait_for_message(&["web.sock", "1 lines, 4 bytes were not sent"]);
}

#[test]
fn an_agent_that_reads_nothing_is_told_at_the_end() {
    let place = Place::new();
    let agent = place.start(WEB);
    agent.signal(Signal::SIGSTOP);
    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock", "--timeout", "50ms"]);
    input.write_all(&numbered_lines(0, 0..10)).unwrap();
    drop(input);
    assert_eq!(send.wait(), 74);
    assert_eq!(told(&send.messages()), 1200);
    // The socket still holds them.
    agent.signal(Signal::SIGCONT);
    agent.wait_for_lines("web", 10);
    agent.stop();
}

#[test]
fn a_stuck_agent_holds_send_for_its_grace_after_term_at_most() {
    let place = Place::new();
    let agent = place.start(WEB);
    agent.signal(Signal::SIGSTOP);
    let gate = Gate::open();
    let fed = Fed::start(&place, TO_WEB, 10_000, &gate);
    fed.wait_until_held_up();
    let begin = Instant::now();
    fed.send.signal(Signal::SIGTERM);
    let Fed { mut send, clients, pipe } = fed;
    assert_eq!(send.wait(), 74);
    assert!(begin.elapsed() >= GRACE, "gave up after {:?}", begin.elapsed());
    drop(pipe);
    clients.abandon();
    let messages = send.messages();
    assert!(messages.contains("bytes were not sent"), "{messages}");
    let told = told(messages.lines().next().unwrap());
    agent.signal(Signal::SIGCONT);
    agent.stop();
    let taken = fs::metadata(place.log("web")).unwrap().len();
    assert!(taken > 0 && taken <= told, "took {taken} bytes: {messages}");
}

#[test]
fn a_second_term_kills_a_send_that_waits() {
    let place = Place::new();
    let agent = place.start(WEB);
    agent.signal(Signal::SIGSTOP);
    let mut fed = Fed::start(&place, TO_WEB, 10_000, &Gate::open());
    fed.wait_until_held_up();
    // The second one counts once the first has been heeded.
    let killed = |status: std::process::ExitStatus| {
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{status}");
        true
    };
    wait_until("it is dead", || {
        fed.send.end_so_far().is_some_and(killed) || {
            fed.send.signal(Signal::SIGTERM);
            false
        }
    });
    drop(fed.pipe);
    fed.clients.abandon();
}
