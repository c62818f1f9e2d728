//! CPU per line while one file grows: in slices, each against the first, and the bare loop's after it.

use std::thread;
use std::time::{Duration, Instant};

use super::Course;
use super::growth::head;
use crate::collector::{Collector, Program, bytes};
use crate::interrupt::interrupted;
use crate::problem::{Outcome, While};
use crate::report::{Cell, Report};
use crate::run;
use crate::scenario::Scenario;
use crate::switches;

const GIB: u64 = 1 << 30;
const FILE_BYTES: u64 = 10 * GIB;
const QUICK_BYTES: u64 = GIB;
const LEFT_FREE_BYTES: u64 = 10 * GIB;
const SLICES: u64 = 10;
const CLIENTS: usize = 16;
const LINES_PER_WRITE: usize = 20;
const LINE_BYTES: usize = 1024;
const TAKES_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_micros(500);

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let disk = nix::sys::statvfs::statvfs(&course.dir).while_("ask for the disk's free space")?;
    let free = disk.blocks_available() * disk.fragment_size();
    let file_bytes =
        course.or_quick(FILE_BYTES, QUICK_BYTES).min(free.saturating_sub(LEFT_FREE_BYTES));
    if file_bytes < QUICK_BYTES {
        return Err(format!("the disk has only {} MiB free", free >> 20).into());
    }
    let lines = (file_bytes / LINE_BYTES as u64) as usize;
    let load = run::load(CLIENTS, (LINES_PER_WRITE, LINE_BYTES), lines)?;
    let title = format!(
        "file: {CLIENTS} clients, {LINES_PER_WRITE} lines of {LINE_BYTES} B a write, one file"
    );
    let mut report = Report::new(title, head("file MiB"));
    let own = grow(course, Program::Logagent, &load, &mut report)?;
    let bare = grow(course, Program::BareLoop, &load, &mut report)?;
    for (at, (slice, bare_slice)) in own.iter().zip(&bare).enumerate() {
        report.rows.push(vec![
            Cell::from(((load.bytes() * (at as u64 + 1) / SLICES) >> 20) as usize),
            Cell::Number(slice.cpu_ns_per_line, 0),
            Cell::Number(slice.lines_per_second, 0),
            Cell::Number(slice.cpu_ns_per_line / own[0].cpu_ns_per_line, 2),
            Cell::Number(slice.writes_per_line * 1e3, 1),
            Cell::Number(slice.switches_per_line * 1e3, 1),
            Cell::Number(bare_slice.cpu_ns_per_line, 0),
            Cell::Number(bare_slice.cpu_ns_per_line / bare[0].cpu_ns_per_line, 2),
            Cell::Number(slice.cpu_ns_per_line / bare_slice.cpu_ns_per_line, 2),
        ]);
    }
    report.notes.push(
        "no target in numbers; where the bare loop grows too, it is the kernel's writing to the disk"
            .to_owned(),
    );
    Ok(report)
}

/// Has one file grow, and cuts its growth in slices.
fn grow(
    course: &Course,
    program: Program,
    load: &Scenario,
    report: &mut Report,
) -> Outcome<Vec<Slice>> {
    // The file before this one may still be on its way to the disk.
    nix::unistd::sync();
    let collector = Collector::start(program, 1, course)?;
    let mut generator = run::connect(&collector, load)?;
    let mut marks = vec![Mark::of(&collector)?];
    generator.go()?;
    for slice in 1..=SLICES {
        let border = load.bytes() * slice / SLICES;
        while bytes(&collector.place.log(0)) < border {
            if interrupted() || collector.process.ended()? {
                return Err("interrupted, or the collector ended".into());
            }
            if marks[marks.len() - 1].at.elapsed() > TAKES_MAX {
                return Err("the file does not grow".into());
            }
            thread::sleep(LOOK_EVERY);
        }
        marks.push(Mark::of(&collector)?);
    }
    run::end(generator)?;
    let faults = run::check_all(collector, load, program)?;
    if program == Program::Logagent {
        report.checked(load.lines(), faults);
    }
    Ok(marks.windows(2).map(|pair| pair[1].since(&pair[0])).collect())
}

/// How far it was, and what it had cost.
struct Mark {
    at: Instant,
    cpu: Duration,
    bytes: u64,
    writes: u64,
    switches: u64,
}

struct Slice {
    cpu_ns_per_line: f64,
    lines_per_second: f64,
    writes_per_line: f64,
    switches_per_line: f64,
}

impl Mark {
    fn of(collector: &Collector) -> Outcome<Self> {
        let bytes = bytes(&collector.place.log(0));
        let pid = collector.process.pid();
        let (writes, switches) = (switches::writes(pid)?, switches::of(pid)?);
        Ok(Self { at: Instant::now(), cpu: collector.process.cpu()?, bytes, writes, switches })
    }

    fn since(&self, before: &Mark) -> Slice {
        let lines = (self.bytes - before.bytes) as f64 / LINE_BYTES as f64;
        Slice {
            cpu_ns_per_line: (self.cpu - before.cpu).as_secs_f64() * 1e9 / lines,
            lines_per_second: lines / (self.at - before.at).as_secs_f64(),
            writes_per_line: (self.writes - before.writes) as f64 / lines,
            switches_per_line: (self.switches - before.switches) as f64 / lines,
        }
    }
}
