//! Anonymous resident memory: idle, with many streams, with many connections, at full load.

use std::thread;
use std::time::{Duration, Instant};

use super::Course;
use crate::check::Faults;
use crate::collector::{Collector, Program};
use crate::problem::Outcome;
use crate::report::{Cell, Report};
use crate::run;
use crate::statistics::Median;
use crate::watch::{Kin, Memory, Watch};

const MIB: f64 = 1024.0;
const LINE_BYTES: usize = 120;
const LOAD_CLIENTS: usize = 500;
const SETTLES_FOR: Duration = Duration::from_millis(500);
const TAKES_MAX: Duration = Duration::from_secs(120);

/// The documented bound, in MiB, of the defaults: the pool for unfinished lines, 4 KiB a connection,
/// the queues, and the program itself.
fn bound_mib(connections: usize, streams: usize) -> f64 {
    64.0 + connections as f64 * 4.0 / MIB + streams as f64 * 4.0 + 24.0
}

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let head = ["state", "anon MiB", "file MiB", "bound MiB"];
    let mut report = Report::new("memory: resident", head);
    let streams = 1_000;
    let connections = course.or_quick(10_000, 2_000);

    let collector = Collector::start(Program::Logagent, 1, course)?;
    let idle = now(&collector);
    row(&mut report, "idle, 1 stream".to_owned(), idle, bound_mib(0, 1));
    target(&mut report, "idle", 5.0, idle);
    let load = run::load(connections, (1, LINE_BYTES), connections)?;
    let generator = run::connect(&collector, &load)?;
    let connected = now(&collector);
    let name = format!("{connections} idle connections, 1 stream");
    target(&mut report, &name, 48.0, connected);
    row(&mut report, name, connected, bound_mib(connections, 1));
    drop(generator);
    collector.end()?;

    many_streams(course, streams, &mut report)?;
    full_load(course, &mut report)?;
    Ok(report)
}

fn many_streams(course: &Course, streams: usize, report: &mut Report) -> Outcome<()> {
    let collector = Collector::start(Program::Logagent, streams, course)?;
    let idle = now(&collector);
    let name = format!("{streams} streams, idle");
    target(report, &name, 32.0, idle);
    row(report, name, idle, bound_mib(0, streams));
    let load = run::load(streams, (1, LINE_BYTES), 10 * streams)?;
    let mut generator = run::connect(&collector, &load)?;
    generator.go()?;
    run::wait_for_bytes(&collector, load.bytes())?;
    let written = now(&collector);
    let name = format!("{streams} streams, after 10 lines each");
    target(report, &name, 32.0, written);
    row(report, name, written, bound_mib(streams, streams));
    run::end(generator)?;
    report.checked(load.lines(), run::check_all(collector, &load, Program::Logagent)?);
    Ok(())
}

fn full_load(course: &Course, report: &mut Report) -> Outcome<()> {
    for streams in [1, 100] {
        let load = run::load(LOAD_CLIENTS, (20, LINE_BYTES), course.or_quick(4_000_000, 200_000))?;
        let collector = Collector::start(Program::Logagent, streams, course)?;
        let mut generator = run::connect(&collector, &load)?;
        let watch = Watch::start(collector.process.pid(), Kin::Alone, Instant::now() + TAKES_MAX);
        generator.go()?;
        let arrived = run::wait_for_bytes(&collector, load.bytes());
        let seen = watch.end()?;
        arrived?;
        if let Some(why) = seen.killed {
            return Err(why.into());
        }
        run::end(generator)?;
        let faults: Faults = run::check_all(collector, &load, Program::Logagent)?;
        report.checked(load.lines(), faults);
        let name = format!("full load (peak), {LOAD_CLIENTS} clients, {streams} streams");
        let bound = bound_mib(LOAD_CLIENTS, streams).floor();
        target(report, &name, bound, seen.memory);
        row(report, name, seen.memory, bound);
    }
    Ok(())
}

fn now(collector: &Collector) -> Memory {
    thread::sleep(SETTLES_FOR);
    crate::watch::of_process(collector.process.pid().as_raw())
}

fn row(report: &mut Report, name: String, memory: Memory, bound: f64) {
    report.rows.push(vec![
        Cell::Text(name),
        Cell::Number(memory.anonymous_kib as f64 / MIB, 1),
        Cell::Number(memory.file_kib as f64 / MIB, 1),
        Cell::Number(bound, 0),
    ]);
}

fn target(report: &mut Report, what: &str, at_most: f64, memory: Memory) {
    let mib = memory.anonymous_kib as f64 / MIB;
    report.target(what, at_most, " MiB", Median::of([mib]));
}
