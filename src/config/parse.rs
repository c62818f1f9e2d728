//! One file's text becomes its tables, and all mistakes of its syntax and structure at once.
//!
//! Serde stops at the first mistake. So what it complains of is cut out, by its place, and the
//! rest is asked again, until nothing is complained of.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::mistake::{At, Mistakes};
use super::nearest::nearest;
use super::source::Source;
use super::syntax;
use super::wording;
use super::written::File;
use crate::limits::CONFIGURATION_MISTAKES_MAX;

/// What a file holds, as far as it could be read.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) file: File,
    pub(super) lost: Lost,
}

/// What is missing from a file only because it could not be read, and so is no mistake of its own.
#[derive(Default)]
pub(super) struct Lost {
    /// Whether anything may be missing.
    pub(super) unknown: bool,
    /// Streams that inputs feed which could not be read.
    pub(super) feeds: BTreeSet<String>,
    /// Inputs whose path stands behind a misspelt key.
    pub(super) paths: BTreeSet<String>,
    /// Inputs whose `allow` has keys that could not be read.
    pub(super) allows: BTreeSet<String>,
}

impl Parsed {
    /// Nothing could be read.
    pub(super) fn nothing() -> Parsed {
        let lost = Lost { unknown: true, ..Lost::default() };
        Parsed { file: File::default(), lost }
    }
}

/// Reads file number `file`.
pub(super) fn parse(file: usize, source: &Source, mistakes: &mut Mistakes<'_>) -> Parsed {
    let text = syntax::read(source);
    let is_toml = text.mistakes.is_empty();
    for (offset, text) in text.mistakes.iter().take(CONFIGURATION_MISTAKES_MAX) {
        mistakes.tell_syntax(At { file, offset: *offset }, text);
    }
    let (table, _) = DeTable::parse_recoverable(&text.readable);
    let mut reading = Reading {
        root: Spanned::new(table.span(), DeValue::Table(table.into_inner())),
        cut: Vec::new(),
        lost: Lost { unknown: !is_toml, ..Lost::default() },
    };
    for _ in 0..CONFIGURATION_MISTAKES_MAX {
        let error = match reading.attempt() {
            Ok(file) => return Parsed { file, lost: reading.lost },
            Err(error) => error,
        };
        let (path, follows) = reading.cut(&error);
        if !follows {
            let text = wording::structure(error.message(), path.as_deref().unwrap_or(&[]));
            mistakes.tell(At { file, offset: start(&error) }, text);
        }
        if path.is_none() {
            break;
        }
    }
    Parsed::nothing()
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// A file's values on the way into their types.
struct Reading<'a> {
    root: Spanned<DeValue<'a>>,
    /// What was cut out, as keys from the root.
    cut: Vec<Vec<String>>,
    lost: Lost,
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
        self.lost.note(&path, &removed);
        let emptied = self.cut.iter().any(|cut| cut.len() > path.len() && cut.starts_with(&path));
        let follows = emptied && error.message().contains("found 0 elements");
        self.cut.push(path.clone());
        (Some(path), follows)
    }
}

impl Lost {
    pub(super) fn add(&mut self, other: Lost) {
        self.unknown |= other.unknown;
        self.feeds.extend(other.feeds);
        self.paths.extend(other.paths);
        self.allows.extend(other.allows);
    }

    /// Notes what goes with `removed`, which stood at `path`.
    fn note(&mut self, path: &[String], removed: &DeValue<'_>) {
        let is = |key: &str, known: &'static str| nearest(key, [known].into_iter()).is_some();
        match path {
            [inputs] if is(inputs, "input") => {
                let DeValue::Table(inputs) = removed else { return };
                for (name, input) in inputs.iter() {
                    self.feeds.insert(name.get_ref().to_string());
                    self.note_streams(input.get_ref());
                }
            }
            [input, name] | [input, name, _] if input == "input" => {
                self.feeds.insert(name.clone());
                self.note_streams(removed);
            }
            [input, name, _, key] if input == "input" && is(key, "path") => {
                self.paths.insert(name.clone());
            }
            [input, name, _, allow, _] if input == "input" && allow == "allow" => {
                self.allows.insert(name.clone());
            }
            [input, _, _, key] if input == "input" && is(key, "stream") => {
                self.feeds.extend(removed.as_str().map(str::to_owned));
            }
            _ => {}
        }
    }

    /// Notes every `stream = "…"` at any depth of what was cut out of an input.
    fn note_streams(&mut self, removed: &DeValue<'_>) {
        let DeValue::Table(table) = removed else { return };
        for (key, value) in table.iter() {
            if key.get_ref() == "stream" {
                self.feeds.extend(value.get_ref().as_str().map(str::to_owned));
            }
            self.note_streams(value.get_ref());
        }
    }
}

/// Removes the entry with this span, its key's or its value's. Returns its keys and its value.
fn cut<'a>(value: &mut DeValue<'a>, span: &Range<usize>) -> Option<(Vec<String>, DeValue<'a>)> {
    // Arrays are nowhere looked into: no key takes one.
    let DeValue::Table(table) = value else { return None };
    let mut entries = table.iter();
    let found = entries.find(|(key, value)| key.span() == *span || value.span() == *span);
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
