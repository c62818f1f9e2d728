//! `[input.NAME.KIND]`: where lines come from, and which stream each input feeds.

use std::collections::{BTreeMap, BTreeSet};

use super::super::defaults;
use super::super::mistake::{At, Mistakes};
use super::super::parse::Lost;
use super::super::value::{
    Choice, DescriptorName, Group, Instances, Mode, Named as _, Setting, User,
};
use super::super::written::{Input, InputKeys};
use super::Named;
use super::allow::allow;
use super::feeds::{Feeds, Maker};
use super::kind::Kind;
use super::paths::{PathUse, What};
use crate::framing::{Borders, FRAMINGS, Framing, Multiline, Records};
use crate::input::{InputKind, InputSettings};
use crate::place::Place;
use crate::routing::{Routing, To};
use crate::stream_name::StreamName;

/// All inputs, as far as they are without mistakes.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) inputs: BTreeMap<String, InputSettings>,
    pub(super) feeds: Feeds,
    pub(super) paths: Vec<PathUse>,
    stdin: Option<At>,
    /// By the names that systemd has for them.
    descriptors: BTreeMap<String, At>,
}

/// One input, apart from its keys.
struct One<'a> {
    name: String,
    kind: Kind,
    /// Where its name is.
    at: At,
    /// Where its table begins.
    table: At,
    lost: &'a Lost,
}

/// Checks the inputs of all files, of which some may be lost.
pub(super) fn settings(
    written: Vec<Named<Input>>,
    lost: &Lost,
    mistakes: &mut Mistakes<'_>,
) -> Inputs {
    let mut all = Inputs::default();
    all.feeds.cut_out = lost.feeds.clone();
    all.feeds.unknown = lost.unknown;
    let mut names = BTreeSet::new();
    for Named { name, at, table } in written {
        let (kind, offset, keys) = Kind::take_apart(table.into_inner());
        let is_first = names.insert(name.clone());
        let one = One { name, kind, at, table: At { offset, ..at }, lost };
        // Of two tables with one name the second is only checked by itself.
        if is_first {
            all.add(one, keys, mistakes);
        } else {
            let mut apart = Inputs::default();
            apart.add(one, keys, mistakes);
            all.feeds.add(apart.feeds);
        }
    }
    all
}

impl Inputs {
    fn add(&mut self, one: One<'_>, mut keys: InputKeys, mistakes: &mut Mistakes<'_>) {
        let kind = self.kind(&one, &mut keys, mistakes);
        let file = one.at.file;
        let to = self.to(&one, mistakes.setting(file, keys.stream), mistakes);
        let framing = mistakes.setting(file, keys.framing);
        let multiline = mistakes.setting(file, keys.multiline);
        if let Some(borders) = one.kind.borders() {
            check_framing(one.kind, borders, &framing, mistakes);
            check_multiline(borders, &framing, &multiline, mistakes);
        }
        let lost = one.lost.unknown || one.lost.allows.contains(&one.name);
        let allow = allow(keys.allow, file, lost, mistakes);
        let clients_name = mistakes.setting(file, keys.client_names_stream);
        if let Setting::Right(true, at) = clients_name {
            self.feeds.makers.push((Maker::Clients, at));
        }
        if let (Some(kind), Some(to)) = (kind, to) {
            let framing = framing.right().map_or(&FRAMINGS[0], |Choice(framing)| framing);
            let multiline = multiline.right().map(|Choice(multiline)| multiline);
            let client_names_stream = clients_name.right().unwrap_or_default();
            let settings = InputSettings {
                kind,
                framing,
                multiline: multiline.unwrap_or_default(),
                routing: Routing { to, allow, client_names_stream },
            };
            self.inputs.insert(one.name, settings);
        }
    }

    fn kind(
        &mut self,
        one: &One<'_>,
        keys: &mut InputKeys,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<InputKind> {
        let made = match one.kind {
            Kind::UnixStream => InputKind::UnixStream,
            Kind::UnixDatagram => InputKind::UnixDatagram,
            Kind::UnixSeqpacket => InputKind::UnixSeqpacket,
            Kind::Fifo => return self.fifo(one, keys, mistakes),
            Kind::Stdin => {
                self.only_stdin(one.at, mistakes);
                return Some(InputKind::Stdin);
            }
            Kind::Systemd => {
                return self.descriptor_name(one, keys, mistakes).map(InputKind::Systemd);
            }
        };
        let what = one.kind.what(&one.name)?;
        self.place(one, what, keys, mistakes).map(|(place, _)| made(place))
    }

    /// A FIFO, and one for each instance.
    fn fifo(
        &mut self,
        one: &One<'_>,
        keys: &mut InputKeys,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<InputKind> {
        let what = one.kind.what(&one.name)?;
        let instances = mistakes.setting(one.at.file, keys.instances.take());
        let (place, at) = self.place(one, what.clone(), keys, mistakes)?;
        let instances = match instances {
            Setting::Absent => 0,
            Setting::Wrong => return None,
            Setting::Right(Instances(instances), _) => instances,
        };
        let numbered = (0..instances).map(|number| place.of_instance(number).path);
        self.paths.extend(numbered.map(|path| PathUse { path, what: what.clone(), at }));
        Some(InputKind::Fifo { place, instances })
    }

    /// Where a socket or FIFO is made, and where that is written.
    fn place(
        &mut self,
        one: &One<'_>,
        what: What,
        keys: &mut InputKeys,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<(Place, At)> {
        let file = one.at.file;
        let path = mistakes.setting(file, keys.path.take());
        let owner = mistakes.setting(file, keys.owner.take()).right();
        let group = mistakes.setting(file, keys.group.take()).right();
        let mode = mistakes.setting(file, keys.mode.take()).right();
        let pathless = one.lost.unknown || one.lost.paths.contains(&one.name);
        if matches!(path, Setting::Absent) && !pathless {
            let example = what.example();
            let text = format!("this input has no path: write path = \"{example}\"");
            mistakes.tell(one.table, text);
        }
        let Setting::Right(path, path_at) = path else { return None };
        self.paths.push(PathUse { path: path.0.clone(), what, at: path_at });
        let mut place = defaults::listener(path.0);
        place.mode = mode.map_or(place.mode, |Mode(mode)| mode);
        place.owner = owner.map(|User(owner)| owner);
        place.group = group.map(|Group(group)| group);
        Some((place, path_at))
    }

    /// What systemd calls the descriptors of an input: by default as the input.
    fn descriptor_name(
        &mut self,
        one: &One<'_>,
        keys: &mut InputKeys,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<String> {
        let (name, at) = match mistakes.setting(one.at.file, keys.name.take()) {
            Setting::Absent => (one.name.clone(), one.at),
            Setting::Wrong => return None,
            Setting::Right(DescriptorName(name), at) => (name, at),
        };
        if let Some(first) = self.descriptors.get(&name) {
            let first = mistakes.place(*first, at.file);
            let text = format!(
                "the input of {first} takes what systemd calls \"{name}\": give this one another \
                 name, and its socket's unit the same FileDescriptorName="
            );
            mistakes.tell(at, text);
        }
        self.descriptors.entry(name.clone()).or_insert(at);
        Some(name)
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
    fn to(&mut self, one: &One<'_>, to: Setting<To>, mistakes: &mut Mistakes<'_>) -> Option<To> {
        let own = one.name.parse::<StreamName>();
        if let Err(error) = &own {
            mistakes.tell(one.at, format!("an input is named as a stream is, and {error}"));
        }
        let (to, at) = match to {
            Setting::Absent => (To::Stream(own.ok()?), one.at),
            Setting::Wrong => return None,
            Setting::Right(to, at) => (to, at),
        };
        match &to {
            To::Stream(stream) => {
                self.feeds.streams.entry(stream.clone()).or_insert(one.at);
            }
            To::Template(template) => {
                if !one.kind.has_connections() {
                    let subject = one.kind.as_subject();
                    let text = format!(
                        "{subject} has no connections, so all that it reads goes to one stream: \
                         write a stream's name without placeholders"
                    );
                    mistakes.tell(at, text);
                }
                self.feeds.makers.push((Maker::Template(template.clone()), at));
            }
        }
        Some(to)
    }
}

/// Some framings make no sense of packets.
fn check_framing(
    kind: Kind,
    borders: Borders,
    framing: &Setting<Choice<&'static Framing>>,
    mistakes: &mut Mistakes<'_>,
) {
    let Setting::Right(Choice(framing), at) = framing else { return };
    if borders == Borders::None || framing.fits_packets() {
        return;
    }
    let fitting = FRAMINGS.iter().filter(|framing| framing.fits_packets());
    let fitting: Vec<String> = fitting.map(|framing| format!("\"{}\"", framing.name)).collect();
    let text = format!(
        "{subject} keeps records apart by itself, so \"{name}\" has no meaning there: write \
         {known}",
        subject = kind.as_subject(),
        name = framing.name,
        known = fitting.join(" or ")
    );
    mistakes.tell(*at, text);
}

/// Where a record is a line anyway, there is nothing to escape.
fn check_multiline(
    borders: Borders,
    framing: &Setting<Choice<&'static Framing>>,
    multiline: &Setting<Choice<Multiline>>,
    mistakes: &mut Mistakes<'_>,
) {
    let Setting::Right(Choice(multiline @ Multiline::Escape), at) = multiline else { return };
    let framing = match framing {
        Setting::Absent => &FRAMINGS[0],
        Setting::Wrong => return,
        Setting::Right(Choice(framing), _) => framing,
    };
    let records = Records { framing, borders, multiline: *multiline };
    if !records.may_hold_newlines() {
        let text = format!(
            "with framing = \"{}\" a record ends at its first newline, so there is nothing to \
             {}: write another framing, or remove multiline",
            framing.name,
            multiline.name()
        );
        mistakes.tell(*at, text);
    }
}
