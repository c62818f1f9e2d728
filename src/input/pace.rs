//! Pace: a reader that finds a line or two whenever it looks, over and over, looks less often.
//!
//! Each look costs a system call or two for each sender, and often a wake-up of a writer; what comes
//! while the reader rests is read and written in one go. Network drivers do the same with their
//! interrupts (ethtool(8), adaptive-rx). A rest comes only after many reads that followed each
//! other without a pause, so that lines now and then are read at once, unless their thread rests
//! because of others.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::clock;
use crate::limits::{
    LOOKS_BEFORE_REST_MAX, LOOKS_BEFORE_REST_MIN, LOOKS_NEVER_RESTED, QUICK_READ_MAX,
    READ_BYTES_MAX, REST, REST_TAKES_MAX, REST_YIELD_MIN, RESTED_PIPE_BYTES_MIN, RESTS_MAX,
    SMALL_READ_MAX,
};

thread_local! {
    /// Of all sockets and FIFOs that this thread reads.
    static THREAD: RefCell<Pace> = const { RefCell::new(Pace::new()) };
}

/// Counts what this thread read.
pub(super) fn count_read(bytes: usize) {
    THREAD.with_borrow_mut(|pace| pace.count_read(bytes));
}

/// Says that something was read whose sender a rest would hold up.
pub(super) fn hold_off() {
    THREAD.with_borrow_mut(|pace| pace.held_off = true);
}

/// To be called before this thread looks which inputs are ready: rests where that pays.
pub fn rest_if_due() {
    THREAD.with_borrow_mut(|pace| {
        if pace.is_rest_due(clock::instant) {
            pace.rest();
        }
    });
}

/// The same for one of many that look by themselves: only one of them rests at a time.
pub(super) fn rest_if_due_again() {
    THREAD.with_borrow_mut(|pace| {
        let lately = |rested| clock::instant() - rested < REST;
        if !pace.rested.is_some_and(lately) && pace.is_rest_due(clock::instant) {
            pace.rest();
        }
    });
}

/// What a reader has seen of late.
#[derive(Debug)]
pub(super) struct Pace {
    /// Since the last look.
    reads: u32,
    bytes: usize,
    /// Whether a rest would have held up a sender.
    held_off: bool,
    /// When it looked last, unless it rested before that.
    looked: Option<Instant>,
    /// Looks in succession that found little, quickly; and how many of them make a rest due.
    quick_looks: u32,
    looks_before_rest: u32,
    rests_in_a_row: u32,
    /// When the last rest ended.
    rested: Option<Instant>,
}

impl Pace {
    pub(super) const fn new() -> Pace {
        Pace {
            reads: 0,
            bytes: 0,
            held_off: false,
            looked: None,
            quick_looks: 0,
            looks_before_rest: LOOKS_BEFORE_REST_MIN,
            rests_in_a_row: 0,
            rested: None,
        }
    }

    /// Of the only reader of a pipe that holds so many bytes; none where it is no pipe. A small one
    /// would be full before a rest is over.
    pub(super) fn of_pipe(bytes: Option<i32>) -> Pace {
        match bytes {
            Some(RESTED_PIPE_BYTES_MIN..) => Pace::new(),
            _ => Pace { looks_before_rest: LOOKS_NEVER_RESTED, ..Pace::new() },
        }
    }

    /// Counts what was read.
    pub(super) fn count_read(&mut self, bytes: usize) {
        self.reads += u32::from(bytes > 0);
        self.bytes += bytes;
    }

    /// Rests, with its thread.
    pub(super) fn rest(&mut self) {
        let begin = clock::instant();
        std::thread::sleep(REST);
        let end = clock::instant();
        self.has_rested(end - begin);
        self.rested = Some(end);
    }

    /// Whether to rest before the next look.
    pub(super) fn is_rest_due(&mut self, clock: impl FnOnce() -> Instant) -> bool {
        let (reads, bytes) = (std::mem::take(&mut self.reads), std::mem::take(&mut self.bytes));
        let due = if std::mem::take(&mut self.held_off) {
            self.quick_looks = 0;
            false
        } else if self.rests_in_a_row > 0 {
            // More than one read takes may have held its sender up. Whether they still write a
            // little at a time can be seen without a rest only.
            let paid = bytes >= REST_YIELD_MIN;
            self.expect_rests(paid);
            paid && bytes < READ_BYTES_MAX && self.rests_in_a_row < RESTS_MAX
        } else {
            let now = clock();
            let looked = self.looked.replace(now);
            let quick = looked.is_some_and(|looked| now - looked < QUICK_READ_MAX * reads);
            let little = bytes <= SMALL_READ_MAX * reads as usize;
            self.quick_looks = if quick && little { self.quick_looks + 1 } else { 0 };
            self.quick_looks >= self.looks_before_rest
        };
        if due {
            self.rests_in_a_row += 1;
            (self.quick_looks, self.looked) = (0, None);
        } else {
            self.rests_in_a_row = 0;
        }
        due
    }

    /// How long the rest took. Where it takes far longer, senders are held up meanwhile.
    fn has_rested(&mut self, took: Duration) {
        if took > REST_TAKES_MAX {
            self.expect_rests(false);
            self.rests_in_a_row = 0;
        }
    }

    /// Rests that pay are taken soon again, others more and more rarely.
    fn expect_rests(&mut self, pay: bool) {
        self.looks_before_rest = match pay {
            true => LOOKS_BEFORE_REST_MIN,
            false => (2 * self.looks_before_rest).min(LOOKS_BEFORE_REST_MAX),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks that each follow after so many microseconds and find so many reads of so many bytes;
    /// how many rests there were.
    fn count_rests(looks: impl IntoIterator<Item = (u64, usize, usize)>) -> u32 {
        let (mut pace, mut now) = (Pace::new(), clock::instant());
        let mut look = |(micros, reads, bytes)| {
            now += Duration::from_micros(micros);
            (0..reads).for_each(|_| pace.count_read(bytes));
            u32::from(pace.is_rest_due(|| now))
        };
        looks.into_iter().map(&mut look).sum()
    }

    const FEW_LINES: [(u64, usize, usize); 9] = [(2, 1, 120); 9];

    #[test]
    fn a_thread_rests_while_it_finds_little_at_once() {
        for (micros, reads) in [(2, 1), (20, 16), (500, 500)] {
            let few_lines = vec![(micros, reads, 120); 9];
            assert_eq!(count_rests(few_lines.clone()), 1);
            let goes_on = vec![(100, 1, 15_000); 20];
            assert_eq!(count_rests([few_lines, goes_on].concat()), 21);
        }
    }

    #[test]
    fn who_waits_for_lines_never_rests() {
        assert_eq!(count_rests(vec![(30, 1, 120); 1000]), 0);
        let bursts_of_eight = [vec![(100, 1, 120)], vec![(2, 1, 120); 7]].concat();
        assert_eq!(count_rests(bursts_of_eight.repeat(100)), 0);
        assert_eq!(count_rests(vec![(2, 0, 0); 1000]), 0);
        assert_eq!(count_rests(vec![(2, 1, 0); 1000]), 0);
    }

    #[test]
    fn rests_that_do_not_pay_become_rare() {
        let rests = count_rests(vec![(2, 1, 120); 100_000]);
        assert!((10..40).contains(&rests), "{rests}");
        // All that a small socket's buffer holds, at each rest.
        let held_up = [FEW_LINES.to_vec(), vec![(100, 1, 6000)]].concat();
        assert_eq!(count_rests(held_up.repeat(100)), 1);
    }

    #[test]
    fn what_is_written_meanwhile_is_looked_at_again() {
        let then_large = vec![(100, 1, 100_000); 1000];
        assert_eq!(count_rests([FEW_LINES.to_vec(), then_large].concat()), RESTS_MAX);
    }

    #[test]
    fn large_reads_are_never_put_off() {
        assert_eq!(count_rests(vec![(2, 1, 2400); 1000]), 0);
        assert_eq!(count_rests(vec![(2, 16, 2400); 1000]), 0);
        let fills_the_pipe = vec![(100, 1, READ_BYTES_MAX); 100];
        assert_eq!(count_rests([FEW_LINES.to_vec(), fills_the_pipe].concat()), 1);
    }

    #[test]
    fn one_that_would_be_held_up_keeps_its_thread_from_resting() {
        let (mut pace, now) = (Pace::new(), clock::instant());
        for _ in 0..1000 {
            (0..200).for_each(|_| pace.count_read(120));
            pace.held_off = true;
            assert!(!pace.is_rest_due(|| now));
        }
    }

    #[test]
    fn a_rest_that_takes_too_long_is_not_followed_by_another() {
        let (mut pace, now) = (Pace::new(), clock::instant());
        let mut look = |bytes| {
            pace.count_read(bytes);
            let due = pace.is_rest_due(|| now);
            if due {
                pace.has_rested(2 * REST_TAKES_MAX);
            }
            due
        };
        assert_eq!((0..9).filter(|_| look(120)).count(), 1);
        assert!(!look(15_000));
    }

    #[test]
    fn who_must_not_rest_never_does() {
        let now = clock::instant();
        for bytes in [None, Some(4096), Some(64 * 1024)] {
            let mut pace = Pace::of_pipe(bytes);
            for _ in 0..2 * LOOKS_BEFORE_REST_MAX {
                pace.count_read(1);
                assert!(!pace.is_rest_due(|| now));
            }
        }
    }
}
