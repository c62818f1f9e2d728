//! Clients that send too much, too little, nonsense, or nothing more: memory stays within its bound,
//! and the neighbours lose nothing.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Random, Sent, Writes, numbered_lines, run,
    scale, wait_until, whole_machine,
};

const MIB: u64 = 1 << 20;

/// Every connection is sure of this much for its unfinished line.
const CONNECTION_BYTES: u64 = 4 << 10;

/// What the program needs beside its lines, as the README says.
const REST_BYTES: u64 = 24 * MIB;

/// `web`, which the hostile ones use too, and `quiet`, which they do not.
const INPUTS: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                      [input.quiet.unix-stream]\npath = \"@/quiet.sock\"\n";

/// The default queues of two streams.
const QUEUE_BYTES: u64 = 2 * 4 * MIB;
const PARTIAL_BYTES: u64 = 64 * MIB;

#[track_caller]
fn assert_memory(agent: &Agent, partial_bytes: u64, connections: u64) {
    let bound = partial_bytes + CONNECTION_BYTES * connections + QUEUE_BYTES + REST_BYTES;
    let most = agent.memory("VmHWM:");
    assert!(most <= bound, "used {most} bytes, more than {bound}");
}

/// Clients that behave, while others do not.
struct Neighbours {
    web: Clients,
    quiet: Clients,
}

impl Neighbours {
    const EACH: usize = 4;

    fn start(place: &Place, gate: &std::sync::Arc<Gate>) -> Neighbours {
        let connect = |socket: &str, first| {
            let numbers = first..first + Neighbours::EACH;
            Clients::connect(&place.path(socket), numbers, u64::MAX, Writes::CutAnywhere, gate)
        };
        Neighbours { web: connect("web.sock", 0), quiet: connect("quiet.sock", 100) }
    }

    /// Waits until all is written, stops the agent, and checks that every line of theirs is there.
    /// Returns what the others left in `web`.
    #[track_caller]
    fn finish(self, place: &Place, agent: Agent) -> Others {
        let (web, quiet) = (self.web.finish(), self.quiet.finish());
        for stream in ["web", "quiet"] {
            wait_until(&format!("all is written to {stream}"), || {
                agent.count(&format!("/inputs/{stream}/connections")) == 0
                    && agent.count(&format!("/streams/{stream}/pending_lines")) == 0
            });
        }
        agent.stop();
        Checker::of(&[place.log("quiet")]).assert_exactly(std::slice::from_ref(&quiet));
        Checker::of(&[place.log("web")]).assert_among_others(std::slice::from_ref(&web));

        let log = fs::read(place.log("web")).unwrap();
        let newlines = memchr::memchr_iter(b'\n', &log).count() as u64;
        let lines = newlines - Neighbours::EACH as u64 * web.lines;
        let bytes = log.len() as u64 - newlines;
        let line_bytes = LINE_BYTES as u64 - 1;
        Others { lines, bytes: bytes - (newlines - lines) * line_bytes }
    }
}

/// What stands in a log beside the neighbours' lines.
struct Others {
    lines: u64,
    /// Without the newlines.
    bytes: u64,
}

fn connect(socket: &Path) -> UnixStream {
    UnixStream::connect(socket).unwrap()
}

#[test]
fn a_client_that_sends_no_newline_is_split_within_bounded_memory() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let pieces = scale(64, 1024);
    let gate = Gate::closed();
    let neighbours = Neighbours::start(&place, &gate);
    gate.trickle_during(2, || {
        let mut hostile = connect(&place.path("web.sock"));
        for _ in 0..pieces {
            hostile.write_all(&vec![b'x'; usize::try_from(MIB).unwrap()]).unwrap();
        }
    });
    wait_until("it is all there", || {
        agent.count("/inputs/web/connections") <= Neighbours::EACH as u64
    });
    assert_memory(&agent, PARTIAL_BYTES, 9);
    let split = agent.count("/streams/web/lines_split");
    let others = neighbours.finish(&place, agent);
    assert_eq!(others.bytes, pieces * MIB);
    // One mebibyte a line: max-line.
    assert_eq!(others.lines, pieces);
    assert!(split > 0, "told of no line that was split");
}

#[test]
fn many_clients_inside_long_lines_stay_within_partial_memory() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(&format!("partial-memory = \"8MiB\"\n{INPUTS}"));
    let gate = Gate::closed();
    let neighbours = Neighbours::start(&place, &gate);
    let (clients, bytes) = (100, 900_000);
    gate.trickle_during(2, || {
        let hostile: Vec<_> = (0..clients)
            .map(|_| {
                let mut client = connect(&place.path("web.sock"));
                client.write_all(&vec![b'x'; bytes]).unwrap();
                client
            })
            .collect();
        wait_until("it is all taken", || {
            agent.count("/inputs/web/bytes_in") >= (clients * bytes) as u64
        });
        drop(hostile);
    });
    assert_memory(&agent, 8 * MIB, clients as u64 + 8);
    agent.wait_for_message(&["partial-memory"]);
    let others = neighbours.finish(&place, agent);
    assert_eq!(others.bytes, (clients * bytes) as u64);
}

#[test]
fn a_client_that_sends_a_byte_now_and_then_holds_up_nobody() {
    let place = Place::new();
    let agent = place.start(INPUTS);
    let mut slow = connect(&place.path("web.sock"));
    let mut neighbour = connect(&place.path("web.sock"));
    let line = numbered_lines(1, 0..1);
    for (number, byte) in (0..).zip(&line) {
        slow.write_all(&[*byte]).unwrap();
        neighbour.write_all(&numbered_lines(0, number * 100..(number + 1) * 100)).unwrap();
        let whole = u64::from(*byte == b'\n');
        agent.wait_for_lines("web", (number + 1) * 100 + whole);
    }
    agent.stop();
    let lines = line.len() as u64 * 100;
    let sent = [Sent { clients: 0..1, lines }, Sent { clients: 1..2, lines: 1 }];
    Checker::of(&[place.log("web")]).assert_exactly(&sent);
}

#[test]
fn clients_that_send_random_bytes_harm_nobody() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let gate = Gate::closed();
    let neighbours = Neighbours::start(&place, &gate);
    let mut lines = 0;
    gate.trickle_during(2, || {
        for seed in 0..scale(20, 500) {
            let mut bytes = Random::new(seed).bytes(500_000);
            bytes.push(b'\n');
            connect(&place.path("web.sock")).write_all(&bytes).unwrap();
            lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        }
    });
    assert_eq!(neighbours.finish(&place, agent).lines, lines);
}

#[test]
fn clients_that_leave_inside_a_line_harm_nobody() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(INPUTS);
    let gate = Gate::closed();
    let neighbours = Neighbours::start(&place, &gate);
    let clients = scale(500, 20_000);
    gate.trickle_during(2, || {
        for _ in 0..clients {
            connect(&place.path("web.sock")).write_all(b"a line and a ha").unwrap();
        }
    });
    assert_eq!(neighbours.finish(&place, agent).lines, clients);
    let log = fs::read_to_string(place.log("web")).unwrap();
    let halves = log.lines().filter(|line| *line == "a line and a ha").count() as u64;
    assert_eq!(halves, clients);
}

/// Allows this process, and what it starts, as many descriptors as it may have.
fn raise_descriptor_limit(needed: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= needed, "this test needs {needed} descriptors, the hard limit is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

#[test]
fn five_thousand_connections_inside_a_line_stay_within_bounded_memory() {
    let _machine = whole_machine();
    const CONNECTIONS: usize = 5_000;
    raise_descriptor_limit(CONNECTIONS as u64 + 500);
    let place = Place::new();
    let agent = place.start(INPUTS);
    let gate = Gate::closed();
    let neighbours = Neighbours::start(&place, &gate);
    let lines: Vec<_> =
        (0..CONNECTIONS).map(|client| numbered_lines(1_000 + client, 0..2)).collect();
    let mut hostile = Vec::new();
    gate.trickle_during(1, || {
        for line in &lines {
            let mut client = connect(&place.path("web.sock"));
            client.write_all(&line[..60]).unwrap();
            hostile.push(client);
        }
        wait_until("all are connected at once", || {
            agent.count("/inputs/web/connections") >= CONNECTIONS as u64
        });
    });
    assert_memory(&agent, PARTIAL_BYTES, CONNECTIONS as u64 + 8);
    // What these few bytes need is far less than what they might.
    let used = agent.memory("RssAnon:");
    let bound = CONNECTION_BYTES * CONNECTIONS as u64 + QUEUE_BYTES + REST_BYTES;
    assert!(used <= bound, "used {used} bytes, more than {bound}");

    for (client, line) in hostile.iter_mut().zip(&lines) {
        client.write_all(&line[60..]).unwrap();
    }
    drop(hostile);
    assert_eq!(neighbours.finish(&place, agent).lines, 2 * CONNECTIONS as u64);
    let sent = Sent { clients: 1_000..1_000 + CONNECTIONS, lines: 2 };
    Checker::of(&[place.log("web")]).assert_at_least(&[sent]);
}

/// 300 clients, ten lines each, of an agent that has too few descriptors for them, which it says in
/// these `words`: it serves whom it has, and the others as descriptors become free.
#[track_caller]
fn check_few_descriptors(place: &Place, agent: Agent, words: &[&str]) {
    let mut first = connect(&place.path("web.sock"));
    first.write_all(&numbered_lines(0, 0..10)).unwrap();
    agent.wait_for_lines("web", 10);
    let limit = ["--pid", &agent.pid().to_string(), "--nofile=100:100"];
    run(Command::new("prlimit").args(limit));

    let mut others: Vec<_> = (1..300).map(|_| connect(&place.path("web.sock"))).collect();
    for (client, number) in others.iter_mut().zip(1..) {
        client.write_all(&numbered_lines(number, 0..10)).unwrap();
    }
    agent.wait_for_message(words);
    let before = fs::metadata(place.log("web")).unwrap().len();
    assert!(before < 300 * 10 * 120, "there were descriptors for all: this test shows nothing");
    first.write_all(&numbered_lines(0, 10..20)).unwrap();
    wait_until("the first is served", || {
        let log = fs::read(place.log("web")).unwrap();
        memchr::memmem::find(&log, &numbered_lines(0, 10..20)).is_some()
    });

    drop(others);
    wait_until("the others are served", || {
        fs::metadata(place.log("web")).unwrap().len() == (300 + 1) * 10 * 120
    });
    drop(first);
    // The descriptors are there again, for a reopen too.
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    agent.signal(Signal::SIGUSR2);
    wait_until("the file is there again", || place.log("web").exists());
    agent.stop();
    let sent = [Sent { clients: 0..1, lines: 20 }, Sent { clients: 1..300, lines: 10 }];
    Checker::of(&[place.log("web.1")]).assert_exactly(&sent);
}

#[test]
fn with_few_descriptors_it_takes_fewer_connections_at_a_time() {
    let place = Place::new();
    place.configure(INPUTS);
    let mut command = place.command_under(&["prlimit", "--nofile=100:100"]);
    command.arg("-c").arg(place.path("agent.toml"));
    check_few_descriptors(&place, place.spawn_ready(command), &["limit"]);
}

#[test]
fn without_descriptors_it_serves_whom_it_has_and_later_the_others() {
    let place = Place::new();
    check_few_descriptors(&place, place.start(INPUTS), &["oo many open files"]);
}

#[test]
fn connections_over_the_limit_wait_and_lose_nothing() {
    let place = Place::new();
    let agent = place.start(&format!("max-connections = 10\n{INPUTS}"));
    let mut clients: Vec<_> = (0..25).map(|_| connect(&place.path("web.sock"))).collect();
    for (client, number) in clients.iter_mut().zip(0..) {
        client.write_all(&numbered_lines(number, 0..10)).unwrap();
    }
    agent.wait_for_lines("web", 10 * 10);
    agent.wait_for_message(&["limit"]);
    assert_eq!(agent.count("/inputs/web/connections"), 10);

    clients.drain(..3);
    agent.wait_for_lines("web", 13 * 10);
    assert_eq!(agent.count("/inputs/web/connections"), 10);
    drop(clients);
    agent.wait_for_lines("web", 25 * 10);
    agent.stop();
    let sent = Sent { clients: 0..25, lines: 10 };
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}
