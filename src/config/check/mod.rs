//! Files as written become one configuration as used, or all mistakes that their tables make
//! together.

mod agent;
mod inputs;
mod paths;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

pub(super) use paths::{PathUse, What};

use super::mistake::{At, Mistakes};
use super::parse::Parsed;
use super::used::Config;
use super::written::{Agent, Defaults, Input, Stream, Tables};

/// What came out: whole if no mistake was told, else as far as it went.
pub(super) struct Checked {
    pub(super) config: Config,
    /// Every path that the agent will use.
    pub(super) paths: Vec<PathUse>,
}

/// A `[KIND.NAME]` table of some file.
struct Named<T> {
    name: String,
    at: At,
    table: Spanned<T>,
}

/// Checks all files together; the first is the main file.
pub(super) fn check(files: Vec<Parsed>, mistakes: &mut Mistakes<'_>) -> Checked {
    let mut written = Written::default();
    for (file, parsed) in files.into_iter().enumerate() {
        written.add(file, parsed, mistakes);
    }
    let mut paths = Vec::new();
    let (agent, streams_max_at) = agent::settings(written.agent, &mut paths, mistakes);
    let inputs = inputs::settings(written.inputs, &written.pathless, mistakes);
    paths.extend(inputs.paths);
    if written.whole && !written.any_input {
        mistakes.tell(At { file: 0, offset: 0 }, NO_INPUT);
    }
    let mut fed = inputs.feeds;
    fed.cut_out.extend(written.fed);
    fed.unknown |= !written.whole;
    let streams = streams::settings(written.defaults, written.streams, &fed, &mut paths, mistakes);
    if streams.len() > agent.streams_max {
        let (have, most) = (streams.len(), agent.streams_max);
        let text = format!(
            "{have} streams are configured: write max-streams = {have} or more in [agent], not {most}"
        );
        mistakes.tell(streams_max_at, text);
    }
    paths::distinct(&mut paths, mistakes);
    Checked { config: Config { agent, inputs: inputs.inputs, streams }, paths }
}

/// What to write where nothing is.
const NO_INPUT: &str = "there is no input, so no line would ever arrive: write one, such as the \
    two lines [input.web.unix-stream] and path = \"/run/logagent/web.sock\"";

/// The tables of all files, by kind.
struct Written {
    agent: Option<Spanned<Agent>>,
    defaults: Option<Spanned<Defaults>>,
    inputs: Vec<Named<Input>>,
    streams: Vec<Named<Stream>>,
    /// Streams that may be fed by what could not be read.
    fed: BTreeSet<String>,
    /// Inputs whose path may be what could not be read.
    pathless: BTreeSet<String>,
    any_input: bool,
    whole: bool,
}

impl Default for Written {
    fn default() -> Written {
        Written {
            agent: None,
            defaults: None,
            inputs: Vec::new(),
            streams: Vec::new(),
            fed: BTreeSet::new(),
            pathless: BTreeSet::new(),
            any_input: false,
            whole: true,
        }
    }
}

impl Written {
    fn add(&mut self, file: usize, parsed: Parsed, mistakes: &mut Mistakes<'_>) {
        let Parsed { file: written, whole, fed, pathless } = parsed;
        if file == 0 {
            self.agent = written.agent;
            self.defaults = written.defaults;
        } else {
            only_in_main("agent", file, written.agent.as_ref().map(Spanned::span), mistakes);
            only_in_main("defaults", file, written.defaults.as_ref().map(Spanned::span), mistakes);
        }
        self.any_input |= !written.input.is_empty() || !fed.is_empty();
        add(&mut self.inputs, file, written.input, "input", mistakes);
        add(&mut self.streams, file, written.stream, "stream", mistakes);
        self.fed.extend(fed);
        self.pathless.extend(pathless);
        self.whole &= whole;
    }
}

fn only_in_main(table: &str, file: usize, span: Option<Range<usize>>, mistakes: &mut Mistakes<'_>) {
    let Some(span) = span else { return };
    let at = At { file, offset: span.start };
    let main = mistakes.name(0);
    mistakes.tell(at, format!("[{table}] stands only in the main file: write it in {main}"));
}

/// Adds one file's tables; a name that another file has taken is told.
fn add<T>(
    all: &mut Vec<Named<T>>,
    file: usize,
    tables: Tables<T>,
    kind: &str,
    mistakes: &mut Mistakes<'_>,
) {
    let taken: BTreeMap<&str, At> = all.iter().map(|one| (one.name.as_str(), one.at)).collect();
    let mut added = Vec::new();
    for (key, table) in tables {
        let at = At { file, offset: key.span().start };
        let name = key.into_inner();
        if let Some(first) = taken.get(name.as_str()) {
            let first = mistakes.place(*first, file);
            let text = format!(
                "[{kind}.{name}] stands in {first} already: give this one another name, or remove it"
            );
            mistakes.tell(at, text);
        }
        added.push(Named { name, at, table });
    }
    all.extend(added);
}
