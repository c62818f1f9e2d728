//! HAProxy's log lines, in every format and over every transport that it has for a Unix socket.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use crate::support::{Agent, Place, run, scale, spawn, wait_until};

/// One of HAProxy's logs, and what its lines are here.
struct Log {
    name: &'static str,
    input: &'static str,
    /// As HAProxy's `format` has it.
    format: &'static str,
    facility: &'static str,
    /// What a line begins with, and what stands before the words `request /NUMBER` at its end.
    raw: (&'static str, &'static str),
    /// Severity, facility and tag as they are shown.
    shown: [&'static str; 3],
}

const SYSLOG_DATAGRAM: &str = "unix-datagram]\nframing = \"syslog\"";
const SYSLOG_STREAM: &str = "unix-stream]\nframing = \"syslog\"";
const COUNTED_STREAM: &str = "unix-stream]\nframing = \"octet-counting\"";

const LOGS: &[Log] = &[
    Log {
        name: "bsd",
        input: SYSLOG_DATAGRAM,
        format: "rfc3164",
        facility: "local0",
        raw: ("<134>", " haproxy[PID]: "),
        shown: ["info", "local0", "haproxy"],
    },
    Log {
        name: "ietf",
        input: SYSLOG_DATAGRAM,
        format: "rfc5424",
        facility: "local1",
        raw: ("<142>1 2", " haproxy PID - - "),
        shown: ["info", "local1", "haproxy"],
    },
    Log {
        name: "bare",
        input: SYSLOG_DATAGRAM,
        format: "raw",
        facility: "local2",
        raw: ("request", ""),
        shown: ["-", "-", "-"],
    },
    Log {
        name: "ring",
        input: SYSLOG_STREAM,
        format: "rfc5424",
        facility: "local3",
        raw: ("<158>1 2", " haproxy PID - - "),
        shown: ["info", "local3", "haproxy"],
    },
    Log {
        name: "counted",
        input: COUNTED_STREAM,
        format: "rfc3164",
        facility: "local4",
        raw: ("<166>", " haproxy[PID]: "),
        shown: ["info", "local4", "haproxy"],
    },
];

/// The formats of the agent's files.
const FORMATS: [(&str, &str); 3] = [
    ("raw", "format = \"raw\""),
    ("stamped", "format = \"stamped\"\nprefix = \"{severity} {facility} {tag} \""),
    ("json", "format = \"json\""),
];

impl Log {
    fn stream(&self, format: &str) -> String {
        format!("{}-{format}", self.name)
    }

    /// The agent's configuration for it: one input and one file of each format.
    fn inputs(&self) -> String {
        let input = |(name, settings): &(&str, &str)| {
            let (stream, input) = (self.stream(name), self.input);
            format!(
                "[input.{stream}.{input}\npath = \"@/{stream}.sock\"\n[stream.{stream}]\n{settings}\n"
            )
        };
        FORMATS.iter().map(input).collect()
    }

    /// HAProxy's configuration for it: how it logs, and a ring where that goes over a connection.
    fn outputs(&self) -> (String, String) {
        let (mut logs, mut rings) = (String::new(), String::new());
        for (format, _) in FORMATS {
            let (stream, format, facility) = (self.stream(format), self.format, self.facility);
            if self.input == SYSLOG_DATAGRAM {
                logs += &format!("  log @/{stream}.sock format {format} {facility}\n");
            } else {
                logs += &format!("  log ring@{stream} format {format} {facility}\n");
                rings += &format!(
                    "ring {stream}\n  format {format}\n  maxlen 1200\n  size 65536\n  \
                     timeout connect 10s\n  timeout server 10s\n  \
                     server agent unix@@/{stream}.sock log-proto octet-count\n"
                );
            }
        }
        (logs, rings)
    }

    /// What the file of this format says, a record a line.
    #[track_caller]
    fn records(&self, place: &Place, format: &str) -> String {
        let file = place.log(&self.stream(format));
        if format == "json" {
            // A reader that has nothing to do with what wrote it.
            let fields = r#"[(.severity, .facility, .tag | . // "-"), .line] | join(" ")"#;
            let records = run(Command::new("jq").args(["--raw-output", fields]).arg(file)).stdout;
            return String::from_utf8(records).unwrap();
        }
        fs::read_to_string(file).unwrap()
    }

    /// Whether the record of request `number` is as it must be.
    fn accepts(&self, format: &str, record: &str, number: usize, pid: u32) -> bool {
        let message = format!("request /{number}");
        let (begin, end) = (self.raw.0, self.raw.1.replace("PID", &pid.to_string()));
        let is_raw = |record: &str| {
            record.starts_with(begin)
                && record.ends_with(&format!("{end}{message}"))
                && record.matches("request").count() == 1
                && !record.contains('\0')
        };
        let shown = self.shown.join(" ");
        match format {
            "raw" => is_raw(record),
            "stamped" => record == format!("{shown} {message}"),
            _ => record.strip_prefix(&format!("{shown} ")).is_some_and(is_raw),
        }
    }
}

/// A HAProxy that answers every request itself.
struct Haproxy {
    process: Child,
    connection: UnixStream,
}

impl Haproxy {
    #[track_caller]
    fn start(place: &Place) -> Haproxy {
        let (logs, rings): (Vec<_>, Vec<_>) = LOGS.iter().map(Log::outputs).unzip();
        let timeouts = "  timeout client 60s\n  timeout connect 60s\n  timeout server 60s\n";
        // With several threads HAProxy 2.6 may leave the last record of a ring where it is until the
        // next one comes.
        let configuration = place.write(
            "haproxy.cfg",
            &format!(
                "global\n  nbthread 1\n{}{}defaults\n  mode http\n{timeouts}frontend web\n  \
                 bind unix@@/http.sock\n  log global\n  log-format \"request %HP\"\n  \
                 http-request return status 200\n",
                logs.concat(),
                rings.concat(),
            ),
        );
        let said = File::create(place.path("haproxy.said")).unwrap();
        // It does not outlive the test, however that ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "haproxy", "-db", "-f"])
            .arg(configuration)
            .stdout(said.try_clone().unwrap());
        let mut process = spawn(command.stderr(said));
        let mut connection = None;
        wait_until("HAProxy listens", || {
            let said = fs::read_to_string(place.path("haproxy.said")).unwrap();
            assert_eq!(process.try_wait().unwrap(), None, "HAProxy ended: {said}");
            connection = UnixStream::connect(place.path("http.sock")).ok();
            connection.is_some()
        });
        Haproxy { process, connection: connection.unwrap() }
    }

    fn request(&mut self, number: usize) {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.connection.write_all(request.as_bytes()).unwrap();
        let (mut response, mut buffer) = (Vec::new(), [0; 4096]);
        while !response.ends_with(b"\r\n\r\n") {
            let bytes = self.connection.read(&mut buffer).unwrap();
            assert!(bytes > 0, "HAProxy hung up");
            response.extend_from_slice(&buffer[..bytes]);
        }
        assert!(response.starts_with(b"HTTP/1.1 200"), "{}", response.escape_ascii());
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Waits until every stream has so many lines.
#[track_caller]
fn wait_for_each(agent: &Agent, lines: usize) {
    wait_until(&format!("{lines} lines of each log"), || {
        let status = agent.status();
        let streams = status["streams"].as_object().unwrap();
        streams.values().all(|stream| stream["lines_written"].as_u64().unwrap() >= lines as u64)
    });
}

#[test]
fn every_record_of_haproxy_becomes_one_line_over_each_of_its_transports() {
    let place = Place::new();
    let agent = place.start(&LOGS.iter().map(Log::inputs).collect::<String>());
    let mut haproxy = Haproxy::start(&place);
    let requests = scale(100, 5_000);
    for number in 0..requests {
        haproxy.request(number);
        // It drops what a socket does not take at once; by default Linux holds ten datagrams.
        if number % 5 == 4 {
            wait_for_each(&agent, number + 1);
        }
    }
    agent.stop();
    for log in LOGS {
        for (format, _) in FORMATS {
            let records = log.records(&place, format);
            let pid = haproxy.process.id();
            for (number, record) in records.lines().enumerate() {
                let accepted = log.accepts(format, record, number, pid);
                assert!(accepted, "{} of request {number}: {record:?}", log.stream(format));
            }
            assert_eq!(records.lines().count(), requests, "records of {}", log.stream(format));
        }
    }
}
