//! The unfinished line of one connection, and the memory that all of them share.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::limits::PARTIAL_BYTES_SURE;
use crate::report::Complaint;

/// What all unfinished lines together may hold beyond the 4 KiB that each is sure of.
#[derive(Debug)]
pub struct PartialMemory {
    bytes_max: usize,
    bytes_used: AtomicUsize,
    complaint: Mutex<Complaint>,
}

impl PartialMemory {
    /// Memory of `bytes_max` bytes, to be shared.
    pub fn new(bytes_max: usize) -> Arc<PartialMemory> {
        let (bytes_used, complaint) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(PartialMemory { bytes_max, bytes_used, complaint })
    }

    /// What may be used beyond what each connection is sure of.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether it is time again to tell that the memory is short.
    pub fn complaint_is_due(&self, now: Instant) -> bool {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).is_due(now)
    }

    /// Bytes in use beyond what each connection is sure of.
    pub fn bytes_used(&self) -> usize {
        self.bytes_used.load(Relaxed)
    }

    /// Takes up to `bytes`, at least `bytes_min` or nothing.
    fn take(&self, bytes_min: usize, bytes: usize) -> usize {
        let mut taken = 0;
        // The closure may run several times; the last run is the one that counts.
        let taking = self.bytes_used.fetch_update(Relaxed, Relaxed, |used| {
            taken = bytes.min(self.bytes_max.saturating_sub(used));
            if taken < bytes_min {
                taken = 0;
            }
            Some(used + taken)
        });
        if taking.is_ok() { taken } else { 0 }
    }

    fn give_back(&self, bytes: usize) {
        self.bytes_used.fetch_sub(bytes, Relaxed);
    }
}

/// The bytes of an unfinished line.
#[derive(Debug)]
pub(super) struct Partial {
    bytes: Vec<u8>,
    /// What of `bytes`' capacity came from the shared memory.
    taken: usize,
    memory: Arc<PartialMemory>,
}

impl Partial {
    pub(super) fn new(memory: &Arc<PartialMemory>) -> Partial {
        Partial { bytes: Vec::new(), taken: 0, memory: memory.clone() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps as many of `more` as there is memory for, and says how many.
    pub(super) fn extend(&mut self, more: &[u8]) -> usize {
        let wanted = self.bytes.len() + more.len();
        if wanted > PARTIAL_BYTES_SURE + self.taken {
            // Doubling keeps the copying linear; where memory is short, less will do.
            let missing = wanted - PARTIAL_BYTES_SURE - self.taken;
            let doubled = (2 * self.taken).saturating_sub(self.taken);
            self.taken += match self.memory.take(missing, missing.max(doubled)) {
                0 => self.memory.take(0, missing),
                taken => taken,
            };
        }
        let room = PARTIAL_BYTES_SURE + self.taken - self.bytes.len();
        let kept = more.len().min(room);
        if self.bytes.capacity() < self.bytes.len() + kept {
            let capacity = match self.taken {
                0 => (2 * (self.bytes.len() + kept)).min(PARTIAL_BYTES_SURE),
                taken => PARTIAL_BYTES_SURE + taken,
            };
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(&more[..kept]);
        kept
    }

    /// Appends the end of a line, which is formatted and forgotten at once: for that moment it may
    /// go over what is taken, by the length of one read at most.
    pub(super) fn append_last(&mut self, last: &[u8]) {
        self.bytes.extend_from_slice(last);
    }

    pub(super) fn remove_front(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
    }

    /// Forgets the line; memory beyond the sure 4 KiB goes back.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        if self.taken > 0 || self.bytes.capacity() > PARTIAL_BYTES_SURE {
            self.memory.give_back(self.taken);
            self.taken = 0;
            self.bytes = Vec::new();
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_sure_and_the_rest_is_shared() {
        let memory = PartialMemory::new(1000);
        let (mut one, mut two) = (Partial::new(&memory), Partial::new(&memory));
        assert_eq!(one.extend(&[0; PARTIAL_BYTES_SURE]), PARTIAL_BYTES_SURE);
        assert_eq!(memory.bytes_used(), 0);
        assert_eq!(one.extend(&[0; 700]), 700);
        assert_eq!(two.extend(&[0; PARTIAL_BYTES_SURE + 700]), PARTIAL_BYTES_SURE + 300);
        assert_eq!(memory.bytes_used(), 1000);
        one.clear();
        assert_eq!(memory.bytes_used(), 300);
        assert_eq!(two.extend(&[0; 400]), 400);
        drop(two);
        assert_eq!(memory.bytes_used(), 0);
    }
}
