//! The first line by which a client names its stream: `logagent/1 stream=NAME`.

use crate::limits::HANDSHAKE_BYTES_MAX;
use crate::stream_name::{StreamName, StreamNameError};

/// How such a line begins.
const BEGINS: &[u8] = b"logagent/1 ";

/// What a connection's first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Perhaps such a line; more bytes will tell.
    Unfinished,
    /// An ordinary line: the client names nothing.
    Absent,
    /// Such a line, of so many bytes with its newline.
    Line {
        /// Bytes to take.
        taken_bytes: usize,
        /// The stream it names; what is no name, with the reason.
        stream: Result<StreamName, (String, StreamNameError)>,
    },
}

/// Reads the first bytes of a connection. Words that are not known are left to later versions of
/// the line.
pub fn read(bytes: &[u8]) -> Handshake {
    let common = bytes.len().min(BEGINS.len());
    if bytes[..common] != BEGINS[..common] {
        return Handshake::Absent;
    }
    let window = &bytes[..bytes.len().min(HANDSHAKE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let full = bytes.len() >= HANDSHAKE_BYTES_MAX;
        return if full { Handshake::Absent } else { Handshake::Unfinished };
    };
    match stream(&window[..end]) {
        Some(stream) => Handshake::Line { taken_bytes: end + 1, stream },
        None => Handshake::Absent,
    }
}

/// The line that names `stream`.
pub fn line(stream: &StreamName) -> String {
    format!("logagent/1 stream={stream}\n")
}

/// What the line, a whole one without its newline, says of the stream.
fn stream(line: &[u8]) -> Option<Result<StreamName, (String, StreamNameError)>> {
    let words = line.strip_prefix(BEGINS)?.split(|byte| *byte == b' ');
    let mut named = words.filter_map(|word| word.strip_prefix(b"stream="));
    let name = String::from_utf8_lossy(named.next()?);
    Some(name.parse().map_err(|error| (name.into_owned(), error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let shown = match read(bytes) {
            Handshake::Unfinished => "unfinished".to_owned(),
            Handshake::Absent => "absent".to_owned(),
            Handshake::Line { taken_bytes, stream } => match stream {
                Ok(stream) => format!("{taken_bytes} {stream}"),
                Err((name, _)) => format!("{taken_bytes} not {name}"),
            },
        };
        assert_eq!(shown, expected, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn the_first_line_names_the_stream() {
        check(b"logagent/1 stream=web\nfirst\n", "22 web");
        check(b"logagent/1 later=1 stream=web\n", "30 web");
        check(b"logagent/1 stream=../web\n", "25 not ../web");
        check(b"logagent/1 stream=\n", "19 not ");
        check(line(&"a@1.b".parse().unwrap()).as_bytes(), "24 a@1.b");
    }

    #[test]
    fn it_may_come_in_pieces() {
        let line = b"logagent/1 stream=web\n";
        for length in 0..line.len() {
            check(&line[..length], "unfinished");
        }
    }

    #[test]
    fn whatever_else_comes_first_is_a_line() {
        check(b"x", "absent");
        check(b"logagent/2 stream=web\n", "absent");
        check(b"logagent/1 no name\n", "absent");
        check(b"\n", "absent");
        let long = [b"logagent/1 stream=", "x".repeat(300).as_bytes(), b"\n"].concat();
        check(&long, "absent");
        check(&long[..HANDSHAKE_BYTES_MAX - 1], "unfinished");
    }
}
