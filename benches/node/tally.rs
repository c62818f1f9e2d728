//! What has become of the lines.

use std::path::PathBuf;

use serde_json::Value;

use crate::rows::Mark;
use crate::support::{Checker, LINE_BYTES, Sent, contents};

/// What PM2 prints among the lines when it is told to reopen its files.
const FOREIGN: &[u8] = b"Reloading log...\n";

pub(crate) struct Tally {
    /// Lines of which no whole copy stands anywhere.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// What stands in the files that is no line as it was sent: pieces of lines, lines glued together.
    pub(crate) torn: u64,
    /// Lines that stand after a later one of the same worker.
    pub(crate) disordered: u64,
    /// Whole lines that none of the workers has said.
    pub(crate) foreign: u64,
    /// Where the first torn one is.
    pub(crate) first_torn: Option<String>,
}

impl Tally {
    /// Of files in the order in which they were written.
    pub(crate) fn of(files: &[PathBuf], mark: Mark, sent: &[Sent]) -> Self {
        let mut checker = Checker::new();
        let mut foreign = 0;
        for file in files {
            let bytes = contents(file);
            let mut lines = Vec::with_capacity(bytes.len());
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                if line == FOREIGN {
                    foreign += 1;
                    continue;
                }
                lines.extend_from_slice(&unmarked(line, mark));
            }
            checker.read_bytes(file, &lines);
        }
        let faults = checker.faults();
        Self {
            lost: checker.lost(sent),
            doubled: faults.doubled,
            torn: faults.torn.len() as u64,
            disordered: faults.disordered,
            foreign,
            first_torn: faults.torn.first().cloned(),
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.torn + self.disordered + self.foreign == 0
    }
}

/// The numbered line in what a logger has made of it; or all of it, which then counts as torn.
fn unmarked(line: &[u8], mark: Mark) -> Vec<u8> {
    let found = match mark {
        Mark::None => None,
        Mark::Brackets => in_brackets(line).map(<[u8]>::to_vec),
        Mark::Json => message(line),
    };
    found.unwrap_or_else(|| line.to_vec())
}

fn in_brackets(line: &[u8]) -> Option<&[u8]> {
    let (mark, numbered) = line.split_at_checked(line.len().checked_sub(LINE_BYTES)?)?;
    let mark = std::str::from_utf8(mark).ok()?.strip_prefix('[')?.strip_suffix("] ")?;
    let (pid, instance) = mark.split_once(':')?;
    (pid.parse::<u32>().is_ok() && instance.parse::<u32>().is_ok()).then_some(numbered)
}

fn message(line: &[u8]) -> Option<Vec<u8>> {
    let object: Value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    // Both say who it was.
    object["pid"].as_u64()?;
    object.get("instance")?;
    Some([object["msg"].as_str()?.as_bytes(), b"\n"].concat())
}
