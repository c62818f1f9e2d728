//! CPU per line as connections grow: the lines are as many, only from more clients.

use super::Course;
use super::growth::{Case, grow, head};
use crate::problem::Outcome;
use crate::report::Report;

const LINE_BYTES: usize = 120;
const COUNTS: [usize; 5] = [10, 16, 100, 1_000, 10_000];
/// The index of what the others are compared with.
const BASE: usize = 1;

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let lines = course.or_quick(1_000_000, 50_000);
    let title = format!("connections: about {lines} lines of {LINE_BYTES} B, 1 a write, 1 stream");
    let cases = COUNTS.map(|connections| Case {
        name: connections.to_string(),
        streams: 1,
        connections,
        lines_per_write: 1,
        line_bytes: LINE_BYTES,
    });
    let mut report = Report::new(title, head("connections"));
    report.notes.push("growth: against 16 connections".to_owned());
    let ratios = grow(course, &mut report, lines, &cases, BASE)?;
    report.target("CPU per line at 10,000 connections x that at 16", 1.5, "", ratios[4]);
    Ok(report)
}
