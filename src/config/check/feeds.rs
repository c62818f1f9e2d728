//! Which streams inputs feed, by name or by making one's name, and so which tables are of use.

use std::collections::{BTreeMap, BTreeSet};

use crate::origin::Unit;
use crate::routing;
use crate::stream_name::StreamName;
use crate::template::{Part, Placeholder, Template};

use super::super::mistake::At;

/// Which streams are fed.
#[derive(Default)]
pub(super) struct Feeds {
    /// Streams fed by name, each with the place of an input that feeds it.
    pub(super) streams: BTreeMap<StreamName, At>,
    /// What makes further ones, with its place.
    pub(super) makers: Vec<(Maker, At)>,
    /// Further ones, fed by what could not be read.
    pub(super) cut_out: BTreeSet<String>,
    /// Whether more streams may be fed: something could not be read at all.
    pub(super) unknown: bool,
}

/// What makes streams on demand.
pub(super) enum Maker {
    /// A connection's origin.
    Template(Template),
    /// Clients, which may choose any name.
    Clients,
}

impl Feeds {
    /// Adds what another input feeds.
    pub(super) fn add(&mut self, other: Feeds) {
        for (stream, at) in other.streams {
            self.streams.entry(stream).or_insert(at);
        }
        self.makers.extend(other.makers);
    }

    /// Whether a stream of this name may be made on demand.
    pub(super) fn makes(&self, name: &StreamName) -> bool {
        let unknown = !self.makers.is_empty() && name.as_str() == routing::UNKNOWN;
        let makes = |maker: &Maker| match maker {
            Maker::Template(template) => makes(template, name.as_str()),
            Maker::Clients => true,
        };
        unknown || self.makers.iter().any(|(maker, _)| makes(maker))
    }
}

/// Whether `template` can make `name`, which is in ASCII.
fn makes(template: &Template, name: &str) -> bool {
    // Where in the name the parts that were looked at may end.
    let mut ends = BTreeSet::from([0]);
    for part in template.parts() {
        let mut next = BTreeSet::new();
        for start in ends {
            let rest = &name[start..];
            match part {
                Part::Text(text) if rest.starts_with(text) => drop(next.insert(start + text.len())),
                Part::Text(_) => {}
                Part::Placeholder(placeholder) => {
                    let lengths = 1..=rest.len();
                    let fitting = lengths.filter(|length| may_be(*placeholder, &rest[..*length]));
                    next.extend(fitting.map(|length| start + length));
                }
            }
        }
        if next.is_empty() {
            return false;
        }
        ends = next;
    }
    ends.contains(&name.len())
}

/// Whether a placeholder can stand for `value`, which is not empty.
fn may_be(placeholder: Placeholder, value: &str) -> bool {
    match placeholder {
        Placeholder::Unit => Unit::named(value).is_some(),
        Placeholder::UnitPrefix => {
            !value.contains('@') && Unit::named(&format!("{value}.service")).is_some()
        }
        Placeholder::Uid => value.parse::<u32>().is_ok_and(|uid| uid.to_string() == value),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, made: &[&str], others: &[&str]) {
        let template = Template::parse(template, Placeholder::OF_STREAM_NAME).unwrap();
        for name in made {
            assert!(makes(&template, name), "{template} makes {name}");
        }
        for name in others {
            assert!(!makes(&template, name), "{template} does not make {name}");
        }
    }

    #[test]
    fn a_template_makes_the_names_that_its_text_allows() {
        check("{unit}", &["web.service", "app@1.service", "x.scope"], &["web", "app.log"]);
        check("{unit.prefix}", &["web", "a.b-c"], &["app@1", "@"]);
        check("{unit.prefix}-{unit.instance}", &["app-1", "a-b-c"], &["app", "-1", "app-"]);
        check("app-{uid}", &["app-0", "app-1000"], &["web", "app-x", "app-01", "app-4294967296"]);
        check("{comm}.{user}", &["a.b", "a.b.c"], &["a", ".b", "a."]);
        check("{user}{uid}{comm}", &["a1b", "111"], &["abc", "11"]);
    }

    #[test]
    fn a_long_template_is_soon_compared() {
        let template = "{user}{comm}".repeat(10_000);
        check(&template, &[], &["x", &"x".repeat(128)]);
        check(&"{unit.instance}".repeat(128), &[&"x".repeat(128)], &[&"x".repeat(127)]);
    }

    #[test]
    fn clients_make_any_name_and_the_stream_unknown_goes_with_either() {
        let name = |name: &str| name.parse().unwrap();
        let mut feeds = Feeds::default();
        assert!(!feeds.makes(&name("unknown")));
        let template = Template::parse("{uid}", Placeholder::OF_STREAM_NAME).unwrap();
        let at = At { file: 0, offset: 0 };
        feeds.makers.push((Maker::Template(template), at));
        assert!(feeds.makes(&name("unknown")) && feeds.makes(&name("7")));
        assert!(!feeds.makes(&name("web")));
        feeds.makers.push((Maker::Clients, at));
        assert!(feeds.makes(&name("web")));
    }
}
