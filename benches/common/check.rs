//! The checker: reads what a collector has written and counts what is not as it was sent.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use memchr::memchr;
use serde::Deserialize;

use super::line::{Number, Recogniser};
use super::problem::{Outcome, While};
use super::scenario::Scenario;

const READ_BYTES: usize = 1024 * 1024;

/// How a collector writes a line down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// As it was sent.
    Raw,
    /// After a time of receipt, RFC 3339, and a space.
    Stamped,
    /// As the string `line` of an object.
    Json,
    /// As containers' logs are: after a time, RFC 3339, and ` stdout F `.
    Cri,
    /// After another head than it was sent with: only the numbered line behind it is looked at.
    Headed,
}

/// All zero: every line is there once, whole, in its client's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Lines sent that stand nowhere whole.
    pub(crate) lost: usize,
    /// Whole lines beyond the first of the same number.
    pub(crate) doubled: usize,
    /// Lines in the file that nobody sent like that.
    pub(crate) torn: usize,
    /// Whole lines that stand after a later one of the same client.
    pub(crate) disordered: usize,
}

impl Faults {
    pub(crate) fn none(&self) -> bool {
        *self == Self::default()
    }
}

/// Checks the files together, in the order in which they were written.
pub(crate) fn check(files: &[PathBuf], written: Written, scenario: &Scenario) -> Outcome<Faults> {
    check_streams(&[files.to_vec()], written, scenario)
}

/// Checks the files of each stream, in the order in which they were written: client C belongs to
/// the stream whose index is C modulo the number of streams, and a line in another counts as torn.
pub(crate) fn check_streams(
    streams: &[Vec<PathBuf>],
    written: Written,
    scenario: &Scenario,
) -> Outcome<Faults> {
    let mut tally = Tally::new(written, scenario);
    let files = streams.iter().enumerate();
    for (stream, path) in files.flat_map(|(at, files)| files.iter().map(move |file| (at, file))) {
        tally.of = Of { stream, streams: streams.len() };
        let file = File::open(path).while_(format!("open {}", path.display()))?;
        let mut reader = BufReader::with_capacity(READ_BYTES, file);
        // The beginning of a line whose end is in the next piece of the file.
        let mut begun = Vec::new();
        loop {
            let piece = reader.fill_buf().while_(format!("read {}", path.display()))?;
            if piece.is_empty() {
                break;
            }
            let bytes = piece.len();
            tally.piece(piece, &mut begun);
            reader.consume(bytes);
        }
        if !begun.is_empty() {
            tally.faults.torn += 1;
        }
    }
    Ok(tally.faults())
}

struct Tally {
    recogniser: Recogniser,
    /// What every line was sent with, before its number.
    head: &'static [u8],
    written: Written,
    clients: Vec<Client>,
    lines_per_client: usize,
    of: Of,
    faults: Faults,
}

/// Which of all streams the file belongs to.
#[derive(Default)]
struct Of {
    stream: usize,
    streams: usize,
}

/// The object may well have more members.
#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(borrow)]
    line: Cow<'a, str>,
}

struct Client {
    /// One bit for each of its lines.
    seen: Vec<u64>,
    seen_count: usize,
    next: usize,
}

impl Tally {
    fn new(written: Written, scenario: &Scenario) -> Self {
        let lines_per_client = scenario.lines_per_client();
        let words = lines_per_client.div_ceil(u64::BITS as usize);
        let client = || Client { seen: vec![0; words], seen_count: 0, next: 0 };
        let head = scenario.transport.head().as_bytes();
        Self {
            recogniser: Recogniser::new(scenario.line_bytes - head.len()),
            head,
            written,
            clients: (0..scenario.clients).map(|_| client()).collect(),
            lines_per_client,
            of: Of::default(),
            faults: Faults::default(),
        }
    }

    fn piece(&mut self, mut piece: &[u8], begun: &mut Vec<u8>) {
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            if begun.is_empty() {
                self.line(line);
            } else {
                begun.extend_from_slice(line);
                self.line(begun);
                begun.clear();
            }
            piece = &rest[1..];
        }
        begun.extend_from_slice(piece);
    }

    fn line(&mut self, line: &[u8]) {
        let Some(Number { client, sequence }) = self.number(line) else {
            self.faults.torn += 1;
            return;
        };
        let client = &mut self.clients[client];
        let (word, bit) = (sequence / 64, 1 << (sequence % 64));
        if client.seen[word] & bit != 0 {
            self.faults.doubled += 1;
            return;
        }
        client.seen[word] |= bit;
        client.seen_count += 1;
        if sequence < client.next {
            self.faults.disordered += 1;
        }
        client.next = client.next.max(sequence + 1);
    }

    /// A number that was sent; a well-formed line that nobody sent is none.
    fn number(&self, line: &[u8]) -> Option<Number> {
        let number = match self.written {
            Written::Raw => self.recogniser.number(line.strip_prefix(self.head)?)?,
            Written::Stamped => {
                let (prefix, number) = self.recogniser.number_behind(line)?;
                is_stamp(prefix.strip_suffix(self.head)?).then_some(number)?
            }
            Written::Json => {
                let object: JsonLine = serde_json::from_slice(line).ok()?;
                self.recogniser.number(object.line.as_bytes().strip_prefix(self.head)?)?
            }
            Written::Cri => {
                let (prefix, number) = self.recogniser.number_behind(line)?;
                let stamp = prefix.strip_suffix(self.head)?.strip_suffix(b"stdout F ")?;
                is_stamp(stamp).then_some(number)?
            }
            Written::Headed => self.recogniser.number_behind(line)?.1,
        };
        let sent = number.client < self.clients.len() && number.sequence < self.lines_per_client;
        (sent && number.client % self.of.streams == self.of.stream).then_some(number)
    }

    fn faults(mut self) -> Faults {
        let seen: usize = self.clients.iter().map(|client| client.seen_count).sum();
        self.faults.lost = self.lines_per_client * self.clients.len() - seen;
        self.faults
    }
}

/// `2026-11-21T06:00:00.123456Z `, and whatever other words the format puts after the time.
fn is_stamp(prefix: &[u8]) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let time = prefix.get(..shape.len());
    prefix.ends_with(b" ")
        && time.is_some_and(|time| {
            time.iter().zip(shape).all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                exact => byte == exact,
            })
        })
}
