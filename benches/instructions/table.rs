//! What is shown: the counts, and what to do about them.

use std::fmt::Write;

use crate::budget::{Budget, Verdict};
use crate::callgrind::{self, Count};

const ACCEPT: &str = "cargo bench --bench instructions -- --accept";

/// One row a workload.
pub(crate) fn table(rows: &[(&str, Count)], budget: &Budget) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = format!(
        "{:width$}  {:>6}  {:>12}  {:>8}  {:>8}  {:>7}\n",
        "workload", "lines", "instructions", "per line", "budget", "differs"
    );
    for (name, count) in rows {
        let (counted, budget) = (count.per_line(), budget.get(name));
        let differs = budget.map_or("-".into(), |budget| percent(budget, counted));
        let budget = budget.map_or("-".into(), |budget| format!("{budget:.1}"));
        let Count { lines, instructions } = count;
        // Writing to a String cannot fail.
        writeln!(
            out,
            "{name:width$}  {lines:>6}  {instructions:>12}  {counted:>8.1}  {budget:>8}  {differs:>7}"
        )
        .unwrap_or_default();
    }
    out
}

fn percent(budget: f64, counted: f64) -> String {
    format!("{:+.1} %", (counted / budget - 1.0) * 100.0)
}

/// What is not as the budget has it; `gone` are budgets without a workload.
pub(crate) fn verdicts(verdicts: &[(&str, Verdict)], gone: &[&str]) -> String {
    let (mut out, mut costs_more, mut costs_less) = (String::from("\n"), false, false);
    for (name, verdict) in verdicts {
        let line = match *verdict {
            Verdict::Within => continue,
            Verdict::Above { budget, counted } => {
                costs_more = true;
                let profile = callgrind::profile(name);
                format!(
                    "{name} costs more: {counted:.1} instructions per line, the budget is \
                     {budget:.1} ({})\n  where: callgrind_annotate {}",
                    percent(budget, counted),
                    profile.display()
                )
            }
            Verdict::Below { budget, counted } => {
                costs_less = true;
                format!(
                    "{name} costs less: {counted:.1} instructions per line, the budget is \
                     {budget:.1} ({})",
                    percent(budget, counted)
                )
            }
            Verdict::NoBudget => format!("{name} has no budget"),
        };
        out += &line;
        out.push('\n');
    }
    for name in gone {
        out += &format!("{name} has a budget, but there is no such workload\n");
    }
    let has_none = verdicts.iter().any(|(_, verdict)| *verdict == Verdict::NoBudget);
    if costs_more {
        out += &format!("Make it cheaper; or accept it, and say why in the commit: {ACCEPT}\n");
    } else if costs_less {
        out += &format!("Lower the budget, so that it stays cheap: {ACCEPT}\n");
    } else if has_none || !gone.is_empty() {
        out += &format!("Bring the budget up to date: {ACCEPT}\n");
    } else {
        out += "All workloads are within their budgets.\n";
    }
    out
}
