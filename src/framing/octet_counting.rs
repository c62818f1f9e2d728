//! `octet-counting`: `LENGTH SPACE RECORD`, RFC 6587 section 3.4.1. A record may hold any bytes.
//!
//! Behind a wrong count nothing tells where the next record begins: from there on a newline ends a
//! record, for the rest of the connection. A count is wrong that has no digit, begins with a zero,
//! has no space behind its digits, or is over [`OCTET_COUNT_MAX`].

use super::{Framer, Multiline, Newline, Part, Piece, Position, Then, up_to};
use crate::limits::OCTET_COUNT_MAX;

/// Records with their length before them.
#[derive(Debug)]
pub struct OctetCounting {
    multiline: Multiline,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a count, of which this much has come; 0 before its first digit.
    Count(usize),
    /// In a record, of which so many bytes are still to come.
    Record(usize),
    /// Behind a wrong count.
    Lines,
}

impl OctetCounting {
    /// For one connection; `multiline` says what becomes of newlines in records.
    pub fn new(multiline: Multiline) -> OctetCounting {
        OctetCounting { multiline, state: State::Count(0) }
    }

    fn count(&mut self, mut count: usize, input: &[u8]) -> Piece {
        for (at, byte) in input.iter().enumerate() {
            if *byte == b' ' && count > 0 {
                self.state = State::Record(count);
                return Piece { record_bytes: 0, taken_bytes: at + 1, then: Then::Record };
            }
            match longer(count, *byte) {
                Some(longer) => count = longer,
                None => {
                    self.state = State::Lines;
                    return Piece { record_bytes: at, taken_bytes: at, then: Then::Senseless };
                }
            }
        }
        self.state = State::Count(count);
        Piece { record_bytes: input.len(), taken_bytes: input.len(), then: Then::More }
    }
}

/// `count` with one more digit; none where that makes no count.
pub(super) fn longer(count: usize, digit: u8) -> Option<usize> {
    let digit = digit.is_ascii_digit().then(|| usize::from(digit - b'0'))?;
    Some(10 * count + digit).filter(|count| (1..=OCTET_COUNT_MAX).contains(count))
}

/// The next bytes of a record of which `left` bytes are still to come, and how many are then.
pub(super) fn counted(left: usize, multiline: Multiline, input: &[u8]) -> (Piece, usize) {
    let record = &input[..left.min(input.len())];
    let newline = match multiline {
        Multiline::Lines => memchr::memchr(b'\n', record),
        Multiline::Escape => None,
    };
    let mut piece = up_to(newline, Then::Line, record);
    let left = left - piece.taken_bytes;
    if left == 0 {
        piece.then = if newline.is_some() { Then::LastLine } else { Then::End };
    }
    (piece, left)
}

impl Framer for OctetCounting {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        match self.state {
            State::Count(count) => self.count(count, input),
            State::Record(left) => {
                let (piece, left) = counted(left, self.multiline, input);
                self.state = if left == 0 { State::Count(0) } else { State::Record(left) };
                piece
            }
            State::Lines => Newline.next_piece(input),
        }
    }

    fn is_between_records(&self) -> bool {
        !matches!(self.state, State::Record(_))
    }

    fn position(&self) -> Position {
        let (part, number) = match self.state {
            State::Count(count) => (Part::Count, count),
            State::Record(left) => (Part::Counted, left),
            State::Lines => (Part::Text, 0),
        };
        Position { part, number, ..Position::default() }
    }

    fn go_on_at(&mut self, Position { part, number, .. }: Position) {
        self.state = match part {
            Part::Counted => State::Record(number.clamp(1, OCTET_COUNT_MAX)),
            Part::Text | Part::Terminator => State::Lines,
            Part::Plain | Part::Count | Part::CountEnded => {
                State::Count(number.min(OCTET_COUNT_MAX))
            }
        };
    }

    fn whole_lines_bytes(&self, input: &[u8]) -> usize {
        match self.state {
            State::Lines => Newline.whole_lines_bytes(input),
            State::Count(_) | State::Record(_) => 0,
        }
    }
}
