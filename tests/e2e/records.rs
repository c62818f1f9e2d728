//! Every way in and every framing: each record once, whole, in order.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::SockType;

use crate::support::{
    Checker, Clients, Gate, LINE_BYTES, Marks, Packets, Place, Records, Sent, Writes,
    numbered_line, numbered_lines, scale, wait_until, whole_machine,
};

const SENDERS: usize = 50;
/// What syslog senders put before a line.
const PRIORITY: &str = "<13>";

/// 50 senders at full speed through one input: nothing lost, doubled, torn or out of order.
#[track_caller]
fn check<W: Write + Send + 'static>(
    kind: &str,
    settings: &str,
    before: &str,
    writes: Writes,
    open: impl Fn(&Path, usize) -> W,
) {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(&format!("[input.in.{kind}]\npath = \"@/in\"\n{settings}\n"));
    let lines = scale(400, 10_000);
    let path = place.path("in");
    let open = |client| open(&path, client);
    let sent = Clients::start(0..SENDERS, lines, writes, &Gate::open(), open).finish();
    agent.wait_for_lines("in", SENDERS as u64 * lines);
    assert_eq!(agent.count("/inputs/in/framing_errors"), 0);
    assert_eq!(agent.count("/inputs/in/packets_cut"), 0);
    agent.stop();
    check_file(&place, "in", before, &[sent]);
}

/// Checks a file of which each line has `before` in front.
#[track_caller]
fn check_file(place: &Place, stream: &str, before: &str, sent: &[Sent]) {
    let file = place.log(stream);
    let bytes = fs::read(&file).unwrap();
    let mut lines = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_prefix(before.as_bytes());
        lines.extend_from_slice(line.expect("a line does not begin as it was sent"));
    }
    let mut checker = Checker::new();
    checker.read_bytes(&file, &lines);
    checker.assert_exactly(sent);
}

fn stream(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

#[test]
fn nul_terminated_records_over_a_stream_socket_lose_nothing() {
    check("unix-stream", "framing = \"nul\"", "", Writes::CutAnywhere, |path, client| {
        Records::cut_anywhere(stream(path), Marks::Nul, "", client as u64)
    });
}

#[test]
fn octet_counted_records_over_a_stream_socket_lose_nothing() {
    let framing = "framing = \"octet-counting\"";
    check("unix-stream", framing, "", Writes::CutAnywhere, |path, client| {
        Records::cut_anywhere(stream(path), Marks::Count, "", client as u64)
    });
}

#[test]
fn syslog_over_a_stream_socket_loses_nothing_however_senders_mark_records() {
    // All three kinds of senders at once.
    let framing = "framing = \"syslog\"";
    check("unix-stream", framing, PRIORITY, Writes::CutAnywhere, |path, client| {
        let marks = [Marks::Newline, Marks::Nul, Marks::Count][client % 3];
        Records::cut_anywhere(stream(path), marks, PRIORITY, client as u64)
    });
}

#[test]
fn counted_and_nul_terminated_records_over_a_fifo_lose_nothing() {
    let framings =
        [("octet-counting", Marks::Count), ("nul", Marks::Nul), ("syslog", Marks::Newline)];
    for (framing, marks) in framings {
        let settings = format!("framing = \"{framing}\"");
        // A FIFO mixes what is longer than PIPE_BUF, so it gets a record at a time.
        check("fifo", &settings, PRIORITY, Writes::OneLine, |path, _| {
            let fifo = OpenOptions::new().write(true).open(path).unwrap();
            Records::uncut(fifo, marks, PRIORITY)
        });
    }
}

fn packets(kind: SockType, before: &'static str) -> impl Fn(&Path, usize) -> Packets {
    move |path, _| Packets::connect(kind, path, before)
}

#[test]
fn datagrams_of_fifty_senders_that_block_lose_nothing() {
    check("unix-datagram", "", "", Writes::OneLine, packets(SockType::Datagram, ""));
}

#[test]
fn datagrams_with_several_lines_lose_nothing() {
    check("unix-datagram", "", "", Writes::WholeLines, packets(SockType::Datagram, ""));
}

#[test]
fn nul_terminated_records_in_packets_lose_nothing() {
    for (kind, sender) in
        [("unix-datagram", SockType::Datagram), ("unix-seqpacket", SockType::SeqPacket)]
    {
        // Several records a packet, each with its own end; the packet ends none of them.
        check(kind, "framing = \"nul\"", "", Writes::WholeLines, |path, _| {
            Records::uncut(Packets::connect(sender, path, ""), Marks::Nul, "")
        });
    }
}

#[test]
fn syslog_datagrams_lose_nothing() {
    let open = packets(SockType::Datagram, PRIORITY);
    check("unix-datagram", "framing = \"syslog\"", PRIORITY, Writes::OneLine, open);
}

#[test]
fn seqpacket_records_of_fifty_senders_lose_nothing_and_keep_their_order() {
    check("unix-seqpacket", "", "", Writes::OneLine, packets(SockType::SeqPacket, ""));
    check("unix-seqpacket", "", "", Writes::WholeLines, packets(SockType::SeqPacket, ""));
    let open = packets(SockType::SeqPacket, PRIORITY);
    check("unix-seqpacket", "framing = \"syslog\"", PRIORITY, Writes::OneLine, open);
}

#[test]
fn a_datagram_sender_that_does_not_block_is_told_and_never_loses_in_silence() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start("[input.in.unix-datagram]\npath = \"@/in\"\n");
    let path = place.path("in");
    let refused = AtomicU64::new(0);
    let attempts = scale(5_000, 100_000);
    let taken: Vec<Vec<u64>> = thread::scope(|scope| {
        let sender = |client| {
            let (path, refused) = (&path, &refused);
            scope.spawn(move || {
                let packets = Packets::connect(SockType::Datagram, path, "");
                let takes = |number: &u64| match packets.try_send(&numbered_line(client, *number)) {
                    Ok(sent) => sent == LINE_BYTES,
                    Err(Errno::EAGAIN) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        false
                    }
                    Err(error) => panic!("{error}"),
                };
                (0..attempts).filter(takes).collect()
            })
        };
        let senders: Vec<_> = (0..8).map(sender).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert!(refused.into_inner() > 0, "no sender ever found the socket full");
    let lines: usize = taken.iter().map(Vec::len).sum();
    agent.wait_for_lines("in", lines as u64);
    agent.stop();
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for (client, numbers) in taken.iter().enumerate() {
        expected.extend(numbers.iter().map(|number| numbered_line(client, *number)));
    }
    let file = fs::read(place.log("in")).unwrap();
    let mut found: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    // By sender, and each sender's in the order in which they came.
    found.sort_by_key(|line| line[..5].to_vec());
    assert!(found == expected, "what the kernel took is not what is in the file");
}

#[test]
fn a_stop_reads_every_datagram_that_was_taken_and_refuses_the_next() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start("[input.in.unix-datagram]\npath = \"@/in\"\n");
    let path = place.path("in");
    let taken: Vec<u64> = thread::scope(|scope| {
        let sender = |client| {
            let packets = Packets::connect(SockType::Datagram, &path, "");
            scope.spawn(move || {
                // Until the socket takes no more.
                (0..).find(|number| packets.send(&numbered_line(client, *number)).is_err())
            })
        };
        let senders: Vec<_> = (0..10).map(sender).collect();
        wait_until("lines arrive", || fs::metadata(place.log("in")).is_ok_and(|it| it.len() > 0));
        agent.stop();
        senders.into_iter().map(|sender| sender.join().unwrap().unwrap()).collect()
    });
    let sent = taken.iter().enumerate();
    let sent: Vec<Sent> =
        sent.map(|(client, lines)| Sent { clients: client..client + 1, lines: *lines }).collect();
    Checker::of(&[place.log("in")]).assert_exactly(&sent);
}

#[test]
fn empty_large_and_terminated_packets_are_what_they_are() {
    let large = "x".repeat(150_000);
    let packets: [(&str, &str); 8] = [
        ("one", "one\n"),
        ("", "\n"),
        ("two\n", "two\n"),
        ("\n", "\n"),
        ("three\nfour", "three\nfour\n"),
        ("five\n\n", "five\n\n"),
        ("nul\0", "nul\0\n"),
        (&large, &format!("{large}\n")),
    ];
    for (kind, sender) in
        [("unix-datagram", SockType::Datagram), ("unix-seqpacket", SockType::SeqPacket)]
    {
        let place = Place::new();
        let agent = place.start(&format!("[input.in.{kind}]\npath = \"@/in\"\n"));
        let socket = Packets::connect(sender, &place.path("in"), "");
        for (packet, _) in packets {
            socket.send(packet.as_bytes()).unwrap();
        }
        // An empty one at the very end is not mistaken for the end.
        socket.send(b"").unwrap();
        drop(socket);
        agent.wait_for_lines("in", 11);
        agent.stop();
        let expected: String = packets.iter().map(|(_, lines)| *lines).collect();
        let found = fs::read_to_string(place.log("in")).unwrap();
        assert!(found == format!("{expected}\n"), "{kind}: {:?}", &found[..found.len().min(100)]);
    }
}

#[test]
fn packets_larger_than_the_queue_wait_for_it_and_lose_nothing() {
    // A packet of newlines becomes far more than it was.
    let stamped = "[defaults]\nmax-line = \"1KiB\"\nqueue = \"16KiB\"\nformat = \"stamped\"\n\
                   prefix = \"{stream} {stream} {stream} {stream} \"\n";
    for (kind, sender) in
        [("unix-datagram", SockType::Datagram), ("unix-seqpacket", SockType::SeqPacket)]
    {
        let place = Place::new();
        let agent = place.start(&format!("{stamped}[input.in.{kind}]\npath = \"@/in\"\n"));
        let path = place.path("in");
        let before = agent.memory("RssAnon:");
        thread::scope(|scope| {
            for _ in 0..3 {
                let socket = Packets::connect(sender, &path, "");
                scope.spawn(move || {
                    socket.send(&[b'\n'; 50_000]).unwrap();
                    socket.send(&numbered_lines(7, 0..1_000)).unwrap();
                });
            }
        });
        agent.wait_for_lines("in", 3 * 51_000);
        let grown = agent.memory("RssAnon:").saturating_sub(before);
        assert!(grown < 16 << 20, "{kind}: the memory grew by {grown}");
        agent.stop();
        let file = fs::read_to_string(place.log("in")).unwrap();
        assert!(file.lines().all(|line| line.starts_with("in in in in ")));
        let whole = String::from_utf8(numbered_lines(7, 0..1_000)).unwrap();
        for line in whole.lines() {
            let found = file.lines().filter(|found| &found[12..] == line).count();
            assert_eq!(found, 3, "{kind}: {line}");
        }
    }
}

#[test]
fn a_wrong_count_is_told_and_what_follows_is_kept_as_lines() {
    let place = Place::new();
    let agent =
        place.start("[input.in.unix-stream]\npath = \"@/in\"\nframing = \"octet-counting\"\n");
    let mut client = stream(&place.path("in"));
    client.write_all(b"5 first6 second12no count\nnext line\n3 abc\n").unwrap();
    drop(client);
    agent.wait_for_lines("in", 5);
    assert_eq!(agent.count("/inputs/in/framing_errors"), 1);
    agent.wait_for_message(&["no sense", "input=in", "octet-counting"]);
    agent.stop();
    let file = fs::read_to_string(place.log("in")).unwrap();
    assert_eq!(file, "first\nsecond\n12no count\nnext line\n3 abc\n");
}

#[test]
fn a_reload_changes_framing_multiline_and_format_of_packets() {
    let place = Place::new();
    let configuration = |input: &str, stream: &str| {
        format!("[input.in.unix-datagram]\npath = \"@/in\"\n{input}\n[stream.in]\n{stream}\n")
    };
    let agent = place.start(&configuration("", ""));
    let socket = Packets::connect(SockType::Datagram, &place.path("in"), "");
    socket.send(b"<13>one\ntwo\0").unwrap();
    agent.wait_for_lines("in", 2);
    let input = "framing = \"syslog\"\nmultiline = \"escape\"";
    let stream = "format = \"stamped\"\nprefix = \"{severity} \"";
    place.configure(&configuration(input, stream));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&["read again and applied"]);
    socket.send(b"<13>one\ntwo\0").unwrap();
    agent.wait_for_lines("in", 3);
    agent.stop();
    let file = fs::read_to_string(place.log("in")).unwrap();
    assert_eq!(file, "<13>one\ntwo\0\nnotice one\\ntwo\n");
}

#[test]
fn a_changed_stream_divides_no_packet_and_loses_none() {
    let _machine = whole_machine();
    let place = Place::new();
    let configuration = |stream: &str| {
        format!(
            "[input.dg.unix-datagram]\npath = \"@/dg\"\nstream = \"{stream}\"\n\
             [input.sp.unix-seqpacket]\npath = \"@/sp\"\nstream = \"{stream}\"\n"
        )
    };
    let agent = place.start(&configuration("s0"));
    let gate = Gate::closed();
    let open = |kind, path: &'static str| {
        let place = &place;
        move |_| Packets::connect(kind, &place.path(path), "")
    };
    let writes = Writes::OneLine;
    let (dg, sp) = (open(SockType::Datagram, "dg"), open(SockType::SeqPacket, "sp"));
    let dg = Clients::start(0..5, u64::MAX, writes, &gate, dg);
    let sp = Clients::start(5..10, u64::MAX, writes, &gate, sp);
    let rounds = scale(10, 100);
    gate.trickle_during(5, || {
        for round in 1..=rounds {
            place.configure(&configuration(&format!("s{round}")));
            agent.signal(Signal::SIGHUP);
            wait_until("the stream is there", || place.log(&format!("s{round}")).exists());
        }
    });
    let sent = [dg.finish(), sp.finish()];
    agent.stop();
    let files: Vec<_> = (0..=rounds).map(|round| place.log(&format!("s{round}"))).collect();
    // The seqpacket connections stay with the stream that they were accepted for.
    let mut all = Checker::new();
    files.iter().for_each(|file| all.read(file));
    all.assert_exactly(&sent);
}

#[test]
fn a_start_that_fails_writes_the_datagrams_that_were_taken_meanwhile() {
    let place = Place::new();
    let _other = std::os::unix::net::UnixListener::bind(place.path("b")).unwrap();
    place.configure(
        "[input.a.unix-datagram]\npath = \"@/a\"\n[input.b.unix-stream]\npath = \"@/b\"\n",
    );
    // It looks whether somebody listens at the second while the first is open already.
    let delay = "inject=connect:delay_enter=1000000";
    let mut command = place.command_under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", delay]);
    command.arg("-c").arg(place.path("agent.toml"));
    let mut agent = place.spawn(command);
    wait_until("the first socket is there", || place.path("a").exists());
    let sender = Packets::connect(SockType::Datagram, &place.path("a"), "");
    for number in 0..3 {
        sender.send(&numbered_line(0, number)).unwrap();
    }
    assert_eq!(agent.wait(), 71);
    Checker::of(&[place.log("a")]).assert_exactly(&[Sent { clients: 0..1, lines: 3 }]);
}
