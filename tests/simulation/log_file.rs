//! The log file on its own: loaded, flushed, reopened, left and killed in any order, while the disk
//! fails and others move the file.

use logagent::block::Block;
use logagent::writer::disk::Missing;
use logagent::writer::log_file::{Left, LogFile, Reopened};

use crate::coverage::Coverage;
use crate::faulty_disk::{Bystander, FaultyDisk, Operation, Seen, identity};
use crate::oracle::Record;
use crate::other_side::{change_faults, make_room, meddle, place};
use crate::seeds::{Random, run_seeds};
use crate::world::World;

const STEPS: usize = 120;

/// A run of the simulation is worth nothing unless all of these happened in it.
const CASES: &[&str] = &[
    "torn records",
    "torn gap records",
    "files left torn",
    "moved records",
    "failing opens",
    "opens of a locked file",
    "opens of something that is no file",
    "full disks",
    "interrupted appends",
    "appends that took nothing",
    "truncations while torn",
    "fragments ended",
    "close or sync errors told",
    "same",
    "new",
    "kept",
    "closed",
    "missing and left alone",
    "renewed",
    "torn records continued in a file opened again",
    "crashes",
    "crashes while torn",
];

#[test]
fn the_files_hold_every_record_once_and_whole_whatever_the_disk_does() {
    let test = "the_files_hold_every_record_once_and_whole_whatever_the_disk_does";
    run_seeds(test, CASES, |seed, coverage| Simulation::new(seed).run(coverage));
}

struct Simulation {
    random: Random,
    disk: FaultyDisk,
    log: LogFile<FaultyDisk>,
    place: usize,
    records: u64,
    lines_told: u64,
    bytes_told: usize,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut random = Random::new(seed);
        let mut world = World::new(random.fork());
        world.bystander = Some(Box::new(Mover(random.fork())));
        let disk = FaultyDisk::new(world);
        let log = LogFile::new(disk.clone(), place(0));
        Simulation { random, disk, log, place: 0, records: 0, lines_told: 0, bytes_told: 0 }
    }

    fn run(mut self, coverage: &mut Coverage) {
        for _ in 0..STEPS {
            self.step();
        }
        self.disk.world().bystander = None;
        self.disk.world().heal();
        self.reopen(Missing::Create, true);
        self.flush();
        assert!(self.log.is_flushed(), "nothing fails any more, but something is pending");
        self.leave(true);
        assert!(self.disk.world().oracle.is_drained());
        coverage.merge(std::mem::take(&mut self.disk.world().coverage));
    }

    fn step(&mut self) {
        let path = place(self.place).path;
        let sync = self.random.percent(30);
        match self.random.below(24) {
            0..5 if self.log.is_flushed() => self.load(),
            0..9 => self.flush(),
            9..12 => self.reopen(Missing::Create, sync),
            12..14 => self.reopen(Missing::Leave, sync),
            14..19 => {
                let mut random = self.random.fork();
                meddle(&mut self.disk.world(), &path, &mut random);
            }
            19 => self.disk.world().copy_and_truncate(&path),
            20 => {
                let mut random = self.random.fork();
                change_faults(&mut self.disk.world(), &mut random);
            }
            21 => {
                let mut random = self.random.fork();
                make_room(&mut self.disk.world(), &mut random);
            }
            22 => match self.random.below(5) {
                0 => self.leave(sync),
                1 => self.sync(),
                4 => self.renew(),
                2 => {
                    self.place = 1 - self.place;
                    self.log.set_place(place(self.place));
                }
                _ => {}
            },
            _ if self.random.percent(20) => self.crash(),
            _ => {}
        }
        let open = self.disk.world().open_files();
        let ours: Vec<u64> = self.log.identity().iter().map(|ours| ours.inode).collect();
        assert_eq!(open, ours, "the open files are not the log file's");
    }

    fn load(&mut self) {
        let mut block = Block::default();
        for _ in 0..self.random.between(0, 6) {
            self.records += 1;
            let record = Record::random(self.records, &mut self.random);
            record.append_to(&mut block);
            self.disk.world().oracle.accept(record);
        }
        assert_eq!(block.lines(), self.disk.world().oracle.pending_lines());
        self.log.load(block);
        assert_eq!(self.log.is_flushed(), self.disk.world().oracle.is_drained());
    }

    fn flush(&mut self) {
        self.disk.world().seen.clear();
        let flushed = self.log.flush();
        let world = self.disk.world();
        self.lines_told += flushed.lines;
        self.bytes_told += flushed.bytes;
        assert_eq!(self.lines_told, world.oracle.lines_written, "lines told as written");
        assert_eq!(self.bytes_told, world.oracle.bytes_written, "bytes told as written");
        assert_eq!(self.log.is_flushed(), world.oracle.is_drained());
        // Where nothing was pending a crash's fragment may have been what could not be ended.
        assert!(flushed.error.is_some() || self.log.is_flushed(), "{flushed:?}");
        let interrupted = std::io::ErrorKind::Interrupted;
        assert_ne!(flushed.error.as_ref().map(std::io::Error::kind), Some(interrupted));
        if flushed.error.is_some() && self.log.identity().is_some() {
            let last = world.seen.iter().rev().find(|seen| seen.is_failure());
            assert!(last.is_some(), "nothing failed, but {flushed:?}");
        }
    }

    fn reopen(&mut self, missing: Missing, sync: bool) {
        let before = self.log.identity().map(|ours| ours.inode);
        let truncated_while_torn = {
            let mut world = self.disk.world();
            world.seen.clear();
            world.oracle.truncated_while_torn
        };
        let reopened = self.log.reopen(missing, sync);
        let after = self.log.identity().map(|ours| ours.inode);
        let mut world = self.disk.world();
        let seen = world.seen.clone();
        let opened = seen.iter().find_map(|seen| match seen {
            Seen::Open(Ok(inode)) => Some(*inode),
            _ => None,
        });
        if missing == Missing::Leave && seen[0] == Seen::IdentityAt(Ok(None)) {
            world.coverage.reached("missing and left alone");
            assert!(!seen.iter().any(|seen| matches!(seen, Seen::Open(_))), "{seen:?}");
        }
        let names_ours = |seen: &Seen| *seen == Seen::IdentityAt(Ok(before)) && before.is_some();
        if names_ours(&seen[0]) {
            assert!(matches!(reopened, Reopened::Same), "{seen:?} {reopened:?}");
        }
        match reopened {
            Reopened::Same => {
                world.coverage.reached("same");
                assert!(names_ours(&seen[0]) && seen.len() == 1, "{seen:?}");
                assert_eq!(after, before);
            }
            Reopened::Kept(_) => {
                world.coverage.reached("kept");
                assert!(names_ours(seen.last().unwrap()), "{seen:?}");
                assert_eq!(after, before);
            }
            Reopened::Closed { old, .. } => {
                world.coverage.reached("closed");
                assert_eq!((opened, after), (None, None));
                assert!(!seen.iter().any(names_ours), "{seen:?}");
                drop(world);
                self.check_left(before, old, sync, truncated_while_torn);
            }
            Reopened::New { old, unterminated } => {
                world.coverage.reached("new");
                assert!(opened.is_some() && after == opened, "{seen:?}");
                let new = world.bytes_of(opened.unwrap());
                let ends_a_line = new.last().is_none_or(|last| *last == b'\n');
                assert_eq!(unterminated, !ends_a_line && world.renewed.is_none());
                let open_at = seen.iter().position(|seen| matches!(seen, Seen::Open(Ok(_))));
                let close_at = seen.iter().position(|seen| matches!(seen, Seen::Close { .. }));
                assert!(close_at.is_none() || open_at < close_at, "closed first: {seen:?}");
                let pending = world.oracle.pending_lines();
                world.coverage.add("moved records", if before.is_some() { pending } else { 0 });
                drop(world);
                self.check_left(before, old, sync, truncated_while_torn);
            }
        }
    }

    fn renew(&mut self) {
        let before = self.log.identity().map(|ours| ours.inode);
        let missing = self.random.pick(&[Missing::Create, Missing::Leave]);
        self.disk.world().seen.clear();
        let renewed = self.log.renew(missing);
        let after = self.log.identity().map(|ours| ours.inode);
        let mut world = self.disk.world();
        match renewed {
            Reopened::Same => {
                assert!(before.is_some() && after == before);
                world.coverage.reached("renewed");
            }
            Reopened::New { .. } => assert!(after.is_some()),
            Reopened::Closed { .. } => assert!(after.is_none()),
            Reopened::Kept(_) => assert!(before.is_none() && after.is_none()),
        }
        let at = |wanted: fn(&Seen) -> bool| world.seen.iter().position(wanted);
        if before.is_some() {
            let (close, open) = (
                at(|seen| matches!(seen, Seen::Close { .. })),
                at(|seen| matches!(seen, Seen::Open(_))),
            );
            assert!(close < open, "opened while it was locked: {:?}", world.seen);
        }
    }

    fn leave(&mut self, sync: bool) {
        let before = self.log.identity().map(|ours| ours.inode);
        let truncated_while_torn = self.disk.world().oracle.truncated_while_torn;
        self.disk.world().seen.clear();
        let left = self.log.leave(sync);
        assert_eq!(self.log.identity(), None);
        self.check_left(before, left, sync, truncated_while_torn);
    }

    fn check_left(
        &self,
        before: Option<u64>,
        left: Option<Left>,
        sync: bool,
        truncated_while_torn: bool,
    ) {
        let mut world = self.disk.world();
        assert_eq!(left.as_ref().map(|left| left.identity), before.map(identity));
        let Some(left) = left else { return };
        let mut ends = world.seen.iter().filter_map(|seen| match seen {
            Seen::Sync { ok } => Some((*ok, None)),
            Seen::Close { ok, torn } => Some((*ok, Some(*torn))),
            _ => None,
        });
        let mut all_ok = true;
        if sync {
            let (synced, torn) = ends.next().unwrap();
            assert_eq!(torn, None, "closed before it was synced");
            all_ok &= synced;
        }
        let (closed, torn) = ends.next().unwrap();
        all_ok &= closed;
        assert_eq!(ends.next(), None);
        drop(ends);
        assert_eq!(left.error.is_none(), all_ok, "{left:?}");
        // The log file cannot know of a truncation since its last flush.
        assert!(Some(left.torn) == torn || left.torn && truncated_while_torn, "{left:?}");
        world.coverage.add("files left torn", u64::from(left.torn));
        world.coverage.add("close or sync errors told", u64::from(!all_ok));
    }

    fn sync(&mut self) {
        self.disk.world().seen.clear();
        let synced = self.log.sync();
        let failed = self.disk.world().seen.iter().any(|seen| seen.is_failure());
        assert_eq!(synced.is_err(), failed);
        assert!(!self.log.is_unsynced());
    }

    /// SIGKILL: what is held is lost, the file stays as it is, and another agent starts.
    fn crash(&mut self) {
        let mut world = self.disk.world();
        let torn = world.oracle.is_torn();
        world.coverage.reached("crashes");
        world.coverage.add("crashes while torn", u64::from(torn));
        world.oracle.crash();
        world.begun = None;
        world.is_crashing = true;
        drop(world);
        self.log = LogFile::new(self.disk.clone(), place(self.place));
        self.disk.world().is_crashing = false;
    }
}

/// Moves the file between any two operations of the log file.
struct Mover(Random);

impl Bystander for Mover {
    fn before(&mut self, world: &mut World, _: Operation) {
        if self.0.percent(3) {
            meddle(world, &place(0).path, &mut self.0);
        }
    }

    fn after(&mut self, _: &mut World, _: Seen) {}
}
