//! How often an agent wakes that has nothing to do, after it had something to do.

use std::thread;
use std::time::Duration;

use super::Course;
use crate::collector::{Collector, Program};
use crate::problem::Outcome;
use crate::report::{Cell, Report};
use crate::run;
use crate::statistics::Median;
use crate::switches;

const LINES: usize = 20_000;
const SETTLES_FOR: Duration = Duration::from_secs(1);

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let idle = Duration::from_secs(course.or_quick(10, 3));
    let title = format!("idle: {} s, after {LINES} lines, clients connected", idle.as_secs());
    let head = ["streams", "threads", "wake-ups", "CPU us"];
    let mut report = Report::new(title, head);
    for streams in [1, 100] {
        let load = run::load(streams, (1, 120), LINES)?;
        let collector = Collector::start(Program::Logagent, streams, course)?;
        let mut generator = run::connect(&collector, &load)?;
        generator.go()?;
        run::wait_for_bytes(&collector, load.bytes())?;
        thread::sleep(SETTLES_FOR);
        let pid = collector.process.pid();
        let before = (switches::of(pid)?, collector.process.cpu()?);
        thread::sleep(idle);
        let wake_ups = switches::of(pid)? - before.0;
        let cpu = collector.process.cpu()? - before.1;
        let threads = switches::threads(pid)?;
        run::end(generator)?;
        report.checked(load.lines(), run::check_all(collector, &load, Program::Logagent)?);
        report.rows.push(vec![
            streams.into(),
            threads.into(),
            Cell::Number(wake_ups as f64, 0),
            Cell::Number(cpu.as_secs_f64() * 1e6, 0),
        ]);
        let what = format!("wake-ups with {streams} streams");
        report.target(what, 0.0, "", Median::of([wake_ups as f64]));
    }
    Ok(report)
}
