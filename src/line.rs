//! A line's bytes, and why it ended; and what is known of lines that are missing.

use std::time::SystemTime;

/// Why a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// The framing's terminator or count.
    Terminator,
    /// The input ended first; what had come is a whole line.
    EndOfInput,
    /// The line grew over `max-line` (or over what was left of `partial-memory`) and goes on in
    /// the next one.
    Split,
    /// The line grew over `max-line`; the rest of it was left out.
    Truncated,
}

/// One line, without its terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Any bytes at all; newlines only where they are to be escaped.
    pub bytes: &'a [u8],
    /// Why the line ended.
    pub end: LineEnd,
    /// Whether it goes on with what the line before it began: with an over-long line that was
    /// split, or with a record that holds newlines.
    pub continues: bool,
}

/// Lines that are missing from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many lines.
    pub lines: u64,
    /// How many bytes of theirs: as they would stand in the file, or as far as they were read.
    pub bytes: u64,
    /// When the first of them came.
    pub from: SystemTime,
    /// When the last of them came.
    pub to: SystemTime,
}

impl Lost {
    /// These and `others`. The clock may have been set between them.
    pub fn and(self, others: Lost) -> Lost {
        Lost {
            lines: self.lines + others.lines,
            bytes: self.bytes + others.bytes,
            from: self.from.min(others.from),
            to: self.to.max(others.to),
        }
    }
}

/// How many newlines there are.
pub fn newlines(bytes: &[u8]) -> u64 {
    bytecount::count(bytes, b'\n') as u64
}

/// How many of `bytes` make whole characters when `next` follows them: all, or up to 3 less where
/// the border would go through a UTF-8 character. Bytes that are no UTF-8 are cut anywhere.
pub fn character_boundary(bytes: &[u8], next: u8) -> usize {
    if !is_continuation(next) {
        return bytes.len();
    }
    let continuations =
        bytes.iter().rev().take(3).take_while(|byte| is_continuation(**byte)).count();
    let Some(start) = bytes.len().checked_sub(continuations + 1) else { return bytes.len() };
    let width = match bytes[start] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return bytes.len(),
    };
    // A cut that leaves nothing would make no progress.
    if width > continuations + 1 && start > 0 { start } else { bytes.len() }
}

fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xBF)
}

#[cfg(test)]
mod tests {
    use super::character_boundary;

    #[track_caller]
    fn check(text: &[u8], length: usize, expected: usize) {
        let kept = character_boundary(&text[..length], text[length]);
        assert_eq!(kept, expected, "{text:?} cut at {length}");
    }

    #[test]
    fn a_cut_never_goes_through_a_character() {
        check(b"abcdef", 3, 3);
        check("aäb".as_bytes(), 2, 1);
        check("aäb".as_bytes(), 3, 3);
        check("a€b".as_bytes(), 2, 1);
        check("a€b".as_bytes(), 3, 1);
        check("a€b".as_bytes(), 4, 4);
        check("a𝄞b".as_bytes(), 4, 1);
        check("a𝄞b".as_bytes(), 5, 5);
        check("ää".as_bytes(), 2, 2);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_cut_where_asked() {
        check(&[0x80; 8], 5, 5);
        check(&[0xFF; 8], 5, 5);
        check(&[b'a', 0xC0, 0x80, b'b'], 2, 2);
        check(&[0xC3, 0xA4, 0x80, 0x80], 2, 2);
    }

    #[test]
    fn a_cut_makes_progress_even_inside_the_first_character() {
        check("𝄞".as_bytes(), 1, 1);
        check("𝄞".as_bytes(), 3, 3);
    }
}
