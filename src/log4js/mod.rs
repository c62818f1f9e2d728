//! log4js's events, as its `tcp` appender and `multiprocess` workers send them, and what log4js
//! would have written of them into a file itself: `[TIME] [LEVEL] CATEGORY - TEXT`, its basic layout.
//!
//! The time is the event's own, in UTC, and says so with a `Z`. What is no event, the text of another
//! layout for example, is left to whoever asks. Memory and work for an event are bounded, whatever it
//! holds; one that would become far longer than it came is none.

mod flatted;
mod inspect;
mod json;
mod number;
mod text;

use std::borrow::Cow;

use flatted::{Value, Values};
use text::Text;

use crate::limits::{
    CATEGORY_BYTES_MAX, EVENT_BYTES_MIN, EVENT_GROWTH_BYTES_MAX, EVENT_GROWTH_MAX, LEVEL_BYTES_MAX,
};

/// What one event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What log4js writes of it, perhaps in several lines, without a newline at its end.
    pub text: String,
    /// Where in that the message begins, behind time, level and category.
    pub message_at: usize,
    /// The level in lower case: `warn`. Letters, digits and `_`; at most [`LEVEL_BYTES_MAX`].
    pub level: Option<String>,
    /// The category, if it has no control characters; at most [`CATEGORY_BYTES_MAX`].
    pub category: Option<String>,
    /// The process that logged it, in digits.
    pub pid: Option<String>,
}

/// The event that a record is; none if it is none.
pub fn event(record: &[u8]) -> Option<Event> {
    if record.len() < EVENT_BYTES_MIN || !record.starts_with(b"[{") {
        return None;
    }
    let record = std::str::from_utf8(record).ok()?;
    match Values::read(record) {
        Some(values) => shown(&values, record.len()),
        // JavaScript's texts may hold halves of characters, which JSON.stringify() escapes.
        None => match without_halves(record) {
            Cow::Borrowed(_) => None,
            Cow::Owned(whole) => shown(&Values::read(&whole)?, record.len()),
        },
    }
}

fn shown(values: &Values<'_>, record_bytes: usize) -> Option<Event> {
    let Value::Object(_, event) = values.first() else { return None };
    let Value::Text(category) = values.field(event, "categoryName") else { return None };
    let Value::Text(time) = values.field(event, "startTime") else { return None };
    let Value::Object(_, level) = values.field(event, "level") else { return None };
    let Value::Text(level) = values.field(level, "levelStr") else { return None };
    if !is_time(time) {
        return None;
    }
    let bytes_max = (EVENT_GROWTH_MAX * record_bytes).min(record_bytes + EVENT_GROWTH_BYTES_MAX);
    let mut out = Text::new(bytes_max);
    for part in ["[", time, "] [", level, "] ", category, " - "] {
        out.push(part)?;
    }
    let message_at = out.len();
    match values.field(event, "data") {
        Value::Undefined => return None,
        Value::Array(_, data) => text::format(values, data, &mut out)?,
        // log4js takes an array with nothing but NaN in it for NaN.
        value => text::show(values, value, &mut out)?,
    }
    let text = out.into_string();
    Some(Event {
        text,
        message_at,
        level: shown_level(level),
        category: shown_category(category),
        pid: pid(values.field(event, "pid")),
    })
}

/// `2026-11-21T06:00:00.123Z`, as JSON.stringify() shows a time.
fn is_time(time: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, like): (u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == *like,
    };
    time.len() == pattern.len() && time.bytes().zip(pattern).all(fits)
}

fn shown_level(level: &str) -> Option<String> {
    let good = (1..=LEVEL_BYTES_MAX).contains(&level.len());
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (good && level.bytes().all(is_letter)).then(|| level.to_ascii_lowercase())
}

fn shown_category(category: &str) -> Option<String> {
    let good = (1..=CATEGORY_BYTES_MAX).contains(&category.len());
    (good && !category.contains(char::is_control)).then(|| category.to_owned())
}

fn pid(value: Value<'_>) -> Option<String> {
    match value {
        Value::Number(pid) if (1.0..=f64::from(i32::MAX)).contains(&pid) && pid.fract() == 0.0 => {
            Some(number::shown(pid))
        }
        _ => None,
    }
}

/// The same with a replacement character for every half of one, as all who write UTF-8 do it.
fn without_halves(record: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let (mut taken, mut at) = (0, 0);
    while let Some(escape) = memchr::memchr(b'\\', &record.as_bytes()[at..]).map(|next| at + next) {
        at = escape + 2;
        let Some(half) = half(&record.as_bytes()[escape..]) else {
            if at > record.len() {
                break;
            }
            continue;
        };
        at = escape + ESCAPE_BYTES;
        let next = self::half(&record.as_bytes()[at..]);
        if let (0xD800..0xDC00, Some(0xDC00..)) = (half, next) {
            at += ESCAPE_BYTES;
            continue;
        }
        whole.push_str(&record[taken..escape]);
        whole.push(char::REPLACEMENT_CHARACTER);
        taken = at;
    }
    if taken == 0 {
        return Cow::Borrowed(record);
    }
    whole.push_str(&record[taken..]);
    Cow::Owned(whole)
}

/// `\ud83d`
const ESCAPE_BYTES: usize = 6;

/// The half of a character that is escaped at the beginning of `text`.
fn half(text: &[u8]) -> Option<u16> {
    let digits = text.get(..ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok().filter(|half| (0xD800..0xE000).contains(half))
}

#[cfg(test)]
mod tests;
