//! What is counted, by name.

use logagent::framing::Borders;
use logagent::limits::{APPENDS_BEFORE_WAKING_MAX, KIB};
use logagent::pipeline::OverLong;

use crate::lines::{Arrival, Letters, Lines};
use crate::path;
use crate::pure::{self, Settings, Shape, Way};

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

/// Shows what a syslog record says of itself.
const HEAD_STAMP: &str = "{time} {facility}.{severity} {tag}: ";
/// As logger sends it.
const RFC3164: &str = "<13>Nov 21 06:33:06 app[1234]: ";
/// As HAProxy sends it.
const RFC5424: &str = "<150>1 2026-11-21T06:33:47.019245+00:00 vm haproxy 26481 - - ";
/// The rest of a line of 120 bytes.
const COUNTED: &str = "116 <13>Nov 21 06:33:06 app[1234]: ";

/// All workloads, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    [pushed(), shaped(), syslog(), in_place(), partial(), over_long(), lines_before(), written()]
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
    Lines { count, bytes, begins: "", terminator: b'\n', letters: Letters::Ascii }
}

fn workload(name: impl Into<String>, run: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Workload {
    Workload { name: name.into(), run: Box::new(run) }
}

/// Through the buffer that connections share.
fn pushed() -> Vec<Workload> {
    let mut all = Vec::new();
    for (framing, terminator) in [("newline", b'\n'), ("nul", 0)] {
        for (format, shape) in [("raw", Shape::Raw), ("stamped", Shape::Stamped(STAMP))] {
            for (length, bytes) in LENGTHS {
                for (arrival_name, arrival) in arrivals(bytes) {
                    let settings = Settings { framing, shape, ..Settings::default() };
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

/// As objects, and as container runtimes write.
fn shaped() -> Vec<Workload> {
    let mut all = Vec::new();
    for (format, shape) in [("json", Shape::Json), ("cri", Shape::Cri)] {
        for (length, bytes) in LENGTHS {
            for (arrival_name, arrival) in arrivals(bytes) {
                let settings = Settings { shape, ..Settings::default() };
                let name = format!("push-newline-{format}-{length}-{arrival_name}");
                all.push(workload(name, move |rounds| {
                    pure::run(&settings, Way::Push, &lines(bytes).reads(arrival), rounds)
                }));
            }
        }
    }
    let json = Settings { shape: Shape::Json, ..Settings::default() };
    all.push(workload("push-newline-json-two-byte-letters-64k-reads", move |rounds| {
        let lines = Lines { letters: Letters::TwoBytes, ..lines(120) };
        pure::run(&json, Way::Push, &lines.reads(Arrival::Whole(64 * KIB)), rounds)
    }));
    all
}

/// Records with heads: on a stream, each ended by a newline or with its length before it, and in
/// packets.
fn syslog() -> Vec<Workload> {
    let shapes =
        [("raw", Shape::Raw), ("stamped", Shape::Stamped(HEAD_STAMP)), ("json", Shape::Json)];
    let large = Arrival::Whole(64 * KIB);
    let mut all = Vec::new();
    for (format, shape) in shapes {
        let stream = |framing| Settings { framing, shape, ..Settings::default() };
        let with = |begins, terminator| Lines { begins, terminator, ..lines(120) };
        let (syslog, octets) = (stream("syslog"), stream("octet-counting"));
        let packets = Settings { borders: Borders::Packets, ..syslog.clone() };
        all.push(workload(format!("push-syslog-{format}-120-64k-reads"), move |rounds| {
            let reads = with(RFC3164, b'\n').reads(large);
            pure::run(&syslog, Way::Push, &reads, rounds)
        }));
        all.push(workload(format!("push-octet-counting-{format}-120-64k-reads"), move |rounds| {
            let reads = with(COUNTED, b'.').reads(large);
            pure::run(&octets, Way::Push, &reads, rounds)
        }));
        for (arrival_name, arrival) in [("64k-reads", large), ("one-a-read", Arrival::Whole(120))] {
            let packets = packets.clone();
            let name = format!("packets-syslog-{format}-120-{arrival_name}");
            all.push(workload(name, move |rounds| {
                let reads = with(RFC5424, b'\n').reads(arrival);
                pure::run(&packets, Way::Packets(120), &reads, rounds)
            }));
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
    let stamped = || Settings { shape: Shape::Stamped(FIXED_STAMP), ..Settings::default() };
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
