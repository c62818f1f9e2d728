//! CPU per line as streams grow, each with a socket and a file of its own.
//!
//! Once with as many connections as streams, which is how they grow in life, and once with a thousand
//! connections throughout, which shows what the streams alone cost.

use super::Course;
use super::growth::{Case, grow, head};
use crate::problem::Outcome;
use crate::report::Report;

const LINE_BYTES: usize = 120;
const CONNECTIONS: usize = 1_000;
const COUNTS: [usize; 4] = [1, 10, 100, 1_000];

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let lines = course.or_quick(1_000_000, 30_000);
    let title = format!("streams: about {lines} lines of {LINE_BYTES} B, 1 a write");
    let case = |streams, connections| Case {
        name: format!("{streams} ({connections})"),
        streams,
        connections,
        lines_per_write: 1,
        line_bytes: LINE_BYTES,
    };
    let mut report = Report::new(title, head("streams (connections)"));
    let one_each = COUNTS.map(|streams| case(streams, streams));
    let ratios = grow(course, &mut report, lines, &one_each, 0)?;
    report.target("CPU per line at 1,000 streams x that at 1", 1.5, "", ratios[3]);
    let same_connections = COUNTS.map(|streams| case(streams, CONNECTIONS));
    let ratios = grow(course, &mut report, lines, &same_connections, 0)?;
    report.notes.push("growth: against 1 (1), and from 1 (1000) on against that".to_owned());
    report.target("the same with 1,000 connections to both", 1.5, "", ratios[3]);
    Ok(report)
}
