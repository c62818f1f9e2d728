//! Files as written become one configuration as used, or all mistakes that their tables make
//! together.

mod agent;
mod allow;
mod feeds;
mod inputs;
mod keys;
mod kind;
mod paths;
mod rotate;
mod streams;

use std::collections::BTreeMap;

use toml::Spanned;

pub(super) use paths::{PathUse, What};

use super::mistake::{At, Mistakes};
use super::parse::{Lost, Parsed};
use super::used::Config;
use super::written::{Agent, Defaults, File, Input, Stream, Table, Tables};

/// What to write where no input is.
const NO_INPUT: &str = "there is no input, so no line would ever arrive: write one, such as the \
    two lines [input.web.unix-stream] and path = \"/run/logagent/web.sock\"";

/// What came out: whole if no mistake was told, else as far as it went.
pub(super) struct Checked {
    pub(super) config: Config,
    /// Every path that the agent will use.
    pub(super) paths: Vec<PathUse>,
}

/// Checks all files together; the first is the main file.
pub(super) fn check(files: Vec<Parsed>, mistakes: &mut Mistakes<'_>) -> Checked {
    let (written, lost) = gather(files, mistakes);
    let mut paths = Vec::new();
    let (agent, streams_max_at) = agent::settings(written.agent, &mut paths, mistakes);
    if written.inputs.is_empty() && lost.feeds.is_empty() && !lost.unknown {
        mistakes.tell(At { file: 0, offset: 0 }, NO_INPUT);
    }
    let inputs = inputs::settings(written.inputs, &lost, mistakes);
    paths.extend(inputs.paths);
    let (defaults, streams) = (written.defaults, written.streams);
    let streams::Streams { streams, on_demand } =
        streams::settings(defaults, streams, &inputs.feeds, &mut paths, mistakes);
    let have = streams.len() + on_demand.tables.len();
    if have > agent.streams_max {
        let text = format!(
            "there are {have} streams, and max-streams is {most}: write max-streams = {have} or \
             more in [agent]",
            most = agent.streams_max
        );
        mistakes.tell(streams_max_at, text);
    }
    paths::distinct(&mut paths, mistakes);
    Checked { config: Config { agent, inputs: inputs.inputs, streams, on_demand }, paths }
}

/// The tables of all files, by kind.
#[derive(Default)]
struct Written {
    agent: Option<Spanned<Table<Agent>>>,
    defaults: Option<Spanned<Table<Defaults>>>,
    inputs: Vec<Named<Input>>,
    streams: Vec<Named<Table<Stream>>>,
}

/// A `[KIND.NAME]` table of some file.
struct Named<T> {
    name: String,
    /// Where the name is.
    at: At,
    table: Spanned<T>,
}

fn gather(files: Vec<Parsed>, mistakes: &mut Mistakes<'_>) -> (Written, Lost) {
    let (mut written, mut lost) = (Written::default(), Lost::default());
    for (file, parsed) in files.into_iter().enumerate() {
        let File { agent, defaults, input, stream } = parsed.file;
        if file == 0 {
            (written.agent, written.defaults) = (agent, defaults);
        } else {
            only_in_main("agent", agent, file, mistakes);
            only_in_main("defaults", defaults, file, mistakes);
        }
        add(&mut written.inputs, file, input, "input", mistakes);
        add(&mut written.streams, file, stream, "stream", mistakes);
        lost.add(parsed.lost);
    }
    (written, lost)
}

fn only_in_main<T>(
    name: &str,
    table: Option<Spanned<T>>,
    file: usize,
    mistakes: &mut Mistakes<'_>,
) {
    let Some(table) = table else { return };
    let (at, main) = (At { file, offset: table.span().start }, mistakes.file_name(0));
    mistakes.tell(at, format!("[{name}] stands in the main file alone: write it in {main}"));
}

/// Adds one file's tables; a name that another file has taken is told.
fn add<T>(
    all: &mut Vec<Named<T>>,
    file: usize,
    tables: Tables<T>,
    kind: &str,
    mistakes: &mut Mistakes<'_>,
) {
    let taken: BTreeMap<String, At> = all.iter().map(|one| (one.name.clone(), one.at)).collect();
    for (key, table) in tables {
        let at = At { file, offset: key.span().start };
        let name = key.into_inner();
        if let Some(first) = taken.get(&name) {
            let first = mistakes.place(*first, file);
            let text = format!(
                "[{kind}.{name}] stands in {first} already: give this one another name, or \
                 remove it"
            );
            mistakes.tell(at, text);
        }
        all.push(Named { name, at, table });
    }
}
