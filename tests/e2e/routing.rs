//! Who is speaking, and whose stream it is: templates, `allow`, clients that name their stream, and
//! names that mean harm.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::socket::SockType;

use crate::support::{
    Agent, Checker, Clients, Gate, Packets, Place, Sent, Writes, numbered_lines, scale, wait_until,
    whole_machine,
};

/// Clients may name their stream at `@/in`; what they do not name goes to `in`.
const NAMED: &str = "[input.in.unix-stream]\npath = \"@/in\"\nclient-names-stream = true\n";

fn client(place: &Place, first: &[u8]) -> UnixStream {
    let mut client = UnixStream::connect(place.path("in")).unwrap();
    client.write_all(first).unwrap();
    client
}

fn name_line(stream: &str) -> Vec<u8> {
    format!("logagent/1 stream={stream}\n").into_bytes()
}

#[track_caller]
fn assert_file(place: &Place, stream: &str, expected: &str) {
    let path = place.log(stream);
    wait_until(&format!("{} is {expected:?}", path.display()), || {
        fs::read_to_string(&path).is_ok_and(|text| text == expected)
    });
}

/// Runs a copy of `cat`, called `name`, that sends `line`: its name is what the kernel says of it.
fn send_as(place: &Place, name: &str, line: &str) {
    let program = place.path(name);
    crate::support::run(Command::new("cp").arg("/bin/cat").arg(&program));
    let socket = UnixStream::connect(place.path("in")).unwrap();
    drop(socket);
    // The one that connects is the one who is known, so a shell cannot do it for it.
    let mut python = Command::new("python3");
    python.arg("-c").arg(
        "import ctypes, socket, sys\n\
         ctypes.CDLL(None).prctl(15, sys.argv[1].encode('utf-8', 'surrogateescape'), 0, 0, 0)\n\
         s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2])\n\
         s.sendall(sys.argv[3].encode()); s.shutdown(socket.SHUT_WR); s.recv(1)\n",
    );
    crate::support::run(python.arg(name).arg(place.path("in")).arg(line));
}

#[test]
fn fifty_clients_that_name_their_streams_get_each_its_own_file() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(NAMED);
    let lines = scale(500, 20_000);
    let path = place.path("in");
    let open = |number: usize| {
        let mut client = UnixStream::connect(&path).unwrap();
        // In pieces, with the first line behind it in one write.
        let line = name_line(&format!("s{}", number % 10));
        client.write_all(&line[..number % line.len()]).unwrap();
        client.write_all(&line[number % line.len()..]).unwrap();
        client
    };
    let sent = Clients::start(0..50, lines, Writes::CutAnywhere, &Gate::open(), open).finish();
    for stream in 0..10 {
        agent.wait_for_lines(&format!("s{stream}"), 5 * lines);
    }
    assert_eq!(agent.count("/inputs/in/unknown"), 0);
    agent.stop();
    for stream in 0..10 {
        let clients = (0..5).map(|i| 10 * i + stream);
        let sent: Vec<Sent> =
            clients.map(|client| Sent { clients: client..client + 1, lines: sent.lines }).collect();
        Checker::of(&[place.log(&format!("s{stream}"))]).assert_exactly(&sent);
    }
}

#[test]
fn a_client_names_its_stream_over_seqpacket_too() {
    let place = Place::new();
    let agent =
        place.start("[input.in.unix-seqpacket]\npath = \"@/in\"\nclient-names-stream = true\n");
    let long = format!("logagent/1 stream=web {}", "x".repeat(500));
    for (first, second) in [
        (&b"logagent/1 stream=web"[..], &b"one"[..]),
        (b"logagent/1 stream=web\n", b"two"),
        (b"logagent/1 stream=web\nmore", b"a record"),
        (b"logagent/1", b"and no more"),
        (b"", b"after an empty one"),
        (long.as_bytes(), b"after a long one"),
    ] {
        let socket = Packets::connect(SockType::SeqPacket, &place.path("in"), "");
        socket.send(first).unwrap();
        socket.send(second).unwrap();
    }
    agent.wait_for_lines("web", 2);
    agent.wait_for_lines("in", 9);
    agent.stop();
    let mut web: Vec<String> =
        fs::read_to_string(place.log("web")).unwrap().lines().map(str::to_owned).collect();
    web.sort();
    assert_eq!(web, ["one", "two"]);
}

#[test]
fn a_first_line_that_names_nothing_is_a_line() {
    let place = Place::new();
    let agent = place.start(NAMED);
    let firsts: [&[u8]; 6] = [
        b"hello\n",
        b"logagent/2 stream=web\n",
        b"logagent/1 name=web\n",
        b"logagent/1 ",
        b"\n",
        &[b"logagent/1 stream=", "x".repeat(1_000).as_bytes(), b"\n"].concat(),
    ];
    for first in firsts {
        drop(client(&place, first));
    }
    agent.wait_for_lines("in", 6);
    assert_eq!(place.files("log"), ["in.log"]);
    assert_eq!(agent.count("/inputs/in/unknown"), 0);
    agent.stop();
}

#[test]
fn a_name_that_would_leave_the_directory_is_contained_and_told() {
    let place = Place::new();
    let agent = place.start(NAMED);
    let names = [
        "../escaped",
        "..",
        ".hidden",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "ü",
        "a b",
        "",
        "a\u{202e}b",
        "-rf",
        "unknown",
        "x\x1b[31m",
    ];
    for name in names {
        drop(client(&place, &[&name_line(name)[..], b"line\n"].concat()));
    }
    let long = "n".repeat(129);
    drop(client(&place, &[&name_line(&long)[..], b"line\n"].concat()));
    // As long a line is no name any more: two lines of the input's own stream.
    let far_too_long = "n".repeat(10_000);
    drop(client(&place, &[&name_line(&far_too_long)[..], b"line\n"].concat()));
    agent.wait_for_lines("in", 2);
    // "-rf" and "unknown" are names; "a b" is "a", since words stand behind it.
    wait_until("all lines are written", || {
        let lines = |stream: &str| {
            fs::read_to_string(place.log(stream)).map_or(0, |text| text.lines().count())
        };
        lines("unknown") + lines("-rf") + lines("a") == names.len() + 1
    });
    assert_eq!(place.files("log"), ["-rf.log", "a.log", "in.log", "unknown.log"]);
    assert_eq!(agent.count("/inputs/in/unknown"), names.len() as u64 + 1 - 3);
    agent.wait_for_message(&["could not be found out", "input=in", "stream=unknown"]);
    assert!(!agent.messages().contains('\x1b'), "a client coloured our messages");
    agent.stop();
    assert!(place.files("").iter().all(|name| !name.contains("escaped")));
}

#[test]
fn a_template_makes_a_stream_of_each_client_and_a_name_that_is_none_goes_to_unknown() {
    let place = Place::new();
    let agent = place.start("[input.in.unix-stream]\npath = \"@/in\"\nstream = \"of-{comm}\"\n");
    send_as(&place, "worker", "one\n");
    send_as(&place, "worker", "two\n");
    send_as(&place, "a b", "three\n");
    send_as(&place, "ü", "four\n");
    send_as(&place, "x\ny", "five\n");
    assert_file(&place, "of-worker", "one\ntwo\n");
    assert_file(&place, "unknown", "three\nfour\nfive\n");
    assert_eq!(agent.count("/inputs/in/unknown"), 3);
    // The connections that only looked whether the socket is there.
    let own = agent.status()["streams"].as_object().unwrap().len();
    assert!(own >= 2, "{}", agent.status());
    agent.stop();
}

#[test]
fn a_client_that_allow_does_not_name_is_refused_counted_and_told() {
    let place = Place::of_nobody();
    fs::set_permissions(place.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let allow = |who: &str| {
        format!(
            "[input.in.unix-stream]\npath = \"@/in\"\nmode = \"0666\"\n\
             allow = {{ unit = [\"myapp@*.service\"], {who} }}\n"
        )
    };
    let agent = place.start(&allow("uid = [\"nobody\"]"));
    // We are root, and in no such unit.
    let mut refused = UnixStream::connect(place.path("in")).unwrap();
    wait_until("root is refused", || refused.write_all(b"root\n").is_err());
    agent.wait_for_message(&["refused", "input=in", "uid=0"]);
    assert_eq!(agent.count("/inputs/in/refused"), 1);
    let send = |line: &'static str| {
        let mut command = place.command();
        command.args(["send", "--timeout", "10s", "-s"]).arg(place.path("in"));
        let mut sender = command.stdin(Stdio::piped()).spawn().unwrap();
        sender.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        sender.wait().unwrap().code()
    };
    assert_eq!(send("nobody\n"), Some(0));
    assert_file(&place, "in", "nobody\n");

    // A reload changes who may.
    place.configure(&allow("gid = [0]"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&["read again and applied"]);
    drop(client(&place, b"root\n"));
    assert_file(&place, "in", "nobody\nroot\n");
    assert_eq!(send("nobody again\n"), Some(74));
    assert!(agent.count("/inputs/in/refused") >= 2);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("in")).unwrap(), "nobody\nroot\n");
}

#[test]
fn a_symlink_in_place_of_a_streams_file_is_not_followed_and_its_lines_wait() {
    let place = Place::new();
    let agent = place.start(NAMED);
    fs::write(place.path("target"), "as it was\n").unwrap();
    symlink(place.path("target"), place.log("web")).unwrap();
    drop(client(&place, &[&name_line("web")[..], b"line\n"].concat()));
    agent.wait_for_state("web", "stalled");
    agent.wait_for_message(&["cannot open the file", "stream=web", "symbolic link"]);
    // Nobody else is held up.
    drop(client(&place, &[&name_line("other")[..], b"line\n"].concat()));
    assert_file(&place, "other", "line\n");
    fs::remove_file(place.log("web")).unwrap();
    assert_file(&place, "web", "line\n");
    assert_eq!(fs::read_to_string(place.path("target")).unwrap(), "as it was\n");
    agent.stop();
}

#[test]
fn beyond_max_streams_lines_go_to_unknown_and_that_is_told() {
    let place = Place::new();
    let agent = place.start(&format!("max-streams = 3\n{NAMED}"));
    for number in 0..6 {
        let line = format!("line {number}\n");
        drop(client(&place, &[name_line(&format!("s{number}")), line.into_bytes()].concat()));
        wait_until("the line is counted", || agent.count("/inputs/in/lines_in") == number + 1);
    }
    assert_file(&place, "s1", "line 1\n");
    assert_file(&place, "unknown", "line 2\nline 3\nline 4\nline 5\n");
    agent.wait_for_message(&["limit of streams", "wanted=s2", "stream=unknown"]);
    agent.stop();
    assert_eq!(place.files("log"), ["in.log", "s0.log", "s1.log", "unknown.log"]);
}

#[test]
fn a_named_stream_never_shares_its_file_with_another() {
    let place = Place::new();
    let shared = "stream = \"own\"\n[stream.own]\nfile = \"@/log/web.log\"\n";
    place.configure(&format!("{NAMED}{shared}"));
    let mut agent = place.spawn(place.daemon());
    assert_eq!(agent.wait(), 78);
    assert!(agent.messages().contains("which a client may make"), "{}", agent.messages());
}

#[test]
fn streams_on_demand_have_tables_and_follow_a_reload() {
    let place = Place::new();
    let configuration = |prefix: &str, file: &str| {
        format!(
            "{NAMED}[stream.web]\nformat = \"stamped\"\nprefix = \"{prefix}\"\n\
             [stream.unknown]\nfile = \"@/{file}.log\"\n"
        )
    };
    let agent = place.start(&configuration("1 {stream} ", "strays"));
    let mut web = client(&place, &[&name_line("web")[..], b"before\n"].concat());
    assert_file(&place, "web", "1 web before\n");
    place.configure(&configuration("2 {stream} {pid} ", "strays"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&["read again and applied"]);
    web.write_all(b"after\n").unwrap();
    assert_file(&place, "web", &format!("1 web before\n2 web {} after\n", std::process::id()));
    drop(client(&place, &[&name_line("..")[..], b"stray\n"].concat()));
    wait_until("the stray line is there", || {
        fs::read_to_string(place.path("strays.log")).is_ok_and(|text| text == "stray\n")
    });
    // What was on demand is configured now, and goes on in the same file.
    place.configure(&format!("{NAMED}[input.web.fifo]\npath = \"@/web.fifo\"\n"));
    agent.signal(Signal::SIGHUP);
    wait_until("the FIFO is there", || place.path("web.fifo").exists());
    web.write_all(b"third\n").unwrap();
    let mut fifo = fs::OpenOptions::new().write(true).open(place.path("web.fifo")).unwrap();
    agent.wait_for_lines("web", 3);
    fifo.write_all(b"fourth\n").unwrap();
    agent.wait_for_lines("web", 4);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    assert!(text.ends_with(" after\nthird\nfourth\n"), "{text}");
}

#[test]
fn a_stop_takes_in_what_clients_of_new_streams_have_sent() {
    let _machine = whole_machine();
    for _ in 0..scale(5, 50) {
        let place = Place::new();
        let agent = place.start(NAMED);
        let clients: Vec<UnixStream> = (0..40)
            .map(|number| {
                let lines = numbered_lines(number, 0..10);
                client(&place, &[name_line(&format!("s{}", number % 7)), lines].concat())
            })
            .collect();
        agent.stop();
        drop(clients);
        let files: Vec<_> = (0..7)
            .map(|stream| place.log(&format!("s{stream}")))
            .filter(|it| it.exists())
            .collect();
        Checker::of(&files).assert_exactly(&[Sent { clients: 0..40, lines: 10 }]);
    }
}

/// What the agent has open.
fn open_files(agent: &Agent) -> Vec<std::path::PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    descriptors.flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
}

#[test]
fn an_idle_stream_closes_its_file_and_goes_on_with_the_next_line() {
    // A minute, which is the contract; nothing is computed meanwhile.
    let place = Place::new();
    let agent = place.start(NAMED);
    let mut stays = client(&place, &[&name_line("stays")[..], b"one\n"].concat());
    drop(client(&place, &[&name_line("gone")[..], b"one\n"].concat()));
    drop(client(&place, b"own\n"));
    assert_file(&place, "stays", "one\n");
    assert_file(&place, "gone", "one\n");
    let has_open = |path: &Path| open_files(&agent).iter().any(|open| open == path);
    assert!(has_open(&place.log("stays")) && has_open(&place.log("gone")));
    let begin = std::time::Instant::now();
    while has_open(&place.log("stays")) || has_open(&place.log("gone")) {
        assert!(begin.elapsed().as_secs() < 120, "an idle file stays open");
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    assert!(begin.elapsed().as_secs() >= 55, "a file was closed early");
    assert!(has_open(&place.log("in")), "a configured stream closed its file");
    // The one that a connection holds stays; the other goes.
    wait_until("the unused stream is gone", || agent.status().pointer("/streams/gone").is_none());
    assert_eq!(agent.status_of("/streams/stays/inode"), serde_json::Value::Null);
    fs::rename(place.log("stays"), place.path("log/stays.log.1")).unwrap();
    agent.signal(Signal::SIGUSR2);
    agent.wait_for_message(&["reopening"]);
    assert!(!place.log("stays").exists(), "a reopen made the file of an idle stream");
    stays.write_all(b"two\n").unwrap();
    drop(client(&place, &[&name_line("gone")[..], b"two\n"].concat()));
    assert_file(&place, "stays", "two\n");
    assert_file(&place, "gone", "one\ntwo\n");
    agent.stop();
}
