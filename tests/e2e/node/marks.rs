//! Lines that say which process they are of, in each of the shapes that the npm package gives them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Checker, contents};

/// Who says to have logged a client's lines.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: u64,
    pub instance: Option<u64>,
}

/// What stands in the files of a stream.
pub struct Marks {
    /// Of the lines without their marks.
    pub checker: Checker,
    pub processes: BTreeMap<usize, BTreeSet<Process>>,
}

impl Marks {
    /// Reads the files in this order. So many fragments may stand in them, and gap records.
    #[track_caller]
    pub fn read(files: &[PathBuf], fragments: usize) -> Marks {
        let mut checker = Checker::new();
        checker.accept_gaps();
        checker.accept_fragments(fragments);
        let mut processes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for file in files {
            let bytes = contents(file);
            let mut unmarked = Vec::new();
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(line);
                let Some((process, text)) = in_brackets(&line).or_else(|| in_fields(&line)) else {
                    unmarked.extend_from_slice(line.as_bytes());
                    continue;
                };
                if let Some(client) = text.get(..5).and_then(|client| client.parse().ok()) {
                    processes.entry(client).or_default().insert(process);
                }
                unmarked.extend_from_slice(text.as_bytes());
            }
            checker.read_bytes(file, &unmarked);
        }
        Marks { checker, processes }
    }

    /// Every line of a client is of one process, which has the client's instance: the primary has
    /// none.
    #[track_caller]
    pub fn assert_processes(&self) {
        for (client, processes) in &self.processes {
            let instances: Vec<_> = processes.iter().map(|process| process.instance).collect();
            assert_eq!(instances, [(*client as u64).checked_sub(1)], "of client {client}");
        }
    }
}

/// `[pid:instance] text` or `[pid] text`, with its newline.
fn in_brackets(line: &str) -> Option<(Process, String)> {
    let (mark, text) = line.strip_prefix('[')?.split_once("] ")?;
    let (pid, instance) = match mark.split_once(':') {
        Some((pid, instance)) => (pid, Some(instance.parse().ok()?)),
        None => (mark, None),
    };
    Some((Process { pid: pid.parse().ok()?, instance }, text.to_owned()))
}

/// A JSON object as pino and winston make it.
fn in_fields(line: &str) -> Option<(Process, String)> {
    let fields: Value = serde_json::from_str(line.strip_suffix('\n')?).ok()?;
    let text = fields.get("msg").or_else(|| fields.get("message"))?.as_str()?;
    let instance = fields.get("instance").map(|instance| instance.as_u64().unwrap());
    Some((Process { pid: fields["pid"].as_u64()?, instance }, format!("{text}\n")))
}
