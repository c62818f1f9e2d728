//! One file's text becomes its tables, and all mistakes of its syntax and structure at once.
//!
//! Serde stops at the first mistake. So what it complains of is cut out, by its place, and the
//! rest is asked again, until nothing is complained of.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::mistake::{At, Mistakes, line_and_column};
use super::nearest::nearest;
use super::wording;
use super::written::File;
use crate::limits::CONFIGURATION_MISTAKES_MAX;

/// What a file holds, as far as it could be read.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) file: File,
    /// Whether nothing can be missing from `file` but what was told and cut out.
    pub(super) whole: bool,
    /// Streams that may be fed by what was cut out.
    pub(super) fed: BTreeSet<String>,
    /// Inputs whose path may have been cut out, under a misspelt key.
    pub(super) pathless: BTreeSet<String>,
}

/// Reads file number `file`.
pub(super) fn parse(file: usize, text: &str, mistakes: &mut Mistakes<'_>) -> Parsed {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let mut unreadable_lines = HashSet::new();
    for error in syntax.iter().take(CONFIGURATION_MISTAKES_MAX) {
        let span = error.span().unwrap_or(0..0);
        unreadable_lines.insert(line_and_column(text, span.start).0);
        let at = At { file, offset: span.start };
        mistakes.tell(at, wording::syntax(error.message(), text.get(span).unwrap_or("")));
    }
    let mut reading = Reading {
        root: Spanned::new(table.span(), DeValue::Table(table.into_inner())),
        cut: Vec::new(),
        fed: BTreeSet::new(),
        pathless: BTreeSet::new(),
    };
    for _ in 0..CONFIGURATION_MISTAKES_MAX {
        let error = match reading.attempt() {
            Ok(written) => {
                let Reading { fed, pathless, .. } = reading;
                return Parsed { file: written, whole: syntax.is_empty(), fed, pathless };
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let (path, follows) = reading.cut(&error);
        // What stands in a line that cannot be read is no further mistake.
        if !follows && !unreadable_lines.contains(&line_and_column(text, span.start).0) {
            let text = wording::structure(error.message(), path.as_deref().unwrap_or(&[]));
            mistakes.tell(At { file, offset: span.start }, text);
        }
        if path.is_none() {
            break;
        }
    }
    Parsed::default()
}

/// A file's values on the way into their types.
struct Reading<'a> {
    root: Spanned<DeValue<'a>>,
    /// What was cut out, as keys from the root.
    cut: Vec<Vec<String>>,
    fed: BTreeSet<String>,
    pathless: BTreeSet<String>,
}

impl Reading<'_> {
    fn attempt(&self) -> Result<File, Error> {
        let table = match self.root.get_ref() {
            DeValue::Table(table) => table.clone(),
            _ => DeTable::new(),
        };
        File::deserialize(Deserializer::from(Spanned::new(self.root.span(), table)))
    }

    /// Cuts out what `error` complains of. Returns its keys, and whether it was only wrong because
    /// of an earlier cut.
    fn cut(&mut self, error: &Error) -> (Option<Vec<String>>, bool) {
        let Some((path, removed)) = error.span().and_then(|span| cut(self.root.get_mut(), &span))
        else {
            return (None, false);
        };
        self.note_what_goes_with(&path, &removed);
        let emptied = self.cut.iter().any(|cut| cut.len() > path.len() && cut.starts_with(&path));
        let follows = emptied && error.message().contains("found 0 elements");
        self.cut.push(path.clone());
        (Some(path), follows)
    }

    /// Notes what is now missing only because it was cut out, so that this is not told as well.
    fn note_what_goes_with(&mut self, path: &[String], removed: &DeValue<'_>) {
        let is = |key: &str, known: &'static str| nearest(key, [known].into_iter()).is_some();
        match path {
            [inputs] if is(inputs, "input") => {
                let DeValue::Table(inputs) = removed else { return };
                for (name, input) in inputs.iter() {
                    self.fed.insert(name.get_ref().to_string());
                    streams_of(input.get_ref(), &mut self.fed);
                }
            }
            [input, name] | [input, name, _] if input == "input" => {
                self.fed.insert(name.clone());
                streams_of(removed, &mut self.fed);
            }
            [input, name, _, key] if input == "input" => {
                if is(key, "path") {
                    self.pathless.insert(name.clone());
                }
                if is(key, "stream") {
                    self.fed.extend(removed.as_str().map(str::to_owned));
                }
            }
            _ => {}
        }
    }
}

/// Removes the entry or array element with this span from `value`. Returns its keys and itself.
fn cut<'a>(value: &mut DeValue<'a>, span: &Range<usize>) -> Option<(Vec<String>, DeValue<'a>)> {
    match value {
        DeValue::Table(table) => {
            let found =
                table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
            if let Some(key) = found.map(|(key, _)| key.get_ref().to_string()) {
                let removed = table.remove(key.as_str())?;
                return Some((vec![key], removed.into_inner()));
            }
            table.iter_mut().find_map(|(key, value)| {
                let (mut path, removed) = cut(value.get_mut(), span)?;
                path.insert(0, key.get_ref().to_string());
                Some((path, removed))
            })
        }
        DeValue::Array(array) => {
            if let Some(removed) = array.iter().find(|element| element.span() == *span).cloned() {
                let kept = array.iter().filter(|element| element.span() != *span).cloned();
                *array = kept.fold(DeArray::new(), |mut kept, element| {
                    kept.push(element);
                    kept
                });
                return Some((Vec::new(), removed.into_inner()));
            }
            array.iter_mut().find_map(|element| cut(element.get_mut(), span))
        }
        _ => None,
    }
}

/// Collects every `stream = "…"` at any depth of what was cut out of an input.
fn streams_of(removed: &DeValue<'_>, fed: &mut BTreeSet<String>) {
    let DeValue::Table(table) = removed else { return };
    for (key, value) in table.iter() {
        if key.get_ref() == "stream"
            && let Some(stream) = value.get_ref().as_str()
        {
            fed.insert(stream.to_owned());
        }
        streams_of(value.get_ref(), fed);
    }
}
