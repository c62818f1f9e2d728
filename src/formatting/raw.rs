//! `raw`: the line's bytes as they came, and a newline. CR, NUL and invalid UTF-8 are kept.

use super::{Expansion, Formatter, push_line};
use crate::line::{Line, newlines};

/// The default format.
#[derive(Debug)]
pub struct Raw {
    /// Whether lines may hold newlines, which are escaped then.
    pub escapes: bool,
}

impl Formatter for Raw {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        push_line(line.bytes, self.escapes, out);
    }

    fn lines(&mut self, whole_lines: &[u8], out: &mut Vec<u8>) -> u64 {
        out.extend_from_slice(whole_lines);
        newlines(whole_lines)
    }

    fn keeps_lines(&self) -> bool {
        true
    }

    fn expansion(&self) -> Expansion {
        Expansion { per_byte: 1 + usize::from(self.escapes), per_line: 1, per_read: 0 }
    }
}
