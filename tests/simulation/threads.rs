//! Writers on threads of their own: a disk that hangs, wake-ups, and what only time brings.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use logagent::clock;
use logagent::formatting::Expansion;
use logagent::writer::disk::Missing;
use logagent::writer::order::{Order, Reply};
use logagent::writer::stream_writer::{Started, StreamWriter, WriterQueue};
use logagent::writer::{Rotation, WriterSettings, wake};
use nix::errno::Errno;

use crate::cases::{disk, record, send};
use crate::faulty_disk::{Fault, FaultyDisk, Gate, Operation};
use crate::oracle::Record;
use crate::other_side::place;

/// Nothing here takes long; whatever is not over by then never will be.
const DEADLINE: Duration = Duration::from_secs(60);
pub const RAW: Expansion = Expansion { per_byte: 1, per_line: 1, per_read: 0 };

/// A stream with a writer that runs.
pub struct Running {
    pub disk: FaultyDisk,
    pub queue: Arc<WriterQueue>,
    ended: Receiver<()>,
}

pub fn start(disk: FaultyDisk, queue_bytes: usize) -> Running {
    let queue = Arc::new(WriterQueue::new(queue_bytes));
    queue.add_producer();
    let (name, file) = ("threaded".parse().unwrap(), place(0));
    let writer = StreamWriter::new(name, queue.clone(), disk.clone(), WriterSettings::of(file));
    let Started { opened, ended } = writer.start().unwrap();
    let ended = in_time(move || ended.blocking_recv().unwrap());
    opened.blocking_recv().unwrap().unwrap();
    Running { disk, queue, ended }
}

impl Running {
    pub fn send(&self, record: &Record) {
        send(&self.queue, &mut self.disk.world(), record);
    }

    pub fn wait_until_written(&self) {
        self.wait_until("all is written", |_| self.queue.snapshot().pending_lines == 0);
    }

    pub fn wait_until(&self, what: &str, is_so: impl Fn(&FaultyDisk) -> bool) {
        let end = clock::instant() + DEADLINE;
        while !is_so(&self.disk) {
            assert!(clock::instant() < end, "never: {what}: {:?}", self.queue.snapshot());
            std::thread::yield_now();
        }
    }

    pub fn end(self) {
        self.queue.remove_producer();
        arrives(&self.ended, "the writer's end");
        let world = self.disk.world();
        world.assert_has_not_failed();
        assert!(world.oracle.is_drained());
    }
}

/// Runs `run` elsewhere, since it might never return.
pub fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(run()));
    told
}

#[track_caller]
pub fn arrives<T>(told: &Receiver<T>, what: &str) -> T {
    told.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{what} never came"))
}

#[test]
fn a_hanging_write_holds_up_no_producer_no_status_and_no_other_stream() {
    let (gate, entered, release) = Gate::new();
    let hanging = start(disk(), 64 * 1024);
    hanging.disk.world().gate = Some(gate);
    hanging.send(&record("first"));
    arrives(&entered, "the hanging write");

    let queue = hanging.queue.clone();
    let disk = hanging.disk.clone();
    let goes_on = in_time(move || {
        while queue.read_bytes_max(RAW, 0) > 0 {
            send(&queue, &mut disk.world(), &record("while the write hangs"));
        }
        // One more does not wait either: whoever has read it must get rid of it.
        send(&queue, &mut disk.world(), &record("beyond the bound"));
        queue.order(Order::Reopen { missing: Missing::Create });
        queue.snapshot()
    });
    let snapshot = arrives(&goes_on, "the producer's end");
    assert_eq!(snapshot.pending_lines, snapshot.counters.lines_in);
    assert_eq!(snapshot.pending_bytes, hanging.disk.world().oracle.bytes_accepted);

    let other = start(crate::cases::disk(), 64 * 1024);
    for _ in 0..1000 {
        other.send(&record("elsewhere"));
    }
    other.end();

    let queue = hanging.queue.clone();
    let blocking = in_time(move || queue.wait_for_room_blocking(RAW, 0));
    let queue = hanging.queue.clone();
    let waiting = in_time(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(queue.wait_for_room(RAW, 0));
    });
    release.send(()).unwrap();
    arrives(&blocking, "room for a thread");
    arrives(&waiting, "room for a task");
    hanging.end();
}

#[test]
fn every_line_wakes_the_writer() {
    let running = start(disk(), 1 << 20);
    for number in 0..2000 {
        running.send(&record(&number.to_string()));
        running.wait_until_written();
    }
    running.end();
}

#[test]
fn a_thread_that_puts_wake_ups_off_wakes_the_writer_later() {
    let running = start(disk(), 1 << 20);
    let large = record(&"x".repeat(logagent::limits::BLOCK_BYTES));
    wake::defer();
    for number in 0..1000 {
        running.send(&record(&number.to_string()));
        running.send(&record("another"));
        wake::now();
        running.wait_until_written();
    }
    // What fills a block is not put off.
    running.send(&large);
    running.wait_until_written();
    running.end();
}

#[test]
fn many_producers_lose_nothing_between_them() {
    let running = start(disk(), 1 << 20);
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            let (queue, disk) = (running.queue.clone(), running.disk.clone());
            in_time(move || {
                for number in 0..2000 {
                    queue.wait_for_room_blocking(RAW, 0);
                    send(&queue, &mut disk.world(), &record(&format!("{producer}: {number}")));
                    queue.order(Order::Reopen { missing: Missing::Create });
                }
            })
        })
        .collect();
    for producer in &producers {
        arrives(producer, "a producer's end");
    }
    running.end();
}

#[test]
fn a_full_disk_is_tried_again_by_itself() {
    let running = start(disk(), 1 << 20);
    let full = (Operation::Append, Fault::Error(Errno::ENOSPC as i32));
    running.disk.world().plan = [(Operation::Append, Fault::Takes(2)), full, full].into();
    running.send(&record("abc"));
    let end = clock::instant() + DEADLINE;
    while running.disk.world().plan.len() > 1 {
        assert!(clock::instant() < end, "never tried");
        std::thread::yield_now();
    }
    // What comes while the file is stalled waits behind what is pending.
    running.send(&record("def"));
    running.wait_until_written();
    running.end();
}

#[test]
fn a_path_that_cannot_be_opened_is_tried_again_by_itself() {
    let running = start(disk(), 1 << 20);
    let denied = (Operation::Open, Fault::Error(Errno::EACCES as i32));
    running.disk.world().plan = [denied, denied].into();
    running.disk.world().rename(&place(0).path, &place(1).path);
    running.queue.order(Order::Reopen { missing: Missing::Create });
    running.send(&record("abc"));
    running.wait_until_written();
    running.end();
}

#[test]
fn a_file_that_nobody_makes_after_a_signal_is_made_in_the_end() {
    let running = start(disk(), 1 << 20);
    running.disk.world().rename(&place(0).path, &place(1).path);
    running.queue.order(Order::Reopen { missing: Missing::Leave });
    running.wait_until("the old file is left", |disk| disk.world().open_files().is_empty());
    running.send(&record("abc"));
    running.wait_until_written();
    let disk = running.disk.clone();
    running.end();
    assert!(disk.world().inode_at(&place(0).path).is_some());
}

#[test]
fn an_idle_file_is_closed_and_the_next_line_opens_the_path_again() {
    let writer = start(disk(), 1 << 20);
    let idle_close = Some(Duration::from_millis(1));
    let settings = |number| {
        let settings = WriterSettings { idle_close, ..WriterSettings::of(place(number)) };
        writer.queue.order(Order::Settings(Box::new(settings)));
    };
    let wait_until_closed = || {
        writer.wait_until("the idle file is closed", |disk| disk.world().open_files().is_empty());
    };
    settings(0);
    writer.send(&record("a"));
    writer.wait_until_written();
    wait_until_closed();

    // Whatever becomes of the path meanwhile, and however often it is to be opened again.
    writer.disk.world().rename(&place(0).path, &place(7).path);
    writer.queue.order(Order::Reopen { missing: Missing::Create });
    writer.queue.order(Order::Reopen { missing: Missing::Leave });
    writer.send(&record("b"));
    writer.wait_until_written();
    wait_until_closed();

    // A file that cannot be opened keeps its line waiting.
    settings(1);
    writer.disk.world().make_other_kind(&place(1).path, "a directory");
    writer.send(&record("c"));
    writer.wait_until("an attempt fails", |_| writer.queue.snapshot().pending_lines == 1);
    writer.disk.world().unlink(&place(1).path);
    writer.queue.order(Order::Hurry);
    writer.wait_until_written();
    let disk = writer.disk.clone();
    writer.end();
    let world = disk.world();
    let bytes = |number: usize| {
        let inode = world.inode_at(&place(number).path).unwrap();
        String::from_utf8_lossy(world.bytes_of(inode)).into_owned()
    };
    assert_eq!((bytes(7).as_str(), bytes(0).as_str(), bytes(1).as_str()), ("a\n", "b\n", "c\n"));
}

#[test]
fn an_idle_file_that_is_closed_is_rotated_when_somebody_asks_for_it() {
    let writer = start(disk(), 1 << 20);
    let wait_until_closed = || {
        writer.wait_until("the idle file is closed", |disk| disk.world().open_files().is_empty());
    };
    let ask = || {
        let (reply, answer) = tokio::sync::oneshot::channel();
        writer.queue.order(Order::RotateAndAnswer(reply));
        arrives(&in_time(move || answer.blocking_recv().unwrap()), "the answer")
    };
    let (idle_close, rotate) = (Some(Duration::from_millis(1)), Some(Rotation::default()));
    let settings = WriterSettings { idle_close, rotate, ..WriterSettings::of(place(0)) };
    writer.queue.order(Order::Settings(Box::new(settings)));
    writer.send(&record("a"));
    writer.wait_until_written();
    wait_until_closed();
    let change = ask().unwrap();
    assert_eq!(change.old.map(|old| old.bytes), Some(2));
    let archive = change.archive.unwrap();
    wait_until_closed();

    // There is nothing in the new one, and then there is none at all.
    assert_eq!(ask().unwrap().archive, None);
    wait_until_closed();
    writer.disk.world().unlink(&place(0).path);
    let change = ask().unwrap();
    assert_eq!((change.archive, change.old, change.new_inode), (None, None, None));
    assert_eq!(writer.disk.world().inode_at(&place(0).path), None);

    writer.send(&record("b"));
    writer.wait_until_written();
    let disk = writer.disk.clone();
    writer.end();
    let world = disk.world();
    let bytes = |path| world.bytes_of(world.inode_at(path).unwrap()).to_vec();
    assert_eq!((bytes(&archive), bytes(&place(0).path)), (b"a\n".to_vec(), b"b\n".to_vec()));
}

#[test]
fn whoever_waits_is_told_of_a_file_that_may_not_be_complete_however_it_was_left() {
    let writer = start(disk(), 1 << 20);
    let ask = |order: fn(Reply) -> Order| {
        let (reply, answer) = tokio::sync::oneshot::channel();
        writer.queue.order(order(reply));
        arrives(&in_time(move || answer.blocking_recv().unwrap()), "the answer")
    };
    let send = |text| {
        writer.send(&record(text));
        writer.wait_until_written();
    };
    let fail_close = || {
        writer.disk.world().plan = [(Operation::Close, Fault::Error(Errno::EIO as i32))].into();
    };
    let is_told = |answer: Result<_, String>| answer.unwrap_err().contains("may not be complete");
    send("a");
    fail_close();
    assert!(is_told(ask(Order::RotateAndAnswer)));
    send("b");
    ask(Order::RotateAndAnswer).unwrap();

    // Another one has been left since, by a signal.
    send("c");
    fail_close();
    for number in [1, 2] {
        writer.disk.world().rename(&place(0).path, &place(number).path);
        writer.queue.order(Order::Reopen { missing: Missing::Create });
        writer
            .wait_until("the file is left", |disk| disk.world().inode_at(&place(0).path).is_some());
    }
    assert!(is_told(ask(Order::ReopenAndAnswer)));
    ask(Order::ReopenAndAnswer).unwrap();
    writer.end();
}

#[test]
fn a_rotation_writes_nothing_more_to_a_file_that_somebody_has_removed() {
    let (gate, entered, release) = Gate::new();
    let writer = start(disk(), 1 << 20);
    writer.disk.world().gate = Some(gate);
    writer.send(&record("a"));
    arrives(&entered, "the hanging write");
    writer.disk.world().unlink(&place(0).path);
    writer.send(&record("b"));
    let (reply, answer) = tokio::sync::oneshot::channel();
    writer.queue.order(Order::RotateAndAnswer(reply));
    release.send(()).unwrap();
    let answer = in_time(move || answer.blocking_recv().unwrap());
    let change = arrives(&answer, "the answer").unwrap();
    assert_eq!((change.old.map(|old| old.bytes), change.moved_lines), (Some(2), 1));
    let disk = writer.disk.clone();
    writer.end();
    let world = disk.world();
    assert_eq!(world.bytes_of(world.inode_at(&place(0).path).unwrap()), b"b\n");
}

#[test]
fn an_idle_file_that_no_rotation_could_open_takes_lines_once_it_is_open_again() {
    let writer = start(disk(), 1 << 20);
    let settings = |idle_close| {
        let idle_close = Some(idle_close);
        let settings = WriterSettings { idle_close, ..WriterSettings::of(place(0)) };
        writer.queue.order(Order::Settings(Box::new(settings)));
    };
    settings(Duration::from_millis(1));
    writer.wait_until("the idle file is closed", |disk| disk.world().open_files().is_empty());
    settings(DEADLINE);
    writer.disk.world().set_locked(&place(0).path, true);
    let (reply, answer) = tokio::sync::oneshot::channel();
    writer.queue.order(Order::RotateAndAnswer(reply));
    arrives(&in_time(move || answer.blocking_recv().unwrap()), "the answer").unwrap_err();
    writer.disk.world().set_locked(&place(0).path, false);
    writer.wait_until("it is open again", |disk| !disk.world().open_files().is_empty());
    for text in ["a", "b"] {
        writer.send(&record(text));
        writer.wait_until_written();
    }
    writer.end();
}

#[test]
fn a_rotation_that_somebody_asks_for_ends_the_pause_after_one_that_failed() {
    let writer = start(disk(), 1 << 20);
    let rotate = Some(Rotation { bytes_max: Some(2), ..Rotation::default() });
    let settings = WriterSettings { rotate, ..WriterSettings::of(place(0)) };
    writer.queue.order(Order::Settings(Box::new(settings)));
    writer.disk.world().plan = [(Operation::RenameNew, Fault::Error(Errno::EACCES as i32))].into();
    let send = |text| {
        writer.send(&record(text));
        writer.wait_until_written();
    };
    send("a");
    send("b");
    let (reply, answer) = tokio::sync::oneshot::channel();
    writer.queue.order(Order::RotateAndAnswer(reply));
    let change = arrives(&in_time(move || answer.blocking_recv().unwrap()), "the answer").unwrap();
    assert_eq!(change.old.map(|old| old.bytes), Some(4));
    send("c");
    send("d");
    let disk = writer.disk.clone();
    writer.end();
    let world = disk.world();
    let archives = world.archives(&place(0).path);
    let files: Vec<_> = archives.iter().map(|(_, inode)| world.bytes_of(*inode)).collect();
    assert_eq!(files, [b"a\nb\n".as_slice(), b"c\n"]);
}
