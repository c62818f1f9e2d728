//! `allow.unit`: patterns of units' names.

use super::{FromWritten, WrongValue, wrong};
use crate::origin::Unit;
use crate::routing::UnitPattern;

impl FromWritten for UnitPattern {
    const EXPECTED: &'static str = "a unit such as \"myapp@*.service\"";

    fn from_text(text: &str) -> Result<UnitPattern, WrongValue> {
        let pattern = match text.parse() {
            Ok(pattern) => pattern,
            Err(error) => return wrong(format!("\"{text}\" is no pattern of units: {error}")),
        };
        if fits_some_unit(text) {
            return Ok(pattern);
        }
        let typed = format!("{text}.service");
        let instead =
            if !text.contains('.') && fits_some_unit(&typed) { &typed } else { "*.service" };
        let such_as = if instead == typed { "" } else { "a pattern such as " };
        wrong(format!(
            "\"{text}\" fits no unit, whose name ends with its type: write {such_as}\"{instead}\""
        ))
    }
}

/// Whether there can be a unit that a pattern fits, which would refuse everybody otherwise.
fn fits_some_unit(pattern: &str) -> bool {
    let mut example = String::new();
    let mut rest = pattern;
    // Behind the last dot comes the type.
    let mut type_is_open = false;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' | '?' => example.push('x'),
            '[' => {
                // The first character in the brackets may itself be one.
                let inside = rest.strip_prefix('!').unwrap_or(rest);
                let end = inside.char_indices().skip(1).find(|(_, c)| *c == ']');
                rest = end.map_or("", |(end, _)| &inside[end + 1..]);
                example.push('x');
            }
            c => example.push(c),
        }
        type_is_open = matches!(c, '*' | '?' | '[') || (type_is_open && c != '.');
    }
    if type_is_open {
        example.push_str(".service");
    }
    Unit::named(&example).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn a_pattern_that_fits_no_unit_is_told() {
        let such_as = "whose name ends with its type: write a pattern such as \"*.service\"";
        let none = |text: &str| format!("\"{text}\" fits no unit, {such_as}");
        let typed = |text: &str| {
            format!(
                "\"{text}\" fits no unit, whose name ends with its type: write \"{text}.service\""
            )
        };
        check(
            |pattern: UnitPattern| pattern.to_string(),
            &[
                ("web.service", Ok("web.service")),
                ("myapp@*.service", Ok("myapp@*.service")),
                ("myapp@[0-9].service", Ok("myapp@[0-9].service")),
                ("a[!].]b.service", Ok("a[!].]b.service")),
                ("session-*.scope", Ok("session-*.scope")),
                ("*", Ok("*")),
                ("web.*", Ok("web.*")),
                ("web*", Ok("web*")),
                ("web*service", Ok("web*service")),
                ("web.serv?ce", Ok("web.serv?ce")),
                ("web.[st]*", Ok("web.[st]*")),
                ("web", Err(&typed("web"))),
                ("myapp@*.servce", Err(&none("myapp@*.servce"))),
                ("my*.slice", Err(&none("my*.slice"))),
                ("system.slice/web.service", Err(&none("system.slice/web.service"))),
                ("my app", Err(&none("my app"))),
                ("@*.service", Err(&none("@*.service"))),
                ("", Err("\"\" is no pattern of units: it is empty")),
                ("a[", Err("\"a[\" is no pattern of units: invalid range pattern")),
            ],
        );
    }
}
