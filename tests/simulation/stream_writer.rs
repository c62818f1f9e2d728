//! The whole writer with its queue, on one thread: producers, signals, logrotate and the one who
//! watches the status get their turn around every operation of the disk.
//!
//! Nothing waits for the clock: whatever fails is followed by an order to try again at once.

use std::sync::Arc;
use std::time::Duration;

use logagent::block::Block;
use logagent::limits::BLOCK_BYTES;
use logagent::pipeline::Accepted;
use logagent::writer::disk::Missing;
use logagent::writer::order::Order;
use logagent::writer::stream_writer::{Patience, StreamWriter, WriterQueue};
use logagent::writer::{OnFull, SyncPolicy, WriterSettings};

use crate::coverage::Coverage;
use crate::faulty_disk::{Bystander, FaultyDisk, Operation, Seen};
use crate::oracle::Record;
use crate::other_side::{change_faults, make_room, meddle, place};
use crate::seeds::{Random, run_seeds};
use crate::world::World;

/// Turns in which something happens, in one run of the writer.
const TURNS: usize = 150;

/// A run of the simulation is worth nothing unless all of these happened in it.
const CASES: &[&str] = &[
    "torn records",
    "torn gap records",
    "files left torn",
    "lines moved",
    "failing opens",
    "opens of a locked file",
    "full disks",
    "truncations while torn",
    "fragments ended",
    "several blocks",
    "reopens",
    "stalled",
    "syncs",
    "panics",
    "found renamed",
    "found removed",
    "found replaced",
    "found truncated",
];

/// And these, where lines are dropped.
const CASES_OF_DROPS: &[&str] = &["drops", "gaps", "gap records dropped"];
const NO_PATIENCE: Patience = Patience {
    look_every: Duration::ZERO,
    create_after: Duration::ZERO,
    replaced_settles: Duration::ZERO,
};

#[test]
fn a_writer_loses_and_doubles_nothing_and_its_counts_agree_at_every_moment() {
    let test = "a_writer_loses_and_doubles_nothing_and_its_counts_agree_at_every_moment";
    run_seeds(test, CASES, |seed, coverage| simulate(seed, coverage, &[OnFull::Wait], &[1 << 20]));
}

#[test]
fn a_writer_whose_queue_drops_tells_of_every_line_where_it_is_missing() {
    let test = "a_writer_whose_queue_drops_tells_of_every_line_where_it_is_missing";
    let policies = [OnFull::DropNewest, OnFull::DropOldest];
    let cases: Vec<&str> = CASES.iter().chain(CASES_OF_DROPS).copied().collect();
    run_seeds(test, &cases, |seed, coverage| {
        simulate(seed, coverage, &policies, &[300, 3000, 3 * BLOCK_BYTES]);
    });
}

fn simulate(seed: u64, coverage: &mut Coverage, policies: &[OnFull], queue_bytes: &[usize]) {
    let mut random = Random::new(seed);
    let disk = FaultyDisk::new(World::new(random.fork()));
    let queue = Arc::new(WriterQueue::new(random.pick(queue_bytes)));
    queue.set_on_full(random.pick(policies));
    let sync = if random.percent(50) { SyncPolicy::Reopen } else { SyncPolicy::Never };
    let name = "simulated".parse().unwrap();
    let settings = WriterSettings { sync, ..WriterSettings::of(place(0)) };
    let writer = StreamWriter::new(name, queue.clone(), disk.clone(), settings);
    // One without patience looks before every write, and does at once what is to be done.
    let is_patient = random.percent(50);
    let patience = if is_patient { Patience::default() } else { NO_PATIENCE };
    let mut writer = writer.with_patience(patience);
    // Without producers it runs until everything is written, and can be run again.
    let status = writer.status();
    for _ in 0..2 {
        let before = queue.snapshot().counters;
        let others = Others {
            queue: queue.clone(),
            status: status.clone(),
            random: random.fork(),
            turns: TURNS,
            is_patient,
            appends: random.percent(60),
            records: before.lines_in,
            place: 0,
            moved: (before.moved_lines, 0),
            policies: policies.to_vec(),
            torn_left: (before.torn_left, 0),
            has_fallen: false,
        };
        run(&mut writer, &disk, others);
    }
    let counters = queue.snapshot().counters;
    let mut world = disk.world();
    world.coverage.add("lines moved", counters.moved_lines);
    world.coverage.add("files left torn", counters.torn_left);
    world.coverage.add("reopens", counters.reopens);
    world.coverage.add("found renamed", counters.found.renamed);
    world.coverage.add("found removed", counters.found.removed);
    world.coverage.add("found replaced", counters.found.replaced);
    world.coverage.add("found truncated", counters.found.truncated);
    coverage.merge(std::mem::take(&mut world.coverage));
}

/// One run of the writer, which begins with opening the file and ends with everything written.
fn run(writer: &mut StreamWriter<FaultyDisk>, disk: &FaultyDisk, mut others: Others) {
    let queue = others.queue.clone();
    let (file, sync) = (place(0), SyncPolicy::Reopen);
    others
        .queue
        .order(Order::Settings(Box::new(WriterSettings { sync, ..WriterSettings::of(file) })));
    others.queue.order(Order::Reopen { missing: Missing::Create });
    for _ in 0..5 {
        others.append(&mut disk.world());
    }
    disk.world().bystander = Some(Box::new(others));
    writer.run();
    let mut world = disk.world();
    world.assert_has_not_failed();
    world.bystander = None;
    world.heal();
    assert!(world.oracle.is_drained(), "the writer has ended, but something is pending");
    assert!(world.open_files().is_empty(), "the writer has ended, but has a file open");
    let now = queue.snapshot();
    assert_eq!((now.pending_lines, now.pending_bytes), (0, 0));
    assert_eq!(now.counters.lines_written, world.oracle.lines_written);
    assert_eq!(now.counters.bytes_written, world.oracle.bytes_written as u64);
    assert_eq!(now.counters.gap_records, world.oracle.gaps_written);
    assert_eq!(now.counters.lines_dropped.queue_full, world.oracle.lines_dropped);
    // It may be stalled all the same: with nothing left to write it ends without a file.
}

/// Everybody but the writer.
struct Others {
    queue: Arc<WriterQueue>,
    status: logagent::writer::file_status::SharedFileStatus,
    random: Random,
    /// Turns left, after which nothing happens and nothing fails any more.
    turns: usize,
    /// Whether the writer waits before it does what nobody has told it to.
    is_patient: bool,
    /// Whether lines come while the writer works. Where none do, moved lines can be foretold.
    appends: bool,
    records: u64,
    place: usize,
    /// How many lines were moved, and how many may have been: a file that is opened again because its
    /// handle is dead may be the same.
    moved: (u64, u64),
    policies: Vec<OnFull>,
    /// How many files were left torn, and how many may have been without the writer's knowing.
    torn_left: (u64, u64),
    /// The writer has met a fault of its own.
    has_fallen: bool,
}

impl Bystander for Others {
    fn before(&mut self, world: &mut World, operation: Operation) {
        self.check(world);
        if operation == Operation::Close {
            self.foretell(world);
        }
        let Some(turns) = self.turns.checked_sub(1) else { return world.heal() };
        self.turns = turns;
        if self.random.percent(60) {
            return;
        }
        let path = place(self.place).path;
        let after_append = matches!(world.seen.last(), Some(Seen::Append { .. }));
        match self.random.below(20) {
            // The file may be the last one, which is left when no producer is.
            0..4 if matches!(operation, Operation::Sync | Operation::Close) => {}
            0..4 if self.appends => self.append(world),
            4..6 => meddle(world, &path, &mut self.random),
            6 => self.queue.order(Order::Reopen { missing: Missing::Create }),
            7 => self.signal(),
            8 => {
                // What logrotate and its signal do together.
                meddle(world, &path, &mut self.random);
                self.signal();
            }
            9..11 => {
                change_faults(world, &mut self.random);
                world.faults.panic = self.random.pick(&[0, 0, 0, 2, 20]);
            }
            11..13 => make_room(world, &mut self.random),
            // Whoever truncates between two operations that belong together cannot be noticed.
            13 if !after_append && operation != Operation::Append => {
                world.copy_and_truncate(&path);
            }
            14 if self.random.percent(30) => {
                self.place = 1 - self.place;
                let sync = self.random.pick(&[SyncPolicy::Never, SyncPolicy::Reopen]);
                let file = place(self.place);
                self.queue.order(Order::Settings(Box::new(WriterSettings {
                    sync,
                    ..WriterSettings::of(file)
                })));
            }
            14 => {}
            15 => self.look(),
            16..18 => {
                meddle(world, &path, &mut self.random);
                self.look();
            }
            // Its policy is another one from now on.
            18 => self.queue.set_on_full(self.random.pick(&self.policies)),
            _ => {}
        }
    }

    fn after(&mut self, world: &mut World, seen: Seen) {
        self.has_fallen |= seen == Seen::Panic;
        if seen.is_failure() {
            self.queue.order(Order::Hurry);
        }
        world.coverage.add("stalled", u64::from(self.status.lock().unwrap().stalled));
        world.coverage.add("syncs", u64::from(matches!(seen, Seen::Sync { .. })));
    }
}

impl Others {
    /// A signal, and the end of the time for which a missing file is left alone.
    fn signal(&self) {
        self.queue.order(Order::Reopen { missing: Missing::Leave });
        self.queue.order(Order::Reopen { missing: Missing::Create });
    }

    /// Somebody has seen a name change, and the end of the time for which that is left alone.
    fn look(&self) {
        self.queue.order(Order::Look);
        if self.is_patient {
            self.queue.order(Order::Reopen { missing: Missing::Create });
        }
    }

    /// A few records, sometimes so many bytes that the queue needs several blocks for them.
    fn append(&mut self, world: &mut World) {
        let mut records = Vec::new();
        for _ in 0..self.random.between(1, 4) {
            self.records += 1;
            records.push(Record::random(self.records, &mut self.random));
        }
        if self.random.percent(5) {
            let mut bytes = vec![b'L'; BLOCK_BYTES];
            bytes.push(b'\n');
            self.records += 1;
            records.push(Record { bytes, is_gap: false });
        }
        self.queue.append(|block: &mut Block| {
            let mut accepted = Accepted::default();
            for record in &records {
                record.append_to(block);
                accepted.lines += record.lines();
                accepted.lines_over_long += 1 - record.lines();
                accepted.gap_records += 1 - record.lines();
            }
            (accepted, ())
        });
        records.into_iter().for_each(|record| world.oracle.accept(record));
        let dropped = self.queue.snapshot().counters.lines_dropped.queue_full;
        world.coverage.add("drops", u64::from(dropped > 0));
        world.coverage.add("several blocks", u64::from(self.queue.blocks() > 1));
        self.check(world);
    }

    /// The counts of one moment agree with each other and with what was accepted.
    fn check(&self, world: &World) {
        let (now, oracle) = (self.queue.snapshot(), &world.oracle);
        let counters = now.counters;
        let over_long = counters.lines_dropped.over_long;
        let dropped = counters.lines_dropped.queue_full + over_long;
        assert_eq!(counters.lines_in, counters.lines_written + dropped + now.pending_lines);
        assert_eq!(counters.lines_in, oracle.lines_accepted + over_long);
        if self.policies == [OnFull::Wait] {
            assert_eq!(counters.bytes_written as usize + now.pending_bytes, oracle.bytes_accepted);
        }
        assert!(oracle.lines_dropped <= counters.lines_dropped.queue_full);
        // What this very operation belongs to is told when it is over.
        assert!(counters.lines_written <= oracle.lines_written);
        assert!(counters.bytes_written <= oracle.bytes_written as u64);
        let open = self.status.lock().unwrap().inode;
        assert!(
            world.open_files().len() <= 2,
            "{:?} are open, {open:?} is told",
            world.open_files()
        );
    }

    /// A file is about to be left: what is pending now moves to the next one.
    fn foretell(&mut self, world: &mut World) {
        let counters = self.queue.snapshot().counters;
        // Of what a panic interrupts nothing is counted.
        if !self.appends && !self.has_fallen {
            let (moved, maybe) = self.moved;
            assert!((moved..=moved + maybe).contains(&counters.moved_lines), "moved lines");
        }
        let pending = self.queue.snapshot().pending_lines;
        let last = world.seen.last();
        let renewed = matches!(last, Some(Seen::Append { ok: false } | Seen::Size { ok: false }));
        if renewed {
            self.moved.1 += pending;
        } else {
            self.moved.0 += pending;
        }
        let (torn, maybe) = self.torn_left;
        let is_counted = (torn..=torn + maybe).contains(&counters.torn_left);
        assert!(is_counted || self.has_fallen, "torn files left");
        let oracle = &world.oracle;
        // Also where it was opened again and nothing has been appended since.
        let torn_now = u64::from(oracle.is_torn() || world.renewed.is_some());
        let maybe = maybe + u64::from(oracle.truncated_while_torn);
        self.torn_left = if renewed { (torn, maybe + torn_now) } else { (torn + torn_now, maybe) };
    }
}
