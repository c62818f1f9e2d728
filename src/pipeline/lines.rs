//! The lines of one connection: each is kept until it is whole, held to `max-line`, and formatted
//! into a block.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::events::{self, Events};
use super::partial::{Partial, PartialMemory};
use super::{Accepted, LineSettings, OverLong};
use crate::block::Block;
use crate::formatting::{Clock, Expansion, Formatter, Gap};
use crate::framing::{Framer, Part, Position};
use crate::limits::{GAP_BYTES_MAX, PARTIAL_BYTES_SURE};
use crate::line::{Line, LineEnd, Lost, character_boundary};

/// Where lines go, and what is told of them.
pub(super) struct Out<'a> {
    pub(super) clock: Clock,
    pub(super) block: &'a mut Block,
    pub(super) accepted: &'a mut Accepted,
}

/// What is needed to go on with a record in another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unfinished {
    /// The bytes of its line; kept apart.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// How many they are.
    pub length: usize,
    /// Where in its records the framing is.
    pub position: Position,
    progress: Progress,
    inside_record: bool,
}

impl Unfinished {
    /// An ordinary line that has begun with `bytes`.
    pub fn of_bytes(bytes: Vec<u8>) -> Unfinished {
        Unfinished { length: bytes.len(), bytes, ..Unfinished::default() }
    }

    /// Whether a record has begun that has not ended.
    pub fn is_inside_record(&self) -> bool {
        let counted =
            matches!(self.position.part, Part::CountEnded | Part::Counted | Part::Terminator);
        let in_line = !self.bytes.is_empty() || self.progress != Progress::Ordinary;
        counted || in_line || self.inside_record
    }
}

/// Where in an over-long line the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Progress {
    /// In a line that is not over-long so far.
    #[default]
    Ordinary,
    /// Behind a piece that stands in the file already.
    Split,
    /// Behind the beginning that was kept.
    Truncated,
    /// In a line that is left out; so many bytes of it have been seen.
    Dropped(u64),
    /// In a line that is left out since a crash took its beginning; so many bytes of the rest have
    /// been seen.
    Lost(u64),
}

/// The present line, and what becomes of lines.
pub(super) struct Lines {
    formatter: Box<dyn Formatter>,
    /// Where records may be events.
    events: Option<Events>,
    expansion: Expansion,
    line_bytes_max: usize,
    over_long: OverLong,
    partial: Partial,
    progress: Progress,
    /// Lines of the present record have ended.
    inside_record: bool,
}

impl Lines {
    pub(super) fn new(
        formatter: Box<dyn Formatter>,
        events: Option<Events>,
        settings: &LineSettings,
        memory: &Arc<PartialMemory>,
    ) -> Lines {
        Lines {
            expansion: expansion(&*formatter, events, settings),
            formatter,
            events,
            line_bytes_max: settings.line_bytes_max,
            over_long: settings.over_long,
            partial: Partial::new(memory),
            progress: Progress::Ordinary,
            inside_record: false,
        }
    }

    /// Goes on with other settings; the present line is kept.
    pub(super) fn adopt(&mut self, formatter: Box<dyn Formatter>, settings: &LineSettings) {
        self.expansion = expansion(&*formatter, self.events, settings);
        self.formatter = formatter;
        self.line_bytes_max = settings.line_bytes_max;
        self.over_long = settings.over_long;
    }

    pub(super) fn expansion(&self) -> Expansion {
        self.expansion
    }

    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.bytes().len()
    }

    pub(super) fn partial(&mut self) -> &mut Partial {
        &mut self.partial
    }

    pub(super) fn unfinished(&self, position: Position) -> Unfinished {
        let bytes = self.partial.bytes().to_vec();
        let (progress, inside_record) = (self.progress, self.inside_record);
        Unfinished { length: bytes.len(), bytes, position, progress, inside_record }
    }

    pub(super) fn go_on(&mut self, unfinished: Unfinished, out: &mut Out<'_>) {
        (self.progress, self.inside_record) = (unfinished.progress, unfinished.inside_record);
        self.take(&unfinished.bytes, out);
    }

    /// The beginning of the present line is lost, and so is the rest.
    pub(super) fn lose(&mut self) {
        self.progress = Progress::Lost(0);
    }

    /// Whether a line has begun that has not ended, or lines of a record that has not.
    pub(super) fn is_inside_record(&self) -> bool {
        self.is_inside_line() || self.inside_record
    }

    fn is_inside_line(&self) -> bool {
        self.progress != Progress::Ordinary || !self.partial.bytes().is_empty()
    }

    /// Whether no line can be over-long if so many bytes come.
    pub(super) fn fits(&self, bytes_max: usize) -> bool {
        let partial = self.partial.bytes().len();
        self.progress == Progress::Ordinary
            && partial <= PARTIAL_BYTES_SURE
            && partial + bytes_max <= self.line_bytes_max
    }

    /// Before the lines of one read.
    pub(super) fn begin(&mut self, clock: Clock) {
        self.formatter.begin(clock);
    }

    /// The quick way for what is most of the traffic: many whole lines, none of which can be
    /// over-long, since all of them together are not. Returns how many bytes they were.
    pub(super) fn take_whole_lines(
        &mut self,
        framer: &dyn Framer,
        input: &[u8],
        out: &mut Out<'_>,
    ) -> usize {
        if self.is_inside_line() {
            return 0;
        }
        let window = &input[..input.len().min(self.line_bytes_max.saturating_add(1))];
        let whole = framer.whole_lines_bytes(window);
        if whole > 0 {
            let (formatter, lines) = (&mut self.formatter, &window[..whole]);
            out.block.append_lines(|block| {
                let count = formatter.lines(lines, block);
                out.accepted.lines += count;
                (count, ())
            });
        }
        whole
    }

    /// The present line is none: it was the framing's own.
    pub(super) fn forget(&mut self) {
        self.partial.clear();
    }

    /// The next bytes of the line.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        let mut bytes = self.within_limit(bytes, out);
        loop {
            let kept = self.partial.extend(bytes);
            bytes = &bytes[kept..];
            if bytes.is_empty() {
                break;
            }
            bytes = self.over_long(false, bytes, out);
        }
    }

    /// The last bytes of a line; its record goes on.
    pub(super) fn end_line(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        self.end(bytes, out);
        self.inside_record = true;
    }

    /// The last bytes of a line and of its record.
    pub(super) fn end_last_line(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        self.end(bytes, out);
        self.inside_record = false;
    }

    /// The last bytes of a record: those of a line, unless there are none behind the last one.
    pub(super) fn end_record(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        if !self.inside_record || !bytes.is_empty() || self.is_inside_line() {
            self.end(bytes, out);
        }
        self.inside_record = false;
    }

    /// The input has ended, and with it the line, if it has begun.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        if self.is_inside_line() {
            self.append(&[], LineEnd::EndOfInput, out);
        }
    }

    fn end(&mut self, bytes: &[u8], out: &mut Out<'_>) {
        let bytes = self.within_limit(bytes, out);
        self.append(bytes, LineEnd::Terminator, out);
    }

    /// Takes what is over `max-line` of the line together with `bytes`; the rest is returned.
    fn within_limit<'a>(&mut self, mut bytes: &'a [u8], out: &mut Out<'_>) -> &'a [u8] {
        if let Progress::Dropped(seen) | Progress::Lost(seen) = &mut self.progress {
            *seen += bytes.len() as u64;
            bytes = &[];
        } else if self.progress == Progress::Truncated {
            bytes = &[];
        }
        while !bytes.is_empty() && self.partial.bytes().len() + bytes.len() > self.line_bytes_max {
            let room = self.line_bytes_max.saturating_sub(self.partial.bytes().len());
            let kept = self.partial.extend(&bytes[..room]);
            bytes = self.over_long(kept == room, &bytes[kept..], out);
        }
        bytes
    }

    /// The line does not fit: not in `max-line` if `at_line_max`, else not in the shared memory.
    /// Returns what of `rest` is still to be taken; there is always a first byte in it.
    fn over_long<'a>(&mut self, at_line_max: bool, rest: &'a [u8], out: &mut Out<'_>) -> &'a [u8] {
        // Nobody chose to lose a line because others hold the memory: that only ever splits.
        let policy = if at_line_max { self.over_long } else { OverLong::Split };
        if policy == OverLong::Drop && self.progress == Progress::Ordinary {
            let seen = self.partial.bytes().len() + rest.len();
            self.progress = Progress::Dropped(seen as u64);
            self.partial.clear();
            return &[];
        }
        let kept = character_boundary(self.partial.bytes(), rest[0]);
        let truncates = policy == OverLong::Truncate && self.progress == Progress::Ordinary;
        let end = if truncates { LineEnd::Truncated } else { LineEnd::Split };
        let continues = self.progress == Progress::Split || self.inside_record;
        let (formatter, partial) = (&mut self.formatter, &self.partial);
        let line = Line { bytes: &partial.bytes()[..kept], end, continues };
        out.block.append_line(|block| formatter.line(line, block));
        out.accepted.lines += 1;
        if truncates {
            out.accepted.lines_truncated += 1;
            self.progress = Progress::Truncated;
            self.partial.clear();
            return &[];
        }
        if self.progress == Progress::Ordinary {
            out.accepted.lines_split += 1;
            out.accepted.memory_short += u64::from(!at_line_max);
        }
        self.progress = Progress::Split;
        self.partial.remove_front(kept);
        rest
    }

    /// Appends the line, whose last bytes these are.
    fn append(&mut self, last_bytes: &[u8], end: LineEnd, out: &mut Out<'_>) {
        let progress = std::mem::replace(&mut self.progress, Progress::Ordinary);
        match progress {
            Progress::Truncated => {}
            Progress::Dropped(bytes) => {
                out.accepted.lines_over_long += 1;
                self.append_gap(bytes, "over-long", out);
            }
            Progress::Lost(bytes) => {
                out.accepted.lines_crashed += 1;
                self.append_gap(bytes, "crash", out);
            }
            Progress::Ordinary | Progress::Split => {
                let continues = progress == Progress::Split || self.inside_record;
                let has_begun = !self.partial.bytes().is_empty();
                if has_begun {
                    self.partial.append_last(last_bytes);
                }
                let bytes = if has_begun { self.partial.bytes() } else { last_bytes };
                let line = Line { bytes, end, continues };
                let formatter = &mut *self.formatter;
                let of_event = match self.events {
                    None => None,
                    // A piece of an event is none.
                    Some(_) if progress == Progress::Split => None,
                    Some(events) => events.append(line, self.line_bytes_max, formatter, out.block),
                };
                if of_event.is_none() {
                    out.block.append_line(|block| formatter.line(line, block));
                }
                out.accepted.lines += of_event.unwrap_or(1);
                if has_begun {
                    self.partial.clear();
                }
            }
        }
    }

    /// Appends what stands for a line of so many bytes that was left out.
    fn append_gap(&mut self, bytes: u64, reason: &'static str, out: &mut Out<'_>) {
        out.accepted.gap_records += 1;
        let now = (out.clock)();
        let lost = Lost { lines: 1, bytes, from: now, to: now };
        let (formatter, text) = (&mut self.formatter, Gap { lost, reason }.text());
        let (bytes, end) = (text.as_bytes(), LineEnd::Terminator);
        let line = Line { bytes, end, continues: self.inside_record };
        // A gap record is in none of the counts of lines, so it is no line of the block.
        out.block.append_record(lost, |block| formatter.line(line, block));
    }
}

/// How much longer the output can be, once lines are formatted and held to `max-line`.
fn expansion(
    formatter: &dyn Formatter,
    events: Option<Events>,
    settings: &LineSettings,
) -> Expansion {
    let formatted = formatter.expansion();
    let written = if events.is_some() { events::expansion(formatted) } else { formatted };
    if settings.over_long != OverLong::Drop {
        return written;
    }
    // A read may end one line that is left out with its first byte; each further one takes more
    // than `max-line`.
    let gap = formatted.per_byte * GAP_BYTES_MAX + formatted.per_line;
    let per_line = formatted.per_line + gap.div_ceil(settings.line_bytes_max.saturating_add(1));
    Expansion { per_line, per_read: written.per_read + gap, ..written }
}
