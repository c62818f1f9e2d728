//! systemd keeps sockets and connections while the agent is restarted or has crashed: its clients
//! notice nothing.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::SockType;

use crate::support::{
    Checker, Clients, Control, EVERY_KIND, Gate, LINE_BYTES, Packets, Place, Sent, SmallDisk,
    SystemdBox, Writes, scale, shipped_agent, wait_until, whole_machine,
};

/// How many descriptors systemd keeps.
const DESCRIPTORS: usize = 200;

fn inputs() -> String {
    let names = "
        [input.n.unix-stream]
        path = \"@/names.stream\"
        stream = \"{uid}\"
        client-names-stream = true
    ";
    format!("{EVERY_KIND}{names}")
}

fn boot(place: &Place) -> SystemdBox<'_> {
    SystemdBox::boot(place, &[("agent.service", &shipped_agent(DESCRIPTORS))])
}

/// Kills the agent, and waits for the next one.
fn crash(systemd: &SystemdBox<'_>, agent: &Control) {
    let pid = agent.status_of("/pid");
    systemd.systemctl(&["kill", "--signal=KILL", "agent.service"]);
    wait_until("another agent", || agent.try_status().is_some_and(|now| now["pid"] != pid));
}

/// Clients of every kind that send for as long as the gate lets them.
fn clients(place: &Place, gate: &std::sync::Arc<Gate>) -> [Clients; 4] {
    let packets = |kind, name: &str, numbers| {
        let path = place.path(name);
        let open = |_| Packets::connect(kind, &path, "");
        Clients::start(numbers, u64::MAX, Writes::OneLine, gate, open)
    };
    let fifo = place.path("web.fifo");
    let open_fifo = |_| OpenOptions::new().write(true).open(&fifo).unwrap();
    [
        Clients::connect(&place.path("web.stream"), 0..8, u64::MAX, Writes::CutAnywhere, gate),
        packets(SockType::Datagram, "web.dgram", 8..10),
        packets(SockType::SeqPacket, "web.seqpacket", 10..12),
        Clients::start(12..14, u64::MAX, Writes::WholeLines, gate, open_fifo),
    ]
}

fn lines_of(sent: &[Sent]) -> u64 {
    sent.iter().map(|sent| sent.clients.len() as u64 * sent.lines).sum()
}

#[test]
fn restarts_under_load_lose_nothing_and_no_client_notices() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(&inputs());
    let gate = Gate::closed();
    let clients = clients(&place, &gate);
    gate.trickle_during(5, || {
        for _ in 0..scale(5, 100) {
            let before = agent.count("/streams/web/lines_in");
            wait_until("lines come in", || agent.count("/streams/web/lines_in") > before);
            systemd.systemctl(&["restart", "agent.service"]);
            systemd.agent();
        }
    });
    let sent = clients.map(Clients::finish);
    let lines = lines_of(&sent);
    wait_until("every line is written", || agent.count("/streams/web/lines_written") == lines);
    assert_eq!(agent.count("/inputs/s/connections_total"), 8, "a client had to connect again");
    wait_until("no connection is left", || agent.count("/inputs/s/connections") == 0);
    let stored =
        systemd.systemctl(&["show", "--property=NFileDescriptorStore", "--value", "agent"]);
    assert_eq!(stored.trim(), "7", "5 sockets and FIFOs, the ledger and the buffer");
    systemd.systemctl(&["stop", "agent.service"]);
    Checker::of(&[place.log("web")]).assert_exactly(&sent);
    let messages = systemd.messages();
    assert!(!messages.contains("lost"), "{messages}");
}

#[test]
fn a_crash_loses_only_what_had_been_read_and_tells_how_much() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(&inputs());
    let gate = Gate::closed();
    let clients = clients(&place, &gate);
    let crashes = scale(5, 100);
    gate.trickle_during(5, || {
        for _ in 0..crashes {
            let before = agent.count("/streams/web/lines_in");
            wait_until("lines come in", || agent.count("/streams/web/lines_in") > before);
            crash(&systemd, &agent);
        }
    });
    let sent = clients.map(Clients::finish);
    wait_until("no connection is left", || {
        agent.count("/inputs/s/connections") + agent.count("/inputs/q/connections") == 0
    });
    let bytes = || fs::metadata(place.log("web")).unwrap().len();
    wait_until("the FIFO and the socket are read", || {
        let before = bytes();
        std::thread::sleep(std::time::Duration::from_millis(200));
        bytes() == before && agent.count("/streams/web/pending_lines") == 0
    });
    systemd.systemctl(&["stop", "agent.service"]);

    let log = fs::read_to_string(place.log("web")).unwrap();
    let (gaps, others): (Vec<_>, Vec<_>) =
        log.split_inclusive('\n').partition(|line| line.contains("logagent: gap: "));
    let told: u64 = gaps.iter().map(|gap| lines_in_gap(gap)).sum();
    let fragments = systemd.messages().matches("ended inside a line").count();
    let mut checker = Checker::new();
    checker.accept_fragments(fragments);
    checker.read_bytes(&place.log("web"), others.concat().as_bytes());
    checker.assert_no_line_harmed();
    let lost = checker.lost(&sent);
    eprintln!("{crashes} crashes: {lost} lines lost of {}, {told} told", lines_of(&sent));
    assert!(lost <= told + fragments as u64, "{lost} lines are lost, {told} are told");
}

fn lines_in_gap(gap: &str) -> u64 {
    let lines = gap.split("gap: ").nth(1).and_then(|rest| rest.split(' ').next());
    lines.and_then(|lines| lines.parse().ok()).unwrap_or_else(|| panic!("no gap record: {gap}"))
}

#[test]
fn half_a_line_goes_on_after_a_restart_and_never_looks_like_a_line_after_a_crash() {
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(&inputs());
    let mut plain = UnixStream::connect(place.path("web.stream")).unwrap();
    let mut named = UnixStream::connect(place.path("names.stream")).unwrap();
    let mut fifo = OpenOptions::new().write(true).open(place.path("web.fifo")).unwrap();
    plain.write_all(b"a whole line\nplain: this ").unwrap();
    named.write_all(b"logagent/1 stream=mine\nnamed: this ").unwrap();
    fifo.write_all(b"fifo: this ").unwrap();
    let unfinished = |agent: &Control| {
        agent.count("/inputs/s/bytes_in") >= 24
            && agent.count("/inputs/n/bytes_in") >= 12
            && agent.count("/inputs/f/bytes_in") >= 11
    };
    wait_until("all is read", || unfinished(&agent));
    systemd.systemctl(&["restart", "agent.service"]);
    systemd.agent();
    plain.write_all(b"is whole\nplain: the head of this ").unwrap();
    named.write_all(b"is whole\nnamed: the head of this ").unwrap();
    fifo.write_all(b"is whole\nfifo: the head of this ").unwrap();
    agent.wait_for_lines("web", 3);
    agent.wait_for_lines("mine", 1);
    crash(&systemd, &agent);
    plain.write_all(b"is lost\nplain: the next one\n").unwrap();
    named.write_all(b"is lost\nnamed: the next one\n").unwrap();
    fifo.write_all(b"is lost\nfifo: the next one\n").unwrap();
    agent.wait_for_lines("web", 2);
    agent.wait_for_lines("mine", 1);
    assert_eq!(agent.count("/streams/web/lines_dropped/crash"), 2);
    assert_eq!(agent.count("/streams/mine/lines_dropped/crash"), 1);
    systemd.systemctl(&["stop", "agent.service"]);
    let lines = |stream: &str| {
        let log = fs::read_to_string(place.log(stream)).unwrap();
        let mut lines: Vec<_> =
            log.lines().filter(|line| !line.contains(" gap: ")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        lines("web"),
        [
            "a whole line",
            "fifo: the next one",
            "fifo: this is whole",
            "plain: the next one",
            "plain: this is whole",
        ]
    );
    assert_eq!(lines("mine"), ["named: the next one", "named: this is whole"]);
}

#[test]
fn a_client_goes_on_in_the_stream_it_has_named_after_a_restart_and_after_a_crash() {
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(
        "
        [input.both.unix-stream]
        path = \"@/both\"
        client-names-stream = true
        ",
    );
    let connect = || UnixStream::connect(place.path("both")).unwrap();
    let (mut named, mut unnamed) = (connect(), connect());
    named.write_all(b"logagent/1 stream=mine\n").unwrap();
    let mut say = |line: &[u8]| {
        named.write_all(line).unwrap();
        unnamed.write_all(line).unwrap();
        for stream in ["mine", "both"] {
            wait_until("the line is written", || {
                fs::read(place.log(stream)).is_ok_and(|log| log.ends_with(line))
            });
        }
    };
    say(b"at first\n");
    systemd.systemctl(&["restart", "agent.service"]);
    say(b"after a restart\n");
    crash(&systemd, &agent);
    say(b"after a crash\n");
    let said = "at first\nafter a restart\nafter a crash\n";
    for stream in ["mine", "both"] {
        assert_eq!(fs::read_to_string(place.log(stream)).unwrap(), said, "{stream}");
    }
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_written_after_a_restart_at_the_exact_byte() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("full"), 4 << 20);
    // Room for some lines, and a little of the next.
    let filler = disk.fill_but(64 * 1024);
    let systemd = boot(&place);
    let agent = systemd.start_agent(
        "
        grace = \"300ms\"
        [input.s.unix-stream]
        path = \"@/web.stream\"
        stream = \"web\"
        [stream.web]
        file = \"@/full/web.log\"
        ",
    );
    let (gate, lines) = (Gate::open(), 2_000);
    let sent = Clients::connect(&place.path("web.stream"), 0..2, lines, Writes::CutAnywhere, &gate)
        .finish();
    agent.wait_for_state("web", "stalled");
    wait_until("all is read", || agent.count("/streams/web/lines_in") == 2 * lines);
    for _ in 0..3 {
        systemd.systemctl(&["restart", "agent.service"]);
        systemd.agent();
        assert_eq!(agent.count("/streams/web/lines_in"), 2 * lines);
        let of = |key: &str| agent.count(&format!("/streams/web/{key}"));
        assert_eq!(of("lines_written") + of("pending_lines"), 2 * lines);
    }
    fs::remove_file(filler).unwrap();
    wait_until("every line is written", || agent.count("/streams/web/lines_written") == 2 * lines);
    systemd.systemctl(&["stop", "agent.service"]);
    assert_eq!(agent_fragments(&systemd), 0);
    Checker::of(&[place.path("full/web.log")]).assert_exactly(&[sent]);
}

#[test]
fn half_a_line_that_an_agent_took_over_and_did_not_read_on_is_no_line_after_its_crash() {
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(&inputs());
    let mut plain = UnixStream::connect(place.path("web.stream")).unwrap();
    let mut fifo = OpenOptions::new().write(true).open(place.path("web.fifo")).unwrap();
    plain.write_all(b"plain: the head of this ").unwrap();
    fifo.write_all(b"fifo: the head of this ").unwrap();
    wait_until("all is read", || {
        agent.count("/inputs/s/bytes_in") >= 24 && agent.count("/inputs/f/bytes_in") >= 23
    });
    systemd.systemctl(&["restart", "agent.service"]);
    systemd.agent();
    crash(&systemd, &agent);
    plain.write_all(b"is lost\nplain: the next one\n").unwrap();
    fifo.write_all(b"is lost\nfifo: the next one\n").unwrap();
    wait_until("the next ones are written", || agent.count("/streams/web/lines_written") == 2);
    assert_eq!(agent.count("/streams/web/lines_dropped/crash"), 2);
    systemd.systemctl(&["stop", "agent.service"]);
    let log = fs::read_to_string(place.log("web")).unwrap();
    let mut lines: Vec<_> = log.lines().filter(|line| !line.contains(" gap: ")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["fifo: the next one", "plain: the next one"]);
}

#[test]
fn what_was_left_is_written_once_however_many_starts_fail_before() {
    const STREAM: &str = "
        grace = \"300ms\"
        [input.s.unix-stream]
        path = \"@/web.stream\"
        stream = \"web\"
        [stream.web]
        file = \"@/full/web.log\"
        ";
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("full"), 4 << 20);
    let filler = disk.fill_but(64 * 1024);
    let systemd = boot(&place);
    let agent = systemd.start_agent(STREAM);
    let (gate, lines) = (Gate::open(), 2_000);
    let sent = Clients::connect(&place.path("web.stream"), 0..2, lines, Writes::CutAnywhere, &gate)
        .finish();
    agent.wait_for_state("web", "stalled");
    wait_until("all is read", || agent.count("/streams/web/lines_in") == 2 * lines);
    let mut open = UnixStream::connect(place.path("web.stream")).unwrap();
    open.write_all(b"half of ").unwrap();
    // Somebody else listens where the second input is to.
    let _other = UnixListener::bind(place.path("wrong.stream")).unwrap();
    let wrong = "
        [input.t.unix-stream]
        path = \"@/wrong.stream\"
        stream = \"web\"
        ";
    systemd.configure(&format!("{STREAM}{wrong}"));
    systemd.systemctl(&["restart", "--no-block", "agent.service"]);
    wait_until("some starts have failed", || {
        systemd.messages().matches("wrong.stream").count() > 1
    });
    fs::remove_file(filler).unwrap();
    let failed = systemd.messages().matches("wrong.stream").count();
    wait_until("more starts have failed", || {
        systemd.messages().matches("wrong.stream").count() > failed + 2
    });
    systemd.configure(STREAM);
    let agent = systemd.agent();
    open.write_all(b"a line\n").unwrap();
    wait_until("every line is written", || {
        agent.count("/streams/web/lines_written") == 2 * lines + 1
    });
    systemd.systemctl(&["stop", "agent.service"]);
    let log = fs::read_to_string(place.path("full/web.log")).unwrap();
    let others: String =
        log.split_inclusive('\n').filter(|line| *line != "half of a line\n").collect();
    assert_eq!(log.len() - others.len(), "half of a line\n".len());
    let mut checker = Checker::new();
    checker.read_bytes(&place.path("full/web.log"), others.as_bytes());
    checker.assert_exactly(&[sent]);
}

/// How many fragments its agents have found at the ends of files.
fn agent_fragments(systemd: &SystemdBox<'_>) -> usize {
    systemd.messages().matches("ended inside a line").count()
}

#[test]
fn without_the_store_or_with_a_full_one_clients_are_served_and_it_is_told() {
    let place = Place::new();
    let small = shipped_agent(8);
    let systemd = SystemdBox::boot(&place, &[("agent.service", &small)]);
    let agent = systemd.start_agent(&inputs());
    let gate = Gate::open();
    let lines = 100;
    let sent =
        Clients::connect(&place.path("web.stream"), 0..3, lines, Writes::OneLine, &gate).finish();
    agent.wait_for_lines("web", 3 * lines);
    systemd.wait_for_message(&["FileDescriptorStoreMax="]);
    assert!(agent.count("/unstored") > 0);
    systemd.systemctl(&["stop", "agent.service"]);
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
    assert_eq!(fs::metadata(place.log("web")).unwrap().len(), 3 * lines * LINE_BYTES as u64);
}

#[test]
fn a_store_that_is_off_again_and_a_path_written_otherwise_start_and_serve() {
    let place = Place::new();
    let systemd = boot(&place);
    let agent = systemd.start_agent(&inputs());
    let mut client = UnixStream::connect(place.path("web.stream")).unwrap();
    client.write_all(b"one\n").unwrap();
    agent.wait_for_lines("web", 1);
    // The same place, written otherwise: the connection goes on.
    systemd.configure(&inputs().replace("\"@/web.stream\"", "\"@/./web.stream\""));
    systemd.systemctl(&["restart", "agent.service"]);
    systemd.agent();
    client.write_all(b"two\n").unwrap();
    agent.wait_for_lines("web", 2);
    // Without the store what was kept is let go.
    let without = shipped_agent(DESCRIPTORS).replace("FDSTORE=200", "FDSTORE=0");
    let without = without.replace("@/", "/place/");
    fs::write(place.path("units/agent.service"), without).unwrap();
    systemd.systemctl(&["daemon-reload"]);
    systemd.systemctl(&["restart", "agent.service"]);
    systemd.agent();
    systemd.wait_for_message(&["let go"]);
    let mut another = UnixStream::connect(place.path("web.stream")).unwrap();
    another.write_all(b"three\n").unwrap();
    wait_until("it is written", || {
        fs::read_to_string(place.log("web")).is_ok_and(|log| log == "one\ntwo\nthree\n")
    });
    systemd.systemctl(&["stop", "agent.service"]);
}

#[test]
fn systemd_is_told_how_the_agent_is_and_reloads_it() {
    let place = Place::new();
    let watched = shipped_agent(DESCRIPTORS).replace("[Service]\n", "[Service]\nWatchdogSec=2s\n");
    let systemd = SystemdBox::boot(&place, &[("agent.service", &watched)]);
    let agent = systemd.start_agent(&inputs());
    let pid = agent.status_of("/pid");
    let shown = |property: &str| {
        systemd.systemctl(&["show", "--property", property, "--value", "agent.service"])
    };
    let mut client = UnixStream::connect(place.path("web.stream")).unwrap();
    client.write_all(b"one\n").unwrap();
    wait_until("its sums are shown", || shown("StatusText").contains("1 lines written"));
    systemd.configure(&format!("{}[input.more.unix-stream]\npath = \"@/more.sock\"\n", inputs()));
    systemd.systemctl(&["reload", "agent.service"]);
    wait_until("it has reloaded", || {
        agent.try_status().is_some_and(|now| now["inputs"]["more"].is_object())
    });
    // Whoever gives no sign of life is killed.
    let signs = || shown("WatchdogTimestampMonotonic").trim().parse::<u64>().unwrap();
    let first = signs();
    wait_until("it has lived on for longer than that", || signs() > first + 4_000_000);
    assert_eq!((agent.status_of("/pid"), shown("NRestarts").trim()), (pid, "0"));
    systemd.systemctl(&["stop", "agent.service"]);
}
