//! Files whose lines are marked with the instance of the unit that said them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Checker, Gaps, Sent, contents};

/// What stands where nobody is known: before gap records.
const NOBODY: &str = "-";

/// Numbered lines of a stream's files, told apart by their marks.
pub struct Marked {
    instances: BTreeMap<String, Checker>,
    pub gaps: Gaps,
}

impl Marked {
    /// Reads the files in this order. So many fragments may stand in them.
    #[track_caller]
    pub fn read(files: &[PathBuf], fragments: usize) -> Marked {
        let mut instances: BTreeMap<String, Checker> = BTreeMap::new();
        let mut others = Checker::new();
        others.accept_gaps();
        others.accept_fragments(fragments);
        for file in files {
            let mut of_each: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
            let bytes = contents(file);
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let end = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
                let mark = std::str::from_utf8(&line[..end]).unwrap_or_default();
                let line = if end == 0 { line } else { &line[end + 1..] };
                of_each.entry(mark).or_default().extend_from_slice(line);
            }
            for (mark, lines) in of_each {
                if mark == NOBODY || mark.is_empty() {
                    others.read_bytes(file, &lines);
                    continue;
                }
                let checker = instances.entry(mark.to_owned()).or_insert_with(|| {
                    let mut checker = Checker::new();
                    checker.accept_fragments(fragments);
                    checker
                });
                checker.read_bytes(file, &lines);
            }
        }
        others.assert_no_line_harmed();
        Marked { instances, gaps: others.gaps().clone() }
    }

    /// Nobody else has said anything, no line is doubled, torn, or out of order, and none has a mark
    /// that is not its client's. Returns how many of those that were sent are in no file.
    #[track_caller]
    pub fn lost(&self, sent: &[Sent]) -> u64 {
        let mut lost = 0;
        let marks: Vec<&str> = self.instances.keys().map(String::as_str).collect();
        let mut wanted: Vec<String> =
            sent.iter().flat_map(|sent| sent.clients.clone()).map(|it| it.to_string()).collect();
        wanted.sort();
        assert_eq!(marks, wanted);
        for sent in sent {
            for client in sent.clients.clone() {
                let checker = &self.instances[&client.to_string()];
                let sent = [Sent { clients: client..client + 1, lines: sent.lines }];
                checker.assert_no_line_harmed();
                checker.assert_no_strangers(&sent);
                lost += checker.lost(&sent);
            }
        }
        lost
    }

    /// What is lost of each instance came last.
    #[track_caller]
    pub fn assert_no_gap(&self) {
        for checker in self.instances.values() {
            checker.assert_no_gap();
        }
    }
}
