//! What is wrong with a configuration: every mistake with its place, all at once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::source::Source;
use super::value::{Setting, Value};

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
}

impl<'a> Mistakes<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Mistakes<'a> {
        Mistakes { sources, told: BTreeSet::new() }
    }

    /// Notes a mistake. What the text quotes cannot break the line it is shown in.
    pub(super) fn tell(&mut self, at: At, text: impl AsRef<str>) {
        let shown =
            |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
        self.told.insert((at, text.as_ref().chars().map(shown).collect()));
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

    /// How file number `file` is named.
    pub(super) fn name(&self, file: usize) -> String {
        self.sources[file].path.display().to_string()
    }

    /// Where `at` is, for a text that is shown at a place in file number `from`.
    pub(super) fn place(&self, at: At, from: usize) -> String {
        let source = &self.sources[at.file];
        let (line, _) = line_and_column(&source.text, at.offset);
        if at.file == from {
            return format!("line {line}");
        }
        format!("{}:{line}", source.path.display())
    }

    /// All of them, or `value` if there are none.
    pub(super) fn or<T>(self, value: T) -> Result<T, Vec<Mistake>> {
        if self.told.is_empty() {
            return Ok(value);
        }
        let mistake = |(at, text): (At, String)| {
            let Source { path, text: source, .. } = &self.sources[at.file];
            let (line, column) = line_and_column(source, at.offset);
            Mistake { file: path.clone(), line, column, text }
        };
        Err(self.told.into_iter().map(mistake).collect())
    }
}

/// Line and column of a byte in `text`, both from 1; the column counts characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let before = &text[..offset.unwrap_or(0)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    // A byte order mark takes no column.
    let column = before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn places_are_lines_and_characters_from_one() {
        let text = "\u{feff}a = 1\nä = \"ö\" # x\n";
        for (offset, expected) in [(0, (1, 1)), (3, (1, 1)), (7, (1, 5)), (9, (2, 1)), (14, (2, 5))]
        {
            assert_eq!(line_and_column(text, offset), expected, "offset {offset}");
        }
        assert_eq!(line_and_column(text, 10), (2, 1), "inside a character");
        assert_eq!(line_and_column(text, usize::MAX), (3, 1));
    }

    #[test]
    fn mistakes_come_in_the_order_of_their_places_and_once() {
        let source = |path: &str| Source::new(Path::new(path), "x = 1\ny = 2\n");
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
