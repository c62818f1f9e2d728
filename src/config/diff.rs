//! What changes from one configuration to the next: pure, and the same for start and reload.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use super::used::{AgentSettings, Config, OnDemand};
use crate::input::{InputKind, InputSettings};
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;

/// How to come from one configuration to another.
///
/// To apply it: add and change streams; remove inputs, rename inputs (all at once, since two may
/// swap their names), change and add inputs; at last remove streams, which nothing feeds any more.
/// A stream that is added or changed may have the file that one removed or changed has until then.
///
/// What connections name from now on is made of `on_demand`. A stream that was made on demand and
/// is now fed by name, or the other way round, is here added or removed.
///
/// A start is the difference from [`Config::default`], which has no inputs and no streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The agent's new settings, where they changed. `grace` and `watch` apply at once; any other only
    /// after a restart, which its owner is told.
    pub agent: Option<AgentSettings>,
    /// Streams that are new.
    pub streams_added: BTreeMap<StreamName, StreamSettings>,
    /// Streams that are no more.
    pub streams_removed: Vec<StreamName>,
    /// Streams whose settings changed, with the new ones.
    pub streams_changed: BTreeMap<StreamName, StreamSettings>,
    /// What streams are made of that connections name, where that changed.
    pub on_demand: Option<OnDemand>,
    /// Inputs that begin to listen.
    pub inputs_added: BTreeMap<String, InputSettings>,
    /// Inputs, by their old names, that stop listening.
    pub inputs_removed: Vec<String>,
    /// Inputs that keep their listener and change their name, as (old, new).
    pub inputs_renamed: Vec<(String, String)>,
    /// Inputs, by their new names, that keep their listener and change anything else: routing,
    /// framing, multiline, owner, group or mode.
    pub inputs_changed: BTreeMap<String, InputSettings>,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Diff::default()
    }
}

/// The difference from `old` to `new`.
///
/// An input is known by its listener, kind and path, or kind and what systemd calls it: where these
/// change it is removed and added, and where only its name changes it is renamed.
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    if old.agent != new.agent {
        diff.agent = Some(new.agent.clone());
    }
    if old.on_demand != new.on_demand {
        diff.on_demand = Some(new.on_demand.clone());
    }
    for (name, settings) in &new.streams {
        match old.streams.get(name) {
            None => drop(diff.streams_added.insert(name.clone(), settings.clone())),
            Some(before) if before == settings => {}
            Some(_) => drop(diff.streams_changed.insert(name.clone(), settings.clone())),
        }
    }
    let gone = old.streams.keys().filter(|name| !new.streams.contains_key(*name));
    diff.streams_removed = gone.cloned().collect();
    diff_inputs(old, new, &mut diff);
    diff
}

fn diff_inputs(old: &Config, new: &Config, diff: &mut Diff) {
    let before: BTreeMap<Listener, &String> =
        old.inputs.iter().map(|(name, input)| (listener(input), name)).collect();
    let mut kept = BTreeSet::new();
    for (name, input) in &new.inputs {
        let Some(old_name) = before.get(&listener(input)) else {
            diff.inputs_added.insert(name.clone(), input.clone());
            continue;
        };
        kept.insert(*old_name);
        if *old_name != name {
            diff.inputs_renamed.push(((*old_name).clone(), name.clone()));
        }
        if old.inputs.get(*old_name) != Some(input) {
            diff.inputs_changed.insert(name.clone(), input.clone());
        }
    }
    diff.inputs_removed = old.inputs.keys().filter(|name| !kept.contains(name)).cloned().collect();
}

/// What an input listens at; no two inputs of a configuration share it.
type Listener<'a> = (&'static str, Option<&'a OsStr>);

fn listener(input: &InputSettings) -> Listener<'_> {
    let at = match &input.kind {
        InputKind::Systemd(name) => Some(OsStr::new(name)),
        InputKind::Child(output) => Some(OsStr::new(output.name())),
        kind => kind.path().map(Path::as_os_str),
    };
    (input.kind.name(), at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::check_text;
    use crate::framing::{FRAMINGS, Multiline};

    /// Shorthand: inputs as `name=path>stream`, where `+` before the path makes it a socket of
    /// systemd's.
    fn config(inputs: &str) -> Config {
        let mut text = String::new();
        for input in inputs.split_whitespace() {
            let (name, rest) = input.split_once('=').unwrap();
            let (path, stream) = rest.split_once('>').unwrap();
            text += &match path.strip_prefix('+') {
                Some(path) => format!("[input.{name}.systemd]\nname = \"{path}\"\n"),
                None => format!("[input.{name}.fifo]\npath = \"/{path}\"\n"),
            };
            text += &format!("stream = \"{stream}\"\n");
        }
        if inputs.is_empty() {
            return Config::default();
        }
        check_text(
            "test.toml".as_ref(),
            &format!("agent.control = \"\"\nagent.pid-file = \"\"\n{text}"),
        )
        .unwrap()
    }

    /// Checks the difference, as text.
    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        let diff = diff(&config(old), &config(new));
        let names = |sign: &str, names: Vec<String>| {
            names.into_iter().map(|name| format!("{sign}{name} ")).collect::<String>()
        };
        let strings = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>();
        let shown = names("-", diff.inputs_removed.clone())
            + &names("", strings(&mut diff.inputs_renamed.iter().map(|(a, b)| format!("{a}:{b}"))))
            + &names("~", strings(&mut diff.inputs_changed.keys().cloned()))
            + &names("+", strings(&mut diff.inputs_added.keys().cloned()))
            + "| "
            + &names("-", strings(&mut diff.streams_removed.iter().map(|s| s.to_string())))
            + &names("~", strings(&mut diff.streams_changed.keys().map(|s| s.to_string())))
            + &names("+", strings(&mut diff.streams_added.keys().map(|s| s.to_string())));
        assert_eq!(shown.trim(), expected, "from {old:?} to {new:?}");
    }

    #[test]
    fn an_input_is_known_by_its_listener() {
        check("", "a=1>s", "+a | +s");
        check("a=1>s", "", "-a | -s");
        check("a=1>s", "a=1>s", "|");
        check("a=1>s", "a=1>t", "~a | -s +t");
        check("a=1>s", "a=2>s", "-a +a |");
        check("a=1>s", "b=1>s", "a:b |");
        check("a=1>s", "b=1>t", "a:b ~b | -s +t");
        check("a=1>s b=2>s", "a=2>s b=1>s", "b:a a:b |");
        check("a=1>s b=2>t", "a=2>t c=3>u", "-a b:a +c | -s +u");
        check("a=+1>s", "b=+1>s", "a:b |");
        check("a=+1>s", "a=+1>t", "~a | -s +t");
        check("a=+1>s", "a=+2>s", "-a +a |");
        check("a=+1>s", "a=1>s", "-a +a |");
        check("a=+1>s b=+2>s", "a=+2>s b=+1>s", "b:a a:b |");
        check("a=+1>s", "a=+1>{unit}", "~a | -s");
    }

    #[test]
    fn settings_of_the_agent_and_of_streams_are_compared() {
        let old = config("a=1>s");
        let mut new = old.clone();
        assert!(diff(&old, &new).is_empty());
        new.agent.connections_max += 1;
        new.streams.values_mut().for_each(|stream| stream.queue_bytes_max += 1);
        new.inputs.values_mut().for_each(|input| input.framing = &FRAMINGS[1]);
        let diff = diff(&old, &new);
        assert_eq!(diff.agent, Some(new.agent.clone()));
        assert_eq!(diff.streams_changed, new.streams);
        assert_eq!(diff.inputs_changed, new.inputs);
        assert_eq!(diff.on_demand, None);
    }

    #[test]
    fn any_change_of_an_input_is_seen() {
        type Change = fn(&mut InputSettings);
        let changes: [Change; 3] = [
            |input| input.multiline = Multiline::Escape,
            |input| input.routing.client_names_stream = true,
            |input| input.routing.allow.uids = Some(vec![0]),
        ];
        let old = config("a=+1>s");
        for change in changes {
            let mut new = old.clone();
            new.inputs.values_mut().for_each(change);
            assert_eq!(diff(&old, &new).inputs_changed, new.inputs);
        }
    }

    /// As [`Diff`] says.
    fn apply(diff: Diff, to: &Config) -> Config {
        let mut config = to.clone();
        config.agent = diff.agent.unwrap_or(config.agent);
        config.on_demand = diff.on_demand.unwrap_or(config.on_demand);
        for name in diff.streams_added.keys() {
            assert!(!config.streams.contains_key(name));
        }
        config.streams.extend(diff.streams_added);
        config.streams.extend(diff.streams_changed);
        for name in diff.inputs_removed {
            config.inputs.remove(&name).unwrap();
        }
        let renamed = diff.inputs_renamed.into_iter();
        let renamed: Vec<_> =
            renamed.map(|(old, new)| (new, config.inputs.remove(&old).unwrap())).collect();
        for (name, input) in renamed {
            assert!(config.inputs.insert(name, input).is_none());
        }
        for (name, input) in diff.inputs_changed {
            let before = config.inputs.insert(name, input.clone()).unwrap();
            assert_eq!(listener(&before), listener(&input));
        }
        for (name, input) in diff.inputs_added {
            assert!(config.inputs.insert(name, input).is_none());
        }
        for name in diff.streams_removed {
            config.streams.remove(&name).unwrap();
        }
        config
    }

    proptest! {
        #[test]
        fn applying_the_difference_to_the_old_gives_the_new(old in configs(), new in configs()) {
            prop_assert_eq!(apply(diff(&old, &new), &old), new);
        }
    }

    /// Configurations of few names and paths, so that they have much in common.
    fn configs() -> impl Strategy<Value = Config> {
        let name = proptest::sample::select(vec!["a", "b", "c", "d"]);
        let path = proptest::sample::select(vec!["0", "1", "2", "+0", "+1"]);
        let stream = proptest::sample::select(vec!["s0", "s1", "s2", "{unit}"]);
        let input = (name, path, stream);
        (proptest::collection::vec(input, 0..4), 0..2usize).prop_map(|(inputs, streams_more)| {
            let mut seen = BTreeSet::new();
            let mut text = String::new();
            for (name, path, stream) in inputs {
                let is_right = path.starts_with('+') || !stream.starts_with('{');
                if is_right && seen.insert(name) && seen.insert(path) {
                    text += &format!("{name}={path}>{stream} ");
                }
            }
            let mut config = config(&text);
            config.agent.streams_max += streams_more;
            config.streams.values_mut().for_each(|s| s.queue_bytes_max += streams_more);
            config.on_demand.defaults.queue_bytes_max += streams_more;
            config
        })
    }
}
