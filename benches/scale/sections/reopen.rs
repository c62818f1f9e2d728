//! A thousand streams under load: their files are renamed, USR2, and how long until each stream has
//! left its old file and opened the new one.
//!
//! Once as logrotate's `create` does it, which makes the new files before it says so, and once with
//! nothing in their place, where logagent waits 100 ms for somebody else to make them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Course;
use crate::check::{Written, check_streams};
use crate::collector::{Collector, Program, bytes, inode};
use crate::interrupt::interrupted;
use crate::locks;
use crate::problem::{Outcome, While};
use crate::process::Process;
use crate::report::{Cell, Report};
use crate::run;
use crate::statistics::Median;

const LINE_BYTES: usize = 120;
const LOOK_EVERY: Duration = Duration::from_millis(1);
const TAKES_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq)]
enum New {
    /// The files are there before the signal.
    Created,
    /// logagent makes them.
    Missing,
}

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let streams = course.or_quick(1_000, 200);
    let title = format!("reopen: {streams} streams under load, renamed, USR2");
    let head = ["new files", "first ms", "median ms", "p99 ms", "last ms", "load still ran"];
    let mut report = Report::new(title, head);
    for (new, name) in [(New::Created, "created before"), (New::Missing, "missing")] {
        let mut runs = Vec::new();
        let mut under_load = 0;
        for _ in 0..course.pairs.min(7) {
            let run = reopen(course, streams, new, &mut report)?;
            under_load += usize::from(run.under_load);
            runs.push(run.times_ms);
        }
        let of = |rank: fn(&[f64]) -> f64| Median::of(runs.iter().map(|times| rank(times)));
        let middle = of(|times| times[times.len() / 2]);
        let last = of(|times| times[times.len() - 1]);
        report.rows.push(vec![
            name.into(),
            Cell::Median(of(|times| times[0])),
            Cell::Median(middle),
            Cell::Median(of(|times| times[times.len() * 99 / 100])),
            Cell::Median(last),
            Cell::Text(format!("{under_load} of {}", runs.len())),
        ]);
        report.target(format!("{name}: median stream"), 100.0, " ms", middle);
        report.target(format!("{name}: all streams"), 1000.0, " ms", last);
    }
    report.notes.push(
        "USR2 leaves a missing file to logrotate for 100 ms: that much of the second row is meant"
            .to_owned(),
    );
    Ok(report)
}

struct Run {
    /// Of every stream, sorted.
    times_ms: Vec<f64>,
    /// The clients had lines left when the last stream had its new file.
    under_load: bool,
}

fn reopen(course: &Course, streams: usize, new: New, report: &mut Report) -> Outcome<Run> {
    let load = run::load(streams, (1, LINE_BYTES), course.or_quick(2_000_000, 200_000))?;
    let collector = Collector::start(Program::Logagent, streams, course)?;
    let mut generator = run::connect(&collector, &load)?;
    generator.go()?;
    while collector.place.bytes() < load.bytes() / 10 {
        if collector.process.ended()? || interrupted() {
            return Err("interrupted, or the collector ended".into());
        }
        thread::sleep(LOOK_EVERY);
    }
    let logs = collector.place.logs();
    let left: Vec<PathBuf> = logs.iter().map(|log| log.with_extension("log.1")).collect();
    for (log, left) in logs.iter().zip(&left) {
        fs::rename(log, left).while_("rename a log file")?;
        if new == New::Created {
            File::create(log).while_("make a new log file")?;
        }
    }
    let start = Instant::now();
    collector.process.signal(Signal::SIGUSR2)?;
    let mut times_ms = until_reopened(&collector.process, &logs, &left, start)?;
    times_ms.sort_by(f64::total_cmp);
    let sent = |logs: &[PathBuf]| logs.iter().map(|log| bytes(log)).sum::<u64>();
    let under_load = sent(&logs) + sent(&left) < load.bytes();
    run::wait_for_bytes(&collector, load.bytes() - sent(&left))?;
    run::end(generator)?;
    let place = collector.end()?;
    let files: Vec<_> = left.into_iter().zip(place.logs()).map(|(a, b)| vec![a, b]).collect();
    report.checked(load.lines(), check_streams(&files, Written::Raw, &load)?);
    Ok(Run { times_ms, under_load })
}

/// The time of each stream, in no order.
fn until_reopened(
    process: &Process,
    logs: &[PathBuf],
    left: &[PathBuf],
    start: Instant,
) -> Outcome<Vec<f64>> {
    let old = left.iter().map(|log| Ok(inode(log)?.unwrap_or(0)));
    let old = old.collect::<Outcome<Vec<u64>>>()?;
    let mut waiting: HashSet<usize> = (0..logs.len()).collect();
    let mut times = Vec::new();
    while !waiting.is_empty() {
        let held = locks::of(process.pid())?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let mut done = Vec::new();
        for &stream in &waiting {
            let new = inode(&logs[stream])?;
            if new.is_some_and(|new| held.contains(&new)) && !held.contains(&old[stream]) {
                done.push(stream);
            }
        }
        times.resize(times.len() + done.len(), ms);
        waiting.retain(|stream| !done.contains(stream));
        if start.elapsed() > TAKES_MAX || process.ended()? || interrupted() {
            return Err(format!("{} streams have not reopened", waiting.len()).into());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(times)
}
