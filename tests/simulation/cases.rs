//! Single cases by name, as small as they can be.

use std::sync::Arc;
use std::time::Duration;

use logagent::block::Block;
use logagent::limits::{BLOCK_CAPACITY, KIB, QUEUE_BYTES_MAX_DEFAULT};
use logagent::pipeline::Accepted;
use logagent::writer::disk::{Missing, OpenError};
use logagent::writer::log_file::{LogFile, Reopened};
use logagent::writer::order::Order;
use logagent::writer::stream_writer::{StreamWriter, WriterQueue};
use logagent::writer::{SyncPolicy, WriterSettings};
use nix::errno::Errno;

use crate::faulty_disk::{Bystander, Fault, FaultyDisk, Operation, Seen};
use crate::oracle::Record;
use crate::other_side::place;
use crate::seeds::Random;
use crate::world::World;

const FULL: (Operation, Fault) = (Operation::Append, Fault::Error(Errno::ENOSPC as i32));

fn takes(bytes: usize) -> (Operation, Fault) {
    (Operation::Append, Fault::Takes(bytes))
}

pub fn record(text: &str) -> Record {
    Record { bytes: format!("{text}\n").into_bytes(), is_gap: false }
}

pub fn disk() -> FaultyDisk {
    FaultyDisk::new(World::new(Random::new(0)))
}

/// A log file that is open, with `records` loaded, on a disk whose next operations go as planned.
fn open(records: &[&str], plan: &[(Operation, Fault)]) -> (FaultyDisk, LogFile<FaultyDisk>) {
    let disk = disk();
    let mut log = LogFile::new(disk.clone(), place(0));
    assert!(matches!(log.reopen(Missing::Create, false), Reopened::New { old: None, .. }));
    let mut block = Block::default();
    for text in records {
        record(text).append_to(&mut block);
        disk.world().oracle.accept(record(text));
    }
    log.load(block);
    disk.world().plan = plan.iter().copied().collect();
    (disk, log)
}

#[track_caller]
fn check_files(disk: &FaultyDisk, mut log: LogFile<FaultyDisk>, expected: &[&str]) {
    log.leave(false);
    let world = disk.world();
    assert!(world.plan.is_empty(), "{:?} never happened", world.plan);
    let files: Vec<String> =
        world.all_files().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(files, expected);
}

/// Truncates the file before the append of that number.
struct TruncateBefore(usize);

impl Bystander for TruncateBefore {
    fn before(&mut self, world: &mut World, operation: Operation) {
        if operation == Operation::Append {
            self.0 = self.0.wrapping_sub(1);
            if self.0 == 0 {
                world.copy_and_truncate(&place(0).path);
            }
        }
    }

    fn after(&mut self, _: &mut World, _: Seen) {}
}

#[test]
fn a_full_disk_is_continued_at_its_exact_byte() {
    let (disk, mut log) = open(&["abcdef", "g"], &[takes(3), FULL, FULL]);
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (0, 0));
    assert!(flushed.error.is_some());
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (0, 0));
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (2, 9));
    check_files(&disk, log, &["abcdef\ng\n"]);
}

#[test]
fn an_interrupted_append_is_simply_repeated() {
    let interrupted = (Operation::Append, Fault::Error(Errno::EINTR as i32));
    let (disk, mut log) = open(&["abc"], &[takes(1), interrupted, interrupted]);
    let flushed = log.flush();
    assert!(flushed.error.is_none(), "{flushed:?}");
    check_files(&disk, log, &["abc\n"]);
}

#[test]
fn a_torn_line_stands_whole_in_the_next_file_and_only_once() {
    let (disk, mut log) = open(&["a", "bcd", "e"], &[takes(4), FULL]);
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (1, 2));
    disk.world().rename(&place(0).path, &place(1).path);
    let reopened = log.reopen(Missing::Create, false);
    let Reopened::New { old: Some(old), .. } = reopened else { panic!("{reopened:?}") };
    assert!(old.torn);
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (2, 6));
    check_files(&disk, log, &["a\nbc", "bcd\ne\n"]);
}

#[test]
fn a_truncated_torn_line_is_written_whole_again() {
    let (disk, mut log) = open(&["abc", "d"], &[takes(2), FULL]);
    assert!(log.flush().error.is_some());
    disk.world().copy_and_truncate(&place(0).path);
    let flushed = log.flush();
    assert_eq!((flushed.lines, flushed.bytes), (2, 6));
    check_files(&disk, log, &["abc\nd\n"]);
}

#[test]
fn a_truncation_right_before_an_append_that_fails_is_noticed_all_the_same() {
    let (disk, mut log) = open(&["abc"], &[takes(2), FULL, FULL]);
    disk.world().bystander = Some(Box::new(TruncateBefore(3)));
    assert!(log.flush().error.is_some());
    assert!(log.flush().error.is_some());
    assert!(log.flush().error.is_none());
    check_files(&disk, log, &["abc\n"]);
}

#[test]
fn a_file_that_cannot_be_opened_leaves_no_file_behind_to_write_to() {
    let denied = (Operation::Open, Fault::Error(Errno::EACCES as i32));
    let (disk, mut log) = open(&["a"], &[denied]);
    disk.world().rename(&place(0).path, &place(1).path);
    disk.world().create(&place(0).path, b"");
    let reopened = log.reopen(Missing::Create, false);
    assert!(matches!(reopened, Reopened::Closed { old: Some(_), .. }), "{reopened:?}");
    assert!(log.flush().error.is_some());
    check_files(&disk, log, &["", ""]);
}

#[test]
fn a_path_that_still_names_the_file_is_no_reason_to_leave_it() {
    let denied = (Operation::IdentityAt, Fault::Error(Errno::EACCES as i32));
    let (disk, mut log) = open(&["a"], &[denied]);
    let reopened = log.reopen(Missing::Create, false);
    assert!(matches!(reopened, Reopened::Kept(OpenError::Io(_))), "{reopened:?}");
    assert!(log.flush().error.is_none());
    check_files(&disk, log, &["a\n"]);
}

#[test]
fn a_fragment_gets_its_newline_once_even_if_that_fails_at_first() {
    let disk = disk();
    disk.world().create(&place(0).path, b"x\nfragment");
    let mut log = LogFile::new(disk.clone(), place(0));
    let reopened = log.reopen(Missing::Create, false);
    assert!(matches!(reopened, Reopened::New { unterminated: true, .. }), "{reopened:?}");
    let mut block = Block::default();
    for text in ["a", "b"] {
        record(text).append_to(&mut block);
        disk.world().oracle.accept(record(text));
    }
    log.load(block);
    disk.world().plan = [FULL].into();
    assert!(log.flush().error.is_some());
    assert!(log.flush().error.is_none());
    check_files(&disk, log, &["x\nfragment\na\nb\n"]);
}

#[test]
fn a_stream_that_gets_another_file_finishes_the_one_before_and_goes_on_there() {
    let (disk, queue) = (disk(), Arc::new(WriterQueue::new(1 << 20)));
    let (name, sync) = ("moved".parse().unwrap(), SyncPolicy::Never);
    let mut writer = StreamWriter::new(
        name,
        queue.clone(),
        disk.clone(),
        WriterSettings { sync, ..WriterSettings::of(place(0)) },
    );
    queue.order(Order::Reopen { missing: Missing::Create });
    queue.order(Order::Settings(Box::new(WriterSettings { sync, ..WriterSettings::of(place(1)) })));
    send(&queue, &mut disk.world(), &record("before"));
    writer.run();
    let world = disk.world();
    let bytes = |number| world.inode_at(&place(number).path).map(|inode| world.bytes_of(inode));
    assert_eq!(bytes(0), Some(&b"before\n"[..]));
    assert_eq!(bytes(1), Some(&b""[..]));
    assert_eq!(writer.status().lock().unwrap().path, place(1).path);
}

#[test]
fn a_fragment_gets_its_newline_even_where_no_line_follows() {
    let disk = disk();
    disk.world().create(&place(0).path, b"fragment");
    let mut log = LogFile::new(disk.clone(), place(0));
    let reopened = log.reopen(Missing::Create, false);
    assert!(matches!(reopened, Reopened::New { unterminated: true, .. }), "{reopened:?}");
    disk.world().plan = [FULL].into();
    assert!(log.flush().error.is_some());
    assert!(log.flush().error.is_none());
    assert!(log.flush().error.is_none());
    check_files(&disk, log, &["fragment\n"]);
}

/// Appends a record whenever the writer takes one, so that the queue is never empty.
struct AlwaysMore(Arc<WriterQueue>, usize);

impl Bystander for AlwaysMore {
    fn before(&mut self, world: &mut World, operation: Operation) {
        if operation == Operation::Append && self.1 > 0 {
            self.1 -= 1;
            send(&self.0, world, &record("more"));
        }
    }

    fn after(&mut self, _: &mut World, _: Seen) {}
}

pub fn send(queue: &Arc<WriterQueue>, world: &mut World, record: &Record) {
    world.oracle.accept(record.clone());
    queue.append(|block| {
        record.append_to(block);
        (Accepted { lines: 1, ..Accepted::default() }, ())
    });
}

#[test]
fn a_small_queue_holds_no_memory_that_another_stream_has_used() {
    let (disk, small) = (disk(), Arc::new(WriterQueue::new(64 * KIB)));
    let large = Arc::new(WriterQueue::new(QUEUE_BYTES_MAX_DEFAULT));
    for _ in 0..3 {
        let capacity = |queue: &Arc<WriterQueue>| {
            send(queue, &mut disk.world(), &record("line"));
            let block = queue.take_block().unwrap();
            let capacity = block.capacity();
            queue.retire(block);
            capacity
        };
        assert_eq!(capacity(&large), BLOCK_CAPACITY);
        assert!(capacity(&small) < 64 * KIB);
    }
}

#[test]
fn a_stream_that_is_never_idle_is_synced_all_the_same() {
    let (disk, queue) = (disk(), Arc::new(WriterQueue::new(1 << 20)));
    let (name, sync) = ("busy".parse().unwrap(), SyncPolicy::Every(Duration::ZERO));
    let mut writer = StreamWriter::new(
        name,
        queue.clone(),
        disk.clone(),
        WriterSettings { sync, ..WriterSettings::of(place(0)) },
    );
    queue.order(Order::Reopen { missing: Missing::Create });
    send(&queue, &mut disk.world(), &record("first"));
    disk.world().bystander = Some(Box::new(AlwaysMore(queue, 20)));
    writer.run();
    let world = disk.world();
    let last_append = world.seen.iter().rposition(|seen| matches!(seen, Seen::Append { .. }));
    let first_sync = world.seen.iter().position(|seen| matches!(seen, Seen::Sync { .. }));
    assert!(first_sync < last_append, "no sync before the end: {:?}", world.seen);
    assert!(world.oracle.is_drained());
}
