//! The values of keys, each read by its own type: a value that is wrong says what to write
//! instead, and does not keep the rest of the file from being read.

mod choice;
mod count;
mod descriptor_name;
mod duration;
mod instances;
mod list;
mod mode;
mod owner;
mod path;
mod placeholder;
mod route;
mod size;
mod truth;
mod units;

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::mistake::At;

pub use choice::{Choice, FormatName, Named};
pub(super) use count::Count;
pub(super) use descriptor_name::DescriptorName;
pub use duration::{HumanDuration, Period};
pub(super) use instances::Instances;
pub(super) use list::List;
pub use mode::Mode;
pub use owner::{Group, User};
pub(super) use path::{AbsolutePath, PathOrOff};
pub use size::{FileBytes, LineBytes, Size};

/// Why a value is wrong, and what to write instead: lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongValue(String);

/// A type that a value of the configuration, or of the command line, is read into.
pub trait FromWritten: Sized {
    /// What may be written, with an example: `a size such as "64MiB"`.
    const EXPECTED: &'static str;

    /// Reads a text.
    fn from_text(text: &str) -> Result<Self, WrongValue>;

    /// Reads a number; most keys take none.
    fn from_number(number: i64) -> Result<Self, WrongValue> {
        wrong(format!("expected {}, found the number {number}", Self::EXPECTED))
    }

    /// Reads `true` or `false`; most keys take neither.
    fn from_truth(truth: bool) -> Result<Self, WrongValue> {
        wrong(format!("expected {}, found {truth}", Self::EXPECTED))
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, WrongValue> {
    Err(WrongValue(text.into()))
}

/// A value with its place in the file. Reading one never fails: a wrong one is kept as such, so
/// that one mistake does not hide the next.
#[derive(Debug)]
pub(super) struct Value<T> {
    pub(super) span: Range<usize>,
    pub(super) read: Result<T, WrongValue>,
}

/// What a key came to, once a wrong value has been told.
#[derive(Clone, Debug, Default)]
pub(super) enum Setting<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The value is wrong: whatever depends on it is not looked at.
    Wrong,
    /// The value and its place.
    Right(T, At),
}

impl<T> Setting<T> {
    /// This, or the default where the key is absent.
    pub(super) fn or(self, default: Setting<T>) -> Setting<T> {
        if let Setting::Absent = self { default } else { self }
    }

    /// The value, if there is one.
    pub(super) fn right(self) -> Option<T> {
        if let Setting::Right(value, _) = self { Some(value) } else { None }
    }

    /// The place of the value, if there is one.
    pub(super) fn place(&self) -> Option<At> {
        if let Setting::Right(_, at) = self { Some(*at) } else { None }
    }

    pub(super) fn is_wrong(&self) -> bool {
        matches!(self, Setting::Wrong)
    }

    pub(super) fn as_ref(&self) -> Setting<&T> {
        match self {
            Setting::Absent => Setting::Absent,
            Setting::Wrong => Setting::Wrong,
            Setting::Right(value, at) => Setting::Right(value, *at),
        }
    }
}

impl<'de, T: FromWritten> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<T>, D::Error> {
        Spanned::<Written>::deserialize(deserializer).map(Value::read)
    }
}

impl<T: FromWritten> Value<T> {
    fn read(written: Spanned<Written>) -> Value<T> {
        let span = written.span();
        let other = |found| wrong(format!("expected {}, found {found}", T::EXPECTED));
        let read = match written.into_inner() {
            Written::Text(text) => T::from_text(&text),
            Written::Number(number) => T::from_number(number),
            Written::Truth(truth) => T::from_truth(truth),
            Written::Array(_) => other("an array"),
            Written::Other(found) => other(found),
        };
        Value { span, read }
    }
}

/// Any value of a TOML file, as far as keys take it.
enum Written {
    Text(String),
    Number(i64),
    Truth(bool),
    Array(Vec<Spanned<Written>>),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Written, E> {
        Ok(Written::Number(number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
        Ok(Written::Other("a number too large"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Written, E> {
        Ok(Written::Other("a number too large"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Written, E> {
        Ok(Written::Other("a number too large"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
        Ok(Written::Other("a number with a fraction"))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Written, E> {
        Ok(Written::Truth(truth))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Written, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = array.next_element()? {
            items.push(item);
        }
        Ok(Written::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Written, A::Error> {
        while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Written::Other("a table or a date"))
    }
}

/// Checks how one type reads texts: what it becomes, shown, or why it is wrong.
#[cfg(test)]
#[track_caller]
fn check<T: FromWritten>(show: impl Fn(T) -> String, cases: &[(&str, Result<&str, &str>)]) {
    for (text, expected) in cases {
        let read = T::from_text(text).map(&show).map_err(|wrong| wrong.to_string());
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(read, expected, "{text:?}");
    }
}
