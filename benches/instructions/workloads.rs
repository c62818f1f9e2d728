//! What is counted, by name.

use logagent::limits::{APPENDS_BEFORE_WAKING_MAX, KIB};
use logagent::pipeline::OverLong;

use crate::lines::{Arrival, Letters, Lines};
use crate::path;
use crate::pure::{self, Settings, Way};

/// One thing that is counted.
pub(crate) struct Workload {
    /// Also its name in `budget.toml`.
    pub(crate) name: String,
    run: Box<dyn Fn(u64) -> u64 + Send + Sync>,
}

impl Workload {
    /// Does it so many times over. Returns how many lines it took all in all.
    pub(crate) fn run(&self, rounds: u64) -> u64 {
        (self.run)(rounds)
    }
}

/// What all lines of one round are together, about: some blocks.
const ROUND_BYTES: usize = 512 * KIB;
/// With their terminators; the names say 120 and 1k.
const LENGTHS: [(&str, usize); 2] = [("120", 120), ("1k", KIB)];
const STAMP: &str = "{time} ";
/// As long as a stamp. What the clock's own look at the time takes is not ours to count.
const FIXED_STAMP: &str = "2026-11-21T06:00:00.123456Z ";

/// All workloads, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    [pushed(), in_place(), partial(), over_long(), lines_before(), written()]
        .into_iter()
        .flatten()
        .collect()
}

/// Whole lines in large reads, one line a read, and about one cut a line.
fn arrivals(line_bytes: usize) -> [(&'static str, Arrival); 3] {
    [
        ("64k-reads", Arrival::Whole(64 * KIB)),
        ("line-a-read", Arrival::Whole(line_bytes)),
        ("cut", Arrival::Cut(2 * line_bytes)),
    ]
}

fn lines(bytes: usize) -> Lines {
    let count = ROUND_BYTES / bytes;
    Lines { count, bytes, terminator: b'\n', letters: Letters::Ascii }
}

fn workload(name: impl Into<String>, run: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Workload {
    Workload { name: name.into(), run: Box::new(run) }
}

/// Through the buffer that connections share.
fn pushed() -> Vec<Workload> {
    let mut all = Vec::new();
    for (framing, terminator) in [("newline", b'\n'), ("nul", 0)] {
        for (format, prefix) in [("raw", None), ("stamped", Some(STAMP))] {
            for (length, bytes) in LENGTHS {
                for (arrival_name, arrival) in arrivals(bytes) {
                    let settings = Settings { framing, prefix, ..Settings::default() };
                    let lines = Lines { terminator, ..lines(bytes) };
                    let name = format!("push-{framing}-{format}-{length}-{arrival_name}");
                    all.push(workload(name, move |rounds| {
                        pure::run(&settings, Way::Push, &lines.reads(arrival), rounds)
                    }));
                }
            }
        }
    }
    all
}

/// Without a copy: newline framing, raw.
fn in_place() -> Vec<Workload> {
    let mut all = Vec::new();
    for (length, bytes) in LENGTHS {
        for (arrival_name, arrival) in arrivals(bytes) {
            let name = format!("in-place-{length}-{arrival_name}");
            all.push(workload(name, move |rounds| {
                let reads = lines(bytes).reads(arrival);
                pure::run(&Settings::default(), Way::InPlace, &reads, rounds)
            }));
        }
    }
    all
}

/// Lines that are kept over several reads: in the memory that each connection is sure of, in the
/// shared memory, and where that is used up.
fn partial() -> Vec<Workload> {
    let plenty = Settings::default().partial_memory;
    let cases = [
        ("partial-sure", 3 * KIB, KIB, plenty),
        ("partial-shared", 16 * KIB, 4 * KIB, plenty),
        ("partial-used-up", 16 * KIB, 4 * KIB, 0),
    ];
    let kept = |(name, line_bytes, read_bytes, partial_memory)| {
        workload(name, move |rounds| {
            let settings = Settings { partial_memory, ..Settings::default() };
            let reads = lines(line_bytes).reads(Arrival::Chunks(read_bytes));
            pure::run(&settings, Way::Push, &reads, rounds)
        })
    };
    cases.into_iter().map(kept).collect()
}

/// Lines of four times `max-line`, in characters of two bytes. What `split` makes of them are the
/// lines that are counted.
fn over_long() -> Vec<Workload> {
    let cases = [
        ("over-long-split", OverLong::Split),
        ("over-long-truncate", OverLong::Truncate),
        ("over-long-drop", OverLong::Drop),
    ];
    let treated = |(name, over_long)| {
        workload(name, move |rounds| {
            // An odd length, so that the border goes through a character.
            let settings = Settings { line_bytes_max: KIB + 1, over_long, ..Settings::default() };
            let lines = Lines { letters: Letters::TwoBytes, ..lines(4 * KIB) };
            pure::run(&settings, Way::Push, &lines.reads(Arrival::Whole(64 * KIB)), rounds)
        })
    };
    cases.into_iter().map(treated).collect()
}

/// What a short write asks.
fn lines_before() -> Vec<Workload> {
    vec![workload("lines-before", |rounds| {
        let reads = lines(120).reads(Arrival::Whole(64 * KIB));
        pure::lines_before(&Settings::default(), &reads, rounds)
    })]
}

/// From the read over the queue to the write.
fn written() -> Vec<Workload> {
    let mut all = Vec::new();
    let raw = Settings::default;
    for (length, bytes) in LENGTHS {
        for (arrival_name, arrival) in arrivals(bytes) {
            let reads_per_write = match arrival {
                // More would be over a block.
                Arrival::Whole(large) if large > bytes => 2,
                _ => APPENDS_BEFORE_WAKING_MAX,
            };
            let name = format!("write-{length}-{arrival_name}");
            all.push(write(name, raw(), lines(bytes), arrival, reads_per_write));
        }
    }
    let stamped = || Settings { prefix: Some(FIXED_STAMP), ..Settings::default() };
    let nul = Settings { framing: "nul", ..Settings::default() };
    let (large, single) = (Arrival::Whole(64 * KIB), Arrival::Whole(120));
    let (name, busy) = ("write-120-line-a-write", APPENDS_BEFORE_WAKING_MAX);
    all.push(write(name, raw(), lines(120), single, 1));
    all.push(write("write-stamped-120-64k-reads", stamped(), lines(120), large, 2));
    all.push(write("write-stamped-120-line-a-read", stamped(), lines(120), single, busy));
    let terminated_by_nul = Lines { terminator: 0, ..lines(120) };
    all.push(write("write-nul-120-64k-reads", nul, terminated_by_nul, large, 2));
    all
}

fn write(
    name: impl Into<String>,
    settings: Settings,
    lines: Lines,
    arrival: Arrival,
    reads_per_write: usize,
) -> Workload {
    workload(name, move |rounds| {
        path::run(&settings, lines.reads(arrival), reads_per_write, rounds)
    })
}
