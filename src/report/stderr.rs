//! How a message looks on stderr, and a thread that writes it, so that a slow stderr holds up
//! nobody.

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::descriptor::write_whole;
use crate::limits::{MESSAGES_GRACE, MESSAGES_WAITING_MAX};

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only what somebody must mend.
    Error,
    /// Also what may become trouble.
    Warn,
    /// Also what an operator did, and what came of it.
    Info,
    /// Also single connections.
    Debug,
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        match text {
            "error" => Ok(Level::Error),
            "warn" => Ok(Level::Warn),
            "info" => Ok(Level::Info),
            "debug" => Ok(Level::Debug),
            _ => Err(format!("{text:?} is no level: write error, warn, info or debug")),
        }
    }
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> tracing::Level {
        match level {
            Level::Error => tracing::Level::ERROR,
            Level::Warn => tracing::Level::WARN,
            Level::Info => tracing::Level::INFO,
            Level::Debug => tracing::Level::DEBUG,
        }
    }
}

/// Who reads our stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A person at a terminal.
    Human,
    /// The journal, which takes a priority from `<N>` (sd-daemon(3)) and has its own clock.
    Journal,
    /// A file or another program: time and all fields as `key=value`.
    Plain,
}

impl Style {
    fn of_stderr() -> Style {
        if is_journal() {
            Style::Journal
        } else if io::stderr().is_terminal() {
            Style::Human
        } else {
            Style::Plain
        }
    }
}

/// `JOURNAL_STREAM` names the device and inode of the journal's socket; a child may have inherited
/// it with another stderr (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(named) = env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|found| named == format!("{}:{}", found.st_dev, found.st_ino))
}

/// The program's messages, for as long as it lives.
#[derive(Debug)]
pub struct Messages {
    sender: Sender,
    written: Receiver<()>,
}

impl Messages {
    /// Begins to write messages of at least this `level` to stderr.
    pub fn start(level: Level) -> io::Result<Messages> {
        let (send, receive) = sync_channel::<String>(MESSAGES_WAITING_MAX);
        let (tell_written, written) = sync_channel(1);
        let sender = Sender { queue: Arc::new(Mutex::new(Some(send))), left_out: Arc::default() };
        let left_out = sender.left_out.clone();
        std::thread::Builder::new().name("messages".into()).spawn(move || {
            for message in receive {
                write_to_stderr(&message);
                let count = left_out.swap(0, Relaxed);
                if count > 0 {
                    write_to_stderr(&format!("logagent: {count} messages were left out here\n"));
                }
            }
            tell_written.send(()).unwrap_or_default();
        })?;
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::from(level))
            .event_format(Style::of_stderr())
            .with_writer(sender.clone())
            .finish();
        // A second subscriber in one process, in a test, is no reason to fail.
        tracing::subscriber::set_global_default(subscriber).unwrap_or_default();
        Ok(Messages { sender, written })
    }

    /// Ends once everything told so far is written, or a slow stderr has had its second.
    pub fn finish(self) {
        self.sender.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.written.recv_timeout(MESSAGES_GRACE).unwrap_or_default();
    }
}

fn write_to_stderr(message: &str) {
    // A stderr that fails has nobody to tell it to.
    write_whole(io::stderr().as_fd(), message.as_bytes()).unwrap_or_default();
}

#[derive(Clone, Debug)]
struct Sender {
    queue: Arc<Mutex<Option<SyncSender<String>>>>,
    left_out: Arc<AtomicU64>,
}

impl io::Write for Sender {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(message).into_owned();
        if let Some(Err(TrySendError::Full(_))) = queue.as_ref().map(|queue| queue.try_send(text)) {
            self.left_out.fetch_add(1, Relaxed);
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sender {
    type Writer = Sender;

    fn make_writer(&'a self) -> Sender {
        self.clone()
    }
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let Fields { text, pairs } = fields;
        match self {
            Style::Human => {
                let word = match level {
                    tracing::Level::ERROR => "error: ",
                    tracing::Level::WARN => "warning: ",
                    _ => "",
                };
                write!(out, "logagent: {word}{text}")?;
                if !pairs.is_empty() {
                    write!(out, " ({})", pairs.join(", "))?;
                }
            }
            Style::Journal => {
                let priority = match level {
                    tracing::Level::ERROR => 3,
                    tracing::Level::WARN => 4,
                    tracing::Level::INFO => 6,
                    _ => 7,
                };
                write!(out, "<{priority}>{text}")?;
                pairs.iter().try_for_each(|pair| write!(out, " {pair}"))?;
            }
            Style::Plain => {
                let time = humantime::format_rfc3339_millis(clock::now());
                let level = level.as_str().to_ascii_lowercase();
                write!(out, "time={time} level={level} msg={text:?}")?;
                pairs.iter().try_for_each(|pair| write!(out, " {pair}"))?;
            }
        }
        writeln!(out)
    }
}

/// An event's text and its fields as `key=value`; empty fields are left out.
#[derive(Default)]
struct Fields {
    text: String,
    pairs: Vec<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        write!(text, "{value:?}").unwrap_or_default();
        if field.name() == "message" {
            self.text = text;
        } else if !text.is_empty() {
            self.pairs.push(format!("{}={}", field.name(), quoted(&text)));
        }
    }
}

/// A value that stays one word on one line: a path or a client's text may hold anything, a newline
/// and a forged priority for example.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
    if value.chars().all(plain) { value.to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_value_cannot_forge_a_line_or_a_key() {
        assert_eq!(quoted("/var/log/a.log"), "/var/log/a.log");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a\n<0>b"), "\"a\\n<0>b\"");
        assert_eq!(quoted("a\" level=\"x"), "\"a\\\" level=\\\"x\"");
    }
}
