//! `stream`: the stream an input's lines go to.

use super::placeholder::unknown_placeholder;
use super::{FromWritten, WrongValue, wrong};
use crate::routing::To;
use crate::stream_name::StreamName;
use crate::template::{Part, Placeholder, Template, TemplateError};

impl FromWritten for To {
    const EXPECTED: &'static str = "a stream's name";

    fn from_text(text: &str) -> Result<To, WrongValue> {
        let template = match Template::parse(text, Placeholder::OF_STREAM_NAME) {
            Ok(template) => template,
            Err(TemplateError::Unknown { name, .. }) => {
                return wrong(unknown_placeholder(&name, Placeholder::OF_STREAM_NAME));
            }
            // No stream's name has a brace of its own.
            Err(TemplateError::Unclosed | TemplateError::Unopened) => {
                return wrong(format!("\"{text}\" has a brace without its other one"));
            }
            Err(error @ TemplateError::Control) => {
                return wrong(format!("\"{text}\" is no stream's name: {error}"));
            }
        };
        // The shortest name that it can make.
        let name: String = (template.parts().iter())
            .map(|part| if let Part::Text(text) = part { text.as_str() } else { "x" })
            .collect();
        let is_template = template.placeholders().next().is_some();
        match name.parse::<StreamName>() {
            Ok(_) if is_template => Ok(To::Template(template)),
            Ok(name) => Ok(To::Stream(name)),
            Err(error) if is_template => {
                wrong(format!("\"{text}\" makes no stream's name: {error}"))
            }
            Err(error) => wrong(format!("\"{text}\" is no stream's name: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn a_stream_is_a_name_or_a_template_of_known_placeholders() {
        let known = "known are {unit}, {unit.prefix}, {unit.instance}, {uid}, {user}, {comm}";
        let rule = "a stream's name has only letters, digits, `.`, `_`, `-` and `@`";
        check(
            |to: To| match to {
                To::Stream(name) => name.to_string(),
                To::Template(template) => format!("made: {template}"),
            },
            &[
                ("web", Ok("web")),
                ("{unit.prefix}", Ok("made: {unit.prefix}")),
                ("{unit}.x", Ok("made: {unit}.x")),
                ("app-{unit}-{uid}", Ok("made: app-{unit}-{uid}")),
                (
                    "{untit}",
                    Err(&format!("unknown placeholder {{untit}}, did you mean {{unit}}? {known}")),
                ),
                (
                    "{pid}.x",
                    Err(&format!("unknown placeholder {{pid}}, did you mean {{uid}}? {known}")),
                ),
                ("{hostname}", Err(&format!("unknown placeholder {{hostname}}: {known}"))),
                ("{unit", Err("\"{unit\" has a brace without its other one")),
                ("unit}", Err("\"unit}\" has a brace without its other one")),
                ("a{{b", Err(&format!("\"a{{{{b\" is no stream's name: {rule}, not '{{'"))),
                ("a/b", Err(&format!("\"a/b\" is no stream's name: {rule}, not '/'"))),
                (
                    "{unit}/x",
                    Err(&format!("\"{{unit}}/x\" makes no stream's name: {rule}, not '/'")),
                ),
                (
                    ".{unit}",
                    Err(
                        "\".{unit}\" makes no stream's name: a stream's name may not begin with a \
                         dot",
                    ),
                ),
                ("", Err("\"\" is no stream's name: a stream's name may not be empty")),
                (
                    "a\nb",
                    Err("\"a\nb\" is no stream's name: control characters may not stand here"),
                ),
            ],
        );
        let longest = format!("{}{{uid}}", "x".repeat(127));
        assert!(To::from_text(&longest).is_ok());
        assert!(To::from_text(&format!("x{longest}")).is_err());
    }
}
