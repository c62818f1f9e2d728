//! TERM under load: what was sent before it is in the files, and what the agent says of its end, and
//! ends with, is true to the line.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::socket::SockType;

use crate::support::{
    Agent, Checker, EVERY_KIND, HangingDisk, LINE_BYTES, Packets, Place, Random, SmallDisk,
    Tireless, Writes, scale, wait_until, whole_machine,
};

const ALL_WRITTEN: &str = "stopped: every accepted line is written";
const GAVE_UP: &str = "stopped with lines that could not be written";
const UNREAD: &str = "stopped with bytes that were never read";

/// Clients of a listening socket.
fn streaming(socket: &Path, numbers: std::ops::Range<usize>) -> Tireless {
    Tireless::start(numbers, Writes::WholeLines, |_| UnixStream::connect(socket).unwrap())
}

/// Clients of every kind of input.
fn clients(place: &Place) -> Tireless {
    let packets = |kind, name: &str, numbers| {
        let path = place.path(name);
        Tireless::start(numbers, Writes::OneLine, |_| Packets::connect(kind, &path, ""))
    };
    let fifo = place.path("web.fifo");
    let open_fifo = |_| OpenOptions::new().write(true).open(&fifo).unwrap();
    streaming(&place.path("web.stream"), 0..6)
        .and(packets(SockType::Datagram, "web.dgram", 6..8))
        .and(packets(SockType::SeqPacket, "web.seqpacket", 8..10))
        .and(Tireless::start(10..12, Writes::WholeLines, open_fifo))
}

fn lines_in(file: &Path) -> u64 {
    memchr::memchr_iter(b'\n', &fs::read(file).unwrap()).count() as u64
}

/// What the agent has said at its end, and a number in it.
fn told(agent: &Agent, what: &str, field: &str) -> Option<u64> {
    let messages = agent.messages();
    let message = messages.lines().find(|line| line.contains(what))?;
    let mut words = message.split_whitespace();
    let number = words.find_map(|word| word.strip_prefix(&format!("{field}=")))?;
    Some(number.parse().unwrap())
}

#[test]
fn every_stop_under_load_writes_what_was_sent_before_it_and_says_how_much() {
    let _machine = whole_machine();
    let place = Place::new();
    place.configure(EVERY_KIND);
    let mut random = Random::new(11);
    for _ in 0..scale(10, 200) {
        let mut agent = place.start_again();
        let clients = clients(&place);
        clients.wait_for_more(random.between(1, 300) as u64);
        let sent = clients.sent();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        clients.finish();
        Checker::of(&[place.log("web")]).assert_at_least(&sent);
        assert_eq!(told(&agent, ALL_WRITTEN, "lines"), Some(lines_in(&place.log("web"))));
        fs::remove_file(place.log("web")).unwrap();
    }
}

const TWO: &str = "
    [input.bad.unix-stream]
    path = \"@/bad.sock\"
    [input.good.unix-stream]
    path = \"@/good.sock\"
    [stream.bad]
    file = \"@/disk/bad.log\"
    queue = \"2MiB\"
";

#[test]
fn a_stop_with_a_full_disk_ends_with_74_and_tells_exactly_what_is_in_no_file() {
    let _machine = whole_machine();
    for _ in 0..scale(3, 20) {
        let place = Place::new();
        let disk = SmallDisk::mount(place.path("disk"), 1 << 20);
        let mut agent = place.start(&format!("grace = \"300ms\"\n{TWO}"));
        let bad = streaming(&place.path("bad.sock"), 0..4);
        agent.wait_for_state("bad", "stalled");
        let good = streaming(&place.path("good.sock"), 10..14);
        good.wait_for_more(1_000);
        let sent = good.sent();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 74, "{}", agent.messages());
        agent.wait_for_message(&[GAVE_UP, "streams=bad"]);
        let taken = bad.finish();
        good.finish();
        Checker::of(&[place.log("good")]).assert_at_least(&sent);
        let mut checker = Checker::new();
        checker.accept_torn_ends();
        checker.read(&disk.path("bad.log"));
        checker.assert_no_line_harmed();

        let lines = told(&agent, GAVE_UP, "lines").unwrap();
        let bytes = told(&agent, GAVE_UP, "bytes").unwrap();
        let unread = told(&agent, UNREAD, "bytes").unwrap_or(0);
        assert_eq!(bytes, lines * LINE_BYTES as u64);
        let written = lines_in(&disk.path("bad.log")) * LINE_BYTES as u64;
        assert_eq!(taken, written + bytes + unread, "{}", agent.messages());
    }
}

#[test]
fn a_stop_with_room_made_in_time_ends_with_0() {
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("disk"), 16 << 20);
    let mut agent = place.start(&format!("grace = \"1h\"\n{TWO}"));
    let filler = disk.fill_but(16 << 10);
    let clients = streaming(&place.path("bad.sock"), 0..4);
    agent.wait_for_state("bad", "stalled");
    let sent = clients.sent();
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    fs::remove_file(filler).unwrap();
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    clients.finish();
    let log = disk.path("bad.log");
    Checker::of(std::slice::from_ref(&log)).assert_at_least(&sent);
    assert_eq!(told(&agent, ALL_WRITTEN, "lines"), Some(lines_in(&log)));
}

#[test]
fn a_file_system_that_hangs_holds_up_nobody_else_and_no_stop() {
    let _machine = whole_machine();
    let place = Place::new();
    // It ends after the disk goes on, also where this test fails.
    let mut agent;
    let disk = HangingDisk::mount(&place, "disk");
    agent = place.start(&format!("grace = \"300ms\"\n{TWO}"));
    let bad = streaming(&place.path("bad.sock"), 0..4);
    agent.wait_for_state("bad", "writing");
    disk.hang();
    wait_until("the queue fills up", || agent.count("/streams/bad/pending_bytes") > 1 << 20);

    let good = streaming(&place.path("good.sock"), 10..14);
    good.wait_for_more(scale(5_000, 50_000));
    // Neither an order to the stream that hangs nor a question waits for it.
    fs::rename(place.log("good"), place.log("good.1")).unwrap();
    agent.signal(Signal::SIGUSR2);
    wait_until("the other file is there again", || place.log("good").exists());
    let sent = good.sent();
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&[GAVE_UP, "streams=bad"]);
    // That was its last word. A write that the file system has begun keeps any process from going
    // before it comes back.
    disk.go_on();
    assert_eq!(agent.wait(), 74, "{}", agent.messages());
    assert!(told(&agent, GAVE_UP, "lines").unwrap() > 0);
    good.finish();
    bad.finish();
    Checker::of(&[place.log("good.1"), place.log("good")]).assert_at_least(&sent);
}

#[test]
fn a_file_system_that_hangs_and_goes_on_loses_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let mut agent;
    let disk = HangingDisk::mount(&place, "disk");
    agent = place.start(&format!("grace = \"1h\"\n{TWO}"));
    let clients = streaming(&place.path("bad.sock"), 0..4);
    for _ in 0..scale(3, 20) {
        clients.wait_for_more(100);
        disk.hang();
        wait_until("the queue fills up", || agent.count("/streams/bad/pending_bytes") > 1 << 20);
        disk.go_on();
    }
    disk.hang();
    let sent = clients.sent();
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    disk.go_on();
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    clients.finish();
    let log = place.path("disk/bad.log");
    Checker::of(std::slice::from_ref(&log)).assert_at_least(&sent);
    assert_eq!(told(&agent, ALL_WRITTEN, "lines"), Some(lines_in(&log)));
}

#[test]
fn a_stop_while_files_open_and_clients_come_takes_what_was_sent() {
    let _machine = whole_machine();
    for _ in 0..scale(10, 100) {
        let place = Place::new();
        place.configure(EVERY_KIND);
        let mut agent = place.spawn(place.daemon());
        let socket = place.path("web.stream");
        let mut client = None;
        wait_until("it listens", || {
            client = UnixStream::connect(&socket).ok();
            client.is_some()
        });
        client.unwrap().write_all(b"line\n").unwrap();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        assert_eq!(fs::read(place.log("web")).unwrap(), b"line\n");
    }
}
