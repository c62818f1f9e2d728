//! `budget.toml`: what each workload may cost, and what that was counted with.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use serde::Deserialize;

use crate::callgrind::Count;
use crate::problem::{Outcome, While};
use crate::toolchain::Toolchain;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/budget.toml");

/// What a count may differ from its budget.
const TOLERANCE: f64 = 0.03;
/// Half of the last digit that is kept: small counts may differ by that, too.
const ROUNDING: f64 = 0.05;

const HEADER: &str = "\
# Instructions per line: what each workload of `cargo bench --bench instructions` may cost, give or
# take 3 %. `cargo bench --bench instructions -- --accept` writes this file; say in the commit why.
# Counts are compared only where these three are the same.
";

/// The budgets of all workloads.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    pub(crate) toolchain: Toolchain,
    per_line: BTreeMap<String, f64>,
    /// As they stand in the file.
    names: Vec<String>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    rustc: String,
    libc: String,
    processor: String,
    instructions_per_line: BTreeMap<String, f64>,
}

/// How a count stands to its budget; numbers are instructions per line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Within,
    Above { budget: f64, counted: f64 },
    Below { budget: f64, counted: f64 },
    NoBudget,
}

impl Verdict {
    /// Costing less breaks nothing.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Verdict::Within | Verdict::Below { .. })
    }
}

impl Budget {
    /// The committed one; an empty one where there is no file.
    pub(crate) fn read() -> Outcome<Budget> {
        let text = match fs::read_to_string(PATH) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Budget::default());
            }
            text => text.while_(format!("read {PATH}"))?,
        };
        let written: Written = toml::from_str(&text).while_(format!("understand {PATH}"))?;
        let Written { rustc, libc, processor, instructions_per_line: per_line } = written;
        let names = per_line.keys().cloned().collect();
        Ok(Budget { toolchain: Toolchain { rustc, libc, processor }, per_line, names })
    }

    /// What was counted just now.
    pub(crate) fn of(toolchain: Toolchain, rows: &[(&str, Count)]) -> Budget {
        let per_line = rows.iter().map(|(name, count)| ((*name).to_owned(), count.per_line()));
        let names = rows.iter().map(|(name, _)| (*name).to_owned()).collect();
        Budget { toolchain, per_line: per_line.collect(), names }
    }

    pub(crate) fn write(&self) -> Outcome<()> {
        fs::write(PATH, self.text()?).while_(format!("write {PATH}"))
    }

    fn text(&self) -> Outcome<String> {
        let Toolchain { rustc, libc, processor } = &self.toolchain;
        let mut text = HEADER.to_owned();
        writeln!(text, "rustc = {rustc:?}\nlibc = {libc:?}\nprocessor = {processor:?}\n")?;
        writeln!(text, "[instructions-per-line]")?;
        for name in &self.names {
            writeln!(text, "{name} = {:.1}", self.per_line[name])?;
        }
        Ok(text)
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.per_line.get(name).copied()
    }

    pub(crate) fn verdict(&self, name: &str, count: Count) -> Verdict {
        let Some(budget) = self.get(name) else { return Verdict::NoBudget };
        let counted = count.per_line();
        let tolerated = budget * TOLERANCE + ROUNDING;
        match counted - budget {
            more if more > tolerated => Verdict::Above { budget, counted },
            less if less < -tolerated => Verdict::Below { budget, counted },
            _ => Verdict::Within,
        }
    }

    /// Those of the file that are none of `names`.
    pub(crate) fn others(&self, names: &[&str]) -> Vec<&str> {
        let all = self.names.iter().map(String::as_str);
        all.filter(|name| !names.contains(name)).collect()
    }
}
