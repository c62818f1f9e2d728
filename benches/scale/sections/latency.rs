//! From a client's write until its line is in the file, at 10,000 lines/s: alone, and beside another
//! stream at full load; each beside the bare loop. How it is seen is `probe`'s to say.

use std::thread;
use std::time::Duration;

use super::Course;
use crate::check::{Written, check_streams};
use crate::collector::{Collector, Program};
use crate::interrupt::interrupted;
use crate::load::{Generator, Target};
use crate::probe::{Found, LINE_BYTES, LINES_PER_SECOND, Probe};
use crate::problem::Outcome;
use crate::report::{Cell, Report};
use crate::run;
use crate::statistics::Median;

const WARM_UP: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOAD_CLIENTS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nobody,
    /// 16 clients that write lines as fast as they are taken, to another stream.
    FullLoad,
}

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let title =
        format!("latency: {LINES_PER_SECOND} lines/s, from write(2) to the byte in the file");
    let head = ["", "p50 us", "p99 us", "p99.9 us", "longest us", "p50 x", "p99 x", "p99.9 x"];
    let mut report = Report::new(title, head);
    let cases =
        [(Beside::Nobody, "alone", 2.0), (Beside::FullLoad, "beside a stream at full load", 4.0)];
    for (beside, name, at_most) in cases {
        let (mut own, mut bare) = (Vec::new(), Vec::new());
        for round in 0..course.pairs {
            let mut programs = [(Program::Logagent, &mut own), (Program::BareLoop, &mut bare)];
            programs.rotate_left(round % 2);
            for (program, found) in programs {
                found.push(probe(course, program, beside, &mut report)?);
            }
        }
        let ratio = |at: usize| {
            let pairs = own.iter().zip(&bare);
            Median::of(pairs.map(|(own, bare)| own.quantiles_us[at] / bare.quantiles_us[at]))
        };
        let row = |program: &str, runs: &[Found], ratios: [Cell; 3]| {
            let times = (0..4).map(|at| {
                Cell::Number(Median::of(runs.iter().map(|run| run.quantiles_us[at])).value, 1)
            });
            let name = [Cell::Text(format!("{program}, {name}"))];
            name.into_iter().chain(times).chain(ratios).collect()
        };
        report.rows.push(row("bare", &bare, ["1".into(), "1".into(), "1".into()]));
        report.rows.push(row("logagent", &own, [0, 1, 2].map(|at| Cell::Median(ratio(at)))));
        report.target(format!("p99 {name} x the bare loop's"), at_most, "", ratio(1));
    }
    Ok(report)
}

fn probe(course: &Course, program: Program, beside: Beside, report: &mut Report) -> Outcome<Found> {
    let collector = Collector::start(program, 2, course)?;
    let load = run::load(LOAD_CLIENTS, (1, LINE_BYTES), course.or_quick(2_000_000, 200_000))?;
    let mut probe = Probe::start(&collector)?;
    thread::sleep(WARM_UP);
    let mut streams = Vec::new();
    if beside == Beside::FullLoad {
        let target = Target::Socket(collector.place.socket(1));
        let mut generator = Generator::start(&load, 1, target)?;
        generator.go()?;
        probe.measure()?;
        while !generator.process.ended()? {
            if interrupted() {
                return Err("interrupted".into());
            }
            thread::sleep(LOOK_EVERY);
        }
        generator.process.reap()?;
        streams.push((1, load.clone()));
    } else {
        probe.measure()?;
        thread::sleep(Duration::from_millis(course.or_quick(2_000, 300)));
    }
    let found = probe.end()?;
    streams.push((0, run::load(1, (1, LINE_BYTES), found.lines)?));
    let place = collector.end()?;
    if program == Program::Logagent {
        for (stream, load) in streams {
            let faults = check_streams(&[vec![place.log(stream)]], Written::Raw, &load)?;
            report.checked(load.lines(), faults);
        }
    }
    Ok(found)
}
