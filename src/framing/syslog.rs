//! `syslog`: records as syslog senders put them on a stream, each on its own connection in its own
//! way (RFC 6587 section 3.4). Where a record begins, digits without a leading zero, one space and
//! `<` are an octet count; any other record goes on to a newline or a NUL. Terminators without a
//! record between them, such as a newline behind a counted record, are none.
//!
//! A count that no `<` follows, or that had been wrong, since what stands behind the record that it
//! counted begins like none, is an error, told once a connection. No byte is left out for it.

use super::octet_counting::{counted, longer};
use super::{Framer, Multiline, Part, Piece, Position, Then, up_to};
use crate::limits::OCTET_COUNT_MAX;

/// Records of syslog senders.
#[derive(Debug)]
pub struct Syslog {
    multiline: Multiline,
    state: State,
    /// Nothing has come since a counted record.
    behind_counted: bool,
    /// A count made no sense already.
    error_told: bool,
}

#[derive(Debug)]
enum State {
    /// Before a record.
    Between,
    /// In digits that may be a count, of which this much has come.
    Count(usize),
    /// Behind such digits and a space.
    CountEnded(usize),
    /// In a counted record, of which so many bytes are still to come.
    Counted(usize),
    /// In a record that goes on to a terminator.
    Text,
}

impl Syslog {
    /// For one connection; `multiline` says what becomes of newlines in counted records.
    pub fn new(multiline: Multiline) -> Syslog {
        let (behind_counted, error_told) = (false, false);
        Syslog { multiline, state: State::Between, behind_counted, error_told }
    }

    /// Where a record may begin.
    fn between(&mut self, input: &[u8]) -> Piece {
        let terminators = input.iter().take_while(|byte| matches!(byte, b'\n' | 0)).count();
        if terminators > 0 {
            self.behind_counted = false;
            return Piece { record_bytes: 0, taken_bytes: terminators, then: Then::More };
        }
        match input[0] {
            b'1'..=b'9' => self.count(0, input),
            b'<' => self.text(true, input),
            _ => self.text(!self.behind_counted, input),
        }
    }

    fn count(&mut self, mut count: usize, input: &[u8]) -> Piece {
        for (at, byte) in input.iter().enumerate() {
            if *byte == b' ' {
                return match input.get(at + 1) {
                    Some(b'<') => self.counted(count, at + 1),
                    Some(_) => self.text(false, input),
                    None => {
                        self.state = State::CountEnded(count);
                        up_to(None, Then::More, input)
                    }
                };
            }
            match longer(count, *byte) {
                Some(longer) => count = longer,
                // A date, perhaps.
                None => return self.text(!self.behind_counted, input),
            }
        }
        self.state = State::Count(count);
        up_to(None, Then::More, input)
    }

    /// Behind a count, whose last bytes are taken now.
    fn counted(&mut self, count: usize, taken_bytes: usize) -> Piece {
        self.state = State::Counted(count);
        Piece { record_bytes: 0, taken_bytes, then: Then::Record }
    }

    /// The record goes on to a terminator; `makes_sense` says whether that is no error.
    fn text(&mut self, makes_sense: bool, input: &[u8]) -> Piece {
        self.state = State::Text;
        if !makes_sense && !self.error_told {
            self.error_told = true;
            return Piece { record_bytes: 0, taken_bytes: 0, then: Then::Senseless };
        }
        let end = memchr::memchr2(b'\n', 0, input);
        if end.is_some() {
            (self.state, self.behind_counted) = (State::Between, false);
        }
        up_to(end, Then::End, input)
    }
}

impl Framer for Syslog {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        match self.state {
            State::Between => self.between(input),
            State::Count(count) => self.count(count, input),
            State::CountEnded(count) if input[0] == b'<' => self.counted(count, 0),
            State::CountEnded(_) => self.text(false, input),
            State::Counted(left) => {
                let (piece, left) = counted(left, self.multiline, input);
                self.behind_counted = left == 0;
                self.state = if left == 0 { State::Between } else { State::Counted(left) };
                piece
            }
            State::Text => self.text(true, input),
        }
    }

    fn is_between_records(&self) -> bool {
        matches!(self.state, State::Between)
    }

    fn position(&self) -> Position {
        let (part, number) = match self.state {
            State::Between => (Part::Plain, 0),
            State::Count(count) => (Part::Count, count),
            State::CountEnded(count) => (Part::CountEnded, count),
            State::Counted(left) => (Part::Counted, left),
            State::Text => (Part::Text, 0),
        };
        let Syslog { behind_counted, error_told, .. } = *self;
        Position { part, number, behind_counted, error_told }
    }

    fn go_on_at(&mut self, position: Position) {
        let Position { part, number, behind_counted, error_told } = position;
        let number = number.clamp(1, OCTET_COUNT_MAX);
        self.state = match part {
            Part::Plain => State::Between,
            Part::Count => State::Count(number),
            Part::CountEnded => State::CountEnded(number),
            Part::Counted => State::Counted(number),
            Part::Text | Part::Terminator => State::Text,
        };
        (self.behind_counted, self.error_told) = (behind_counted, error_told);
    }
}
