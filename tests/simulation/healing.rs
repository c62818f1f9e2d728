//! Writers on threads of their own whose files are taken away, and that meet faults of their own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use logagent::clock;
use logagent::line::Lost;
use logagent::pipeline::Accepted;
use logagent::writer::order::Order;
use tokio::sync::oneshot;

use crate::cases::{disk, record};
use crate::faulty_disk::{Fault, Operation, Panicked, Seen};
use crate::other_side::place;
use crate::threads::start;

#[test]
fn what_a_reopen_answers_is_right_where_the_healing_came_first() {
    let running = start(disk(), 1 << 20);
    running.send(&record("abc"));
    running.wait_until_written();
    let before = running.disk.world().inode_at(&place(0).path).unwrap();
    running.disk.world().rename(&place(0).path, &place(1).path);
    running.queue.order(Order::Look);
    running.wait_until("another file is there", |disk| {
        disk.world().inode_at(&place(0).path).is_some()
    });
    running.send(&record("d"));
    running.wait_until_written();
    let answer = || {
        let (reply, answer) = oneshot::channel();
        running.queue.order(Order::ReopenAndAnswer(reply));
        answer.blocking_recv().unwrap().unwrap()
    };
    let (first, second) = (answer(), answer());
    let old = first.old.unwrap();
    assert_eq!((old.inode, old.lines, old.bytes), (before, 1, 4));
    assert_eq!(first.new_inode, running.disk.world().inode_at(&place(0).path));
    assert_eq!((second.old, second.new_inode), (None, first.new_inode));
    running.end();
}

#[test]
fn a_removed_file_gets_nothing_more_and_its_path_is_made_again() {
    let running = start(disk(), 1 << 20);
    running.send(&record("abc"));
    running.wait_until_written();
    running.disk.world().unlink(&place(0).path);
    running.queue.order(Order::Look);
    running.wait_until("the removed file is left", |disk| disk.world().open_files().is_empty());
    running.send(&record("def"));
    running.wait_until_written();
    let disk = running.disk.clone();
    running.end();
    let world = disk.world();
    assert_eq!(world.bytes_of(world.inode_at(&place(0).path).unwrap()), b"def\n");
}

#[test]
fn a_writer_that_panics_keeps_its_lines_and_goes_on_by_itself_at_the_exact_byte() {
    let running = start(disk(), 1 << 20);
    let panics = |operation| (operation, Fault::Panic);
    running.disk.world().plan = [
        (Operation::Append, Fault::Takes(2)),
        panics(Operation::Append),
        panics(Operation::Append),
        (Operation::Append, Fault::Takes(5)),
        panics(Operation::Append),
        panics(Operation::Close),
        panics(Operation::Open),
    ]
    .into();
    running.send(&record("abcdef"));
    running.send(&record("g"));
    running.wait_until("everything goes wrong", |disk| disk.world().plan.is_empty());
    running.send(&record("h"));
    running.wait_until_written();
    let disk = running.disk.clone();
    running.end();
    let world = disk.world();
    let files: Vec<&[u8]> = world.all_files().map(|(_, bytes)| bytes).collect();
    assert_eq!(files, [b"abcdef\ng\nh\n"]);
}

#[test]
fn a_writer_that_panics_again_and_again_backs_off() {
    let running = start(disk(), 1 << 20);
    let begin = clock::instant();
    running.disk.world().faults.panic = 100;
    running.send(&record("abc"));
    let panics = |seen: &[Seen]| seen.iter().filter(|seen| **seen == Seen::Panic).count();
    running.wait_until("it panics", |disk| panics(&disk.world().seen) >= 5);
    // Of two panics one may be that of leaving the file.
    assert!(clock::instant().duration_since(begin) >= Duration::from_millis(100 + 200));
    running.disk.world().faults.panic = 0;
    running.wait_until_written();
    running.end();
}

#[test]
fn what_a_panic_has_appended_by_halves_is_taken_back() {
    let running = start(disk(), 1 << 20);
    for bytes in [0, 10, 2 * logagent::limits::BLOCK_BYTES] {
        running.send(&record("before"));
        let append = || {
            running.queue.append(|block| -> (Accepted, ()) {
                block.append_lines(|out| {
                    out.extend(std::iter::repeat_n(b'x', bytes));
                    out.push(b'\n');
                    (1, ())
                });
                block.append_record(nothing_lost(), |out| out.extend_from_slice(b"gap\n"));
                block.append_lines(|out| {
                    out.extend_from_slice(b"half a line");
                    resume_unwind(Box::new(Panicked))
                })
            });
        };
        catch_unwind(AssertUnwindSafe(append)).unwrap_err();
        running.send(&record("after"));
        running.wait_until_written();
    }
    let snapshot = running.queue.snapshot();
    assert_eq!((snapshot.counters.lines_in, snapshot.counters.lines_written), (6, 6));
    assert_eq!(snapshot.pending_bytes, 0);
    let room = running.queue.room();
    assert_eq!(room, 1 << 20, "nothing is held for what was taken back");
    let disk = running.disk.clone();
    running.end();
    let world = disk.world();
    let text = world.bytes_of(world.inode_at(&place(0).path).unwrap());
    assert_eq!(text, b"before\nafter\n".repeat(3));
}

fn nothing_lost() -> Lost {
    let now = clock::now();
    Lost { lines: 0, bytes: 0, from: now, to: now }
}
