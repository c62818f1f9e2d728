//! What a connection sends: the same lines in the same reads, in every run.

/// A seed like any other; it decides the letters and where lines are cut.
const SEED: u64 = 2026;

/// Lines of one length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    pub(crate) count: usize,
    /// With the terminator.
    pub(crate) bytes: usize,
    /// What each begins with, before its letters.
    pub(crate) begins: &'static str,
    pub(crate) terminator: u8,
    pub(crate) letters: Letters,
}

/// What lines are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Letters {
    /// One byte each.
    Ascii,
    /// Two bytes each, so that every second place is no place to split a line.
    TwoBytes,
}

/// How lines come in reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// As many whole lines as fit in so many bytes, at least one.
    Whole(usize),
    /// So many bytes each.
    Chunks(usize),
    /// From one byte to so many, cut anywhere.
    Cut(usize),
}

impl Lines {
    /// All lines, as they are read one read after the other.
    pub(crate) fn reads(self, arrival: Arrival) -> Reads {
        let mut random = Random(SEED);
        let text = self.text(&mut random);
        let (mut ends, mut end) = (Vec::new(), 0);
        while end < text.len() {
            let bytes = match arrival {
                Arrival::Whole(bytes_max) => (bytes_max / self.bytes).max(1) * self.bytes,
                Arrival::Chunks(bytes) => bytes,
                Arrival::Cut(bytes_max) => 1 + random.below(bytes_max),
            };
            end = text.len().min(end + bytes);
            ends.push(end);
        }
        Reads { text, ends }
    }

    /// One line, so many times: what is counted does not look at letters.
    fn text(self, random: &mut Random) -> Vec<u8> {
        let mut line = Vec::with_capacity(self.bytes);
        line.extend_from_slice(self.begins.as_bytes());
        let end = self.bytes - 1;
        while line.len() < end {
            let letter = random.below(26) as u8;
            match self.letters {
                Letters::TwoBytes if end - line.len() > 1 => {
                    line.extend_from_slice(&[0xC3, 0xA0 + letter]);
                }
                _ => line.push(b'a' + letter),
            }
        }
        line.push(self.terminator);
        line.repeat(self.count)
    }
}

/// What a connection has sent, and the borders of its reads.
pub(crate) struct Reads {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Reads {
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of the read of that number.
    pub(crate) fn get(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text[start..self.ends[number]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count()).map(|number| self.get(number))
    }
}

/// A random number generator that is the same everywhere: SplitMix64.
struct Random(u64);

impl Random {
    /// A number from 0 to `end`, without `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}
