//! The client that measures latency: one line at a time, and when it is in the file.
//!
//! It writes on a fixed schedule, whether or not the lines before have arrived, and between two
//! lines sleeps; only while a line is on its way it looks at the file's size in a tight loop. So it
//! takes a processor only for as long as what it measures takes, and nobody else is disturbed: no
//! inotify watch that every write(2) of the collector would have to serve, no third process. A
//! line's time is from just before its write(2) to the look that finds its last byte in the file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_timerslack;

use crate::collector::Collector;
use crate::common::line::Lines;
use crate::problem::{Outcome, While};
use crate::process::Process;

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--probe";

pub(crate) const LINE_BYTES: usize = 120;
pub(crate) const LINES_PER_SECOND: u32 = 10_000;
/// After its end of input it waits so long for lines on their way.
const PATIENCE: Duration = Duration::from_secs(5);

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const ENDING: u8 = 2;

/// What it has found.
pub(crate) struct Found {
    pub(crate) lines: usize,
    /// Microseconds: p50, p99, p99.9, the longest.
    pub(crate) quantiles_us: [f64; 4],
}

/// The client's process.
pub(crate) struct Probe {
    process: Process,
    tell: ChildStdin,
    answer: ChildStdout,
}

impl Probe {
    /// Writes to the collector's first stream, and does not yet count what it sees.
    pub(crate) fn start(collector: &Collector) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe().while_("find this program")?)
            .arg(ROLE)
            .args([collector.place.socket(0), collector.place.log(0)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .while_("start the client")?;
        let (Some(tell), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the client has no standard input or output".into());
        };
        Ok(Self { process: child.into(), tell, answer })
    }

    /// From now on it counts.
    pub(crate) fn measure(&mut self) -> Outcome<()> {
        self.tell.write_all(b"m").while_("tell the client to measure")
    }

    /// It stops, and says what it found.
    pub(crate) fn end(self) -> Outcome<Found> {
        let Self { process, tell, mut answer } = self;
        drop(tell);
        let mut said = String::new();
        answer.read_to_string(&mut said).while_("hear the client")?;
        process.reap()?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let [lines, quantiles @ ..] = words.as_slice() else {
            return Err("the client found nothing".into());
        };
        let quantiles: Vec<f64> = quantiles
            .iter()
            .map(|us| us.parse())
            .collect::<Result<_, _>>()
            .while_("read a time")?;
        let quantiles_us = quantiles.try_into().map_err(|_| "the client found too little")?;
        Ok(Found { lines: lines.parse().while_("read a count")?, quantiles_us })
    }
}

/// The client's main: SOCKET FILE.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [socket, file] = arguments else { return Err("probe: SOCKET FILE".into()) };
    let phase = Arc::new(AtomicU8::new(WARMING_UP));
    let told = phase.clone();
    thread::spawn(move || {
        while let Ok(1) = io::stdin().read(&mut [0]) {
            told.store(MEASURING, Ordering::Relaxed);
        }
        told.store(ENDING, Ordering::Relaxed);
    });
    // Else a sleep is 50 us longer than it should be.
    set_timerslack(1).while_("sleep exactly")?;
    let socket = UnixStream::connect(socket).while_(format!("connect to {socket}"))?;
    let file = File::open(file).while_(format!("open {file}"))?;
    let (lines, mut times) = send(socket, &file, &phase)?;
    if times.is_empty() {
        return Err("the client measured nothing".into());
    }
    times.sort_unstable();
    let quantile = |per_mille: usize| {
        times[(times.len() * per_mille / 1000).min(times.len() - 1)].as_secs_f64() * 1e6
    };
    let mut out = io::stdout();
    let [p50, p99, p999, longest] = [500, 990, 999, 1000].map(quantile);
    writeln!(out, "{lines} {p50:.1} {p99:.1} {p999:.1} {longest:.1}").while_("say what was found")
}

/// Returns how many lines were sent, and how long each one took that counts.
fn send(mut socket: UnixStream, file: &File, phase: &AtomicU8) -> Outcome<(usize, Vec<Duration>)> {
    let every = Duration::from_secs(1) / LINES_PER_SECOND;
    let mut line = Lines::first(0, 1, LINE_BYTES);
    // When each line was sent, and whether it counts.
    let mut sent: Vec<(Instant, bool)> = Vec::new();
    let mut arrived = 0;
    let mut times = Vec::new();
    let mut next = Instant::now();
    let mut ending: Option<Instant> = None;
    loop {
        let now = Instant::now();
        if ending.is_none() && now >= next {
            let counts = match phase.load(Ordering::Relaxed) {
                ENDING => {
                    ending = Some(now);
                    continue;
                }
                phase => phase == MEASURING,
            };
            sent.push((Instant::now(), counts));
            socket.write_all(line.bytes()).while_("write a line")?;
            line.advance();
            // One that is late is made up for: the rate is what it is said to be.
            next += every;
        }
        let bytes = file.metadata().while_("look at the file")?.len();
        let now = Instant::now();
        while arrived < sent.len() && bytes >= ((arrived + 1) * LINE_BYTES) as u64 {
            let (at, counts) = sent[arrived];
            arrived += 1;
            if counts {
                times.push(now - at);
            }
        }
        match (arrived == sent.len(), ending) {
            (true, Some(_)) => return Ok((sent.len(), times)),
            (false, Some(since)) if since.elapsed() > PATIENCE => {
                return Err(format!("{} lines never arrived", sent.len() - arrived).into());
            }
            (true, None) => thread::sleep(next.saturating_duration_since(now)),
            (false, _) => {}
        }
    }
}
