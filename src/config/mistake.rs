//! What is wrong with a configuration: every mistake with its place, all at once.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;

use super::source::Source;
use super::value::{List, Setting, Value};
use crate::limits::MISTAKE_BYTES_MAX;

/// One mistake in a configuration file.
///
/// Shown as `file:line:column: text`, as compilers do, so that editors find the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file it stands in.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write instead; one line without a full stop.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { file, line, column, text } = self;
        write!(f, "{}:{line}:{column}: {text}", file.display())
    }
}

impl std::error::Error for Mistake {}

/// A place: the number of a file, in the order of reading, and a byte in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) file: usize,
    pub(super) offset: usize,
}

/// The mistakes found so far, in the order of their places, each once.
pub(super) struct Mistakes<'a> {
    sources: &'a [Source],
    told: BTreeSet<(At, String)>,
    /// Lines that break the syntax, by file number.
    unreadable: HashSet<(usize, usize)>,
}

impl<'a> Mistakes<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Mistakes<'a> {
        Mistakes { sources, told: BTreeSet::new(), unreadable: HashSet::new() }
    }

    /// Notes a mistake of syntax. What else may be wrong in its line only follows from it.
    pub(super) fn tell_syntax(&mut self, at: At, text: impl AsRef<str>) {
        self.note(at, text.as_ref());
        self.unreadable.insert((at.file, self.line(at)));
    }

    /// Notes a mistake, unless its line breaks the syntax as well.
    pub(super) fn tell(&mut self, at: At, text: impl AsRef<str>) {
        if !self.unreadable.contains(&(at.file, self.line(at))) {
            self.note(at, text.as_ref());
        }
    }

    /// What the text quotes cannot break the line it is shown in, nor make it endless.
    fn note(&mut self, at: At, text: &str) {
        let text = shortened(text);
        let shown =
            |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
        self.told.insert((at, text.chars().map(shown).collect()));
    }

    /// What a key came to; a wrong value is told.
    pub(super) fn setting<T>(&mut self, file: usize, value: Option<Value<T>>) -> Setting<T> {
        let Some(Value { span, read }) = value else { return Setting::Absent };
        let at = At { file, offset: span.start };
        match read {
            Ok(value) => Setting::Right(value, at),
            Err(wrong) => {
                self.tell(at, wrong.to_string());
                Setting::Wrong
            }
        }
    }

    /// What a list came to, each value with its place; wrong ones are told.
    pub(super) fn list<T>(&mut self, file: usize, list: Option<List<T>>) -> Setting<Vec<(T, At)>> {
        let Some(List { span, items }) = list else { return Setting::Absent };
        let mut values = Vec::new();
        let count = items.len();
        for item in items {
            if let Setting::Right(value, at) = self.setting(file, Some(item)) {
                values.push((value, at));
            }
        }
        if values.len() < count {
            return Setting::Wrong;
        }
        Setting::Right(values, At { file, offset: span.start })
    }

    fn line(&self, at: At) -> usize {
        self.sources[at.file].line_and_column(at.offset).0
    }

    /// How file number `file` is named.
    pub(super) fn file_name(&self, file: usize) -> String {
        self.sources[file].path.display().to_string()
    }

    /// Where `at` is, for a text that is shown at a place in file number `from`.
    pub(super) fn place(&self, at: At, from: usize) -> String {
        let line = self.line(at);
        if at.file == from {
            return format!("line {line}");
        }
        format!("{}:{line}", self.file_name(at.file))
    }

    /// All of them, or `value` if there are none.
    pub(super) fn or<T>(self, value: T) -> Result<T, Vec<Mistake>> {
        if self.told.is_empty() {
            return Ok(value);
        }
        let mistake = |(at, text): (At, String)| {
            let source = &self.sources[at.file];
            let (line, column) = source.line_and_column(at.offset);
            Mistake { file: source.path.clone(), line, column, text }
        };
        Err(self.told.into_iter().map(mistake).collect())
    }
}

/// `text` without its middle if it is very long: its end says what to write.
fn shortened(text: &str) -> Cow<'_, str> {
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let begins = (0..=MISTAKE_BYTES_MAX / 2).rev().find(boundary);
    let ends = (text.len().saturating_sub(MISTAKE_BYTES_MAX / 2)..).find(boundary);
    match (begins, ends) {
        (Some(begins), Some(ends)) if text.len() > MISTAKE_BYTES_MAX => {
            Cow::Owned(format!("{}…{}", &text[..begins], &text[ends..]))
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let long = format!("\"{}\" is no size: write \"1\"", "ä".repeat(MISTAKE_BYTES_MAX));
        let short = shortened(&long);
        assert!(short.len() <= MISTAKE_BYTES_MAX + "…".len(), "{short}");
        assert!(short.starts_with("\"ä") && short.ends_with("write \"1\""), "{short}");
        for bytes in [0, 1, MISTAKE_BYTES_MAX - 1, MISTAKE_BYTES_MAX] {
            let text = "x".repeat(bytes);
            assert_eq!(shortened(&text), text);
        }
    }

    #[test]
    fn mistakes_come_in_the_order_of_their_places_and_once() {
        let source = |path: &str| Source::new(Path::new(path), "x = 1\ny = 2\n".to_owned());
        let sources = [source("b.toml"), source("a.toml")];
        let mut mistakes = Mistakes::new(&sources);
        mistakes.tell(At { file: 1, offset: 0 }, "third");
        mistakes.tell(At { file: 0, offset: 6 }, "second\nline");
        mistakes.tell(At { file: 0, offset: 0 }, "first");
        mistakes.tell(At { file: 1, offset: 0 }, "third");
        let told: Vec<String> =
            mistakes.or(()).unwrap_err().iter().map(|m| m.to_string()).collect();
        let expected = ["b.toml:1:1: first", "b.toml:2:1: second\\nline", "a.toml:1:1: third"];
        assert_eq!(told, expected);
    }
}
