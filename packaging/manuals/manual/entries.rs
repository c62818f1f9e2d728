//! What a page has an entry for: keys of the configuration and the names that may be their values.
//! A page that has one of a kind has all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use logagent::config::{self, Named};
use logagent::formatting::FORMATS;
use logagent::framing::{FRAMINGS, Multiline};
use logagent::pipeline::OverLong;
use logagent::template::Placeholder;
use logagent::writer::OnFull;
use logagent::writer::archive::Compress;

use super::roff::{self, bold, italic};

/// The configuration that has every key once; a test of its own says so.
const SAMPLE: &str = include_str!("../../../config/logagent.toml");

/// What is still to be said in a page, by what it is.
#[derive(Default)]
pub(super) struct Entries(BTreeMap<String, BTreeSet<String>>);

impl Entries {
    /// The entry of `name`, which is one of `all`.
    fn take(&mut self, what: &str, name: &str, all: Vec<String>) -> Result<(), String> {
        let left = self.0.entry(what.to_owned()).or_insert_with(|| all.into_iter().collect());
        match left.remove(name) {
            true => Ok(()),
            false => Err(format!("there is no {what} {name}, or it has its entry already")),
        }
    }

    /// The head of a key's entry. `rest` is its type, and what holds without it where that is not a
    /// value: `NAME the input's own`.
    pub(super) fn key(
        &mut self,
        table: &str,
        key: &str,
        rest: &str,
    ) -> Result<Vec<String>, String> {
        let keys = keys();
        let name = format!("{table} {key}");
        self.take("key", &name, keys.keys().cloned().collect())?;
        let (kind, other) = rest.split_once(' ').unwrap_or((rest, ""));
        let first_choice = || choices(key).ok()?.first().map(|name| format!("\"{name}\""));
        let default = match (other, default(table, key).or_else(first_choice)) {
            ("", Some(value)) => format!("default {}", bold(&value)),
            ("", None) => return Err(format!("{name}: say what holds without it")),
            (other, _) => roff::prose(other),
        };
        let mut roff = roff::entry(&format!("{} = {}  ({default})", bold(key), italic(kind)));
        let (with, without): (Vec<&str>, Vec<&str>) =
            KINDS.iter().partition(|kind| keys[&name].contains(**kind));
        match (with.len(), without.len()) {
            (0, _) | (_, 0) => {}
            (1, _) => roff.push(roff::prose(&format!("Of {} alone.", joined(&with)))),
            _ => roff.push(roff::prose(&format!("Not of {}.", joined(&without)))),
        }
        Ok(roff)
    }

    /// The head of an entry of a name that may be a value, and what the code says of it.
    pub(super) fn name(&mut self, what: &str, name: &str) -> Result<Vec<String>, String> {
        let (all, shown, summary) = match what {
            "framing" => {
                let summary = FRAMINGS.iter().find(|it| it.name == name).map(|it| it.summary);
                (names(FRAMINGS.iter().map(|it| it.name)), format!("\"{name}\""), summary)
            }
            "format" => {
                let summary = FORMATS.iter().find(|it| it.0 == name).map(|it| it.1);
                (names(FORMATS.iter().map(|it| it.0)), format!("\"{name}\""), summary)
            }
            "kind" => (names(KINDS.iter().copied()), name.to_owned(), None),
            "placeholder" => {
                let all = Placeholder::OF_JSON.iter().map(|it| it.name());
                (names(all), format!("{{{name}}}"), None)
            }
            other => (choices(other)?, format!("\"{name}\""), None),
        };
        self.take(what, name, all)?;
        let mut roff = roff::entry(&bold(&shown));
        roff.extend(summary.map(|summary| {
            let mut summary = format!("{summary}.");
            summary[..1].make_ascii_uppercase();
            roff::prose(&summary)
        }));
        Ok(roff)
    }

    /// Whether nothing is missing.
    pub(super) fn finish(self) -> Result<(), String> {
        for (what, left) in self.0 {
            if !left.is_empty() {
                let left: Vec<String> = left.into_iter().collect();
                return Err(format!("no entry for {what} {}", left.join(", ")));
            }
        }
        Ok(())
    }
}

/// Every kind of input.
const KINDS: &[&str] =
    &["unix-stream", "unix-datagram", "unix-seqpacket", "fifo", "stdin", "systemd"];

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

/// The names that a key chooses among.
fn choices(key: &str) -> Result<Vec<String>, String> {
    fn of<T: Named>() -> Vec<String> {
        names(T::names().into_iter().map(|(name, _)| name))
    }
    match key {
        "multiline" => Ok(of::<Multiline>()),
        "over-long" => Ok(of::<OverLong>()),
        "on-full" => Ok(of::<OnFull>()),
        "compress" => Ok(of::<Compress>()),
        other => Err(format!("nothing is known of {other}")),
    }
}

/// Every key as `TABLE KEY`, with the kinds of input that have it.
pub(crate) fn keys() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table: Vec<&str> = Vec::new();
    for line in SAMPLE.lines() {
        let line = match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        };
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next().unwrap_or_default().split('.').collect();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            let (shown, kind) = match table[..] {
                ["input", _, kind] => ("input", Some(kind)),
                ["stream", _] if key == "file" => ("stream", None),
                // Any other key of a stream is one of the defaults, too.
                ["stream", _] => ("defaults", None),
                [.., last] => (last, None),
                [] => continue,
            };
            let kinds = keys.entry(format!("{shown} {key}")).or_default();
            kinds.extend(kind.map(str::to_owned));
        }
    }
    keys
}

fn is_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// What holds where a key is not written, as it would be written.
fn default(table: &str, key: &str) -> Option<String> {
    let text = "[input.x.unix-stream]\npath = \"/x\"\n";
    let config = config::check_text(Path::new("x"), text).ok()?;
    let rendered = config::render(&config);
    let table = if table == "input" { "input.x.unix-stream" } else { table };
    let (_, behind) = rendered.split_once(&format!("\n[{table}]\n"))?;
    let lines = behind.lines().take_while(|line| !line.starts_with('['));
    let mut values = lines.filter_map(|line| line.split_once(" = "));
    values.find(|(known, _)| *known == key).map(|(_, value)| value.to_owned())
}

/// a, b and c, as they are typed.
fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` and `{last}`", first.join("`, `")),
    }
}
