//! One run: a collector, the load, and everything that is measured of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Faults, check};
use crate::contestants::{Contestant, Output, Place, Prepared};
use crate::debian::Installed;
use crate::interrupt::interrupted;
use crate::load::{Generator, Target};
use crate::problem::{Outcome, While};
use crate::process::Process;
use crate::scenario::{Scenario, Transport};
use crate::watch::{Memory, Watch};
use crate::work::{self, Scratch};

/// How often the file's size is looked at: a look costs about a microsecond.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const LOOKS_PER_LIFE_SIGN: u32 = 64;
/// A collector whose file does not grow for so long after the load's end has lost the rest.
const GIVES_UP_AFTER: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(60);
const DEADLINE_PER_LINE: Duration = Duration::from_micros(50);
const COMPLAINT_BYTES_MAX: usize = 2000;

/// What one run came to.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// From the word to the load until every byte is in the file.
    pub(crate) wall: Duration,
    /// The collector's, user and system, from the word to the load until its end.
    pub(crate) cpu: Duration,
    /// What it had used before, to start.
    pub(crate) start_cpu: Duration,
    /// The load generator's own.
    pub(crate) load_cpu: Duration,
    pub(crate) memory: Memory,
    pub(crate) faults: Faults,
    /// It took SIGKILL to end it.
    pub(crate) stubborn: bool,
}

/// What all runs have in common.
pub(crate) struct Course {
    /// Everything that a run writes is in a directory made here, and removed after it.
    pub(crate) dir: PathBuf,
    pub(crate) load_threads: usize,
}

impl Course {
    pub(crate) fn run(
        &self,
        contestant: &Contestant,
        installed: &Installed,
        scenario: &Scenario,
    ) -> Outcome<Figures> {
        let scratch = Scratch::new(&self.dir)?;
        let place = Place::new(&scratch.0, scenario)?;
        let prepared = (contestant.prepare)(&place, installed)?;
        let complaints = scratch.0.join("stderr");
        let figures = match scenario.transport {
            Transport::Pipe => on_pipe(contestant, prepared, scenario, &complaints),
            Transport::UnixStream | Transport::UnixDatagram | Transport::UnixSeqpacket => {
                self.on_socket(contestant, prepared, &place, &complaints)
            }
        };
        figures.map_err(|problem| match last_words(&complaints) {
            _ if interrupted() => "interrupted".into(),
            words if words.is_empty() => problem,
            words => format!("{problem}; it said: {words}").into(),
        })
    }

    /// How the contestant would be started, and its configuration, as text.
    pub(crate) fn show(
        &self,
        contestant: &Contestant,
        installed: &Installed,
        scenario: &Scenario,
    ) -> Outcome<String> {
        let scratch = Scratch::new(&self.dir)?;
        let prepared = (contestant.prepare)(&Place::new(&scratch.0, scenario)?, installed)?;
        let configuration = prepared.configuration.unwrap_or_default();
        let text = format!("{:?}\n{configuration}", prepared.command);
        Ok(text.replace(&scratch.0.display().to_string(), "DIR"))
    }

    fn on_socket(
        &self,
        contestant: &Contestant,
        mut prepared: Prepared,
        place: &Place,
        complaints: &Path,
    ) -> Outcome<Figures> {
        let scenario = place.scenario;
        prepared.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(create(complaints)?);
        let collector = Process::start(prepared.command)?;
        collector.wait_until_it_listens(&place.socket)?;
        let target = Target::Socket(place.socket.clone());
        let mut generator = Generator::start(scenario, self.load_threads, target)?;
        collector.settle()?;
        let start_cpu = collector.cpu()?;
        let watch = Watch::start(collector.pid(), contestant.kin, deadline(scenario));
        let start = Instant::now();
        generator.go()?;
        let load = generator.process;
        let wall = wait_for_bytes(&prepared.output, scenario, &collector, &load, start);
        let seen = watch.end()?;
        let wall = match seen.killed {
            Some(why) => return Err(why.into()),
            None => wall?,
        };
        let load_cpu = load.reap()?;
        let stubborn = !collector.terminate()?;
        let cpu = collector.reap()?.saturating_sub(start_cpu);
        let faults = check(&prepared.output.files()?, prepared.written, scenario)?;
        Ok(Figures { wall, cpu, start_cpu, load_cpu, memory: seen.memory, faults, stubborn })
    }
}

fn on_pipe(
    contestant: &Contestant,
    mut prepared: Prepared,
    scenario: &Scenario,
    complaints: &Path,
) -> Outcome<Figures> {
    let (reader, writer) = io::pipe().while_("make a pipe")?;
    let stdout = match &prepared.stdout {
        None => Stdio::null(),
        Some(path) => fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .while_(format!("create {}", path.display()))?
            .into(),
    };
    prepared.command.stdin(reader).stdout(stdout).stderr(create(complaints)?);
    let collector = Process::start(prepared.command)?;
    let mut generator = Generator::start(scenario, 1, Target::Pipe(writer))?;
    collector.settle()?;
    let start_cpu = collector.cpu()?;
    let watch = Watch::start(collector.pid(), contestant.kin, deadline(scenario));
    let start = Instant::now();
    generator.go()?;
    // The end of the load is the end of the collector's input, and so of the collector.
    let ended = collector.wait_for_end();
    let wall = start.elapsed();
    let seen = watch.end()?;
    ended?;
    if let Some(why) = seen.killed {
        return Err(why.into());
    }
    let cpu = collector.reap()?.saturating_sub(start_cpu);
    let load_cpu = generator.process.reap()?;
    let faults = check(&prepared.output.files()?, prepared.written, scenario)?;
    Ok(Figures { wall, cpu, start_cpu, load_cpu, memory: seen.memory, faults, stubborn: false })
}

/// The time until the output has all bytes, or, where some are lost, until it grew for the last time.
fn wait_for_bytes(
    output: &Output,
    scenario: &Scenario,
    collector: &Process,
    load: &Process,
    start: Instant,
) -> Outcome<Duration> {
    let mut bytes = 0;
    let mut grown = start;
    let mut load_ended = None;
    for look in 0_u32.. {
        let now = output.bytes();
        if now != bytes {
            (bytes, grown) = (now, Instant::now());
        }
        if bytes >= scenario.bytes() && load.ended()? {
            break;
        }
        if look.is_multiple_of(LOOKS_PER_LIFE_SIGN) {
            if collector.ended()? {
                return Err("the collector ended before its file was complete".into());
            }
            if load_ended.is_none() && load.ended()? {
                load_ended = Some(Instant::now());
            }
            if load_ended.is_some_and(|ended| ended.max(grown).elapsed() > GIVES_UP_AFTER) {
                break;
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(grown - start)
}

fn deadline(scenario: &Scenario) -> Instant {
    Instant::now() + DEADLINE + DEADLINE_PER_LINE * scenario.lines() as u32
}

fn create(path: &Path) -> Outcome<File> {
    File::create(path).while_(format!("create {}", path.display()))
}

fn last_words(complaints: &Path) -> String {
    let said = fs::read(complaints).unwrap_or_default();
    let last = &said[said.len().saturating_sub(COMPLAINT_BYTES_MAX)..];
    String::from_utf8_lossy(last).trim().to_owned()
}

impl<'a> Place<'a> {
    fn new(dir: &Path, scenario: &'a Scenario) -> Outcome<Self> {
        let socket = work::socket(dir, "socket")?;
        Ok(Self { dir: dir.to_owned(), socket, scenario })
    }
}
