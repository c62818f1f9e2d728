//! Values as Node.js shows them in a line of a log, util.inspect() with its defaults: objects to
//! three levels, a hundred items of an array, ten thousand characters of a text in an object, broken
//! into lines where they are long.
//!
//! What is made of a value is bounded by the bytes that may still come of the event.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::flatted::{Field, Item, Value, Values};
use super::number;

/// As inspect() calls them: `breakLength`, `compact`, `maxArrayLength`, `maxStringLength`.
const LINE_CHARACTERS_MAX: usize = 80;
const LEVELS_IN_LINE: usize = 3;
const ITEMS_MAX: usize = 100;
const TEXT_CHARACTERS_MAX: usize = 10_000;
/// A shorter text is never broken into lines.
const BROKEN_TEXT_MIN: usize = 16;
/// An array of more items than this is set in columns.
const COLUMNS_FROM: usize = 6;
/// So many columns at most, ...
const COLUMNS_MAX: usize = 15;
/// ... of about this shape: a character is so much higher than wide.
const CHARACTER_HEIGHT: f64 = 2.5;

/// How a value is to be shown.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Levels below the first.
    pub(super) levels: usize,
    /// Whether the length of arrays is shown, too.
    pub(super) lengths: bool,
}

/// `value`, in at most `bytes_max` bytes; none where they do not do.
pub(super) fn inspect(
    values: &Values<'_>,
    value: Value<'_>,
    shape: Shape,
    bytes_max: usize,
) -> Option<String> {
    let (inside, circular) = (Vec::new(), BTreeMap::new());
    let mut inspector =
        Inspector { values, shape, left: bytes_max, inside, circular, deepest: 0, indentation: 0 };
    inspector.show(value, 0)
}

struct Inspector<'v> {
    values: &'v Values<'v>,
    shape: Shape,
    /// Bytes that may still come.
    left: usize,
    /// The places of the values that it is in.
    inside: Vec<usize>,
    /// Of these, those that hold themselves, in the order in which that was seen.
    circular: BTreeMap<usize, usize>,
    /// The level of the value that was begun last.
    deepest: usize,
    indentation: usize,
}

/// What is in an array or object, and what stands around it.
struct Parts {
    /// Before the opening brace.
    base: String,
    braces: [&'static str; 2],
    output: Vec<String>,
}

impl<'v> Inspector<'v> {
    fn spend(&mut self, text: String) -> Option<String> {
        self.left = self.left.checked_sub(text.len().max(1))?;
        Some(text)
    }

    fn show(&mut self, value: Value<'v>, level: usize) -> Option<String> {
        let shown = match value {
            Value::Undefined => "undefined".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Truth(truth) => truth.to_string(),
            Value::Number(number) => number::shown(number),
            Value::Text(text) => self.text(text)?,
            Value::Array(place, items) => return self.array(place, items, level),
            Value::Object(place, fields) => return self.object(place, fields, level),
        };
        self.spend(shown)
    }

    fn text(&mut self, text: &str) -> Option<String> {
        self.values.work(text.len())?;
        let characters = text.encode_utf16().count();
        let (text, more) = match characters.checked_sub(TEXT_CHARACTERS_MAX) {
            Some(more @ 1..) => (beginning(text), more),
            _ => (text, 0),
        };
        let characters = characters - more;
        let room = LINE_CHARACTERS_MAX.saturating_sub(self.indentation + 4);
        let mut shown = String::new();
        if characters > BROKEN_TEXT_MIN && characters > room {
            let indentation = " ".repeat(self.indentation + 2);
            for (index, line) in text.split_inclusive('\n').enumerate() {
                if index > 0 {
                    shown.push_str(" +\n");
                    shown.push_str(&indentation);
                }
                push_quoted(line, &mut shown);
            }
        } else {
            push_quoted(text, &mut shown);
        }
        if more > 0 {
            let plural = if more > 1 { "s" } else { "" };
            write!(shown, "... {more} more character{plural}").ok()?;
        }
        Some(shown)
    }

    /// What stands for a value that is inside itself.
    fn circular(&mut self, place: usize) -> Option<String> {
        if !self.inside.contains(&place) {
            return None;
        }
        let next = self.circular.len() + 1;
        let number = self.circular.entry(place).or_insert(next);
        Some(format!("[Circular *{number}]"))
    }

    fn begin(&mut self, place: usize, level: usize) {
        self.inside.push(place);
        self.deepest = level + 1;
    }

    fn array(&mut self, place: usize, items: &'v [Item], level: usize) -> Option<String> {
        if let Some(circular) = self.circular(place) {
            return self.spend(circular);
        }
        if items.is_empty() && !self.shape.lengths {
            return self.spend("[]".to_owned());
        }
        if level > self.shape.levels {
            return self.spend("[Array]".to_owned());
        }
        self.begin(place, level);
        let mut output = Vec::new();
        for item in items.iter().take(ITEMS_MAX) {
            output.push(self.indented(*item, level + 1)?);
        }
        if let Some(more @ 1..) = items.len().checked_sub(ITEMS_MAX) {
            let plural = if more > 1 { "s" } else { "" };
            output.push(format!("... {more} more item{plural}"));
        }
        if self.shape.lengths {
            output.push(format!("[length]: {}", items.len()));
        }
        let (count, bytes) = (output.len(), bytes(&output));
        if count > COLUMNS_FROM {
            let is_number = |item: &Item| matches!(self.values.value(*item), Value::Number(_));
            let are_numbers = (0..count).all(|at| items.get(at).is_some_and(is_number));
            output = in_columns(output, are_numbers, self.indentation);
        }
        let is_whole = output.len() == count;
        let parts = Parts { base: self.end(place), braces: ["[", "]"], output };
        let joined = self.joined(parts, is_whole, level + 1);
        self.left = self.left.checked_sub(joined.len() - bytes)?;
        Some(joined)
    }

    fn object(&mut self, place: usize, fields: &'v [Field<'v>], level: usize) -> Option<String> {
        if let Some(circular) = self.circular(place) {
            return self.spend(circular);
        }
        self.values.work(fields.len())?;
        let stack = self.values.stack(fields);
        let base = match stack {
            Some(stack) => self.stack(stack)?,
            None => String::new(),
        };
        let shows_name = stack.is_none_or(|stack| self.shows_name(fields, stack));
        let shown = fields.iter().filter(|(name, _)| is_shown(name, stack.is_some(), shows_name));
        let mut shown = shown.peekable();
        if shown.peek().is_none() {
            return if stack.is_some() { Some(base) } else { self.spend("{}".to_owned()) };
        }
        if level > self.shape.levels {
            return self.spend(format!("[{}]", stack.map_or("Object", class)));
        }
        let shown: Vec<_> = shown.collect();
        self.begin(place, level);
        let mut output = Vec::new();
        for (name, item) in shown {
            let mut entry = key(name);
            entry.push_str(": ");
            let mut entry = self.spend(entry)?;
            entry.push_str(&self.indented(*item, level + 1)?);
            output.push(entry);
        }
        let reference = self.end(place);
        let between = if reference.is_empty() || base.is_empty() { "" } else { " " };
        let bytes = base.len() + bytes(&output);
        let base = format!("{reference}{between}{base}");
        let joined = self.joined(Parts { base, braces: ["{", "}"], output }, true, level + 1);
        self.left = self.left.checked_sub(joined.len() - bytes)?;
        Some(joined)
    }

    /// Whether an error has a name that its stack does not say.
    fn shows_name(&self, fields: &[Field<'_>], stack: &str) -> bool {
        match self.values.field(fields, "name") {
            Value::Text(name) => !stack.contains(name),
            _ => true,
        }
    }

    fn stack(&mut self, stack: &str) -> Option<String> {
        self.values.work(stack.len())?;
        let stack = match stack.contains("\n    at") {
            true => stack.to_owned(),
            false => format!("[{stack}]"),
        };
        let lines = memchr::memchr_iter(b'\n', stack.as_bytes()).count();
        if stack.len() + lines * self.indentation > self.left {
            return None;
        }
        let indentation = format!("\n{}", " ".repeat(self.indentation));
        self.spend(stack.replace('\n', &indentation))
    }

    fn indented(&mut self, item: Item, level: usize) -> Option<String> {
        self.indentation += 2;
        let shown = self.show(self.values.value(item), level);
        self.indentation -= 2;
        shown
    }

    /// Leaves a value; returns how it is referred to, if it holds itself.
    fn end(&mut self, place: usize) -> String {
        self.inside.pop();
        let number = self.circular.get(&place);
        number.map_or_else(String::new, |number| format!("<ref *{number}>"))
    }

    /// All of it in a line where it fits, else a line for each part.
    fn joined(&self, parts: Parts, is_whole: bool, level: usize) -> String {
        let Parts { base, braces: [opening, closing], output } = parts;
        let space = if base.is_empty() { "" } else { " " };
        if is_whole && self.deepest - level < LEVELS_IN_LINE {
            let start = output.len() + self.indentation + opening.len() + characters(&base) + 10;
            let length: usize = output.iter().map(|part| characters(part)).sum();
            let fits = output.len() + start + length.max(output.len()) <= LINE_CHARACTERS_MAX;
            let is_line = |text: &String| !text.contains('\n');
            if fits && is_line(&base) && output.iter().all(is_line) {
                return format!("{base}{space}{opening} {} {closing}", output.join(", "));
            }
        }
        let indentation = format!("\n{}", " ".repeat(self.indentation));
        let lines = output.join(&format!(",{indentation}  "));
        format!("{base}{space}{opening}{indentation}  {lines}{indentation}{closing}")
    }
}

/// The items of an array, several to a line where they are short and about as long as each other.
fn in_columns(output: Vec<String>, are_numbers: bool, indentation: usize) -> Vec<String> {
    const SEPARATOR: usize = 2;
    // What says that there are more stands in a line of its own.
    let count = output.len() - usize::from(output.len() > ITEMS_MAX);
    let lengths: Vec<usize> = output[..count].iter().map(|item| characters(item)).collect();
    let total: usize = lengths.iter().map(|length| length + SEPARATOR).sum();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let widest = longest + SEPARATOR;
    let is_even = total as f64 / widest as f64 > 5.0 || longest <= 6;
    if widest * 3 + indentation >= LINE_CHARACTERS_MAX || !is_even {
        return output;
    }
    let bias = (widest as f64 - total as f64 / output.len() as f64).max(0.0).sqrt();
    let biased = (widest as f64 - 3.0 - bias).max(1.0);
    let of_shape = (CHARACTER_HEIGHT * biased * count as f64).sqrt() / biased;
    let columns = (of_shape.round() as usize)
        .min(LINE_CHARACTERS_MAX.saturating_sub(indentation) / widest)
        .min(4 * LEVELS_IN_LINE)
        .min(COLUMNS_MAX);
    if columns <= 1 {
        return output;
    }
    let widths: Vec<usize> = (0..columns)
        .map(|column| lengths.iter().skip(column).step_by(columns).max().unwrap_or(&0) + SEPARATOR)
        .collect();
    let mut rows = Vec::new();
    for (items, lengths) in output[..count].chunks(columns).zip(lengths.chunks(columns)) {
        let mut row = String::new();
        for (column, (item, length)) in items.iter().zip(lengths).enumerate() {
            let is_last = column + 1 == items.len();
            let separator = if is_last { "" } else { ", " };
            let padding = " ".repeat(widths[column] - SEPARATOR - length);
            match (are_numbers, is_last) {
                (true, _) => row.extend([&padding, item, separator]),
                (false, true) => row.push_str(item),
                (false, false) => row.extend([item, separator, &padding]),
            }
        }
        rows.push(row);
    }
    rows.extend(output.into_iter().skip(count));
    rows
}

fn bytes(output: &[String]) -> usize {
    output.iter().map(String::len).sum()
}

/// As JavaScript counts them.
fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The characters of a text that are shown.
fn beginning(text: &str) -> &str {
    let mut count = 0;
    let end = text.char_indices().find(|(_, character)| {
        count += character.len_utf16();
        count > TEXT_CHARACTERS_MAX
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Of an error only what its stack does not say.
fn is_shown(name: &str, is_error: bool, shows_name: bool) -> bool {
    match name {
        "message" | "stack" => !is_error,
        "name" => shows_name,
        _ => true,
    }
}

/// What kind of error a stack is of.
fn class(stack: &str) -> &str {
    let end = stack.find([':', '\n']).unwrap_or(stack.len());
    let class = &stack[..end];
    let is_name =
        class.ends_with("Error") && class.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name { class } else { "Error" }
}

/// A name before its value.
fn key(name: &str) -> String {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let is_plain = name.as_bytes().first().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(&byte) || byte.is_ascii_digit());
    if name == "__proto__" {
        return format!("['{name}']");
    }
    if is_plain {
        return name.to_owned();
    }
    let mut quoted = String::new();
    push_quoted(name, &mut quoted);
    quoted
}

/// A text in quotes that it does not hold, if there are such; escaped as in a program.
fn push_quoted(text: &str, out: &mut String) {
    let quote = match text.contains('\'') {
        false => '\'',
        true if !text.contains('"') => '"',
        true if !text.contains('`') && !text.contains("${") => '`',
        true => '\'',
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\'' if quote == '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                // Writing to a String cannot fail.
                write!(out, "\\x{:02X}", u32::from(character)).unwrap_or_default();
            }
            character => out.push(character),
        }
    }
    out.push(quote);
}
