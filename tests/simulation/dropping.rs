//! Queues that drop what does not fit: what stays, what is told of the rest, and that nobody waits.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use logagent::block::Block;
use logagent::limits::{KIB, MIB, READ_BYTES_MAX};
use logagent::line::newlines;
use logagent::pipeline::Accepted;
use logagent::writer::OnFull;
use logagent::writer::queue::Snapshot;
use logagent::writer::stream_writer::WriterQueue;

use crate::cases::{disk, record, send};
use crate::faulty_disk::Gate;
use crate::threads::{RAW, arrives, in_time, start};

fn queue(on_full: OnFull, bytes_max: usize) -> Arc<WriterQueue> {
    let queue = Arc::new(WriterQueue::new(bytes_max));
    queue.set_on_full(on_full);
    queue
}

/// One read of these lines, each of ten bytes.
fn read(queue: &Arc<WriterQueue>, numbers: std::ops::Range<u32>) {
    queue.append(|block: &mut Block| {
        let lines = u64::from(numbers.end - numbers.start);
        for number in numbers {
            record(&format!("line {number:04}")).append_to(block);
        }
        (Accepted { lines, ..Accepted::default() }, ())
    });
}

/// A gap record without its times.
fn shown(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["logagent:", "gap:", lines, "lines,", bytes, "bytes", "lost,", from, "to", to, ..] => {
            assert!(from <= to, "{line}");
            format!("gap of {lines}, {bytes}: {}", words[10..].join(" "))
        }
        _ => line.to_owned(),
    }
}

/// Has the writer take the next block, and write it.
fn write_one(queue: &Arc<WriterQueue>) -> Option<Vec<String>> {
    let block = queue.take_block()?;
    queue.written(block.lines(), block.len());
    let lines = String::from_utf8_lossy(block.bytes()).lines().map(shown).collect();
    queue.retire(block);
    Some(lines)
}

fn written(queue: &Arc<WriterQueue>) -> Vec<String> {
    std::iter::from_fn(|| write_one(queue)).flatten().collect()
}

#[track_caller]
fn assert_counts(queue: &Arc<WriterQueue>, dropped: u64, pending: u64) {
    let Snapshot { counters, pending_lines, .. } = queue.snapshot();
    assert_eq!((counters.lines_dropped.queue_full, pending_lines), (dropped, pending));
    assert_eq!(counters.lines_in, counters.lines_written + dropped + pending_lines);
}

fn lines(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("line {number:04}")).collect()
}

#[test]
fn the_newest_lines_are_cut_off_a_read_and_the_gap_stands_behind_what_fits() {
    let queue = queue(OnFull::DropNewest, 1000);
    read(&queue, 0..80);
    assert_counts(&queue, 0, 80);
    read(&queue, 80..130);
    assert_counts(&queue, 30, 100);
    // It is full, and the gap grows.
    read(&queue, 130..140);
    assert_counts(&queue, 40, 100);
    assert_eq!(
        written(&queue),
        [lines(0..100), vec!["gap of 40, 400: disk too slow".into()]].concat()
    );
    read(&queue, 140..141);
    assert_eq!(written(&queue), lines(140..141));
    assert_counts(&queue, 40, 0);
    assert_eq!(queue.snapshot().counters.gap_records, 1);
}

#[test]
fn a_gap_is_not_followed_by_a_gap_for_every_line() {
    let queue = queue(OnFull::DropNewest, 1000);
    read(&queue, 0..100);
    read(&queue, 100..101);
    // The writer has got a few lines written, and a few would fit.
    let block = queue.take_block().unwrap();
    queue.written(10, 100);
    read(&queue, 101..102);
    assert_counts(&queue, 2, 90);
    // More than an eighth is free.
    queue.written(4, 40);
    read(&queue, 102..103);
    assert_counts(&queue, 2, 87);
    queue.written(86, 860);
    queue.retire(block);
    let gap = "gap of 2, 20: disk too slow".to_owned();
    assert_eq!(written(&queue), [vec![gap], lines(102..103)].concat());
}

#[test]
fn the_oldest_lines_are_dropped_and_the_gap_stands_before_what_stays() {
    let queue = queue(OnFull::DropOldest, 2000);
    read(&queue, 0..150);
    read(&queue, 150..170);
    assert_eq!(queue.snapshot().counters.lines_dropped.queue_full, 0);
    read(&queue, 170..200);
    // More than needed: not for every read.
    let dropped = queue.snapshot().counters.lines_dropped.queue_full as u32;
    assert!((25..60).contains(&dropped), "{dropped}");
    read(&queue, 200..201);
    let gap = format!("gap of {dropped}, {}: disk too slow", 10 * dropped);
    assert_eq!(written(&queue), [vec![gap], lines(dropped..201)].concat());
    assert_counts(&queue, u64::from(dropped), 0);
}

#[test]
fn what_the_writer_has_taken_is_never_dropped() {
    let queue = queue(OnFull::DropOldest, 20_000);
    read(&queue, 0..1500);
    let taken = queue.take_block().unwrap();
    read(&queue, 1500..6000);
    assert_eq!(newlines(taken.bytes()), 1500);
    queue.written(1500, 15_000);
    queue.retire(taken);
    let rest = written(&queue);
    assert!(rest[0].starts_with("gap of "), "{rest:?}");
    assert_eq!(rest.last().unwrap(), "line 5999");
    assert_eq!(rest.len() as u64 - 1 + queue.snapshot().counters.lines_dropped.queue_full, 4500);
}

#[test]
fn a_gap_takes_in_the_records_and_gaps_that_are_dropped_with_their_lines() {
    let queue = queue(OnFull::DropOldest, 2000);
    for round in 0..50 {
        read(&queue, round * 10..round * 10 + 9);
        queue.append(|block: &mut Block| {
            // It stands for a line of a thousand bytes more than its own.
            crate::oracle::Record { bytes: b"over-long\n".to_vec(), is_gap: true }.append_to(block);
            (Accepted { lines_over_long: 1, gap_records: 1, ..Accepted::default() }, ())
        });
    }
    let rest = written(&queue);
    let (lines, records) =
        rest[1..].iter().fold((0, 0), |(lines, records), line| match line.as_str() {
            "over-long" => (lines, records + 1),
            _ => (lines + 1, records),
        });
    let gap = format!(
        "gap of {}, {}: disk too slow",
        500 - lines - records,
        10 * (450 - lines) + 1010 * (50 - records)
    );
    assert_eq!(rest[0], gap);
    let counters = queue.snapshot().counters;
    assert_eq!(counters.lines_dropped.queue_full, 450 - lines);
    assert_eq!((counters.lines_dropped.over_long, counters.gap_records), (50, records + 1));
    assert_eq!(counters.lines_in, 500);
}

#[test]
fn an_empty_queue_takes_a_line_whatever_the_bound() {
    for on_full in [OnFull::DropNewest, OnFull::DropOldest] {
        let queue = queue(on_full, 100);
        let (long, next) = ("x".repeat(500), "y".repeat(500));
        queue.append(|block: &mut Block| {
            record(&long).append_to(block);
            record(&next).append_to(block);
            (Accepted { lines: 2, ..Accepted::default() }, ())
        });
        let gap = "gap of 1, 501: disk too slow".to_owned();
        match on_full {
            OnFull::DropOldest => assert_eq!(written(&queue), [gap, next]),
            _ => assert_eq!(written(&queue), [long, gap]),
        }
    }
}

#[test]
fn the_gap_says_what_stopped_the_file() {
    let queue = queue(OnFull::DropNewest, 1000);
    read(&queue, 0..110);
    queue.stalled_by(Some("disk full"));
    read(&queue, 110..120);
    queue.stalled_by(None);
    read(&queue, 120..130);
    assert_eq!(written(&queue)[100], "gap of 30, 300: disk full");
}

#[test]
fn a_policy_may_change_while_lines_and_gaps_wait() {
    let queue = queue(OnFull::DropNewest, 2000);
    read(&queue, 0..300);
    queue.set_on_full(OnFull::DropOldest);
    read(&queue, 300..310);
    queue.set_on_full(OnFull::Wait);
    assert_eq!(queue.read_bytes_max(RAW, 0), 0);
    let rest = written(&queue);
    let gaps: Vec<&String> = rest.iter().filter(|line| line.starts_with("gap")).collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert_eq!(gaps[1], "gap of 100, 1000: disk too slow");
    assert_eq!(rest.len() as u64 - 2, queue.snapshot().counters.lines_written);
    assert_eq!(rest.last().unwrap(), "line 0309");
}

#[test]
fn gaps_that_come_to_stand_beside_each_other_are_one() {
    let queue = queue(OnFull::DropNewest, 20_000);
    read(&queue, 0..2100);
    queue.set_on_full(OnFull::DropOldest);
    // The whole first block must go, and what was missing behind it stays missing.
    read(&queue, 2100..3800);
    let gap = "gap of 2100, 21000: disk too slow".to_owned();
    assert_eq!(written(&queue), [vec![gap], lines(2100..3800)].concat());
}

#[test]
fn a_queue_that_drops_holds_no_more_than_its_bound() {
    for on_full in [OnFull::DropNewest, OnFull::DropOldest] {
        for bytes_max in [64 * KIB, 4 * MIB] {
            let queue = queue(on_full, bytes_max);
            for round in 0..2000 {
                read(&queue, 0..round);
                assert!(queue.snapshot().pending_bytes <= bytes_max);
            }
            let pending = queue.snapshot().pending_bytes;
            assert!(pending >= bytes_max / 2, "{on_full:?}: {pending} of {bytes_max}");
        }
    }
}

#[test]
fn who_reads_for_a_queue_that_drops_never_waits_for_a_hanging_disk() {
    for on_full in [OnFull::DropNewest, OnFull::DropOldest] {
        let (gate, entered, release) = Gate::new();
        let hanging = start(disk(), 64 * KIB);
        hanging.queue.set_on_full(on_full);
        hanging.disk.world().gate = Some(gate);
        hanging.send(&record("first"));
        arrives(&entered, "the hanging write");

        let (queue, disk) = (hanging.queue.clone(), hanging.disk.clone());
        let goes_on = in_time(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for number in 0..20_000 {
                // As a reader does, on the runtime's thread or on one of its own.
                let bytes_max = queue.read_bytes_max(RAW, number);
                assert!((1..=READ_BYTES_MAX).contains(&bytes_max));
                queue.wait_for_room_blocking(RAW, number);
                runtime.block_on(queue.wait_for_room(RAW, number));
                send(&queue, &mut disk.world(), &record(&number.to_string()));
            }
            queue.snapshot()
        });
        let snapshot = arrives(&goes_on, "the producer's end");
        assert_eq!((snapshot.counters.lines_in, snapshot.counters.lines_written), (20_001, 0));
        let dropped = snapshot.counters.lines_dropped.queue_full;
        assert!(dropped > 0 && dropped + snapshot.pending_lines == 20_001, "{snapshot:?}");
        release.send(()).unwrap();
        hanging.end();
    }
}

#[test]
fn who_waits_for_room_reads_on_once_lines_are_dropped() {
    let (gate, entered, release) = Gate::new();
    let hanging = start(disk(), 16 * KIB);
    hanging.disk.world().gate = Some(gate);
    hanging.send(&record("first"));
    arrives(&entered, "the hanging write");
    while hanging.queue.read_bytes_max(RAW, 0) > 0 {
        hanging.send(&record("while the write hangs"));
    }
    let queue = hanging.queue.clone();
    let blocking = in_time(move || queue.wait_for_room_blocking(RAW, 0));
    let queue = hanging.queue.clone();
    let mut waiting = pin!(queue.wait_for_room(RAW, 0));
    let mut looks = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut looks).is_pending());
    hanging.queue.set_on_full(OnFull::DropOldest);
    arrives(&blocking, "room for a thread");
    assert!(waiting.poll(&mut looks).is_ready());
    release.send(()).unwrap();
    hanging.end();
}

#[test]
fn what_no_record_tells_of_yet_is_known_until_one_is_written() {
    for on_full in [OnFull::DropNewest, OnFull::DropOldest] {
        let queue = queue(on_full, 1000);
        read(&queue, 0..500);
        let dropped = queue.snapshot().counters.lines_dropped.queue_full;
        assert!(dropped > 0);
        let mut untold = vec![queue.untold_lines()];
        while let Some(block) = queue.take_block() {
            untold.push(queue.untold_lines());
            queue.written(block.lines(), block.len());
            queue.retire(block);
            untold.push(queue.untold_lines());
        }
        let told_after = untold.iter().position(|lines| *lines == 0).unwrap();
        assert!(untold[..told_after].iter().all(|lines| *lines == dropped), "{untold:?}");
        assert!(untold[told_after..].iter().all(|lines| *lines == 0), "{untold:?}");
    }
}
