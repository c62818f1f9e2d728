//! Routing: which stream a connection feeds, decided once when it connects.

mod allow;
pub mod handshake;

use std::fmt::Write;

pub use allow::{Allow, UnitPattern};

use crate::origin::Origin;
use crate::stream_name::{StreamName, StreamNameError};
use crate::template::{Part, Placeholder, Template};

/// The stream of whatever has no other: its origin is not known, or makes no name.
pub const UNKNOWN: &str = "unknown";

/// Who may connect to an input, and which stream a connection feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Which stream, unless a client names another.
    pub to: To,
    /// Who is taken.
    pub allow: Allow,
    /// Whether a client may name its stream itself.
    pub client_names_stream: bool,
}

/// Which stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// This one.
    Stream(StreamName),
    /// The one that the origin's name makes.
    Template(Template),
}

/// Why a template and an origin make no stream's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoName {
    /// What a placeholder stands for could not be found out.
    #[error("the client's {} is not known", .0.name())]
    NotKnown(Placeholder),
    /// It is no stream's name.
    #[error("{name:?} is no stream's name: {error}")]
    Wrong {
        /// What came out, cut short where it is long.
        name: String,
        /// Why not.
        error: StreamNameError,
    },
}

impl Routing {
    /// Everybody to one stream.
    pub fn to(stream: StreamName) -> Routing {
        Routing { to: To::Stream(stream), allow: Allow::default(), client_names_stream: false }
    }

    /// The only stream that it leads to, if there is only one.
    pub fn only_stream(&self) -> Option<&StreamName> {
        match &self.to {
            To::Stream(stream) if !self.client_names_stream => Some(stream),
            _ => None,
        }
    }

    /// Whether it leads to streams that nobody has configured.
    pub fn makes_streams(&self) -> bool {
        self.only_stream().is_none()
    }

    /// Whether it is anything else than everybody to one stream.
    pub fn tells_clients_apart(&self) -> bool {
        self.makes_streams() || !self.allow.is_open()
    }

    /// The stream that it leads to by itself, whatever the origin.
    pub fn fixed_stream(&self) -> Option<&StreamName> {
        match &self.to {
            To::Stream(stream) => Some(stream),
            To::Template(_) => None,
        }
    }
}

impl To {
    /// The stream of a connection from `origin`.
    pub fn stream(&self, origin: &Origin) -> Result<StreamName, NoName> {
        let template = match self {
            To::Stream(stream) => return Ok(stream.clone()),
            To::Template(template) => template,
        };
        let mut name = String::new();
        for part in template.parts() {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Placeholder(placeholder) => {
                    let value = origin.value(*placeholder);
                    let value = value.ok_or(NoName::NotKnown(*placeholder))?;
                    // Writing to a String cannot fail.
                    name.write_str(&value).unwrap_or_default();
                }
            }
        }
        name.parse().map_err(|error| NoName::wrong(&name, error))
    }
}

impl NoName {
    /// `name` is as somebody else chose it: any characters, any length.
    pub fn wrong(name: &str, error: StreamNameError) -> NoName {
        NoName::Wrong { name: name.chars().take(64).collect(), error }
    }
}

/// The stream [`UNKNOWN`].
pub fn unknown() -> StreamName {
    StreamName::nearest(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Unit;

    fn origin(unit: Option<&str>, comm: &str) -> Origin {
        Origin {
            uid: Some(0),
            unit: unit.and_then(Unit::named),
            comm: Some(comm.into()),
            ..Origin::default()
        }
    }

    #[track_caller]
    fn check(template: &str, origin: &Origin, expected: Result<&str, &str>) {
        let template = Template::parse(template, Placeholder::OF_STREAM_NAME).unwrap();
        let stream = To::Template(template).stream(origin);
        let shown = stream.map(|name| name.to_string()).map_err(|error| error.to_string());
        assert_eq!(shown, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_template_makes_a_name_of_what_is_known() {
        let app = origin(Some("myapp@2.service"), "sh");
        check("{unit}", &app, Ok("myapp@2.service"));
        check("{unit.prefix}", &app, Ok("myapp"));
        check("x-{unit.prefix}.{unit.instance}", &app, Ok("x-myapp.2"));
        check("{user}-{uid}-{comm}", &app, Ok("root-0-sh"));
    }

    #[test]
    fn what_makes_no_name_is_told() {
        let web = origin(Some("web.service"), "../../etc/x");
        check("{unit.instance}", &web, Err("the client's unit.instance is not known"));
        check("{unit}", &origin(None, "x"), Err("the client's unit is not known"));
        let not = "is no stream's name: a stream's name";
        check("{comm}", &web, Err(&format!("\"../../etc/x\" {not} may not begin with a dot")));
        let long = "x".repeat(200);
        let error =
            format!("\"{}\" {not} may have at most 128 characters, this has 200", "x".repeat(64));
        check("{comm}", &origin(None, &long), Err(&error));
    }
}
