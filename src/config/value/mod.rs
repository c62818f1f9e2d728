//! The values of keys, each read by its own type: a value that is wrong says what to write
//! instead, and does not keep the rest of the file from being read.

mod choice;
mod count;
mod duration;
mod mode;
mod owner;
mod path;
mod prefix;
mod route;
mod size;

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::mistake::At;

pub use choice::{Choice, FormatName, Named, OnFull};
pub(super) use count::Count;
pub use duration::HumanDuration;
pub use mode::Mode;
pub use owner::{Group, User};
pub(super) use path::{AbsolutePath, PathOrOff};
pub(super) use route::Route;
pub use size::{LineBytes, Size};

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
        let scalar = Spanned::<Scalar>::deserialize(deserializer)?;
        let span = scalar.span();
        let read = match scalar.into_inner() {
            Scalar::Text(text) => T::from_text(&text),
            Scalar::Number(number) => T::from_number(number),
            Scalar::Other(found) => wrong(format!("expected {}, found {found}", T::EXPECTED)),
        };
        Ok(Value { span, read })
    }
}

/// Any value of a TOML file, as far as keys take it.
enum Scalar {
    Text(String),
    Number(i64),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar::Other("a number too large"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Scalar, E> {
        Ok(Scalar::Other("a number too large"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Scalar, E> {
        Ok(Scalar::Other("a number too large"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other("a number with a fraction"))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other(if truth { "true" } else { "false" }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Scalar, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Scalar, A::Error> {
        while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a table or a date"))
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
