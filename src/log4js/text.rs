//! The text of what was logged, as util.format() of Node.js puts it together: `%s` and its like in a
//! first text, and everything else behind it.

use super::flatted::{Item, Value, Values};
use super::inspect::{Shape, inspect};
use super::{json, number};

/// Objects, unless something else is asked for.
const USUAL: Shape = Shape { levels: 2, lengths: false };
/// `%s`
const OF_TEXT: Shape = Shape { levels: 0, lengths: false };
/// `%o`
const DETAILED: Shape = Shape { levels: 4, lengths: true };

/// A text that may only become so long.
pub(super) struct Text {
    text: String,
    left: usize,
}

impl Text {
    pub(super) fn new(bytes_max: usize) -> Text {
        Text { text: String::new(), left: bytes_max }
    }

    pub(super) fn push(&mut self, text: &str) -> Option<()> {
        self.left = self.left.checked_sub(text.len())?;
        self.text.push_str(text);
        Some(())
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}

/// Appends what was logged; none where that would become too long.
pub(super) fn format(values: &Values<'_>, data: &[Item], out: &mut Text) -> Option<()> {
    let mut rest = data.iter().map(|item| values.value(*item));
    let mut is_first = true;
    if let Some(Value::Text(first)) = data.first().map(|item| values.value(*item)) {
        rest.next();
        is_first = false;
        if data.len() == 1 {
            return out.push(first);
        }
        fill_in(values, first, &mut rest, out)?;
    }
    for value in rest {
        if !is_first {
            out.push(" ")?;
        }
        is_first = false;
        show(values, value, out)?;
    }
    Some(())
}

/// Appends a value that no text has a place for.
pub(super) fn show(values: &Values<'_>, value: Value<'_>, out: &mut Text) -> Option<()> {
    match value {
        Value::Text(text) => out.push(text),
        value => out.push(&inspect(values, value, USUAL, out.left())?),
    }
}

/// Appends `text` with values in place of what begins with `%`, as long as there are some.
fn fill_in<'v>(
    values: &'v Values<'_>,
    mut text: &str,
    rest: &mut impl ExactSizeIterator<Item = Value<'v>>,
    out: &mut Text,
) -> Option<()> {
    while let Some(at) = memchr::memchr(b'%', text.as_bytes()) {
        let asks = text.as_bytes().get(at + 1).copied();
        let is_known = matches!(asks, Some(b's' | b'd' | b'i' | b'f' | b'j' | b'o' | b'O' | b'c'));
        if asks == Some(b'%') {
            out.push(&text[..=at])?;
            text = &text[at + 2..];
            continue;
        }
        let value = if is_known { rest.next() } else { None };
        let (Some(asks), Some(value)) = (asks, value) else {
            out.push(&text[..=at])?;
            text = &text[at + 1..];
            continue;
        };
        out.push(&text[..at])?;
        text = &text[at + 2..];
        show_as(values, asks, value, out)?;
    }
    out.push(text)
}

/// Appends `value` as `%` and `asks` have it.
fn show_as(values: &Values<'_>, asks: u8, value: Value<'_>, out: &mut Text) -> Option<()> {
    let is_object = matches!(value, Value::Array(..) | Value::Object(..));
    if let Value::Text(text) = value {
        values.work(text.len())?;
    }
    let number = |of_text: fn(&str) -> f64| match value {
        Value::Text(text) => number::shown(of_text(text)),
        Value::Number(number) => number::shown(of_text(&number::shown(number))),
        _ => number::shown(f64::NAN),
    };
    let shown = match (asks, value) {
        (b'c', _) => return Some(()),
        (b's', Value::Text(text)) => return out.push(text),
        (b's', value) => inspect(values, value, OF_TEXT, out.left())?,
        (b'd', Value::Number(number)) => number::shown(number),
        (b'd', Value::Truth(truth)) => u8::from(truth).to_string(),
        (b'd', Value::Null) => "0".to_owned(),
        (b'd', value) if is_object || !matches!(value, Value::Text(_)) => number::shown(f64::NAN),
        (b'd', _) => number(number::of_text),
        (b'i', _) => number(number::whole_of_text),
        (b'f', _) => number(number::fraction_of_text),
        (b'j', value) => json::shown(values, value, out.left())?,
        (b'o', value) => inspect(values, value, DETAILED, out.left())?,
        (_, value) => inspect(values, value, USUAL, out.left())?,
    };
    out.push(&shown)
}
