//! `nul`: a record ends with one NUL byte and may hold newlines, as `find -print0` and `env -0` write.

use super::{Framer, Multiline, Piece, Then, up_to};

/// Records ended by NUL.
#[derive(Debug)]
pub struct Nul {
    /// What becomes of newlines in them.
    pub multiline: Multiline,
}

impl Framer for Nul {
    fn next_piece(&mut self, input: &[u8]) -> Piece {
        if self.multiline == Multiline::Escape {
            return up_to(memchr::memchr(0, input), Then::End, input);
        }
        let found = memchr::memchr2(0, b'\n', input);
        let then = if found.is_some_and(|at| input[at] == b'\n') { Then::Line } else { Then::End };
        up_to(found, then, input)
    }
}
