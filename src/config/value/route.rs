//! `stream`: the stream an input's lines go to.

use super::super::nearest::nearest;
use super::{FromWritten, WrongValue, wrong};
use crate::stream_name::StreamName;

/// The placeholders that a stream's name may be made of.
static PLACEHOLDERS: &[&str] = &["unit", "unit.prefix", "unit.instance", "uid", "user", "comm"];

/// Where an input's lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Route {
    /// All of them to one stream.
    Stream(StreamName),
    /// To a stream that each connection's origin decides. Without mistakes in itself, but this
    /// version routes each input to one stream.
    Template,
}

impl FromWritten for Route {
    const EXPECTED: &'static str = "a stream's name";

    fn from_text(text: &str) -> Result<Route, WrongValue> {
        if !text.contains(['{', '}']) {
            return match text.parse() {
                Ok(name) => Ok(Route::Stream(name)),
                Err(error) => wrong(format!("\"{text}\" is no stream's name: {error}")),
            };
        }
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let Some((name, after)) = rest[at..].strip_prefix('{').and_then(|r| r.split_once('}'))
            else {
                return wrong(format!("\"{text}\" has a brace without its other one"));
            };
            if !PLACEHOLDERS.contains(&name) {
                return wrong(unknown_placeholder(name));
            }
            rest = after;
        }
        Ok(Route::Template)
    }
}

fn unknown_placeholder(name: &str) -> String {
    let known: Vec<String> = PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect();
    let known = known.join(", ");
    match nearest(name, PLACEHOLDERS.iter().copied()) {
        Some(near) => {
            format!("unknown placeholder {{{name}}}, did you mean {{{near}}}? known are {known}")
        }
        None => format!("unknown placeholder {{{name}}}: known are {known}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn a_route_is_a_stream_or_a_template_of_known_placeholders() {
        let known = "{unit}, {unit.prefix}, {unit.instance}, {uid}, {user}, {comm}";
        check(
            |route: Route| format!("{route:?}"),
            &[
                ("web", Ok("Stream(StreamName(\"web\"))")),
                ("{unit.prefix}", Ok("Template")),
                ("app-{unit}-{uid}", Ok("Template")),
                (
                    "{untit}",
                    Err(&format!(
                        "unknown placeholder {{untit}}, did you mean {{unit}}? known are {known}"
                    )),
                ),
                (
                    "{pid}.x",
                    Err(&format!(
                        "unknown placeholder {{pid}}, did you mean {{uid}}? known are {known}"
                    )),
                ),
                (
                    "{hostname}",
                    Err(&format!("unknown placeholder {{hostname}}: known are {known}")),
                ),
                ("{unit", Err("\"{unit\" has a brace without its other one")),
                ("unit}", Err("\"unit}\" has a brace without its other one")),
                (
                    "a/b",
                    Err("\"a/b\" is no stream's name: a stream's name has only letters, digits, \
                         `.`, `_`, `-` and `@`, not '/'"),
                ),
            ],
        );
    }
}
