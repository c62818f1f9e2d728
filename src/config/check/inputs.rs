//! `[input.NAME.KIND]`: where lines come from, and which stream each input feeds.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::super::defaults;
use super::super::mistake::{At, Mistakes};
use super::super::parse::Lost;
use super::super::value::{Choice, Group, Mode, Route, Setting, User, Value};
use super::super::written::{Input, Listener, Stdin, Table};
use super::Named;
use super::paths::{PathUse, What};
use crate::framing::{FRAMINGS, Framing};
use crate::input::{InputKind, InputSettings};
use crate::place::Place;
use crate::stream_name::StreamName;

/// All inputs, as far as they are without mistakes.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) inputs: BTreeMap<String, InputSettings>,
    pub(super) feeds: Feeds,
    pub(super) paths: Vec<PathUse>,
    stdin: Option<At>,
}

/// Which streams are fed.
#[derive(Default)]
pub(super) struct Feeds {
    /// Streams, each with the place of an input that feeds it.
    pub(super) streams: BTreeMap<StreamName, At>,
    /// Further ones, fed by what could not be read.
    pub(super) cut_out: BTreeSet<String>,
    /// Whether more streams may be fed: something could not be read at all, or is a template.
    pub(super) unknown: bool,
}

/// Checks the inputs of all files, of which some may be lost.
pub(super) fn settings(
    written: Vec<Named<Input>>,
    lost: Lost,
    mistakes: &mut Mistakes<'_>,
) -> Inputs {
    let mut all = Inputs::default();
    all.feeds.cut_out = lost.feeds;
    all.feeds.unknown = lost.unknown;
    let mut names = BTreeSet::new();
    for Named { name, at, table } in written {
        let pathless = lost.unknown || lost.paths.contains(&name);
        // Of two tables with one name the second is only checked by itself.
        if names.insert(name.clone()) {
            all.add(name, at, table.into_inner(), pathless, mistakes);
        } else {
            let mut apart = Inputs::default();
            apart.add(name, at, table.into_inner(), pathless, mistakes);
            all.feeds.streams.append(&mut apart.feeds.streams);
        }
    }
    all
}

impl Inputs {
    fn add(
        &mut self,
        name: String,
        at: At,
        input: Input,
        pathless: bool,
        mistakes: &mut Mistakes<'_>,
    ) {
        let (kind, stream, framing) = match input {
            Input::UnixStream(table) => {
                let what = What::Socket(name.clone());
                let (place, stream, framing) = self.listener(table, what, at, pathless, mistakes);
                (place.map(InputKind::UnixStream), stream, framing)
            }
            Input::Fifo(table) => {
                let what = What::Fifo(name.clone());
                let (place, stream, framing) = self.listener(table, what, at, pathless, mistakes);
                (place.map(InputKind::Fifo), stream, framing)
            }
            Input::Stdin(Table(Stdin { stream, framing })) => {
                self.only_stdin(at, mistakes);
                (Some(InputKind::Stdin), stream, framing)
            }
        };
        let stream = self.stream(&name, at, mistakes.setting(at.file, stream), mistakes);
        let framing = mistakes.setting(at.file, framing).right();
        let framing = framing.map_or(&FRAMINGS[0], |Choice(framing)| framing);
        if let (Some(kind), Some(stream)) = (kind, stream) {
            self.inputs.insert(name, InputSettings { kind, framing, stream });
        }
    }

    /// The table of a socket or FIFO: its place, and what it has in common with other kinds.
    #[expect(clippy::type_complexity, reason = "two keys as they are written")]
    fn listener(
        &mut self,
        table: Spanned<Table<Listener>>,
        what: What,
        at: At,
        pathless: bool,
        mistakes: &mut Mistakes<'_>,
    ) -> (Option<Place>, Option<Value<Route>>, Option<Value<Choice<&'static Framing>>>) {
        let table_at = At { offset: table.span().start, ..at };
        let Table(Listener { path, owner, group, mode, stream, framing }) = table.into_inner();
        let path = mistakes.setting(at.file, path);
        let owner = mistakes.setting(at.file, owner).right();
        let group = mistakes.setting(at.file, group).right();
        let mode = mistakes.setting(at.file, mode).right();
        if matches!(path, Setting::Absent) && !pathless {
            let example = what.example();
            mistakes.tell(table_at, format!("this input has no path: write path = \"{example}\""));
        }
        let Setting::Right(path, path_at) = path else { return (None, stream, framing) };
        self.paths.push(PathUse { path: path.0.clone(), what, at: path_at });
        let mut place = defaults::listener(path.0);
        place.mode = mode.map_or(place.mode, |Mode(mode)| mode);
        place.owner = owner.map(|User(owner)| owner);
        place.group = group.map(|Group(group)| group);
        (Some(place), stream, framing)
    }

    fn only_stdin(&mut self, at: At, mistakes: &mut Mistakes<'_>) {
        let Some(first) = self.stdin else {
            self.stdin = Some(at);
            return;
        };
        let first = mistakes.place(first, at.file);
        let text =
            format!("the standard input is read by the input of {first}: remove one of them");
        mistakes.tell(at, text);
    }

    /// The stream that an input feeds: by default the one of its own name.
    fn stream(
        &mut self,
        name: &str,
        at: At,
        route: Setting<Route>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<StreamName> {
        let own = name.parse::<StreamName>();
        if let Err(error) = &own {
            mistakes.tell(at, format!("an input is named as a stream is, and {error}"));
        }
        let stream = match route {
            Setting::Absent => own.ok()?,
            Setting::Wrong => return None,
            Setting::Right(Route::Stream(stream), _) => stream,
            Setting::Right(Route::Template, at) => {
                self.feeds.unknown = true;
                let text = "this version routes each input to one stream: write a stream's name \
                            without placeholders";
                mistakes.tell(at, text);
                return None;
            }
        };
        self.feeds.streams.entry(stream.clone()).or_insert(at);
        Some(stream)
    }
}
