//! The configuration as its author writes it: every table and key there is, and nothing checked
//! beyond each value by itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::value::{
    AbsolutePath, Choice, Count, FormatName, Group, HumanDuration, LineBytes, Mode, OnFull,
    PathOrOff, Route, Size, User, Value,
};
use crate::formatting::Template;
use crate::framing::Framing;
use crate::pipeline::OverLong;
use crate::writer::SyncPolicy;

/// A table, with its place, whose keys have theirs.
pub(super) type Tables<T> = BTreeMap<Spanned<String>, Spanned<T>>;

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "tables")]
pub(super) struct File {
    pub(super) agent: Option<Spanned<Agent>>,
    pub(super) defaults: Option<Spanned<Defaults>>,
    pub(super) input: Tables<Input>,
    pub(super) stream: Tables<Stream>,
}

/// `[agent]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table [agent]")]
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
    ($(#[doc = $doc:literal])* $name:ident, $place:ident, $expecting:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        #[serde(expecting = $expecting)]
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
    Defaults, dir, "a table [defaults]"
}

stream_table! {
    /// `[stream.NAME]`
    Stream, file, "a table [stream.NAME]"
}

/// `[input.NAME.KIND]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "a table [input.NAME.KIND]")]
pub(super) enum Input {
    UnixStream(Spanned<Listener>),
    Fifo(Spanned<Listener>),
    Stdin(Stdin),
}

/// `[input.NAME.unix-stream]`, `[input.NAME.fifo]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a table [input.NAME.KIND]")]
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
#[serde(expecting = "a table [input.NAME.stdin]")]
pub(super) struct Stdin {
    pub(super) stream: Option<Value<Route>>,
    pub(super) framing: Option<Value<Choice<&'static Framing>>>,
}
