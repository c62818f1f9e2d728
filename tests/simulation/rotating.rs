//! The writer that rotates its files itself, on a disk that fails: by size, and when asked to, with
//! faults at every step.
//!
//! The oracle reads along with every append. Here nobody but the writer gives names, so that in the
//! end the archives, in the order of their names, and the file hold every line once and in order.

use std::sync::Arc;

use logagent::block::Block;
use logagent::pipeline::Accepted;
use logagent::writer::disk::Missing;
use logagent::writer::order::{FileChange, Order};
use logagent::writer::stream_writer::{StreamWriter, WriterQueue};
use logagent::writer::{Rotation, SyncPolicy, WriterSettings};
use nix::errno::Errno;
use tokio::sync::oneshot;

use crate::cases::{disk, record, send};
use crate::coverage::Coverage;
use crate::faulty_disk::{Bystander, Fault, FaultyDisk, Operation, Seen};
use crate::oracle::Record;
use crate::other_side::{change_faults, place};
use crate::seeds::{Random, run_seeds};
use crate::world::World;

const TURNS: usize = 80;

const CASES: &[&str] = &[
    "rotations",
    "runs that left no line torn",
    "failing rotations",
    "failing opens",
    "full disks",
    "torn records",
    "files of one long line",
    "files that were found large",
    "files that grew while they could not be rotated",
    "fragments ended",
    "several blocks",
    "stalled",
];

#[test]
fn own_rotation_loses_doubles_and_tears_nothing_whatever_fails() {
    let test = "own_rotation_loses_doubles_and_tears_nothing_whatever_fails";
    run_seeds(test, CASES, simulate);
}

fn settings(bytes_max: u64, sync: SyncPolicy) -> WriterSettings {
    let rotate = Some(Rotation { bytes_max: Some(bytes_max), ..Rotation::default() });
    WriterSettings { sync, rotate, ..WriterSettings::of(place(0)) }
}

fn simulate(seed: u64, coverage: &mut Coverage) {
    let mut random = Random::new(seed);
    let disk = FaultyDisk::new(World::new(random.fork()));
    let queue = Arc::new(WriterQueue::new(1 << 20));
    let sync = random.pick(&[SyncPolicy::Never, SyncPolicy::Reopen]);
    let bytes_max = random.between(20, 600) as u64;
    let found: &[u8] = match random.below(4) {
        0 => b"an old line\n",
        1 => b"an old line\nand the beginning of anoth",
        2 => &[b'x'; 700],
        _ => b"",
    };
    if !found.is_empty() {
        disk.world().create(&place(0).path, found);
        coverage.add("files that were found large", u64::from(found.len() as u64 > bytes_max));
    }
    let mut expected = found.to_vec();
    if found.last().is_some_and(|last| *last != b'\n') {
        expected.push(b'\n');
    }
    let goes_by = settings(bytes_max, sync);
    let name = "rotated".parse().unwrap();
    let mut writer = StreamWriter::new(name, queue.clone(), disk.clone(), goes_by);
    let status = writer.status();
    queue.order(Order::Reopen { missing: Missing::Create });
    let mut others = Others {
        queue: queue.clone(),
        status,
        random: random.fork(),
        turns: TURNS,
        records: 0,
        accepted: Vec::new(),
        answers: Vec::new(),
    };
    for _ in 0..3 {
        others.append(&mut disk.world());
    }
    let others = Arc::new(std::sync::Mutex::new(others));
    disk.world().bystander = Some(Box::new(Shared(others.clone())));
    writer.run();
    let mut world = disk.world();
    world.bystander = None;
    world.heal();
    assert!(world.oracle.is_drained(), "the writer has ended, but something is pending");
    assert!(world.open_files().is_empty(), "the writer has ended, but has a file open");
    let mut others = others.lock().unwrap();
    expected.extend(&others.accepted);
    let counters = queue.snapshot().counters;
    // A device that goes on failing may cost a file its last line, which the next one has whole.
    let fragments = u64::from(found.last().is_some_and(|last| *last != b'\n'));
    if counters.torn_left == 0 && counters.fragments == fragments {
        world.coverage.reached("runs that left no line torn");
        check_files(&mut world, &expected, bytes_max);
    }
    assert_eq!(counters.lines_written, world.oracle.lines_written);
    let archives = world.archives(&place(0).path).len() as u64;
    // One that was renamed and could not be gone on with was left, and is an archive all the same.
    assert!(counters.rotations <= archives);
    let answered = others.answers.iter_mut().filter_map(|answer| answer.try_recv().ok());
    let asked = answered.filter(|it| it.as_ref().is_ok_and(|change| change.archive.is_some()));
    assert!(asked.count() as u64 <= counters.rotations);
    world.coverage.add("rotations", counters.rotations);
    coverage.merge(std::mem::take(&mut world.coverage));
}

/// The archives and the file hold `expected`, and none is larger than it may be.
fn check_files(world: &mut World, expected: &[u8], bytes_max: u64) {
    let path = place(0).path;
    let archives = world.archives(&path);
    let mut inodes: Vec<u64> = archives.iter().map(|(_, inode)| *inode).collect();
    for inode in &inodes {
        let bytes = world.bytes_of(*inode);
        assert_eq!(bytes.last(), Some(&b'\n'), "an archive is empty, or ends inside a line");
    }
    inodes.extend(world.inode_at(&path));
    let all: Vec<u8> = inodes.iter().flat_map(|inode| world.bytes_of(*inode).to_vec()).collect();
    let same = all.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let (is, should) = (text(&all[same..]), text(&expected[same..]));
    assert!(all == expected, "after {same} bytes: {is:?} is not {should:?}");
    for inode in inodes {
        let bytes = world.bytes_of(inode);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        if bytes.len() as u64 > bytes_max {
            let case = match lines {
                0 | 1 => "files of one long line",
                // Its rotation has failed, or it was found so.
                _ => "files that grew while they could not be rotated",
            };
            world.coverage.reached(case);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}

/// Everybody but the writer; the test looks at him afterwards.
struct Shared(Arc<std::sync::Mutex<Others>>);

impl Bystander for Shared {
    fn before(&mut self, world: &mut World, operation: Operation) {
        self.0.lock().unwrap().before(world, operation);
    }

    fn after(&mut self, world: &mut World, seen: Seen) {
        self.0.lock().unwrap().after(world, seen);
    }
}

struct Others {
    queue: Arc<WriterQueue>,
    status: logagent::writer::file_status::SharedFileStatus,
    random: Random,
    turns: usize,
    records: u64,
    /// What the files must hold in the end.
    accepted: Vec<u8>,
    answers: Vec<oneshot::Receiver<Result<FileChange, String>>>,
}

impl Others {
    fn before(&mut self, world: &mut World, operation: Operation) {
        let Some(turns) = self.turns.checked_sub(1) else { return world.heal() };
        self.turns = turns;
        match self.random.below(20) {
            // The file may be the last one, which is left when no producer is.
            0..8 if matches!(operation, Operation::Sync | Operation::Close) => {}
            0..8 => self.append(world),
            8..10 => {
                let (reply, answer) = oneshot::channel();
                self.queue.order(Order::RotateAndAnswer(reply));
                self.answers.push(answer);
            }
            10..13 => {
                change_faults(world, &mut self.random);
                // Whoever truncates a file takes lines that were written.
                world.faults.truncated_before_error = 0;
            }
            13 => world.capacity = usize::MAX,
            _ => {}
        }
    }

    fn after(&mut self, world: &mut World, seen: Seen) {
        if seen.is_failure() {
            self.queue.order(Order::Hurry);
        }
        world.coverage.add("stalled", u64::from(self.status.lock().unwrap().stalled));
    }

    fn append(&mut self, world: &mut World) {
        let mut records = Vec::new();
        for _ in 0..self.random.between(1, 6) {
            self.records += 1;
            records.push(Record::random(self.records, &mut self.random));
        }
        if self.random.percent(1) {
            let mut bytes = vec![b'L'; logagent::limits::BLOCK_BYTES];
            bytes.push(b'\n');
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
        for record in records {
            self.accepted.extend(&record.bytes);
            world.oracle.accept(record);
        }
        world.coverage.add("several blocks", u64::from(self.queue.blocks() > 1));
    }
}

// --- single cases, as small as they can be ---

/// Writes `records` to a stream whose files have at most `bytes_max`, while the disk does as
/// planned; checks the files, the oldest first.
#[track_caller]
fn check(bytes_max: u64, plan: &[(Operation, Fault)], records: &[&str], expected: &[&str]) {
    let (disk, queue) = (disk(), Arc::new(WriterQueue::new(1 << 20)));
    let goes_by = settings(bytes_max, SyncPolicy::Never);
    let name = "rotated".parse().unwrap();
    let mut writer = StreamWriter::new(name, queue.clone(), disk.clone(), goes_by);
    queue.order(Order::Reopen { missing: Missing::Create });
    for text in records {
        send(&queue, &mut disk.world(), &record(text));
    }
    disk.world().bystander = Some(Box::new(Hurry(queue)));
    disk.world().plan = plan.iter().copied().collect();
    writer.run();
    let mut world = disk.world();
    world.bystander = None;
    assert!(world.plan.is_empty(), "{:?} never happened", world.plan);
    let mut files: Vec<u64> = world.archives(&place(0).path).iter().map(|it| it.1).collect();
    files.extend(world.inode_at(&place(0).path));
    let files: Vec<String> = files.iter().map(|inode| text(world.bytes_of(*inode))).collect();
    assert_eq!(files, expected);
}

/// Has the writer try again at once.
struct Hurry(Arc<WriterQueue>);

impl Bystander for Hurry {
    fn before(&mut self, _: &mut World, _: Operation) {}

    fn after(&mut self, _: &mut World, seen: Seen) {
        if seen.is_failure() {
            self.0.order(Order::Hurry);
        }
    }
}

fn error(operation: Operation, errno: Errno) -> (Operation, Fault) {
    (operation, Fault::Error(errno as i32))
}

#[test]
fn a_file_has_as_many_whole_lines_as_its_size_takes() {
    check(6, &[], &["a", "b", "c"], &["a\nb\nc\n"]);
    check(5, &[], &["a", "b", "c"], &["a\nb\n", "c\n"]);
    check(4, &[], &["a", "b", "c"], &["a\nb\n", "c\n"]);
    check(4, &[], &["a", "bcdefg", "h"], &["a\n", "bcdefg\n", "h\n"]);
    check(2, &[], &["", "", "", "a"], &["\n\n", "\n", "a\n"]);
    check(1, &[], &["a", "b"], &["a\n", "b\n"]);
}

#[test]
fn a_line_that_has_begun_is_finished_before_the_file_is_given_away() {
    let torn = (Operation::Append, Fault::Takes(3));
    let full = error(Operation::Append, Errno::ENOSPC);
    check(4, &[torn, full, full], &["a", "bc", "d"], &["a\n", "bc\n", "d\n"]);
    check(5, &[torn, full, full], &["a", "bc", "d"], &["a\nbc\n", "d\n"]);
}

#[test]
fn a_file_that_cannot_be_renamed_goes_on() {
    let denied = error(Operation::RenameNew, Errno::EACCES);
    check(2, &[denied], &["a", "b", "c"], &["a\nb\nc\n"]);
}

#[test]
fn a_file_gets_its_name_back_where_no_other_can_be_opened() {
    let none_left = error(Operation::Open, Errno::EMFILE);
    // The open after this append is the rotation's.
    let first = (Operation::Append, Fault::Takes(2));
    check(2, &[first, none_left], &["a", "b", "c"], &["a\nb\nc\n"]);
    // Where it cannot have its name back either, it is an archive that is left.
    let kept = error(Operation::RenameNew, Errno::EIO);
    check(2, &[first, none_left, kept], &["a", "b", "c"], &["a\n", "b\n", "c\n"]);
}

/// Sends a line, asks for a rotation while the disk does as planned, and looks at the answer.
#[track_caller]
fn check_answer(
    rotate: Option<Rotation>,
    prepare: impl FnOnce(&mut World),
    check: impl FnOnce(Result<FileChange, String>, &World),
) {
    let (disk, queue) = (disk(), Arc::new(WriterQueue::new(1 << 20)));
    let goes_by = WriterSettings { rotate, ..WriterSettings::of(place(0)) };
    let name = "rotated".parse().unwrap();
    let mut writer = StreamWriter::new(name, queue.clone(), disk.clone(), goes_by);
    queue.order(Order::Reopen { missing: Missing::Create });
    writer.run();
    disk.world().create(&place(0).path, b"");
    queue.order(Order::Reopen { missing: Missing::Create });
    let (reply, mut answer) = oneshot::channel();
    send(&queue, &mut disk.world(), &record("line"));
    queue.order(Order::RotateAndAnswer(reply));
    disk.world().bystander = Some(Box::new(Hurry(queue.clone())));
    prepare(&mut disk.world());
    writer.run();
    let mut world = disk.world();
    world.bystander = None;
    assert!(world.oracle.is_drained());
    check(answer.try_recv().unwrap(), &world);
}

fn some() -> Option<Rotation> {
    Some(Rotation::default())
}

#[test]
fn whoever_asks_for_a_rotation_is_told_what_it_did() {
    check_answer(
        some(),
        |_| {},
        |answer, world| {
            let change = answer.unwrap();
            let archives = world.archives(&place(0).path);
            assert_eq!(archives.len(), 1);
            let old = change.old.unwrap();
            assert_eq!((old.inode, old.lines, old.bytes), (archives[0].1, 1, 5));
            assert_eq!(change.new_inode, world.inode_at(&place(0).path));
            assert_eq!(world.inode_at(&change.archive.unwrap()), Some(old.inode));
        },
    );
    check_answer(
        None,
        |_| {},
        |answer, world| {
            // Whoever names a stream means it.
            assert!(answer.unwrap().archive.is_some());
            assert_eq!(world.archives(&place(0).path).len(), 1);
        },
    );
}

#[test]
fn whoever_asks_for_a_rotation_that_cannot_be_is_told_why() {
    let fails = |plan: &'static [(Operation, Fault)]| {
        move |world: &mut World| world.plan = plan.iter().copied().collect()
    };
    const DENIED: &[(Operation, Fault)] =
        &[(Operation::RenameNew, Fault::Error(Errno::EACCES as i32))];
    check_answer(some(), fails(DENIED), |answer, world| {
        assert!(answer.unwrap_err().contains("denied"));
        assert_eq!(world.archives(&place(0).path), []);
    });
    const FULL: &[(Operation, Fault)] = &[
        (Operation::Append, Fault::Takes(2)),
        (Operation::Append, Fault::Error(Errno::ENOSPC as i32)),
    ];
    check_answer(some(), fails(FULL), |answer, world| {
        let told = answer.unwrap_err();
        assert!(told.contains("takes nothing now: No space left"), "{told}");
        assert_eq!(world.archives(&place(0).path), []);
    });
}

/// Moves the file away as soon as a line has been written to it.
struct MoveAway;

impl Bystander for MoveAway {
    fn before(&mut self, _: &mut World, _: Operation) {}

    fn after(&mut self, world: &mut World, seen: Seen) {
        if matches!(seen, Seen::Append { .. }) {
            world.rename(&place(0).path, &place(7).path);
        }
    }
}

#[test]
fn a_file_that_somebody_has_moved_away_becomes_no_archive() {
    let moves = |world: &mut World| world.bystander = Some(Box::new(MoveAway));
    check_answer(some(), moves, |answer, world| {
        let change = answer.unwrap();
        assert_eq!(change.archive, None);
        assert_eq!(change.old.map(|old| old.inode), world.inode_at(&place(7).path));
        assert_eq!(change.new_inode, world.inode_at(&place(0).path));
        assert_eq!(world.archives(&place(0).path), []);
    });
}
