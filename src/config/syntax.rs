//! What in a file is no TOML, told line by line, and the rest of it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::de::{DeTable, Error};

use super::brackets;
use super::source::Source;
use super::wording;

/// A file's text as far as its syntax goes.
pub(super) struct Text<'a> {
    /// As long as the file; what makes the parser lose its way is blank.
    pub(super) readable: Cow<'a, str>,
    /// Places and what to write there.
    pub(super) mistakes: Vec<(usize, String)>,
}

/// Tells all mistakes of syntax.
pub(super) fn read(source: &Source) -> Text<'_> {
    let mut text = Text { readable: Cow::Borrowed(&source.text), mistakes: Vec::new() };
    if errors(&text.readable).is_empty() {
        return text;
    }
    let brackets = brackets::look_at(&source.text);
    text.mistakes.extend(brackets.mistakes);
    text.blank(&brackets.senseless);
    text.leave_out_bare_keys(source);
    text.tell_others(source);
    text
}

fn errors(text: &str) -> Vec<Error> {
    DeTable::parse_recoverable(text).1
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

impl Text<'_> {
    /// Makes these parts blank; newlines stay.
    fn blank(&mut self, parts: &[Range<usize>]) {
        for part in parts {
            let blank: String = (self.readable[part.clone()].bytes())
                .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
                .collect();
            self.readable.to_mut().replace_range(part.clone(), &blank);
        }
    }

    /// The parser gives up at a key without a value. So these lines are taken for empty.
    fn leave_out_bare_keys(&mut self, source: &Source) {
        let mut lines = HashSet::new();
        for error in errors(&self.readable) {
            if error.message().starts_with(wording::BARE_KEY) {
                self.mistakes.push((start(&error), wording::syntax(error.message(), "", "")));
                lines.insert(source.line_and_column(start(&error)).0);
            }
        }
        let parts: Vec<_> = lines.into_iter().map(|line| source.line(line)).collect();
        self.blank(&parts);
    }

    /// Tells what else is wrong. Where a comma or an = is missing, the rest of the line only
    /// follows from it.
    fn tell_others(&mut self, source: &Source) {
        let errors = errors(&self.readable);
        let line = |error: &Error| source.line_and_column(start(error)).0;
        let mut lines = HashMap::new();
        for (index, error) in errors.iter().enumerate() {
            if wording::loses_its_way(error.message()) {
                lines.entry(line(error)).or_insert(index);
            }
        }
        for (index, error) in errors.iter().enumerate() {
            if *lines.get(&line(error)).unwrap_or(&index) == index {
                let span = error.span().unwrap_or(0..0);
                let found = source.text.get(span.clone()).unwrap_or("");
                let rest = source.text.get(span.start..).unwrap_or("");
                let text = wording::syntax(error.message(), found, rest);
                self.mistakes.push((span.start, text));
            }
        }
    }
}
