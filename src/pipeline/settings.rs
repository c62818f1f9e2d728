//! How a stream wants its lines.

use crate::formatting::Format;

/// What happens to a line over `max-line`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverLong {
    /// It goes on in further lines; nothing is lost.
    #[default]
    Split,
    /// Its beginning is kept.
    Truncate,
    /// It is left out, and a gap record stands in its place.
    Drop,
}

/// How a stream wants its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// What stands in the file for a line.
    pub format: Format,
    /// The longest line in bytes, terminator apart; at least 1.
    pub line_bytes_max: usize,
    /// What happens to a longer one.
    pub over_long: OverLong,
}
