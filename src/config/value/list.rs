//! Lists of values: `["a", "b"]`, or a single one without brackets.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer};
use toml::Spanned;

use super::{FromWritten, Value, Written};

/// A list with its place, each of whose values is read by itself.
#[derive(Debug)]
pub(in crate::config) struct List<T> {
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) items: Vec<Value<T>>,
}

impl<'de, T: FromWritten> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        let written = Spanned::<Written>::deserialize(deserializer)?;
        let span = written.span();
        let items = match written.into_inner() {
            Written::Array(items) => items.into_iter().map(Value::read).collect(),
            single => vec![Value::read(Spanned::new(span.clone(), single))],
        };
        Ok(List { span, items })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::config::value::User;

    #[derive(Deserialize)]
    struct Table {
        uid: List<User>,
    }

    /// Checks what `uid = …` is read as: each value with its place, or why it is wrong.
    #[track_caller]
    fn check(written: &str, expected: &[(usize, Result<u32, &str>)]) {
        let table: Table = toml::from_str(&format!("uid = {written}")).unwrap();
        let items = table.uid.items.iter();
        let read: Vec<_> = items
            .map(|item| (item.span.start - 6, item.read.as_ref().map(|User(number)| *number)))
            .map(|(at, read)| (at, read.map_err(|wrong| wrong.to_string())))
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(at, read)| (*at, read.map_err(str::to_owned))).collect();
        assert_eq!(read, expected, "{written}");
    }

    #[test]
    fn every_value_of_a_list_has_its_own_place() {
        check("[]", &[]);
        check("33", &[(0, Ok(33))]);
        check("\"root\"", &[(0, Ok(0))]);
        check("[33, \"root\"]", &[(1, Ok(33)), (5, Ok(0))]);
        let expected = "expected a user's name or number, found";
        check("true", &[(0, Err(&format!("{expected} true")))]);
        check(
            "[{}, 1, [2]]",
            &[
                (1, Err(&format!("{expected} a table or a date"))),
                (5, Ok(1)),
                (8, Err(&format!("{expected} an array"))),
            ],
        );
    }
}
