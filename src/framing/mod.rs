//! Framing: where in a connection's bytes one line ends and the next begins.
//!
//! A framer is pure: no IO, no clock, it cannot fail and holds no line. It only says what the next
//! bytes are; `pipeline` keeps the unfinished line, and the bounds. A new framing is one file and
//! its row in [`FRAMINGS`].

mod newline;
mod nul;

pub use newline::Newline;
pub use nul::Nul;

/// What the first bytes of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the line, from the front of the input. Zero is fine: an empty line, for example.
    pub line_bytes: usize,
    /// Bytes to take from the front of the input: the line's and, behind them, the framing's own.
    pub taken_bytes: usize,
    /// Whether the line ends behind these bytes.
    pub ends: bool,
}

/// Finds line ends, one connection's bytes at a time.
pub trait Framer: Send {
    /// What the first bytes of `input` are. `input` is never empty, and at least one byte of it is
    /// taken.
    fn next_piece(&mut self, input: &[u8]) -> Piece;

    /// Whether lines end here as they do in a file, with exactly one newline, so that bytes that
    /// were read need no change to be written.
    fn is_as_in_files(&self) -> bool {
        false
    }

    /// The length of the longest prefix of `input` that is whole lines, each ended by exactly one
    /// newline; asked only where a line begins. The pipeline hands such a prefix on without a look
    /// at its single lines. Framings that end lines otherwise leave this at 0.
    fn whole_lines_bytes(&self, input: &[u8]) -> usize {
        let _ = input;
        0
    }
}

/// A framing, as configured by its name.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// The name in the configuration.
    pub name: &'static str,
    /// One line about it, for messages and examples.
    pub summary: &'static str,
    build: fn() -> Box<dyn Framer>,
}

impl Framing {
    /// A framer for one connection.
    pub fn build(&self) -> Box<dyn Framer> {
        (self.build)()
    }

    /// The framing of that name.
    pub fn named(name: &str) -> Option<&'static Framing> {
        FRAMINGS.iter().find(|framing| framing.name == name)
    }
}

/// By name, which is unique.
impl PartialEq for Framing {
    fn eq(&self, other: &Framing) -> bool {
        self.name == other.name
    }
}

impl Eq for Framing {}

/// Every framing there is; the first is the default.
pub static FRAMINGS: &[Framing] = &[
    Framing { name: "newline", summary: "a line ends with a newline", build: || Box::new(Newline) },
    Framing { name: "nul", summary: "a line ends with a NUL byte", build: || Box::new(Nul) },
];

/// The piece of `input` up to `terminator`, or all of it where there is none yet.
fn until(terminator: u8, input: &[u8]) -> Piece {
    match memchr::memchr(terminator, input) {
        Some(at) => Piece { line_bytes: at, taken_bytes: at + 1, ends: true },
        None => Piece { line_bytes: input.len(), taken_bytes: input.len(), ends: false },
    }
}
