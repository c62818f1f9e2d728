//! The shipped files: they are right, and the sample has every key.

use std::collections::BTreeMap;
use std::path::Path;

use logagent::config::render;
use logagent::formatting::{Format, JSON_FIELDS};
use logagent::framing::{FRAMINGS, Multiline};
use logagent::limits;
use logagent::pipeline::OverLong;
use logagent::routing::Routing;
use logagent::writer::SyncPolicy;

use super::read;

const SAMPLE: &str = include_str!("../../config/logagent.toml");
const MINIMAL: &str = include_str!("../../config/minimal.toml");

#[test]
fn two_lines_are_a_useful_configuration() {
    let config = read(MINIMAL).unwrap();
    let (name, stream) = config.streams.first_key_value().unwrap();
    assert_eq!((config.inputs.len(), config.streams.len(), name.as_str()), (1, 1, "web"));
    let input = &config.inputs["web"];
    assert_eq!(input.kind.path(), Some(Path::new("/run/logagent/web.sock")));
    assert_eq!((input.kind.name(), input.framing.name), ("unix-stream", "newline"));
    assert_eq!(input.routing, Routing::to(name.clone()));
    assert_eq!(input.multiline, Multiline::Lines);
    assert_eq!(stream.writer.file.path, Path::new("/var/log/logagent/web.log"));
    assert_eq!(
        (stream.writer.file.mode, stream.writer.file.owner, stream.writer.file.group),
        (0o640, None, None)
    );
    assert_eq!(stream.writer.sync, SyncPolicy::Never);
    assert_eq!(stream.queue_bytes_max, limits::QUEUE_BYTES_MAX_DEFAULT);
    assert_eq!(stream.lines.line_bytes_max, limits::LINE_BYTES_MAX_DEFAULT);
    assert_eq!(stream.lines.over_long, OverLong::Split);
    assert_eq!(stream.lines.format, Format::Raw);
    let agent = &config.agent;
    assert_eq!(agent.pid_file.as_deref(), Some(Path::new("/run/logagent/logagent.pid")));
    assert_eq!(agent.control.as_deref(), Some(Path::new("/run/logagent/control.sock")));
    assert_eq!(agent.grace, limits::GRACE_DEFAULT);
    assert_eq!(agent.connections_max, limits::CONNECTIONS_MAX_DEFAULT);
    assert_eq!(agent.streams_max, limits::STREAMS_MAX_DEFAULT);
    assert_eq!(agent.partial_bytes_max, limits::PARTIAL_BYTES_POOL_DEFAULT);
    assert!(!agent.watch);
}

/// The sample with its examples uncommented: `#` directly before a key or a table.
pub(super) fn uncommented() -> String {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.into(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(|line| uncommented(line) + "\n").collect()
}

#[test]
fn the_sample_has_every_key_once_and_each_default_as_its_value() {
    let sample = read(SAMPLE).unwrap();
    let minimal = read(MINIMAL).unwrap();
    assert_eq!(sample.agent, minimal.agent);
    assert_eq!(sample.inputs["web"], minimal.inputs["web"]);
    let web = "web".parse().unwrap();
    assert_eq!(sample.streams[&web], minimal.streams[&web]);

    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (text, mut table) = (uncommented(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            let parts: Vec<&str> = name.split(']').next().unwrap().split('.').collect();
            table = [&parts[..1], parts.get(2..).unwrap_or_default()].concat().join(".");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.entry(table.clone()).or_default().push(key.to_owned());
        }
    }
    // Every key of [stream.NAME] but `file` is one of [defaults] too, and explained there or here.
    let stream = keys.remove("stream").unwrap();
    let defaults = keys.get_mut("defaults").unwrap();
    for key in ["format", "prefix", "fields", "file"] {
        assert!(stream.contains(&key.to_owned()), "[stream.NAME] shows {key}");
    }
    defaults.extend(["prefix".to_owned(), "fields".to_owned()]);
    let known = [
        ("agent", known_keys("[agent]")),
        ("defaults", known_keys("[defaults]")),
        ("stream.rotate", known_keys("[stream.x.rotate]")),
        ("input.unix-stream", known_keys("[input.x.unix-stream]")),
        ("input.unix-stream.allow", known_keys("[input.x.unix-stream.allow]")),
        ("input.unix-datagram", known_keys("[input.x.unix-datagram]")),
        ("input.unix-seqpacket", known_keys("[input.x.unix-seqpacket]")),
        ("input.fifo", known_keys("[input.x.fifo]")),
        ("input.stdin", known_keys("[input.x.stdin]")),
        ("input.systemd", known_keys("[input.x.systemd]")),
    ];
    let known: BTreeMap<String, Vec<String>> =
        known.into_iter().map(|(table, keys)| (table.to_owned(), keys)).collect();
    for keys in keys.values_mut() {
        keys.sort();
        // There are two examples of a stream socket.
        keys.dedup();
    }
    assert_eq!(keys, known);
    let all = read(&text).unwrap();
    let syslog = &all.streams[&"syslog".parse().unwrap()];
    assert_eq!(syslog.lines.format, Format::Json { fields: JSON_FIELDS.to_vec() });
    for (name, input) in &all.inputs {
        assert_eq!((input.framing, input.multiline), (&FRAMINGS[0], Multiline::Lines), "{name}");
    }
}

/// The keys of a table: those that a mistake about an unknown one lists.
fn known_keys(table: &str) -> Vec<String> {
    let told = read(&format!("{table}\nunknown-key = 1\n")).unwrap_err();
    let list =
        told.iter().find_map(|told| told.split_once("\"unknown-key\": known are ")).unwrap().1;
    let mut keys: Vec<String> = list.split(", ").map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn what_is_rendered_of_the_sample_reads_back() {
    for text in [SAMPLE, MINIMAL, &uncommented()] {
        let config = read(text).unwrap();
        assert_eq!(read(&render(&config)).unwrap(), config);
    }
}
