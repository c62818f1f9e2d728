//! Placeholders: in braces in a prefix or a stream's name, or by themselves as fields of JSON.

use super::super::nearest::nearest;
use super::{FromWritten, WrongValue, wrong};
use crate::template::{Placeholder, Template, TemplateError};

/// `prefix`: checked by the format that uses it.
impl FromWritten for Template {
    const EXPECTED: &'static str = "a text such as \"{time} \"";

    fn from_text(text: &str) -> Result<Template, WrongValue> {
        match Template::parse(text, Placeholder::OF_PREFIX) {
            Ok(template) => Ok(template),
            Err(TemplateError::Unknown { name, .. }) => {
                let unknown = unknown_placeholder(&name, Placeholder::OF_PREFIX);
                wrong(format!("wrong prefix: {unknown}"))
            }
            Err(error) => wrong(format!("wrong prefix: {error}")),
        }
    }
}

/// One of `fields`.
impl FromWritten for Placeholder {
    const EXPECTED: &'static str = "a field such as \"time\"";

    fn from_text(text: &str) -> Result<Placeholder, WrongValue> {
        let known = |name: &str| {
            Placeholder::named(name).filter(|field| Placeholder::OF_JSON.contains(field))
        };
        if let Some(field) = known(text) {
            return Ok(field);
        }
        let inside = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(field) = inside.and_then(known) {
            return wrong(format!("a field stands without braces: write \"{}\"", field.name()));
        }
        let names = Placeholder::OF_JSON.iter().map(|field| field.name());
        wrong(unknown("field", text, &names.collect::<Vec<_>>()))
    }
}

/// What to say of `{name}`, which is none of the `known` placeholders.
pub(super) fn unknown_placeholder(name: &str, known: &[Placeholder]) -> String {
    let known: Vec<String> = known.iter().map(|known| format!("{{{}}}", known.name())).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    unknown("placeholder", &format!("{{{name}}}"), &known)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown {what} {name}, did you mean {near}? known are {list}"),
        None => format!("unknown {what} {name}: known are {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn prefixes_are_templates() {
        let known = "known are {time}, {stream}, {unit}, {unit.prefix}, {unit.instance}, {pid}, \
                     {uid}, {user}, {comm}, {severity}, {facility}, {tag}";
        check(
            |template: Template| template.to_string(),
            &[
                ("{time} {stream}: ", Ok("{time} {stream}: ")),
                ("[{unit.instance}] {{", Ok("[{unit.instance}] {{")),
                (
                    "{tiem} ",
                    Err(&format!(
                        "wrong prefix: unknown placeholder {{tiem}}, did you mean {{time}}? {known}"
                    )),
                ),
                (
                    "{message}",
                    Err(&format!("wrong prefix: unknown placeholder {{message}}: {known}")),
                ),
                ("{time", Err("wrong prefix: `{` without `}`; write `{{` for a brace itself")),
            ],
        );
    }

    #[test]
    fn fields_are_placeholders_without_braces() {
        let known = "known are time, stream, unit, unit.prefix, unit.instance, pid, uid, user, \
                     comm, severity, facility, tag, message";
        check(
            |field: Placeholder| format!("{field:?}"),
            &[
                ("time", Ok("Time")),
                ("unit.instance", Ok("UnitInstance")),
                ("message", Ok("Message")),
                ("{time}", Err("a field stands without braces: write \"time\"")),
                ("tiem", Err(&format!("unknown field tiem, did you mean time? {known}"))),
                ("hostname", Err(&format!("unknown field hostname: {known}"))),
                ("", Err(&format!("unknown field : {known}"))),
            ],
        );
    }
}
