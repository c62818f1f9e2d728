//! From starting the program until a client can connect, beside the least that a program does.
//!
//! Both are watched in a tight loop, so that neither waits for the one who watches.

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Course;
use crate::collector::{Place, Program};
use crate::problem::{Outcome, While};
use crate::process::Process;
use crate::report::{Cell, Report};
use crate::statistics::Median;

const PAIRS: usize = 21;
const TAKES_MAX: Duration = Duration::from_secs(10);

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let pairs = course.or_quick(PAIRS.max(course.pairs), 5);
    let (mut own, mut cat) = (Vec::new(), Vec::new());
    // The first of each is nobody's: the programs come from the disk then.
    start_logagent(course)?;
    run_cat()?;
    for round in 0..pairs {
        if round % 2 == 0 {
            own.push(start_logagent(course)?);
            cat.push(run_cat()?);
        } else {
            cat.push(run_cat()?);
            own.push(start_logagent(course)?);
        }
    }
    let title = format!("start: {pairs} pairs");
    let mut report = Report::new(title, ["program", "ms", "x cat --version"]);
    let ratio = Median::of(own.iter().zip(&cat).map(|(own, cat)| own / cat));
    let ms = |times: &[f64]| Cell::Median(Median::of(times.iter().map(|time| time * 1e3)));
    report.rows.push(vec!["cat --version, until it ended".into(), ms(&cat), "1".into()]);
    report.rows.push(vec!["logagent, until it listens".into(), ms(&own), Cell::Median(ratio)]);
    report.target("start to listening x cat --version", 3.0, "", ratio);
    Ok(report)
}

fn start_logagent(course: &Course) -> Outcome<f64> {
    let place = Place::new(course, 1)?;
    let command = place.command(Program::Logagent, course)?;
    let socket = place.socket(0);
    let start = Instant::now();
    let process = Process::start(command)?;
    let time = spin_until(start, || Ok(UnixStream::connect(&socket).is_ok()))?;
    process.terminate()?;
    process.reap()?;
    Ok(time)
}

fn run_cat() -> Outcome<f64> {
    let mut cat = Command::new("cat");
    cat.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let process = Process::start(cat)?;
    let time = spin_until(start, || process.ended())?;
    process.reap().while_("run cat")?;
    Ok(time)
}

/// Seconds since `start` until it is so.
fn spin_until(start: Instant, is_so: impl Fn() -> Outcome<bool>) -> Outcome<f64> {
    while !is_so()? {
        if start.elapsed() > TAKES_MAX {
            return Err("a program does not start".into());
        }
    }
    Ok(start.elapsed().as_secs_f64())
}
