//! What the agent says of itself.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{
    Checker, Clients, Gate, Place, Writes, output_of, run, scale, spawn, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

#[test]
fn the_status_has_everything_that_is_promised() {
    let place = Place::new();
    let agent = place.start(WEB);
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"one\ntwo\n").unwrap();
    agent.wait_for_lines("web", 2);
    let status = agent.status();
    for (keys, of) in [
        ("version pid phase uptime_seconds streams inputs", ""),
        ("file inode state lines_in bytes_in lines_written bytes_written", "/streams/web"),
        ("lines_dropped lines_split lines_truncated gap_records torn_left", "/streams/web"),
        ("pending_lines pending_bytes reopens last_error", "/streams/web"),
        ("kind path connections connections_total lines_in bytes_in refused", "/inputs/web"),
    ] {
        let table = status.pointer(of).unwrap();
        let missing: Vec<_> = keys.split(' ').filter(|key| table.get(key).is_none()).collect();
        assert!(missing.is_empty(), "no {missing:?} in {of}: {status:#}");
    }
    let is = |pointer: &str, value: Value| {
        assert_eq!(status.pointer(pointer), Some(&value), "{pointer} in {status:#}");
    };
    is("/pid", agent.pid().into());
    is("/phase", "running".into());
    is("/streams/web/file", place.log("web").to_str().into());
    is("/streams/web/state", "idle".into());
    is("/streams/web/bytes_in", 8.into());
    is("/streams/web/bytes_written", 8.into());
    is("/inputs/web/kind", "unix-stream".into());
    is("/inputs/web/path", place.path("web.sock").to_str().into());
    is("/inputs/web/connections_total", 1.into());
    agent.stop();
}

#[test]
fn every_snapshot_adds_up() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent =
        place.start(&format!("[defaults]\nmax-line = \"1000\"\nover-long = \"drop\"\n{WEB}"));
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, u64::MAX, Writes::CutAnywhere, &gate);
    let mut long = UnixStream::connect(&socket).unwrap();
    let mut dropped = 0;
    gate.trickle_during(10, || {
        for round in 0..scale(50, 1_000) {
            long.write_all(&vec![b'x'; 1_001 + round % 5_000]).unwrap();
            long.write_all(b"\n").unwrap();
            dropped += 1;
            assert_adds_up(&agent.status_of("/streams/web"));
        }
    });
    drop(long);
    let sent = clients.finish();
    agent.wait_for_lines("web", 10 * sent.lines);
    let web = agent.status_of("/streams/web");
    assert_adds_up(&web);
    assert_eq!(lines_dropped(&web), dropped);
    assert_eq!(web["lines_in"], 10 * sent.lines + dropped);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_among_others(&[sent]);

    // Each loss is told where the lines are missing.
    let log = fs::read_to_string(place.log("web")).unwrap();
    let told: u64 = log
        .lines()
        .filter_map(|line| {
            line.strip_prefix("logagent: gap: ")?.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    assert_eq!(told, dropped);
}

fn lines_dropped(stream: &Value) -> u64 {
    stream["lines_dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

#[track_caller]
fn assert_adds_up(stream: &Value) {
    let count = |key: &str| stream[key].as_u64().unwrap();
    let accounted = count("lines_written") + lines_dropped(stream) + count("pending_lines");
    assert_eq!(count("lines_in"), accounted, "{stream:#}");
}

#[test]
fn people_get_a_table() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut status = place.command();
    let table = run(status.arg("status").arg("--control").arg(place.path("control.sock"))).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("web") && table.contains("idle"), "{table}");
    agent.stop();
}

/// Every count in a part of the status, by the name and labels that Prometheus gives it.
fn counts(of: &str, name: &str, values: &Value) -> Vec<(String, u64)> {
    let sample = |key: &str, reason: &str| {
        let gauge = ["pending_lines", "pending_bytes", "connections"].contains(&key);
        let total = if gauge || key.ends_with("_total") { "" } else { "_total" };
        format!("logagent_{of}_{key}{total}{{{of}=\"{name}\"{reason}}}")
    };
    let mut counts = Vec::new();
    for (key, value) in values.as_object().unwrap() {
        if let Some(count) = value.as_u64().filter(|_| key != "inode") {
            counts.push((sample(key, ""), count));
        }
        for (reason, count) in value.as_object().into_iter().flatten() {
            let reason = format!(",reason=\"{reason}\"");
            counts.push((sample(key, &reason), count.as_u64().unwrap()));
        }
    }
    counts
}

#[test]
fn prometheus_gets_every_number_of_the_status() {
    let place = Place::new();
    let agent = place.start(WEB);
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"one\ntwo\n").unwrap();
    agent.wait_for_lines("web", 2);
    wait_until("it has gone", || agent.count("/inputs/web/connections") == 0);
    let status = agent.status();
    let text = agent.told(&["status", "--prometheus"]);
    let mut expected = counts("stream", "web", &status["streams"]["web"]);
    expected.extend(counts("input", "web", &status["inputs"]["web"]));
    assert!(expected.len() > 15, "{expected:?}");
    for (sample, count) in expected {
        let line = format!("{sample} {count}");
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    // As the format wants it: a type before its samples, each metric in one piece.
    let mut typed = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!typed.contains(&name), "{name} comes twice");
            typed.push(name);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(typed.last(), Some(&name), "{line}");
        }
    }
    agent.stop();
}

#[test]
fn a_watched_status_is_printed_again_and_again_until_the_agent_goes() {
    let place = Place::new();
    let agent = place.start(WEB);
    let out = place.path("watched");
    let mut command = agent.ask(&["status", "--watch"]);
    command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::piped());
    let watch = spawn(&mut command);
    let times = || fs::read_to_string(&out).unwrap().matches("LINES/S").count();
    wait_until("it is printed again", || times() >= 2);
    agent.stop();
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "logagent: the agent has gone\n");
    assert!(!fs::read_to_string(&out).unwrap().contains('\x1b'), "it is no terminal");
}

#[test]
fn a_watched_status_stands_in_the_same_place_of_a_terminal() {
    let place = Place::new();
    let agent = place.start(WEB);
    let out = place.path("watched");
    // A terminal of its own, from script(1).
    let watch = format!(
        "{} status --watch --control {}",
        env!("CARGO_BIN_EXE_logagent"),
        place.path("control.sock").display()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--flush", "--command", &watch]).arg(&out);
    let mut script = spawn(command.stdin(Stdio::null()).stdout(Stdio::null()));
    let shown = || fs::read_to_string(&out).unwrap_or_default();
    wait_until("it is drawn again", || shown().matches("\x1b[H\x1b[J").count() >= 2);
    agent.stop();
    wait_until("it ends", || script.try_wait().unwrap().is_some());
    assert!(shown().contains("the agent has gone"));
}

#[test]
fn a_status_that_nobody_answers_is_an_error_that_says_where_it_asked() {
    let place = Place::new();
    let mut status = place.command();
    let output = output_of(status.arg("status").arg("--control").arg(place.path("none.sock")));
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.sock"));
}
