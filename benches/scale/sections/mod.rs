//! What is measured: one file and one row each.

mod connections;
mod file;
mod growth;
mod idle;
mod latency;
mod memory;
mod reopen;
mod stalled;
mod start;
mod streams;

use std::path::PathBuf;

use crate::problem::Outcome;
use crate::report::Report;

pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Course) -> Outcome<Report>,
}

pub(crate) static SECTIONS: [Section; 9] = [
    Section { name: "connections", run: connections::measure },
    Section { name: "streams", run: streams::measure },
    Section { name: "file", run: file::measure },
    Section { name: "reopen", run: reopen::measure },
    Section { name: "start", run: start::measure },
    Section { name: "latency", run: latency::measure },
    Section { name: "idle", run: idle::measure },
    Section { name: "memory", run: memory::measure },
    Section { name: "stalled", run: stalled::measure },
];

/// What all sections have in common.
pub(crate) struct Course {
    pub(crate) dir: PathBuf,
    pub(crate) logagent: PathBuf,
    pub(crate) quick: bool,
    pub(crate) pairs: usize,
}

impl Course {
    /// The one, or the other with `--quick`.
    pub(crate) fn or_quick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
