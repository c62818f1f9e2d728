//! The load against readers that discard: is the generator itself what limits a run?
//!
//! The readers are the yardsticks, with `/dev/null` for a file. What they take in a second is the
//! most that any collector could be offered.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{Generator, Target};
use crate::measure::Course;
use crate::problem::{Outcome, While};
use crate::process::Process;
use crate::scenario::{Scenario, Transport};
use crate::statistics::Median;
use crate::{bare_datagrams, bare_loop, bare_seqpackets};

const NOWHERE: &str = "/dev/null";

struct Taken {
    wall: Duration,
    load_cpu: Duration,
    reader_cpu: Duration,
}

/// One line of text: the medians of several runs.
pub(crate) fn measure(course: &Course, scenario: &Scenario, runs: usize) -> Outcome<String> {
    let taken: Vec<Taken> =
        (0..runs).map(|_| run(course, scenario)).collect::<Outcome<Vec<Taken>>>()?;
    let median = |what: fn(&Taken) -> f64| Median::of(taken.iter().map(what)).value;
    let (wall, load) =
        (median(|run| run.wall.as_secs_f64()), median(|run| run.load_cpu.as_secs_f64()));
    let lines = scenario.lines() as f64;
    Ok(format!(
        "{}: {:.0} lines/s, {:.0} MB/s; CPU us/1000: load {:.0}, reader {:.0}; load busy {:.0} %",
        scenario.title(),
        lines / wall,
        scenario.bytes() as f64 / 1e6 / wall,
        load * 1e9 / lines,
        median(|run| run.reader_cpu.as_secs_f64()) * 1e9 / lines,
        100.0 * load / wall
    ))
}

fn run(course: &Course, scenario: &Scenario) -> Outcome<Taken> {
    let nowhere = File::options().write(true).open(NOWHERE).while_("open /dev/null")?;
    let role = match scenario.transport {
        Transport::Pipe => None,
        Transport::UnixStream => Some(bare_loop::ROLE),
        Transport::UnixDatagram => Some(bare_datagrams::ROLE),
        Transport::UnixSeqpacket => Some(bare_seqpackets::ROLE),
    };
    let (reader, mut generator) = match role {
        None => {
            let (reader, writer) = io::pipe().while_("make a pipe")?;
            let mut cat = Command::new("cat");
            cat.stdin(reader).stdout(nowhere);
            (Process::start(cat)?, Generator::start(scenario, 1, Target::Pipe(writer))?)
        }
        Some(role) => {
            let socket = course.dir.join("discard");
            let mut bare = Command::new(std::env::current_exe().while_("find this program")?);
            bare.arg(role).arg(&socket).arg(NOWHERE).stdin(Stdio::null());
            let bare = Process::start(bare)?;
            let threads = course.load_threads;
            let generator = Generator::start(scenario, threads, Target::Socket(socket.clone()))?;
            std::fs::remove_file(&socket).while_("remove the socket")?;
            (bare, generator)
        }
    };
    reader.settle()?;
    let reader_started = reader.cpu()?;
    let start = Instant::now();
    generator.go()?;
    let load = generator.process;
    load.wait_for_end()?;
    let wall = start.elapsed();
    let load_cpu = load.reap()?;
    // cat has ended by itself.
    reader.terminate()?;
    let reader_cpu = reader.reap()?.saturating_sub(reader_started);
    Ok(Taken { wall, load_cpu, reader_cpu })
}
