//! One load on one collector: what a line cost, and whether every line arrived.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Faults, Written, check_streams};
use crate::collector::{Collector, Program};
use crate::interrupt::interrupted;
use crate::load::Generator;
use crate::problem::Outcome;
use crate::scenario::{Scenario, Transport};
use crate::sections::Course;
use crate::statistics::Median;
use crate::switches;

/// With one, the load would be what limits a quick collector.
const LOAD_THREADS: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A collector whose files do not grow for so long has lost the rest.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

/// What one run came to.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// The collector's, for each line: from the word to the load until all bytes are in the files.
    pub(crate) cpu_ns_per_line: f64,
    pub(crate) lines_per_second: f64,
    /// Its write(2) calls: to the files, and whatever else it writes to.
    pub(crate) writes_per_line: f64,
    /// Context switches of its threads.
    pub(crate) switches_per_line: f64,
    pub(crate) lines: usize,
    pub(crate) faults: Faults,
}

/// A load of about so many lines.
pub(crate) fn load(
    clients: usize,
    (lines_per_write, line_bytes): (usize, usize),
    lines: usize,
) -> Outcome<Scenario> {
    let shape = (clients, lines_per_write, line_bytes);
    Ok(Scenario::new(Transport::UnixStream, shape, lines)?)
}

/// Starts a collector, sends it the load, and ends it.
pub(crate) fn run(
    course: &Course,
    program: Program,
    streams: usize,
    load: &Scenario,
) -> Outcome<Figures> {
    let collector = Collector::start(program, streams, course)?;
    let mut generator = connect(&collector, load)?;
    let pid = collector.process.pid();
    let (switches_before, writes_before) = (switches::of(pid)?, switches::writes(pid)?);
    let before = collector.process.cpu()?;
    let start = Instant::now();
    generator.go()?;
    wait_for_bytes(&collector, load.bytes())?;
    let (cpu, wall) = (collector.process.cpu()? - before, start.elapsed());
    let writes = switches::writes(pid)? - writes_before;
    let switches = switches::of(pid)?.saturating_sub(switches_before);
    end(generator)?;
    let faults = check_all(collector, load, program)?;
    let lines = load.lines();
    Ok(Figures {
        cpu_ns_per_line: cpu.as_secs_f64() * 1e9 / lines as f64,
        lines_per_second: lines as f64 / wall.as_secs_f64(),
        writes_per_line: writes as f64 / lines as f64,
        switches_per_line: switches as f64 / lines as f64,
        lines,
        faults,
    })
}

/// Clients, connected, and accepted by the collector.
pub(crate) fn connect(collector: &Collector, load: &Scenario) -> Outcome<Generator> {
    let generator = Generator::start(load, LOAD_THREADS, collector.place.target())?;
    collector.process.settle()?;
    Ok(generator)
}

/// Closes the connections.
pub(crate) fn end(generator: Generator) -> Outcome<()> {
    let Generator { process, go } = generator;
    drop(go);
    process.reap().map(drop)
}

/// Returns when the logs have so many bytes, or do not grow any more.
pub(crate) fn wait_for_bytes(collector: &Collector, wanted: u64) -> Outcome<()> {
    let (mut bytes, mut grown) = (0, Instant::now());
    for look in 0_u32.. {
        let now = collector.place.bytes();
        if now >= wanted {
            break;
        }
        if now != bytes {
            (bytes, grown) = (now, Instant::now());
        }
        if look % 16 == 15 && collector.process.ended()? {
            let words = collector.place.last_words();
            return Err(format!("the collector ended too soon: {words}").into());
        }
        if grown.elapsed() > GIVES_UP_AFTER {
            // The check says what is missing.
            return Ok(());
        }
        if interrupted() {
            return Err("interrupted".into());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Ends the collector and checks all logs. The bare loop promises nothing.
pub(crate) fn check_all(
    collector: Collector,
    load: &Scenario,
    program: Program,
) -> Outcome<Faults> {
    let place = collector.end()?;
    let streams: Vec<_> = place.logs().into_iter().map(|log| vec![log]).collect();
    match program {
        Program::Logagent => check_streams(&streams, Written::Raw, load),
        Program::BareLoop => Ok(Faults::default()),
    }
}

/// The median of one value of several runs.
pub(crate) fn median(runs: &[Figures], what: impl Fn(&Figures) -> f64) -> Median {
    Median::of(runs.iter().map(what))
}

/// The median of the ratios of runs of the same round.
pub(crate) fn ratio(own: &[Figures], yardstick: &[Figures]) -> Median {
    let pairs = own.iter().zip(yardstick);
    Median::of(pairs.map(|(own, yardstick)| own.cpu_ns_per_line / yardstick.cpu_ns_per_line))
}
