//! The numbered line: `CLIENT SEQUENCE padding CLIENT SEQUENCE`, always the same length.
//!
//! The number stands at both ends, so that a line made of the beginning of one and the end of
//! another is seen, even though all lines are equally long.

use std::ops::Range;

const CLIENT_DIGITS: usize = 5;
const SEQUENCE_DIGITS: usize = 9;
const NUMBER_BYTES: usize = CLIENT_DIGITS + 1 + SEQUENCE_DIGITS;

/// The shortest line that has room for both numbers, the spaces around the padding and the newline.
pub(crate) const LINE_BYTES_MIN: usize = 2 * NUMBER_BYTES + 3;
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;
pub(crate) const CLIENTS_MAX: usize = 99_999;
pub(crate) const LINES_PER_CLIENT_MAX: usize = 999_999_999;

/// Which line of which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) client: usize,
    pub(crate) sequence: usize,
}

/// One write's worth of lines of one client, built once: only the numbers change.
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Of what stands before the number in each of them.
    head_bytes: usize,
    line_bytes: usize,
    count: usize,
}

impl Lines {
    /// The first `count` lines of `client`, each `line_bytes` long with its newline.
    pub(crate) fn first(client: usize, count: usize, line_bytes: usize) -> Self {
        let bytes =
            (0..count).flat_map(|sequence| line(Number { client, sequence }, line_bytes)).collect();
        Self { bytes, head_bytes: 0, line_bytes, count }
    }

    /// The first line of `client` behind a head, without its newline: `line_bytes` counts both.
    pub(crate) fn first_record(client: usize, head: &str, line_bytes: usize) -> Self {
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend(line(Number { client, sequence: 0 }, line_bytes - head.len()));
        bytes.pop();
        Self { bytes, head_bytes: head.len(), line_bytes, count: 1 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Turns them into the client's next lines.
    pub(crate) fn advance(&mut self) {
        let tail = self.line_bytes - self.head_bytes - 1 - SEQUENCE_DIGITS;
        for line in self.bytes.chunks_mut(self.line_bytes) {
            let (first, rest) = line[self.head_bytes..].split_at_mut(NUMBER_BYTES);
            let digits = &mut first[CLIENT_DIGITS + 1..];
            add(digits, self.count);
            rest[tail - NUMBER_BYTES..][..SEQUENCE_DIGITS].copy_from_slice(digits);
        }
    }
}

/// Adds to a decimal number in place: dearer formatting would be the load's cost, not the point.
fn add(digits: &mut [u8], mut more: usize) {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        if more == 0 && carry == 0 {
            return;
        }
        let sum = usize::from(*digit - b'0') + more % 10 + carry;
        *digit = b'0' + (sum % 10) as u8;
        carry = sum / 10;
        more /= 10;
    }
}

fn line(Number { client, sequence }: Number, line_bytes: usize) -> Vec<u8> {
    let number = format!("{client:0CLIENT_DIGITS$} {sequence:0SEQUENCE_DIGITS$}");
    let mut line = number.clone().into_bytes();
    line.push(b' ');
    line.extend(padding(line_bytes));
    line.push(b' ');
    line.extend(number.into_bytes());
    line.push(b'\n');
    line
}

fn padding(line_bytes: usize) -> impl Iterator<Item = u8> {
    (b'a'..=b'z').cycle().take(line_bytes - LINE_BYTES_MIN)
}

/// Recognises whole lines of one length, and nothing else.
pub(crate) struct Recogniser {
    padding: Vec<u8>,
    line_bytes: usize,
}

impl Recogniser {
    pub(crate) fn new(line_bytes: usize) -> Self {
        Self { padding: padding(line_bytes).collect(), line_bytes }
    }

    /// The number of a line, given without its newline; `None` if a single byte is not as sent.
    pub(crate) fn number(&self, line: &[u8]) -> Option<Number> {
        if line.len() + 1 != self.line_bytes {
            return None;
        }
        let (head, rest) = line.split_at(NUMBER_BYTES);
        let (padding, tail) = rest.split_at(rest.len() - NUMBER_BYTES);
        let padding = padding.strip_prefix(b" ")?.strip_suffix(b" ")?;
        if head != tail || padding != self.padding || head[CLIENT_DIGITS] != b' ' {
            return None;
        }
        let client = decimal(head, 0..CLIENT_DIGITS)?;
        let sequence = decimal(head, CLIENT_DIGITS + 1..NUMBER_BYTES)?;
        Some(Number { client, sequence })
    }

    /// The same for a line that has something before it: that, and the number.
    pub(crate) fn number_behind<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], Number)> {
        let (prefix, line) =
            line.split_at_checked((line.len() + 1).checked_sub(self.line_bytes)?)?;
        Some((prefix, self.number(line)?))
    }
}

fn decimal(bytes: &[u8], range: Range<usize>) -> Option<usize> {
    bytes[range].iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + usize::from(byte - b'0'))
    })
}
