//! `log4js`: a record ends with `__LOG4JS__`, as the `tcp` appender and the `multiprocess` workers of
//! log4js send their events. Nothing escapes that in a record: there it ends one, too.

use super::{Framer, Multiline, Part, Piece, Position, Then};

/// What ends a record.
const TERMINATOR: &[u8] = b"__LOG4JS__";

/// Records ended by log4js's terminator.
#[derive(Debug)]
pub struct Log4js {
    multiline: Multiline,
    /// How many bytes of what may be a terminator have come.
    begun: usize,
}

impl Log4js {
    /// Bytes that may be taken for the beginning of a terminator.
    pub const BEGUN_BYTES_MAX: usize = TERMINATOR.len() - 1;

    /// For one connection; `multiline` says what becomes of newlines in records.
    pub fn new(multiline: Multiline) -> Log4js {
        Log4js { multiline, begun: 0 }
    }

    /// Where a terminator has begun.
    fn go_on(&mut self, input: &[u8]) -> Piece {
        let missing = &TERMINATOR[self.begun..];
        let taken_bytes = missing.len().min(input.len());
        let piece = |taken_bytes, then| Piece { record_bytes: 0, taken_bytes, then };
        if input[..taken_bytes] != missing[..taken_bytes] {
            return piece(0, Then::GivenUp);
        }
        if taken_bytes == missing.len() {
            self.begun = 0;
            return piece(taken_bytes, Then::End);
        }
        self.begun += taken_bytes;
        piece(taken_bytes, Then::More)
    }
}

impl Framer for Log4js {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        if self.begun > 0 {
            return self.go_on(input);
        }
        let mut from = 0;
        loop {
            let rest = &input[from..];
            let found = match self.multiline {
                Multiline::Lines => memchr::memchr2(b'\n', b'_', rest),
                Multiline::Escape => memchr::memchr(b'_', rest),
            };
            let Some(at) = found.map(|at| from + at) else {
                let record_bytes = input.len();
                return Piece { record_bytes, taken_bytes: record_bytes, then: Then::More };
            };
            let piece = |bytes, then| Piece { record_bytes: at, taken_bytes: at + bytes, then };
            let rest = &input[at..];
            if rest[0] == b'\n' {
                return piece(1, Then::Line);
            }
            if rest.starts_with(TERMINATOR) {
                return piece(TERMINATOR.len(), Then::End);
            }
            if TERMINATOR.starts_with(rest) {
                self.begun = rest.len();
                return piece(rest.len(), Then::More);
            }
            from = at + 1;
        }
    }

    fn give_up(&mut self) -> &'static [u8] {
        let begun = &TERMINATOR[..self.begun];
        let next = (1..begun.len()).find(|at| TERMINATOR.starts_with(&begun[*at..]));
        let given_up = next.unwrap_or(begun.len());
        self.begun -= given_up;
        &TERMINATOR[..given_up]
    }

    fn end(&mut self) -> &'static [u8] {
        &TERMINATOR[..std::mem::take(&mut self.begun)]
    }

    fn is_between_records(&self) -> bool {
        self.begun == 0
    }

    fn position(&self) -> Position {
        match self.begun {
            0 => Position::default(),
            number => Position { part: Part::Terminator, number, ..Position::default() },
        }
    }

    fn go_on_at(&mut self, position: Position) {
        self.begun = match position.part {
            Part::Terminator => position.number.min(Log4js::BEGUN_BYTES_MAX),
            _ => 0,
        };
    }
}
