//! The configuration as its author writes it: every table and key there is, and nothing checked
//! beyond each value by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::value::{
    AbsolutePath, Choice, Count, FormatName, Group, HumanDuration, LineBytes, Mode, OnFull,
    PathOrOff, Route, Size, User, Value,
};
use crate::formatting::Template;
use crate::framing::Framing;
use crate::pipeline::OverLong;
use crate::writer::SyncPolicy;

/// Tables by their names; both have their places.
pub(super) type Tables<T> = BTreeMap<Spanned<String>, Spanned<T>>;

/// What is written as a table, and as nothing else: serde would also take an array of the values
/// without their keys.
#[derive(Debug, Default)]
pub(super) struct Table<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table<T>, D::Error> {
        deserializer.deserialize_map(TableVisitor(PhantomData)).map(Table)
    }
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(keys))
    }
}

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) agent: Option<Spanned<Table<Agent>>>,
    pub(super) defaults: Option<Spanned<Table<Defaults>>>,
    pub(super) input: Tables<Input>,
    pub(super) stream: Tables<Table<Stream>>,
}

/// `[agent]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Agent {
    pub(super) pid_file: Option<Value<PathOrOff>>,
    pub(super) control: Option<Value<PathOrOff>>,
    pub(super) grace: Option<Value<HumanDuration>>,
    pub(super) max_connections: Option<Value<Count>>,
    pub(super) max_streams: Option<Value<Count>>,
    pub(super) partial_memory: Option<Value<Size>>,
}

/// A table that says how streams are written; one key says where.
macro_rules! stream_table {
    ($(#[doc = $doc:literal])* $name:ident, $place:ident) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct $name {
            pub(super) $place: Option<Value<AbsolutePath>>,
            pub(super) mode: Option<Value<Mode>>,
            pub(super) owner: Option<Value<User>>,
            pub(super) group: Option<Value<Group>>,
            pub(super) format: Option<Value<Choice<FormatName>>>,
            pub(super) prefix: Option<Value<Template>>,
            pub(super) max_line: Option<Value<LineBytes>>,
            pub(super) over_long: Option<Value<Choice<OverLong>>>,
            pub(super) queue: Option<Value<Size>>,
            pub(super) on_full: Option<Value<Choice<OnFull>>>,
            pub(super) sync: Option<Value<SyncPolicy>>,
        }
    };
}

stream_table! {
    /// `[defaults]`
    Defaults, dir
}

stream_table! {
    /// `[stream.NAME]`
    Stream, file
}

/// `[input.NAME.KIND]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Input {
    UnixStream(Spanned<Table<Listener>>),
    Fifo(Spanned<Table<Listener>>),
    Stdin(Table<Stdin>),
}

/// `[input.NAME.unix-stream]`, `[input.NAME.fifo]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Listener {
    pub(super) path: Option<Value<AbsolutePath>>,
    pub(super) owner: Option<Value<User>>,
    pub(super) group: Option<Value<Group>>,
    pub(super) mode: Option<Value<Mode>>,
    pub(super) stream: Option<Value<Route>>,
    pub(super) framing: Option<Value<Choice<&'static Framing>>>,
}

/// `[input.NAME.stdin]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Stdin {
    pub(super) stream: Option<Value<Route>>,
    pub(super) framing: Option<Value<Choice<&'static Framing>>>,
}
