//! CPU per line while one file grows: in slices, each against the first.

use std::thread;
use std::time::{Duration, Instant};

use super::Course;
use crate::collector::{Collector, Program, bytes};
use crate::interrupt::interrupted;
use crate::problem::{Outcome, While};
use crate::report::{Cell, Report};
use crate::run;
use crate::statistics::Median;

const GIB: u64 = 1 << 30;
const FILE_BYTES: u64 = 10 * GIB;
const QUICK_BYTES: u64 = GIB;
const LEFT_FREE_BYTES: u64 = 10 * GIB;
const SLICES: u64 = 10;
const CLIENTS: usize = 16;
const LINES_PER_WRITE: usize = 20;
const LINE_BYTES: usize = 1024;
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
    let collector = Collector::start(Program::Logagent, 1, course)?;
    let mut generator = run::connect(&collector, &load)?;
    let mut marks = vec![Mark::of(&collector)?];
    generator.go()?;
    for slice in 1..=SLICES {
        let border = load.bytes() * slice / SLICES;
        while bytes(&collector.place.log(0)) < border {
            if interrupted() || collector.process.ended()? {
                return Err("interrupted, or the collector ended".into());
            }
            if marks[marks.len() - 1].at.elapsed() > Duration::from_secs(300) {
                return Err("the file does not grow".into());
            }
            thread::sleep(LOOK_EVERY);
        }
        marks.push(Mark::of(&collector)?);
    }
    run::end(generator)?;
    let faults = run::check_all(collector, &load, Program::Logagent)?;
    let head = ["file MiB", "CPU ns/line", "lines/s", "x first slice"];
    let title = format!(
        "file: {CLIENTS} clients, {LINES_PER_WRITE} lines of {LINE_BYTES} B a write, one file"
    );
    let mut report = Report::new(title, head);
    report.checked(load.lines(), faults);
    let slices: Vec<Slice> = marks.windows(2).map(|pair| pair[1].since(&pair[0])).collect();
    for (slice, mark) in slices.iter().zip(&marks[1..]) {
        report.rows.push(vec![
            Cell::from((mark.bytes >> 20) as usize),
            Cell::Number(slice.cpu_ns_per_line, 0),
            Cell::Number(slice.lines_per_second, 0),
            Cell::Number(slice.cpu_ns_per_line / slices[0].cpu_ns_per_line, 2),
        ]);
    }
    let half =
        |slices: &[Slice]| Median::of(slices.iter().map(|slice| slice.cpu_ns_per_line)).value;
    let (first, last) = slices.split_at(slices.len() / 2);
    report.notes.push(format!(
        "second half x first half: {:.2} (no target in numbers: a file's size must not matter)",
        half(last) / half(first)
    ));
    Ok(report)
}

/// How far it was, and what it had cost.
struct Mark {
    at: Instant,
    cpu: Duration,
    bytes: u64,
}

struct Slice {
    cpu_ns_per_line: f64,
    lines_per_second: f64,
}

impl Mark {
    fn of(collector: &Collector) -> Outcome<Self> {
        let bytes = bytes(&collector.place.log(0));
        Ok(Self { at: Instant::now(), cpu: collector.process.cpu()?, bytes })
    }

    fn since(&self, before: &Mark) -> Slice {
        let lines = (self.bytes - before.bytes) as f64 / LINE_BYTES as f64;
        Slice {
            cpu_ns_per_line: (self.cpu - before.cpu).as_secs_f64() * 1e9 / lines,
            lines_per_second: lines / (self.at - before.at).as_secs_f64(),
        }
    }
}
