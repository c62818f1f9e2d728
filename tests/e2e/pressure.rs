//! More clients, packets and streams than there is room for: whoever is there is served, and when it
//! is over nothing of it is left.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use nix::sys::socket::SockType;

use crate::support::{
    Agent, Checker, Clients, Gate, Packets, Place, Random, Sent, Writes, numbered_line,
    numbered_lines, run, scale, wait_until, whole_machine,
};

const MIB: u64 = 1 << 20;
const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

fn connect(place: &Place, name: &str) -> UnixStream {
    UnixStream::connect(place.path(name)).unwrap()
}

/// How many descriptors the agent has open.
fn descriptors(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

fn limit_descriptors(agent: &Agent, limit: u64) {
    let limit = format!("--nofile={limit}:{limit}");
    run(Command::new("prlimit").args(["--pid", &agent.pid().to_string(), &limit]));
}

/// So many clients, from several threads, that say nothing or half a line, and go.
fn flood(place: &Place, clients: u64) {
    let socket = &place.path("web.sock");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for _ in 0..clients / 4 {
                    let mut client = UnixStream::connect(socket).unwrap();
                    if random.between(0, 1) == 0 {
                        client.write_all(b"half a li").unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_flood_of_clients_that_come_and_go_costs_nobody_a_line_and_leaves_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let serious = Clients::connect(&socket, 0..4, u64::MAX, Writes::CutAnywhere, &gate);
    let connections = || agent.count("/inputs/web/connections");
    gate.trickle_during(2, || {
        wait_until("they are connected", || connections() == 4);
        let quiet = descriptors(&agent);
        let memory_after = |clients| {
            flood(&place, clients);
            wait_until("nothing is left of it", || {
                connections() == 4 && descriptors(&agent) == quiet
            });
            agent.memory("VmRSS:")
        };
        let before = memory_after(scale(5_000, 50_000));
        let after = memory_after(scale(10_000, 200_000));
        assert!(after < before + 4 * MIB, "{before} bytes before, {after} after");
    });
    let sent = serious.finish();
    agent.stop();
    Checker::of(&[place.log("web")]).assert_among_others(&[sent]);
}

#[test]
fn with_every_descriptor_used_up_the_agent_answers_reopens_and_tells_it_once() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut first = connect(&place, "web.sock");
    first.write_all(&numbered_lines(0, 0..10)).unwrap();
    agent.wait_for_lines("web", 10);
    limit_descriptors(&agent, 100);
    let mut others: Vec<_> = (1..300).map(|_| connect(&place, "web.sock")).collect();
    for (client, number) in others.iter_mut().zip(1..) {
        client.write_all(&numbered_lines(number, 0..10)).unwrap();
    }
    agent.wait_for_message(&["oo many open files"]);
    for round in 1..=scale(5, 50) {
        assert!(agent.count("/inputs/web/connections") < 100);
        fs::rename(place.log("web"), place.log(&format!("web.{round}"))).unwrap();
        if round % 2 == 0 {
            agent.signal(Signal::SIGUSR2);
        } else {
            agent.told(&["reopen"]);
        }
        wait_until("it has reopened", || agent.count("/streams/web/reopens") == round);
        assert_eq!(agent.status_of("/streams/web/state"), "idle");
        first.write_all(&numbered_lines(0, 10 * round..10 * (round + 1))).unwrap();
        wait_until("the first is served", || {
            memchr::memmem::find(
                &fs::read(place.log("web")).unwrap(),
                &numbered_lines(0, 10 * round..10 * (round + 1)),
            )
            .is_some()
        });
    }
    assert_eq!(agent.messages().matches("oo many open files").count(), 1);
    drop((first, others));
    let rounds = scale(5, 50);
    agent.wait_for_lines("web", (rounds + 1 + 299) * 10);
    agent.stop();
    let mut files: Vec<_> = (1..=rounds).map(|round| place.log(&format!("web.{round}"))).collect();
    files.push(place.log("web"));
    let sent =
        [Sent { clients: 0..1, lines: 10 * (rounds + 1) }, Sent { clients: 1..300, lines: 10 }];
    Checker::of(&files).assert_exactly(&sent);
}

#[test]
fn streams_that_clients_name_leave_descriptors_for_the_others() {
    let place = Place::new();
    place.configure(&format!(
        "{WEB}[input.named.unix-stream]\npath = \"@/named.sock\"\nstream = \"unnamed\"\n\
         client-names-stream = true\n"
    ));
    let mut command = place.command_under(&["prlimit", "--nofile=100:100"]);
    command.arg("-c").arg(place.path("agent.toml"));
    let agent = place.spawn_ready(command);
    let clients = 200;
    for number in 0..clients {
        let mut client = connect(&place, "named.sock");
        writeln!(client, "logagent/1 stream=s{number}").unwrap();
        client.write_all(&numbered_line(number, 0)).unwrap();
    }
    let mut web = connect(&place, "web.sock");
    web.write_all(&numbered_line(clients, 0)).unwrap();
    let written = |status: &serde_json::Value| -> u64 {
        let streams = status["streams"].as_object().unwrap().values();
        streams.map(|stream| stream["lines_written"].as_u64().unwrap()).sum()
    };
    wait_until("all is written", || written(&agent.status()) == clients as u64 + 1);
    agent.wait_for_message(&["limit of streams", "LimitNOFILE="]);
    assert!(!agent.messages().contains("oo many open files"), "{}", agent.messages());
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    agent.signal(Signal::SIGUSR2);
    wait_until("the file is there again", || place.log("web").exists());
    agent.stop();
    let logs: Vec<_> = place.files("log").iter().map(|name| place.path("log").join(name)).collect();
    assert!(logs.len() > 10, "{logs:?}");
    Checker::of(&logs).assert_exactly(&[Sent { clients: 0..clients + 1, lines: 1 }]);
}

#[test]
fn a_flood_of_datagrams_arrives_as_far_as_it_was_taken_and_holds_up_no_other_input() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent =
        place.start(&format!("{WEB}[input.flood.unix-datagram]\npath = \"@/flood.sock\"\n"));
    let over = AtomicBool::new(false);
    let path = place.path("flood.sock");
    let flood = |client: usize| {
        let socket = Packets::connect(SockType::Datagram, &path, "");
        let (mut taken, mut refused) = (0, 0_u64);
        let mut line = numbered_line(client, taken);
        while !over.load(Ordering::Relaxed) || taken < scale(500, 50_000) {
            match socket.try_send(&line) {
                Ok(_) => {
                    taken += 1;
                    line = numbered_line(client, taken);
                }
                Err(nix::errno::Errno::EAGAIN) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (Sent { clients: client..client + 1, lines: taken }, refused)
    };
    let (floods, web) = std::thread::scope(|scope| {
        let flood = &flood;
        let floods: Vec<_> = (0..4).map(|client| scope.spawn(move || flood(client))).collect();
        let lines = scale(20_000, 500_000);
        let gate = Gate::open();
        let socket = place.path("web.sock");
        let web = Clients::connect(&socket, 10..14, lines, Writes::CutAnywhere, &gate).finish();
        agent.wait_for_lines("web", 4 * lines);
        over.store(true, Ordering::Relaxed);
        let floods: Vec<_> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
        (floods, web)
    });
    agent.stop();
    let refused: u64 = floods.iter().map(|(_, refused)| refused).sum();
    let sent: Vec<_> = floods.into_iter().map(|(sent, _)| sent).collect();
    let taken: u64 = sent.iter().map(|sent| sent.lines).sum();
    eprintln!("{taken} datagrams taken, {refused} not");
    assert!(refused > 0, "no flood");
    Checker::of(&[place.log("flood")]).assert_exactly(&sent);
    Checker::of(&[place.log("web")]).assert_exactly(&[web]);
}
