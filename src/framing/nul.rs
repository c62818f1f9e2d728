//! `nul`: a line ends with one NUL byte and may hold newlines, as `find -print0` and `env -0` write.

use super::{Framer, Piece};

/// Lines ended by NUL.
#[derive(Debug)]
pub struct Nul;

impl Framer for Nul {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        super::until(0, input)
    }
}
