//! `tail`: the last lines of streams' files, and with `-f` every line after them, each once and in
//! order however the files are rotated: the agent passes on each file that it opens, and tells that
//! the one before is complete.

mod archives;
mod growing;
mod last_lines;
mod printed;
mod stream;

use std::os::fd::AsFd;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use super::exit::Exit;
use crate::agent::chain;
use crate::clock;
use crate::control::{ControlError, Conversation, Heard};
use crate::limits::{CONTROL_TIMEOUT, TAIL_FILES_MAX, TAIL_LOOK_EVERY};
use printed::{Printed, ReaderGone};
use stream::{FirstFile, Shown, StreamTail};

/// What is wanted.
pub(super) struct Tailing<'a> {
    pub(super) control: &'a Path,
    /// Goes on with what comes.
    pub(super) follow: bool,
    /// So many lines of each stream first.
    pub(super) lines: u64,
    pub(super) streams: &'a [String],
}

/// How it ends.
enum End {
    /// All was shown.
    Done,
    /// All was shown but for some streams, which was told.
    Incomplete,
    /// Nobody reads it any more.
    ReaderGone,
}

impl From<ReaderGone> for End {
    fn from(_: ReaderGone) -> End {
        End::ReaderGone
    }
}

pub(super) fn run(tailing: &Tailing<'_>) -> Exit {
    match show(tailing) {
        Ok(End::Done | End::ReaderGone) => Exit::Clean,
        Ok(End::Incomplete) => Exit::System,
        Err(error) => {
            super::tell(&format!("logagent: {}", chain(&error)));
            Exit::System
        }
    }
}

fn show(tailing: &Tailing<'_>) -> Result<End, ControlError> {
    let mode = if tailing.follow { "follow" } else { "once" };
    let words = [&["tail".to_owned(), mode.to_owned()], tailing.streams].concat();
    let mut conversation = Conversation::begin(tailing.control, &words.join(" "))?;
    let deadline = clock::instant() + 2 * CONTROL_TIMEOUT;
    let Heard::Line(first) = conversation.next(Some(deadline))? else {
        return Err(ControlError::Silent(tailing.control.to_owned(), 2 * CONTROL_TIMEOUT));
    };
    let names = first["streams"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let streams: Vec<StreamTail> = names.map(StreamTail::new).collect();
    let printed = Printed::new(streams.len() > 1);
    let tail = Tail { lines: tailing.lines, streams, printed, failed: false };
    if tailing.follow { tail.follow(conversation) } else { tail.show_once(conversation) }
}

/// What is shown.
struct Tail {
    lines: u64,
    streams: Vec<StreamTail>,
    printed: Printed,
    /// Some stream could not be shown, which was told.
    failed: bool,
}

impl Tail {
    fn show_once(mut self, mut conversation: Conversation) -> Result<End, ControlError> {
        let deadline = clock::instant() + 2 * CONTROL_TIMEOUT;
        loop {
            match conversation.next(Some(deadline))? {
                Heard::Complete | Heard::Nothing => break,
                heard => self.take(heard),
            }
        }
        for stream in &mut self.streams {
            if !stream.was_told_of() {
                super::tell(&format!("logagent: {}: its writer does not answer", stream.name()));
                self.failed = true;
            }
            loop {
                match stream.show(&mut self.printed) {
                    Ok(Shown::All) => break,
                    Ok(Shown::Some) => {}
                    Err(ReaderGone) => return Ok(End::ReaderGone),
                }
            }
        }
        let flushed = self.printed.flush();
        Ok(flushed.map_or(End::ReaderGone, |()| self.end()))
    }

    fn follow(mut self, mut conversation: Conversation) -> Result<End, ControlError> {
        let mut ended = None;
        loop {
            if ended.is_none() {
                ended = self.listen(&mut conversation);
            }
            let shown = self.show_some();
            match (shown, &ended) {
                (Err(ReaderGone), _) => return Ok(End::ReaderGone),
                (Ok(Shown::Some), _) => {}
                (Ok(Shown::All), Some(_)) => break,
                (Ok(Shown::All), None) => {
                    if self.wait(&conversation).is_err() {
                        return Ok(End::ReaderGone);
                    }
                }
            }
        }
        match ended {
            Some(Ended::AgentGone) | None => super::tell("logagent: the agent has gone"),
            Some(Ended::Failed(error)) => return Err(error),
        }
        Ok(End::Incomplete)
    }

    /// Takes what the agent has said, as far as there is room for its files.
    fn listen(&mut self, conversation: &mut Conversation) -> Option<Ended> {
        while self.files() < TAIL_FILES_MAX {
            match conversation.next(Some(clock::instant())) {
                Ok(Heard::Nothing) => return None,
                Ok(Heard::Complete) | Err(ControlError::Cut(_)) => return Some(Ended::AgentGone),
                Ok(heard) => self.take(heard),
                Err(error) => return Some(Ended::Failed(error)),
            }
        }
        None
    }

    fn files(&self) -> usize {
        self.streams.iter().map(StreamTail::files).sum()
    }

    fn take(&mut self, heard: Heard) {
        let (line, file) = match heard {
            Heard::Line(line) => (line, None),
            Heard::Passed(line, file) => (line, Some(file)),
            Heard::Complete | Heard::Nothing => return,
        };
        let name = line["stream"].as_str().unwrap_or_default();
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.name() == name) else {
            return;
        };
        let path = Path::new(line["file"].as_str().unwrap_or_default());
        let first = FirstFile { path, lines: self.lines };
        let taken = match (file, line["error"].as_str()) {
            (_, Some(error)) => Err(error.to_owned()),
            (Some(file), None) => {
                let start = line["start"].as_u64().unwrap_or_default();
                stream.opened(file.into(), start, &first).map_err(|error| error.to_string())
            }
            (None, None) => stream.not_open(&first).map_err(|error| error.to_string()),
        };
        if let Err(error) = taken {
            super::tell(&format!("logagent: {name}: {}: {error}", path.display()));
            self.failed = true;
        }
    }

    fn show_some(&mut self) -> Result<Shown, ReaderGone> {
        let mut shown = Shown::All;
        for stream in &mut self.streams {
            if stream.show(&mut self.printed)? == Shown::Some {
                shown = Shown::Some;
            }
        }
        self.printed.flush()?;
        Ok(shown)
    }

    /// Waits until the agent says something, or until it is time to look whether files have grown.
    fn wait(&self, conversation: &Conversation) -> Result<(), ReaderGone> {
        let stdout = std::io::stdout();
        let mut polled = [
            // A closed reader shows without being asked for.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
            PollFd::new(conversation.as_fd(), PollFlags::POLLIN),
        ];
        let time = PollTimeout::try_from(TAIL_LOOK_EVERY).unwrap_or(PollTimeout::ZERO);
        // An interrupted wait is a short one.
        poll(&mut polled, time).unwrap_or_default();
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let is_gone = polled[0].revents().is_some_and(|found| found.intersects(gone));
        if is_gone { Err(ReaderGone) } else { Ok(()) }
    }

    fn end(&self) -> End {
        if self.failed { End::Incomplete } else { End::Done }
    }
}

/// Why the agent says nothing more.
enum Ended {
    AgentGone,
    Failed(ControlError),
}
