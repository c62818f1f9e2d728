//! `newline`: a line ends with one newline (0x0A); every other byte belongs to it, CR and NUL too.

use super::{Framer, Piece, Then, up_to};

/// The default framing.
#[derive(Debug)]
pub struct Newline;

impl Framer for Newline {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        up_to(memchr::memchr(b'\n', input), Then::End, input)
    }

    fn is_as_in_files(&self) -> bool {
        true
    }

    fn whole_lines_bytes(&self, input: &[u8]) -> usize {
        // Most senders write whole lines.
        match input.last() {
            Some(b'\n') => input.len(),
            _ => memchr::memrchr(b'\n', input).map_or(0, |last| last + 1),
        }
    }
}
