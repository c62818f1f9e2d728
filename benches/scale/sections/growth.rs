//! A row for each case of a load, each against one of them in the same round.

use super::Course;
use crate::collector::Program;
use crate::problem::Outcome;
use crate::report::{Cell, Report};
use crate::run::{Figures, load, median, ratio, run};
use crate::statistics::Median;

pub(super) struct Case {
    pub(super) name: String,
    pub(super) streams: usize,
    pub(super) connections: usize,
    pub(super) lines_per_write: usize,
    pub(super) line_bytes: usize,
}

pub(super) fn head(first: &'static str) -> Vec<&'static str> {
    vec![
        first,
        "logagent ns/line",
        "lines/s",
        "growth",
        "writes/1000",
        "switches/1000",
        "bare ns/line",
        "bare growth",
        "x bare",
    ]
}

/// Runs the cases in rounds, logagent and the bare loop beside each other; returns logagent's ratios
/// to the case `base`.
pub(super) fn grow(
    course: &Course,
    report: &mut Report,
    lines: usize,
    cases: &[Case],
    base: usize,
) -> Outcome<Vec<Median>> {
    let mut own: Vec<Vec<Figures>> = cases.iter().map(|_| Vec::new()).collect();
    let mut bare: Vec<Vec<Figures>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..course.pairs {
        for (at, case) in cases.iter().enumerate() {
            let load = load(case.connections, (case.lines_per_write, case.line_bytes), lines)?;
            let mut programs = [(Program::Logagent, &mut own), (Program::BareLoop, &mut bare)];
            // Who is first changes with every round.
            programs.rotate_left(round % 2);
            for (program, runs) in programs {
                let figures = run(course, program, case.streams, &load)?;
                runs[at].push(figures);
                if program == Program::Logagent {
                    report.checked(figures.lines, figures.faults);
                }
            }
        }
    }
    let mut ratios = Vec::new();
    for (case, (own_runs, bare_runs)) in cases.iter().zip(own.iter().zip(&bare)) {
        let growth = ratio(own_runs, &own[base]);
        ratios.push(growth);
        report.rows.push(vec![
            Cell::Text(case.name.clone()),
            Cell::Number(median(own_runs, |run| run.cpu_ns_per_line).value, 0),
            Cell::Number(median(own_runs, |run| run.lines_per_second).value, 0),
            Cell::Median(growth),
            Cell::Number(1e3 * median(own_runs, |run| run.writes_per_line).value, 1),
            Cell::Number(1e3 * median(own_runs, |run| run.switches_per_line).value, 1),
            Cell::Number(median(bare_runs, |run| run.cpu_ns_per_line).value, 0),
            Cell::Median(ratio(bare_runs, &bare[base])),
            Cell::Median(ratio(own_runs, bare_runs)),
        ]);
    }
    Ok(ratios)
}
