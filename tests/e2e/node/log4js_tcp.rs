//! What log4js sends over TCP, its `tcp` appender and its `multiprocess` workers, through relays that
//! know nothing of it.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    Checker, Control, Installed, Place, Sent, contents, node, node_modules, numbered_lines, run,
    scale, spawn, wait_until,
};

const LOG4JS: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\nframing = \"log4js\"\n";

/// A program that takes what comes to a TCP port to a Unix socket.
struct Relay {
    process: Child,
    port: u16,
}

type Start = fn(&Place) -> Relay;

/// The ways to do that.
const RELAYS: [(&str, Start); 3] = [
    ("socat", Relay::socat),
    ("systemd-socket-proxyd", Relay::proxyd),
    ("HAProxy", Relay::haproxy),
];

/// It does not outlive the test, however that ends.
fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

impl Relay {
    fn socat(place: &Place) -> Relay {
        let said = place.path("socat.said");
        let mut socat = mortal("socat");
        socat.args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork,backlog=128"]);
        socat.arg(place.text("UNIX-CONNECT:@/web.sock")).stderr(File::create(&said).unwrap());
        let process = spawn(&mut socat);
        let mut port = None;
        wait_until("socat listens", || {
            let said = fs::read_to_string(&said).unwrap();
            let mut lines = said.lines().filter(|line| line.contains(" listening on "));
            port = lines.find_map(|line| line.rsplit(':').next()?.parse().ok());
            port.is_some()
        });
        Relay { process, port: port.unwrap() }
    }

    fn proxyd(place: &Place) -> Relay {
        let socket = place.path("web.sock");
        Relay::with_socket(&["/lib/systemd/systemd-socket-proxyd", socket.to_str().unwrap()])
    }

    fn haproxy(place: &Place) -> Relay {
        let configuration = place.write(
            "haproxy.cfg",
            "defaults\n  mode tcp\n  timeout client 1h\n  timeout connect 60s\n  timeout server 1h\n\
             frontend log4js\n  bind fd@3\n  default_backend agent\n\
             backend agent\n  server agent unix@@/web.sock\n",
        );
        Relay::with_socket(&["haproxy", "-db", "-f", configuration.to_str().unwrap()])
    }

    /// A relay that gets the socket to listen at as systemd hands one over: as descriptor 3.
    fn with_socket(words: &[&str]) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
        let mut sh = mortal("sh");
        sh.args(["-c", script, "sh"]).args(words).stdin(OwnedFd::from(listener));
        Relay { process: spawn(&mut sh), port }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A program of log4js beside this file.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/node/log4js_tcp").join(name)
}

/// What log4js itself writes shows no time zone: here it is UTC.
fn log4js(name: &str) -> Command {
    let mut node = node();
    node.arg(program(name)).env("TZ", "UTC");
    node
}

/// The same without the `Z` behind its times.
fn without_zone(line: &str) -> String {
    match line.split_once("Z] [") {
        Some((time, rest)) if time.len() == "[2026-11-21T06:00:00.123".len() => {
            format!("{time}] [{rest}")
        }
        _ => line.to_owned(),
    }
}

#[test]
fn what_is_written_is_what_log4js_itself_would_have_written() {
    let place = Place::new();
    let agent = place.start(LOG4JS);
    let relay = Relay::socat(&place);
    let own = place.path("own.log");
    let seed = "7";
    let mut values = log4js("values.js");
    values.arg(&own).arg(relay.port.to_string()).arg(scale("1500", "30000")).arg(seed);
    run(&mut values);
    let expected = fs::read_to_string(&own).unwrap();
    let lines = expected.lines().count();
    agent.wait_for_lines("web", lines as u64);
    agent.stop();
    let written = fs::read_to_string(place.log("web")).unwrap();
    for (number, (line, expected)) in written.lines().zip(expected.lines()).enumerate() {
        assert_eq!(without_zone(line), expected, "line {number}, seed {seed}");
    }
    assert_eq!(written.lines().count(), lines);
}

/// Reads the files in their order: each line is an event's, and what it says is a numbered line.
#[track_caller]
fn checker(files: &[PathBuf]) -> Checker {
    let mut checker = Checker::new();
    for file in files {
        let mut lines = Vec::new();
        let written = String::from_utf8(contents(file)).unwrap();
        for line in written.split_inclusive('\n') {
            match line.split_once("] [INFO] web - ") {
                Some((time, said)) if time.len() == "[2026-11-21T06:00:00.123Z".len() => {
                    lines.extend_from_slice(said.as_bytes());
                }
                _ => lines.extend_from_slice(line.as_bytes()),
            }
        }
        checker.read_bytes(file, &lines);
    }
    checker
}

/// A cluster, whose workers end with it.
struct Workers(Child);

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Four workers log all their lines with this appender, while the file is renamed again and again.
#[track_caller]
fn check_workers(appender: &str, relay: Start, lines: u64) {
    let place = Place::new();
    let agent = place.start(LOG4JS);
    let relay = relay(&place);
    let mut workers = log4js("lines.js");
    workers.arg(appender).arg(relay.port.to_string()).args(lines_of_four(&place, lines));
    let mut workers = Workers(spawn(&mut workers));
    let rotations = 8;
    let mut files = Vec::new();
    for rotation in 0..rotations {
        let written = 4 * lines * (rotation + 1) / (rotations + 1);
        wait_for_written(&agent, "web", written);
        let renamed = place.log(&format!("web.{rotation}"));
        fs::rename(place.log("web"), &renamed).unwrap();
        agent.signal(Signal::SIGUSR2);
        files.push(renamed);
        wait_until("the file is there again", || place.log("web").exists());
    }
    assert!(workers.0.wait().unwrap().success(), "{appender}");
    agent.wait_for_lines("web", 4 * lines);
    agent.stop();
    files.push(place.log("web"));
    checker(&files).assert_exactly(&[Sent { clients: 0..4, lines }]);
}

/// Files with the lines of four workers.
fn lines_of_four(place: &Place, lines: u64) -> Vec<PathBuf> {
    let write = |client| {
        let file = place.path(&format!("lines-{client}"));
        fs::write(&file, numbered_lines(client, 0..lines)).unwrap();
        file
    };
    (0..4).map(write).collect()
}

#[track_caller]
fn wait_for_written(agent: &Control, stream: &str, lines: u64) {
    let written = format!("/streams/{stream}/lines_written");
    wait_until(&format!("{lines} lines"), || agent.count(&written) >= lines);
}

#[test]
fn the_tcp_appender_of_four_processes_loses_nothing_through_any_relay() {
    for (name, relay) in RELAYS {
        eprintln!("{name}");
        check_workers("tcp", relay, scale(5_000, 100_000));
    }
}

#[test]
fn workers_of_multiprocess_lose_nothing() {
    check_workers("multiprocess", Relay::proxyd, scale(5_000, 100_000));
}

#[test]
fn behind_systemds_relay_no_event_is_lost_while_the_agent_is_restarted_and_logs_are_rotated() {
    let place = Place::new();
    let input = "[input.log4js.unix-stream]\npath = \"/run/logagent/log4js.sock\"\n\
                 framing = \"log4js\"\n";
    let systemd = Installed::boot(&place, input);
    for unit in ["logagent-log4js.socket", "logagent-log4js.service"] {
        let text = fs::read_to_string(program(unit)).unwrap();
        systemd.write_inside(&format!("/etc/systemd/system/{unit}"), &text);
    }
    systemd.systemctl(&["daemon-reload"]);
    let agent = systemd.start_agent();
    systemd.systemctl(&["start", "logagent-log4js.socket"]);
    systemd.rotate_every(Duration::from_millis(500));
    let (enough, files) = (place.path("enough"), lines_of_four(&place, scale(50_000, 500_000)));
    let mut workers = systemd.in_its_network("node");
    workers.env("NODE_PATH", node_modules()).arg(program("lines.js")).args(["tcp", "5000"]);
    workers.args(&files).env("ENOUGH", &enough);
    let mut workers = Workers(spawn(&mut workers));
    for _ in 0..scale(3, 30) {
        wait_for_written(&agent, "log4js", 1_000);
        systemd.restart_agent();
        systemd.agent();
    }
    wait_for_written(&agent, "log4js", 1_000);
    fs::write(enough, "").unwrap();
    assert!(workers.0.wait().unwrap().success());
    systemd.finish(&systemd.agent(), &["log4js"]);
    let logs = systemd.files_of("log4js");
    assert!(logs.len() > 2, "{logs:?}");
    let sent: Vec<Sent> = (0..4)
        .map(|client| {
            let lines = fs::read_to_string(files[client].with_extension("count")).unwrap();
            Sent { clients: client..client + 1, lines: lines.parse().unwrap() }
        })
        .collect();
    checker(&logs).assert_exactly(&sent);
}

/// An event as log4js sends it, in text that JSON can hold as it is.
fn event(category: &str, level: &str, data: &str) -> String {
    format!(
        "[{{\"startTime\":\"1\",\"categoryName\":\"2\",\"data\":\"3\",\"level\":\"4\",\"context\":\"5\",\
         \"pid\":4711}},\"2026-11-21T06:00:00.123Z\",\"{category}\",[\"7\"],\
         {{\"level\":20000,\"levelStr\":\"6\",\"colour\":\"8\"}},{{}},\"{level}\",\"{data}\",\"green\"]"
    )
}

/// Sends bytes on one connection, and returns the lines of its stream once it has been read.
#[track_caller]
fn lines_of(settings: &str, bytes: &[u8], lines: u64) -> Vec<String> {
    let place = Place::new();
    let agent = place.start(&format!("{settings}{LOG4JS}"));
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    client.write_all(bytes).unwrap();
    drop(client);
    agent.wait_for_lines("web", lines);
    agent.stop();
    fs::read_to_string(place.log("web")).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_an_event_says_of_itself_is_shown_where_that_is_wanted() {
    let sent = format!("{}__LOG4JS__[custom] text__LOG4JS__", event("web", "WARN", "one\\ntwo"));
    let stamped = "[defaults]\nformat = \"stamped\"\n";
    let with_head = format!("{stamped}prefix = \"{{pid}} {{severity}} {{tag}}: \"\n");
    let shown = lines_of(&with_head, sent.as_bytes(), 3);
    assert_eq!(shown, ["4711 warn web: one", "4711 warn web: two", "- - -: [custom] text"]);
    let shown = lines_of(&format!("{stamped}prefix = \"{{pid}} \"\n"), sent.as_bytes(), 3);
    let line = "[2026-11-21T06:00:00.123Z] [WARN] web - one";
    assert_eq!(shown, [&format!("4711 {line}"), "4711 two", "- [custom] text"]);

    let json =
        "[defaults]\nformat = \"json\"\nfields = [\"pid\", \"severity\", \"tag\", \"message\"]\n";
    let shown = lines_of(json, sent.as_bytes(), 3);
    let shown: Vec<Value> = shown.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = serde_json::json!([
        { "pid": 4711, "severity": "warn", "tag": "web", "message": "one", "line": line },
        { "pid": 4711, "severity": "warn", "tag": "web", "message": "two", "line": "two" },
        { "message": "[custom] text", "line": "[custom] text" },
    ]);
    assert_eq!(Value::from(shown), expected);
}

#[test]
fn what_is_no_whole_event_is_kept_as_it_came() {
    let whole = event("web", "INFO", "text");
    let cut = &whole[..whole.len() - 1];
    let sent = format!("{cut}__LOG4JS__{whole}__LOG4JS____LOG4JS__{cut}__LOG4JS_");
    let text = "[2026-11-21T06:00:00.123Z] [INFO] web - text";
    let expected = [cut, text, "", &format!("{cut}__LOG4JS_")];
    assert_eq!(lines_of("", sent.as_bytes(), 4), expected);
    // At the end of a connection it is whole.
    assert_eq!(lines_of("", whole.as_bytes(), 1), [text]);
    // log4js does not escape its terminator.
    let torn = event("web", "INFO", "a __LOG4JS__ b");
    let (front, back) = torn.split_once("__LOG4JS__").unwrap();
    let sent = format!("{torn}__LOG4JS__");
    assert_eq!(lines_of("", sent.as_bytes(), 2), [front, back]);
}

#[test]
fn events_that_would_become_immense_are_kept_as_they_came_within_bounded_memory() {
    let place = Place::new();
    let agent = place.start(LOG4JS);
    let head = "[{\"startTime\":\"1\",\"categoryName\":\"2\",\"data\":\"5\",\"level\":\"3\"},\
                \"2026-11-21T06:00:00.123Z\",\"web\",{\"levelStr\":\"4\"},\"INFO\"";
    // Each array holds the next one a hundred times.
    let levels = |first: usize, count: usize| -> String {
        let level = |at: usize| format!(",[{}]", vec![format!("\"{}\"", at + 1); 100].join(","));
        (first..first + count).map(level).collect()
    };
    let shared = format!("{head},[\"6\",\"7\"],\"%j\"{},1]", levels(7, 20));
    let inspected = format!("{head},[\"6\"]{},1]", levels(6, 20));
    let deep: String = (7..50_000).map(|at| format!(",[\"{}\"]", at + 1)).collect();
    let deep = format!("{head},[\"6\",\"7\"],\"%j\"{deep},1]");
    let nested = format!("{}{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
    let many = format!("{head},[{}]]", vec!["1"; 400_000].join(","));
    let places = format!("{head},[\"6\"],{{\"a\":\"99999999999999999999\",\"b\":\"77\"}}]");
    let huge = format!("{head},[1e999, -1e999]]");
    let mut events = vec![shared, inspected, deep, nested, many, places, huge];
    events.push(format!("{head},[\"6\"],\"{}\"]", "x".repeat(500_000)));
    let before = agent.memory("VmHWM");
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    for event in &events {
        client.write_all(event.as_bytes()).unwrap();
        client.write_all(b"__LOG4JS__").unwrap();
    }
    client.write_all(b"[{\"startTime\":\xFF}]__LOG4JS__").unwrap();
    drop(client);
    agent.wait_for_lines("web", events.len() as u64 + 1);
    let grown = agent.memory("VmHWM") - before;
    eprintln!("{grown} bytes more");
    assert!(grown < 64 << 20, "{grown} bytes more");
    agent.stop();
    let written = fs::read(place.log("web")).unwrap();
    let lines: Vec<&[u8]> = written.split(|byte| *byte == b'\n').collect();
    for (line, event) in lines.iter().zip(&events[..events.len() - 1]) {
        assert_eq!(*line, event.as_bytes());
    }
    let long = lines[events.len() - 1];
    assert!(long.starts_with(b"[2026-11-21T06:00:00.123Z] [INFO] web - xxx"));
    assert_eq!(lines[events.len()], b"[{\"startTime\":\xFF}]");
}
