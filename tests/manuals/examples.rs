//! Examples in pages are right: configurations are accepted, lines look as the formats write them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use logagent::config::check_text;
use logagent::formatting::{About, Format, Gap, JSON_FIELDS};
use logagent::line::{Line, LineEnd, Lost};

use super::{manual, source};

/// The examples of a page, each with the lines between `.EX` and `.EE`.
fn examples(text: &str) -> Vec<String> {
    let begun = text.split("\n.EX\n").skip(1);
    begun.map(|behind| behind.split("\n.EE").next().unwrap().to_owned()).collect()
}

#[test]
fn every_configuration_is_accepted() {
    let ours = ["[agent]", "[defaults]", "[input.", "[stream."];
    let mut checked = 0;
    for (file, text) in manual::TEXTS {
        for example in examples(text) {
            if !ours.iter().any(|table| example.starts_with(table)) {
                continue;
            }
            let mut whole = format!("agent.pid-file = \"\"\nagent.control = \"\"\n{example}\n");
            // A stream alone is one that some input feeds.
            for line in example.lines().filter(|_| !example.contains("[input.")) {
                if let Some(name) = line.strip_prefix("[stream.") {
                    whole += &format!("[input.{}.systemd]\n", name.trim_end_matches(']'));
                }
            }
            // These accounts need not exist where the tests run.
            let whole = whole.replace("\"haproxy\"\nframing", "0\nframing");
            let checked_as = check_text(Path::new(file), &with_values(&whole));
            assert!(checked_as.is_ok(), "{file}: {:?}\n{whole}", checked_as.err());
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} configurations");
}

fn with_values(text: &str) -> String {
    text.replace("@send-socket@", "/run/logagent/logagent.sock")
}

#[test]
fn lines_look_as_the_formats_write_them() {
    let stream = "web".parse().unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_240_800_123_456);
    let formats = [
        Format::Raw,
        Format::Stamped { prefix: "{time} ".parse().unwrap() },
        Format::Json { fields: JSON_FIELDS.to_vec() },
        Format::Cri,
    ];
    let examples = examples(source("logagent-protocol.7"));
    for format in formats {
        let mut formatter = format.build(&About::of(&stream));
        formatter.begin_at(time);
        let mut written = Vec::new();
        let line = Line { bytes: b"ok", end: LineEnd::Terminator, continues: false };
        formatter.line(line, &mut written);
        let written = String::from_utf8(written).unwrap();
        assert!(examples.contains(&written.trim_end().to_owned()), "{written:?} is no example");
    }
}

#[test]
fn a_gap_record_looks_as_it_is_written() {
    let at =
        |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_240_800_000 + millis);
    let lost = Lost { lines: 1234, bytes: 5678, from: at(123), to: at(7456) };
    let written = Gap { lost, reason: "disk full" }.text();
    let joined = |example: &String| example.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(examples(source("logagent-protocol.7")).iter().map(joined).any(|it| it == written));
}
