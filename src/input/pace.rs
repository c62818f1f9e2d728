//! Pace: a thread that finds a few lines whenever it looks, over and over, looks less often.
//!
//! Each look costs a system call or two for each sender, and often a wake-up of a writer, for
//! perhaps a single line; what comes while the thread rests is read and written in one go. Network
//! drivers do the same with their interrupts (ethtool(8), adaptive-rx). Nobody waits who sends now
//! and then: a rest comes only after many reads that followed each other without a pause.

use std::cell::RefCell;
use std::time::Instant;

use crate::clock;
use crate::limits::{
    LOOKS_BEFORE_REST, QUICK_READ_MAX, READ_BYTES_MAX, REST, REST_YIELD_MIN, RESTS_MAX,
    SMALL_READ_MAX,
};
use crate::writer::wake;

thread_local! {
    static PACE: RefCell<Pace> = const { RefCell::new(Pace::new()) };
}

/// Counts a read of this thread.
pub(super) fn count_read(bytes: usize) {
    PACE.with_borrow_mut(|pace| pace.count_read(bytes));
}

/// To be called before each look for something to read: rests where that pays.
pub fn rest_if_due() {
    if PACE.with_borrow_mut(|pace| pace.rests(clock::instant)) {
        wake::now();
        std::thread::sleep(REST);
    }
}

/// What one thread has seen of late.
#[derive(Debug)]
struct Pace {
    /// Since the last look.
    reads: u32,
    bytes: usize,
    /// When it looked last, unless it rested before that.
    looked: Option<Instant>,
    /// Looks in succession that found little, quickly.
    quick_looks: u32,
    /// Rests in succession.
    rests: u32,
}

impl Pace {
    const fn new() -> Pace {
        Pace { reads: 0, bytes: 0, looked: None, quick_looks: 0, rests: 0 }
    }

    fn count_read(&mut self, bytes: usize) {
        self.reads += 1;
        self.bytes += bytes;
    }

    /// Whether to rest before the next look.
    fn rests(&mut self, clock: impl FnOnce() -> Instant) -> bool {
        let (reads, bytes) = (std::mem::take(&mut self.reads), std::mem::take(&mut self.bytes));
        let rests = if self.rests > 0 {
            // Where more has come than one read takes, a sender may have been held up; whether they
            // still write a little at a time can be seen without a rest only.
            self.rests < RESTS_MAX && (REST_YIELD_MIN..READ_BYTES_MAX).contains(&bytes)
        } else {
            let now = clock();
            let looked = self.looked.replace(now);
            let quick = looked.is_some_and(|looked| now - looked < QUICK_READ_MAX * reads);
            let little = bytes <= SMALL_READ_MAX * reads as usize;
            self.quick_looks = if quick && little { self.quick_looks + 1 } else { 0 };
            self.quick_looks >= LOOKS_BEFORE_REST
        };
        if rests {
            self.rests += 1;
            (self.quick_looks, self.looked) = (0, None);
        } else {
            self.rests = 0;
        }
        rests
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Looks that each follow after so many microseconds and find so many reads of so many bytes;
    /// how many rests there were.
    fn rests(looks: impl IntoIterator<Item = (u64, usize, usize)>) -> usize {
        let (mut pace, mut now) = (Pace::new(), clock::instant());
        let mut look = |(micros, reads, bytes)| {
            now += Duration::from_micros(micros);
            (0..reads).for_each(|_| pace.count_read(bytes));
            pace.rests(|| now)
        };
        looks.into_iter().filter(|it| look(*it)).count()
    }

    #[test]
    fn a_thread_rests_while_it_finds_little_at_once() {
        for (micros, reads) in [(2, 1), (20, 16), (500, 500)] {
            let few_lines = vec![(micros, reads, 120); 9];
            assert_eq!(rests(few_lines.clone()), 1);
            let goes_on = vec![(100, 1, 15_000); 20];
            assert_eq!(rests([few_lines.clone(), goes_on].concat()), 21);
            let ends = vec![(100, 1, 240); 20];
            assert_eq!(rests([few_lines, ends].concat()), 1);
        }
    }

    #[test]
    fn who_waits_for_lines_never_rests() {
        assert_eq!(rests(vec![(30, 1, 120); 1000]), 0);
        let bursts_of_eight = [vec![(100, 1, 120)], vec![(2, 1, 120); 7]].concat();
        assert_eq!(rests(bursts_of_eight.repeat(100)), 0);
        assert_eq!(rests(vec![(2, 0, 0); 1000]), 0);
    }

    #[test]
    fn what_is_written_meanwhile_is_looked_at_again() {
        let few_lines = vec![(2, 1, 120); 9];
        let then_large = vec![(100, 1, 100_000); 1000];
        assert_eq!(rests([few_lines, then_large].concat()), RESTS_MAX as usize);
    }

    #[test]
    fn large_reads_are_never_put_off() {
        assert_eq!(rests(vec![(2, 1, 2400); 1000]), 0);
        assert_eq!(rests(vec![(2, 16, 2400); 1000]), 0);
        let fills_the_pipe = [vec![(2, 1, 120); 9], vec![(100, 1, READ_BYTES_MAX); 100]].concat();
        assert_eq!(rests(fills_the_pipe), 1);
    }
}
