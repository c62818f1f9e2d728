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
    AbsolutePath, Choice, Count, DescriptorName, FileBytes, FormatName, Group, HumanDuration,
    Instances, LineBytes, List, Mode, PathOrOff, Period, Size, User, Value,
};
use crate::framing::{Framing, Multiline};
use crate::pipeline::OverLong;
use crate::routing::{To, UnitPattern};
use crate::template::{Placeholder, Template};
use crate::writer::archive::Compress;
use crate::writer::{OnFull, SyncPolicy};

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
    pub(super) watch: Option<Value<bool>>,
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
            pub(super) fields: Option<List<Placeholder>>,
            pub(super) max_line: Option<Value<LineBytes>>,
            pub(super) over_long: Option<Value<Choice<OverLong>>>,
            pub(super) queue: Option<Value<Size>>,
            pub(super) on_full: Option<Value<Choice<OnFull>>>,
            pub(super) sync: Option<Value<SyncPolicy>>,
            pub(super) rotate: Option<Spanned<Table<Rotate>>>,
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

/// `rotate`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rotate {
    pub(super) size: Option<Value<FileBytes>>,
    pub(super) every: Option<Value<Period>>,
    pub(super) keep: Option<Value<Count>>,
    pub(super) keep_size: Option<Value<FileBytes>>,
    pub(super) compress: Option<Value<Choice<Compress>>>,
}

/// `[input.NAME.KIND]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Input {
    UnixStream(Spanned<Table<Server>>),
    UnixDatagram(Spanned<Table<Listener>>),
    UnixSeqpacket(Spanned<Table<Server>>),
    Fifo(Spanned<Table<Fifo>>),
    Stdin(Spanned<Table<Stdin>>),
    Systemd(Spanned<Table<Systemd>>),
}

/// What each key of an input is read into, whatever the kind.
#[rustfmt::skip]
macro_rules! input_key {
    (path) => { Value<AbsolutePath> };
    (owner) => { Value<User> };
    (group) => { Value<Group> };
    (mode) => { Value<Mode> };
    (instances) => { Value<Instances> };
    (name) => { Value<DescriptorName> };
    (stream) => { Value<To> };
    (framing) => { Value<Choice<&'static Framing>> };
    (multiline) => { Value<Choice<Multiline>> };
    (allow) => { Spanned<Table<Allow>> };
    (client_names_stream) => { Value<bool> };
}

/// The table of some kinds of input: which keys they have.
macro_rules! input_table {
    ($(#[doc = $doc:literal])* $name:ident: $($key:ident),*) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct $name {
            $($key: Option<input_key!($key)>,)*
        }

        impl From<$name> for InputKeys {
            fn from(table: $name) -> InputKeys {
                InputKeys { $($key: table.$key,)* ..InputKeys::default() }
            }
        }
    };
}

input_table! {
    /// `[input.NAME.unix-stream]`, `[input.NAME.unix-seqpacket]`
    Server: path, owner, group, mode, stream, framing, multiline, allow, client_names_stream
}

input_table! {
    /// `[input.NAME.unix-datagram]`
    Listener: path, owner, group, mode, stream, framing, multiline
}

input_table! {
    /// `[input.NAME.fifo]`
    Fifo: path, instances, owner, group, mode, stream, framing, multiline
}

input_table! {
    /// `[input.NAME.stdin]`
    Stdin: stream, framing, multiline
}

input_table! {
    /// `[input.NAME.systemd]`
    Systemd: name, stream, framing, multiline, allow, client_names_stream
}

/// The keys of any kind of input; those that it has not are absent.
#[derive(Debug, Default)]
pub(super) struct InputKeys {
    pub(super) path: Option<input_key!(path)>,
    pub(super) owner: Option<input_key!(owner)>,
    pub(super) group: Option<input_key!(group)>,
    pub(super) mode: Option<input_key!(mode)>,
    pub(super) instances: Option<input_key!(instances)>,
    pub(super) name: Option<input_key!(name)>,
    pub(super) stream: Option<input_key!(stream)>,
    pub(super) framing: Option<input_key!(framing)>,
    pub(super) multiline: Option<input_key!(multiline)>,
    pub(super) allow: Option<input_key!(allow)>,
    pub(super) client_names_stream: Option<input_key!(client_names_stream)>,
}

/// `allow`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Allow {
    pub(super) unit: Option<List<UnitPattern>>,
    pub(super) uid: Option<List<User>>,
    pub(super) gid: Option<List<Group>>,
}
