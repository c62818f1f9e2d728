//! What goes to the standard output: whole lines, each with its stream's name where there are
//! several.

use std::io;
use std::os::fd::AsFd;

use crate::descriptor;
use crate::limits::KIB;

/// Nobody reads what is printed.
#[derive(Debug)]
pub(super) struct ReaderGone;

/// Lines on their way.
pub(super) struct Printed {
    marked: bool,
    bytes: Vec<u8>,
}

const BYTES_MAX: usize = 64 * KIB;

impl Printed {
    pub(super) fn new(marked: bool) -> Printed {
        Printed { marked, bytes: Vec::new() }
    }

    /// Prints one line, which has its newline.
    pub(super) fn line(&mut self, stream: &str, line: &[u8]) -> Result<(), ReaderGone> {
        if self.marked {
            self.bytes.extend_from_slice(stream.as_bytes());
            self.bytes.extend_from_slice(b": ");
        }
        self.bytes.extend_from_slice(line);
        if self.bytes.len() >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), ReaderGone> {
        let written = descriptor::write_whole(io::stdout().as_fd(), &self.bytes);
        self.bytes.clear();
        written.map_err(|_| ReaderGone)
    }
}
