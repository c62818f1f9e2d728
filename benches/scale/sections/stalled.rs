//! What a producer's write(2) takes while its stream's file takes nothing, for each `on-full`: one
//! client writes a line at a time, on a schedule or as fast as it can, to a queue that is full.
//!
//! The file is `/dev/full`, which never takes anything: with `wait` a write takes until the file does
//! take something, here until the client gives up.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_timerslack;

use super::Course;
use crate::collector::{Collector, Program};
use crate::common::line::Lines;
use crate::problem::{Outcome, While};
use crate::report::{Cell, Report};
use crate::statistics::Median;

const LINE_BYTES: usize = 120;
/// Twice what the queue, the socket and the client's writes hold.
const FILL_BYTES: usize = 16 << 20;
const FILL_WRITE_BYTES: usize = 64 << 10;
/// A write that takes longer while the queue fills waits for room.
const FILL_WAITS_MAX: Duration = Duration::from_millis(200);
const EVERY: Duration = Duration::from_micros(100);

#[derive(Clone, Copy)]
enum Pace {
    Scheduled,
    FullSpeed,
}

pub(super) fn measure(course: &Course) -> Outcome<Report> {
    let head = ["", "writes", "p50 us", "p99.9 us", "longest us", "gave up"];
    let mut report = Report::new("stalled: a producer's write of a line of 120 B", head);
    let cases = [
        ("writes", "wait"),
        ("stalled", "wait"),
        ("stalled", "drop-newest"),
        ("stalled", "drop-oldest"),
    ];
    for (pace, speed) in [(Pace::Scheduled, "10000/s"), (Pace::FullSpeed, "full speed")] {
        for (state, on_full) in cases {
            let rounds: Outcome<Vec<Found>> = (0..course.pairs)
                .map(|_| probe(course, pace, state == "stalled", on_full))
                .collect();
            let rounds = rounds?;
            let median = |of: fn(&Found) -> f64| Median::of(rounds.iter().map(of)).value;
            let gave_up = rounds.iter().filter(|found| found.gave_up).count();
            report.rows.push(vec![
                Cell::Text(format!("{speed}, file {state}, {on_full}")),
                Cell::Number(median(|found| found.writes as f64), 0),
                Cell::Number(median(|found| found.quantiles_us[0]), 1),
                Cell::Number(median(|found| found.quantiles_us[1]), 1),
                Cell::Number(median(|found| found.quantiles_us[2]), 1),
                Cell::Text(format!("{gave_up} of {}", rounds.len())),
            ]);
        }
    }
    report.notes.push(
        "gave up: the last write had not ended when the time was over, and counts as long as it took"
            .to_owned(),
    );
    Ok(report)
}

struct Found {
    writes: usize,
    /// p50, p99.9, the longest.
    quantiles_us: [f64; 3],
    gave_up: bool,
}

fn probe(course: &Course, pace: Pace, stalled: bool, on_full: &str) -> Outcome<Found> {
    let file = if stalled { "file = \"/dev/full\"\n" } else { "" };
    let settings = format!("\n[stream.s0]\n{file}on-full = \"{on_full}\"\n");
    let collector = Collector::start_with(Program::Logagent, 1, course, &settings)?;
    let socket = collector.place.socket(0);
    let mut client = UnixStream::connect(&socket).while_("connect")?;
    fill(&mut client)?;
    collector.process.settle()?;
    set_timerslack(1).while_("sleep exactly")?;
    write_lines(&mut client, pace, Duration::from_millis(course.or_quick(3_000, 300)))
    // What it holds is lost with it: nothing would ever take it.
}

/// Fills the queue, and the socket where senders wait.
fn fill(client: &mut UnixStream) -> Outcome<()> {
    client.set_write_timeout(Some(FILL_WAITS_MAX)).while_("limit a write's time")?;
    let piece = [&[b'x'; LINE_BYTES - 1][..], b"\n"].concat().repeat(FILL_WRITE_BYTES / LINE_BYTES);
    for _ in 0..FILL_BYTES / piece.len() {
        match client.write_all(&piece) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            written => written.while_("fill the queue")?,
        }
    }
    Ok(())
}

fn write_lines(client: &mut UnixStream, pace: Pace, time: Duration) -> Outcome<Found> {
    let mut line = Lines::first(0, 1, LINE_BYTES);
    let mut times = Vec::new();
    let mut gave_up = false;
    let begin = Instant::now();
    let mut next = begin;
    client.set_write_timeout(Some(time)).while_("limit a write's time")?;
    while begin.elapsed() < time && !gave_up {
        let start = Instant::now();
        match client.write_all(line.bytes()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => gave_up = true,
            written => written.while_("write a line")?,
        }
        times.push(start.elapsed());
        line.advance();
        if let Pace::Scheduled = pace {
            next += EVERY;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
    times.sort_unstable();
    let quantile = |per_mille: usize| {
        times[(times.len() * per_mille / 1000).min(times.len() - 1)].as_secs_f64() * 1e6
    };
    Ok(Found { writes: times.len(), quantiles_us: [500, 999, 1000].map(quantile), gave_up })
}
