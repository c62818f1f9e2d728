//! The ledger: what a crash leaves of the agent's memory.
//!
//! A file in memory that systemd keeps too. It says of each connection whose it is and whether a
//! record had begun that had not ended, and of each stream how many lines were not written yet. It
//! is words that are stored without a system call, and behind them a text for each slot.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::counters::PendingMirror;
use crate::framing::Position;
use crate::limits::LEDGER_ENTRY_BYTES_MAX;
use crate::origin::Origin;
use crate::stream_name::StreamName;
use crate::system::shared_words;

/// Of another layout the number is another.
const MAGIC: u64 = u64::from_be_bytes(*b"logagnt1");
/// The magic number, and how many slots there are.
const HEADER_WORDS: usize = 2;
/// State, and two numbers.
const SLOT_WORDS: usize = 3;
const WORD_BYTES: usize = size_of::<u64>();

const USED: u64 = 1;
/// A record has begun. In one word with the framing's position: a crash must find both or neither.
const INSIDE: u64 = 1 << 63;
/// Something is being read, and not accounted for yet; in the same word.
const READING: u64 = 1 << 62;

/// Whose a slot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A connection's; its words are the state of its record, the framing's, and received packets.
    Connection {
        /// The number that systemd keeps it under.
        key: u64,
        /// Whose it is.
        whose: Whose,
    },
    /// A FIFO's or datagram socket's; its words are the same.
    Only {
        /// Where it is, or the input that reads it where nobody can tell.
        place: String,
    },
    /// A stream's; its words are lines that are not written yet, and their bytes.
    Stream {
        /// The stream.
        name: StreamName,
    },
}

/// Where a connection's lines come from and go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    /// The input that has accepted it.
    pub input: String,
    /// The stream that it feeds.
    pub stream: StreamName,
    /// Who sends.
    pub origin: Origin,
}

/// What a ledger said of a slot when its agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it was.
    pub entry: Entry,
    value: u64,
    bytes: u64,
}

impl Found {
    /// Of a connection or FIFO: where in which record it was, if it was in one, before what was
    /// being read.
    pub fn inside(&self) -> Option<Position> {
        let inside = self.value & INSIDE != 0;
        inside.then(|| Position::from_word(self.value & !(INSIDE | READING)))
    }

    /// Whether something was being read.
    pub fn was_reading(&self) -> bool {
        self.value & READING != 0
    }

    /// Packets that had been received, and whose lines are nowhere.
    pub fn packets(&self) -> u64 {
        self.bytes
    }

    /// Of a stream: lines that were accepted and not written.
    pub fn pending_lines(&self) -> u64 {
        self.value
    }

    /// Their bytes.
    pub fn pending_bytes(&self) -> u64 {
        self.bytes
    }
}

/// The ledger of the agent that runs.
#[derive(Debug)]
pub struct Ledger {
    memory: OwnedFd,
    words: &'static [AtomicU64],
    free: Mutex<Vec<usize>>,
}

/// A slot of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    index: usize,
    state: &'static AtomicU64,
    value: &'static AtomicU64,
    bytes: &'static AtomicU64,
}

impl Slot {
    /// Something is about to be read.
    pub fn begin_read(self) {
        self.value.fetch_or(READING, Relaxed);
    }

    /// What was read is accounted for.
    pub fn end_read(self, inside: bool, position: Position) {
        self.bytes.store(0, Relaxed);
        // Behind what counts as pending by now.
        self.value.store(position.to_word() | if inside { INSIDE } else { 0 }, Release);
    }

    /// So many packets were received, or are just now, that are not accounted for.
    pub fn count_packets(self, packets: usize) {
        self.bytes.store(packets as u64, Relaxed);
    }

    /// Of a stream: where it says what is not written yet.
    pub fn pending(self) -> PendingMirror {
        PendingMirror { lines: self.value, bytes: self.bytes }
    }
}

impl Ledger {
    /// An empty one with so many slots.
    pub fn new(slots: usize) -> io::Result<Ledger> {
        let count = NonZeroUsize::MIN.saturating_add(HEADER_WORDS + SLOT_WORDS * slots - 1);
        let (memory, words) = shared_words(c"logagent-ledger", count)?;
        words[1].store(slots as u64, Relaxed);
        words[0].store(MAGIC, Release);
        Ok(Ledger { memory, words, free: Mutex::new((0..slots).rev().collect()) })
    }

    /// To be kept.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Takes a slot for `entry`; none where none is free, or the entry is too long.
    pub fn enter(&self, entry: &Entry) -> Option<Slot> {
        let text = serde_json::to_vec(entry).ok()?;
        let length = u16::try_from(text.len()).ok()?;
        if text.len() + size_of::<u16>() > LEDGER_ENTRY_BYTES_MAX {
            return None;
        }
        let index = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let at = (text_start(self.slots()) + index * LEDGER_ENTRY_BYTES_MAX) as u64;
        let bytes = [&length.to_le_bytes()[..], &text].concat();
        if self.write(&bytes, at).is_err() {
            self.release_index(index);
            return None;
        }
        let word = HEADER_WORDS + SLOT_WORDS * index;
        let [state, value, bytes, ..] = &self.words[word..] else { return None };
        let slot = Slot { index, state, value, bytes };
        slot.value.store(0, Relaxed);
        slot.bytes.store(0, Relaxed);
        slot.state.store(USED, Release);
        Some(slot)
    }

    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let file = std::fs::File::from(self.memory.try_clone()?);
        // A file in memory takes it whole, or fails.
        match file.write_at(bytes, at)? {
            length if length == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Gives a slot back.
    pub fn release(&self, slot: Slot) {
        slot.state.store(0, Release);
        self.release_index(slot.index);
    }

    fn release_index(&self, index: usize) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(index);
    }

    fn slots(&self) -> usize {
        usize::try_from(self.words[1].load(Acquire)).unwrap_or(0)
    }
}

fn text_start(slots: usize) -> usize {
    (HEADER_WORDS + SLOT_WORDS * slots) * WORD_BYTES
}

/// What a ledger says; nothing of what makes no sense.
pub fn read(bytes: &[u8]) -> Vec<Found> {
    let word = |index: usize| {
        let bytes = bytes.get(index * WORD_BYTES..)?.first_chunk::<WORD_BYTES>()?;
        Some(u64::from_ne_bytes(*bytes))
    };
    let slots_max = bytes.len() / (SLOT_WORDS * WORD_BYTES);
    let slots = match (word(0), word(1).and_then(|slots| usize::try_from(slots).ok())) {
        (Some(MAGIC), Some(slots)) if slots <= slots_max => slots,
        _ => return Vec::new(),
    };
    let found = (0..slots).filter_map(|index| {
        word(HEADER_WORDS + SLOT_WORDS * index).filter(|state| state & USED != 0)?;
        let value = word(HEADER_WORDS + SLOT_WORDS * index + 1)?;
        let pending_bytes = word(HEADER_WORDS + SLOT_WORDS * index + 2)?;
        let text = bytes.get(text_start(slots) + index * LEDGER_ENTRY_BYTES_MAX..)?;
        let (length, text) = text.split_first_chunk::<2>()?;
        let text = text.get(..usize::from(u16::from_le_bytes(*length)))?;
        Some(Found { entry: serde_json::from_slice(text).ok()?, value, bytes: pending_bytes })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    fn connection(key: u64) -> Entry {
        let stream = "web".parse().unwrap();
        let whose = Whose { input: "units".to_owned(), stream, origin: Origin::default() };
        Entry::Connection { key, whose }
    }

    fn bytes(ledger: &Ledger) -> Vec<u8> {
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&ledger.memory));
        let mut bytes = Vec::new();
        File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_entered_is_found_again() {
        let ledger = Ledger::new(4).unwrap();
        let one = ledger.enter(&connection(1)).unwrap();
        let two = ledger.enter(&connection(2)).unwrap();
        let three = ledger.enter(&connection(3)).unwrap();
        let stream = ledger.enter(&Entry::Stream { name: "web".parse().unwrap() }).unwrap();
        assert!(ledger.enter(&connection(5)).is_none(), "there is a slot too many");
        stream.pending().lines.store(7, Relaxed);
        one.end_read(true, Position::default());
        two.end_read(false, Position::default());
        two.begin_read();
        two.count_packets(3);
        ledger.release(three);
        let found = read(&bytes(&ledger));
        let entries: Vec<_> = found.iter().map(|found| found.entry.clone()).collect();
        let stream = Entry::Stream { name: "web".parse().unwrap() };
        assert_eq!(entries, [connection(1), connection(2), stream]);
        let inside: Vec<_> = found[..2].iter().map(|found| found.inside().is_some()).collect();
        assert_eq!(inside, [true, false]);
        assert_eq!((found[1].was_reading(), found[1].packets()), (true, 3));
        assert_eq!(found[2].pending_lines(), 7);
        two.end_read(false, Position::default());
        assert!(!read(&bytes(&ledger))[1].was_reading());
    }

    #[test]
    fn an_entry_that_is_too_long_takes_no_slot() {
        let ledger = Ledger::new(1).unwrap();
        let input = "x".repeat(LEDGER_ENTRY_BYTES_MAX);
        let whose = Whose { input, stream: "web".parse().unwrap(), origin: Origin::default() };
        assert!(ledger.enter(&Entry::Connection { key: 1, whose }).is_none());
        assert!(ledger.enter(&connection(1)).is_some());
    }

    #[test]
    fn garbage_says_nothing() {
        let ledger = Ledger::new(2).unwrap();
        ledger.enter(&connection(1)).unwrap();
        let bytes = bytes(&ledger);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).len() <= 1);
        }
        let mut wrong = bytes.clone();
        wrong[8..16].fill(0xFF);
        assert_eq!(read(&wrong), []);
    }
}
