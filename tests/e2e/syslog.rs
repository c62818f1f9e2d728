//! Programs that speak syslog: logger in all its modes, and Python's SysLogHandler.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Agent, Place, run, scale};

/// A socket of each kind; what it takes goes to a file of its own name.
const SOCKETS: &str = "
    [input.datagram.unix-datagram]
    path = \"@/datagram.sock\"
    framing = \"syslog\"
    [input.stream.unix-stream]
    path = \"@/stream.sock\"
    framing = \"syslog\"
    [input.counted.unix-stream]
    path = \"@/counted.sock\"
    framing = \"octet-counting\"
";

const RAW: &str = "[defaults]\nformat = \"raw\"\n";
const STAMPED: &str =
    "[defaults]\nformat = \"stamped\"\nprefix = \"{severity} {facility} {tag}|\"\n";
const JSON: &str = "[defaults]\nformat = \"json\"\n";

/// How logger sends, and the socket to which it can.
const TRANSPORTS: &[(&[&str], &str)] = &[
    (&[], "datagram"),
    (&["--udp"], "datagram"),
    (&[], "stream"),
    (&["--tcp"], "stream"),
    (&["--tcp", "--octet-count"], "stream"),
    (&["--tcp", "--octet-count"], "counted"),
];

/// An agent that listens on all of the sockets, and counts of what it has been sent.
struct Syslog {
    agent: Agent,
    place: Place,
}

impl Syslog {
    #[track_caller]
    fn start(settings: &str, multiline: &str) -> Syslog {
        let place = Place::new();
        let framing = format!("multiline = \"{multiline}\"\nframing");
        let agent = place.start(&format!("{settings}{}", SOCKETS.replace("framing", &framing)));
        Syslog { agent, place }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.place.path(&format!("{name}.sock"))
    }

    /// Lets logger send, and returns the lines that are new then, of which there must be so many.
    #[track_caller]
    fn lines_of_logger(
        &self,
        transport: (&[&str], &str),
        arguments: &[&str],
        input: &str,
        lines: usize,
    ) -> Vec<String> {
        let (how, socket) = transport;
        let input = self.place.write("input", input);
        let before = self.lines(socket).len();
        let mut logger = Command::new("logger");
        logger.args(how).arg("--socket").arg(self.socket(socket)).args(arguments);
        let said = run(logger.stdin(fs::File::open(input).unwrap())).stderr;
        assert!(said.is_empty(), "{logger:?}: {}", String::from_utf8_lossy(&said));
        self.agent.wait_for_lines(socket, (before + lines) as u64);
        self.lines(socket).split_off(before)
    }

    fn lines(&self, socket: &str) -> Vec<String> {
        let text = fs::read_to_string(self.place.log(socket)).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

const WARNING: &[&str] = &["--priority", "local3.warning", "--tag", "app"];

/// What logger is told, what it reads, and the lines that this becomes, stamped.
const CASES: &[(&[&str], &str, &[&str])] = &[
    (&["hello world"], "", &["warning local3 app|hello world"]),
    (&["--rfc3164", "hello"], "", &["warning local3 app|hello"]),
    (&["--rfc5424", "hello"], "", &["warning local3 app|hello"]),
    (&["--rfc5424=notime,notq,nohost", "hello"], "", &["warning local3 app|hello"]),
    (
        &[
            "--rfc5424",
            "--msgid",
            "M1",
            "--sd-id",
            "zoo@1",
            "--sd-param",
            "cat=\"a \\] \\\" b\"",
            "hello",
        ],
        "",
        &["warning local3 app|hello"],
    ),
    (&["--id=77", "hello"], "", &["warning local3 app|hello"]),
    (&["--rfc5424", "--id=77", "hello"], "", &["warning local3 app|hello"]),
    (&["--priority", "daemon.debug", "hello"], "", &["debug daemon app|hello"]),
    (&["--priority", "auth.emerg", "hello"], "", &["emerg auth app|hello"]),
    (
        &["--prio-prefix"],
        "<11>first\n<15>second\n",
        &["err user app|first", "debug user app|second"],
    ),
    (
        &[],
        "one\n  two: three\n<4> 5 last",
        &[
            "warning local3 app|one",
            "warning local3 app|  two: three",
            "warning local3 app|<4> 5 last",
        ],
    ),
];

#[test]
fn every_record_of_logger_becomes_one_line_that_shows_its_severity_facility_and_tag() {
    let syslog = Syslog::start(STAMPED, "lines");
    for transport in TRANSPORTS {
        for (arguments, input, expected) in CASES {
            let arguments = [WARNING, arguments].concat();
            let lines = syslog.lines_of_logger(*transport, &arguments, input, expected.len());
            assert_eq!(lines, *expected, "logger {arguments:?} to {transport:?}");
        }
    }
    syslog.agent.stop();
}

#[test]
fn raw_keeps_the_records_of_logger_as_they_were_without_what_framed_them() {
    let syslog = Syslog::start(RAW, "lines");
    for transport in TRANSPORTS {
        let check = |arguments: &[&str], begin: &str, end: &str| {
            let arguments = [WARNING, arguments].concat();
            let lines = syslog.lines_of_logger(*transport, &arguments, "", 1);
            let is_whole = lines[0].starts_with(begin)
                && lines[0].ends_with(end)
                && lines[0].matches("hello").count() == 1
                && !lines[0].contains('\0');
            assert!(is_whole, "logger {arguments:?} to {transport:?}: {lines:?}");
        };
        check(&["--rfc3164", "hello"], "<156>", " app: hello");
        check(&["--rfc5424", "hello"], "<156>1 2", "] hello");
        check(&["--rfc5424=notime,notq,nohost", "hello"], "<156>1 - - app - - - hello", "hello");
    }
    syslog.agent.stop();
}

#[test]
fn long_records_of_logger_arrive_whole() {
    let syslog = Syslog::start(STAMPED, "lines");
    let long: String = (0..12_000).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    for transport in TRANSPORTS {
        let arguments = [WARNING, &["--size", "32KiB"]].concat();
        let lines = syslog.lines_of_logger(*transport, &arguments, &format!("{long}\n"), 1);
        assert!(lines[0] == format!("warning local3 app|{long}"), "{transport:?}: {}", lines[0]);

        // What is longer than its own limit logger sends in pieces.
        let arguments = [WARNING, &["--size", "1KiB"]].concat();
        let pieces = long.len().div_ceil(1024);
        let lines = syslog.lines_of_logger(*transport, &arguments, &format!("{long}\n"), pieces);
        let text: String =
            lines.iter().map(|line| line.strip_prefix("warning local3 app|").unwrap()).collect();
        assert!(text == long, "{transport:?}: {lines:?}");
    }
    syslog.agent.stop();
}

/// A record that holds newlines, over what keeps them apart from its end, with this `multiline`.
#[track_caller]
fn check_newlines(multiline: &str, expected: &[&str]) {
    let syslog = Syslog::start(STAMPED, multiline);
    let keeps = |how: &&(&[&str], &str)| how.1 == "datagram" || how.0.contains(&"--octet-count");
    for transport in TRANSPORTS.iter().filter(keeps) {
        let arguments = [WARNING, &["--", "first\n  second\nthird"]].concat();
        let lines = syslog.lines_of_logger(*transport, &arguments, "", expected.len());
        assert_eq!(lines, expected, "{transport:?}");
    }
    syslog.agent.stop();
}

#[test]
fn newlines_inside_a_record_make_lines_or_are_escaped() {
    let head = |text: &str| format!("warning local3 app|{text}");
    check_newlines("escape", &[&head("first\\n  second\\nthird")]);
    check_newlines("lines", &[&head("first"), &head("  second"), &head("third")]);
}

/// Without the NUL nothing ends a record on a stream.
const PYTHON: &str = "
import logging, logging.handlers, sys
datagram, stream, ident, count = sys.argv[1:]
for path, append_nul in (datagram, True), (datagram, False), (stream, True):
    output = logging.handlers.SysLogHandler(address=path, facility='local1')
    output.append_nul = append_nul
    output.ident = ident
    log = logging.Logger('test')
    log.addHandler(output)
    for number in range(int(count)):
        level = [logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL][number % 4]
        log.log(level, 'record %d', number)
    output.close()
";

/// Each level's priority with facility local1, and its name.
const LEVELS: [(u8, &str); 4] = [(142, "info"), (140, "warning"), (139, "err"), (138, "crit")];

/// Lets Python log to a datagram socket, twice, and to a stream socket.
#[track_caller]
fn check_python(settings: &str, ident: &str, is_expected: impl Fn(&str, usize) -> bool) {
    let syslog = Syslog::start(settings, "lines");
    let count: usize = scale(400, 20_000);
    let mut python = Command::new("python3");
    python.args(["-c", PYTHON]).args([syslog.socket("datagram"), syslog.socket("stream")]);
    python.args([ident, &count.to_string()]).stdin(Stdio::null());
    let said = run(&mut python).stderr;
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    for (socket, times) in [("datagram", 2), ("stream", 1)] {
        syslog.agent.wait_for_lines(socket, (times * count) as u64);
        for (index, line) in syslog.lines(socket).iter().enumerate() {
            assert!(is_expected(line, index % count), "{socket}, line {index}: {line:?}");
        }
    }
    syslog.agent.stop();
}

#[test]
fn every_record_of_python_becomes_one_line() {
    check_python(RAW, "app: ", |line, number| {
        let (priority, _) = LEVELS[number % 4];
        line == format!("<{priority}>app: record {number}")
    });
    // Without a time before it, a word with a colon is part of the message.
    check_python(STAMPED, "app: ", |line, number| {
        let (_, severity) = LEVELS[number % 4];
        line == format!("{severity} local1 -|app: record {number}")
    });
    check_python(JSON, "", |line, number| {
        let object: Value = serde_json::from_str(line).unwrap();
        let (priority, severity) = LEVELS[number % 4];
        object["severity"] == severity
            && object["facility"] == "local1"
            && object["line"] == format!("<{priority}>record {number}")
    });
}
