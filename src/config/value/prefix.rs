//! `prefix`: a template, checked by the format that uses it.

use super::{FromWritten, WrongValue, wrong};
use crate::formatting::Template;

impl FromWritten for Template {
    const EXPECTED: &'static str = "a text such as \"{time} \"";

    fn from_text(text: &str) -> Result<Template, WrongValue> {
        text.parse().or_else(|error| wrong(format!("wrong prefix: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn prefixes_are_templates() {
        check(
            |template: Template| template.to_string(),
            &[
                ("{time} {stream}: ", Ok("{time} {stream}: ")),
                (
                    "{tiem} ",
                    Err("wrong prefix: unknown placeholder `{tiem}`; there are `{time}`, \
                         `{stream}`"),
                ),
            ],
        );
    }
}
