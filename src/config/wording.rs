//! What the parser and serde complain of, in words for the configuration's author.
//!
//! This leans on their texts; the tests pin every one of them, and a text that is not known is
//! shown as it is.

use super::nearest::nearest;

/// How the parser's text about a key without a value begins.
pub(super) const BARE_KEY: &str = "key with no value";

/// How its texts about words without quotes begin: it guesses from the first letter.
static UNQUOTED: &[&str] = &[
    "string values must be quoted",
    "invalid boolean",
    "invalid date",
    "invalid float",
    "invalid time",
];

/// Beginnings of the parser's texts, and ours.
static SYNTAX: &[(&str, &str)] = &[
    ("duplicate key", "this stands here for the second time: keep one of them"),
    ("extra comma", "there is a comma too many: remove it"),
    ("invalid basic string, expected `\"`", "a text ends in its line: write its closing \""),
    ("invalid basic string", "a control character stands in a text as an escape such as \\u0007"),
    ("invalid literal string, expected `'`", "a text ends in its line: write its closing '"),
    (
        "invalid unquoted key",
        "a key is made of letters, digits, - and _: write any other one in quotes",
    ),
    (BARE_KEY, "a key needs a value: write key = value"),
    (
        "missing escaped value",
        "a backslash begins an escape such as \\n: write \\\\ for a backslash itself",
    ),
    ("invalid multi-line", "a text that begins with three quotes ends with three: write them"),
    ("unclosed table", "a table's name stands in brackets: write the closing ]"),
    ("unexpected key or value", "this belongs into a line of its own"),
    (
        "unexpected leading zero",
        "a number does not begin with 0: write a mode in quotes, such as \"0640\"",
    ),
];

/// The one-kind rule, however it is broken.
const ONE_KIND: &str = "an input has exactly one kind: write [input.NAME.unix-stream], \
                        [input.NAME.fifo] or [input.NAME.stdin]";

/// A mistake of syntax. `found` is the text at its place.
pub(super) fn syntax(message: &str, found: &str) -> String {
    if UNQUOTED.iter().any(|beginning| message.starts_with(beginning)) {
        return match found {
            "" => "there is no value: write one behind the =".to_owned(),
            _ if message.ends_with("expected nothing") => {
                format!("a number with \"{found}\" behind it stands in quotes")
            }
            _ => format!("a text stands in quotes: write \"{found}\""),
        };
    }
    match SYNTAX.iter().find(|(beginning, _)| message.starts_with(beginning)) {
        Some((_, text)) => (*text).to_owned(),
        None => message.to_owned(),
    }
}

/// A mistake in what tables and keys there are. `path` is where it stands, as keys from the root.
pub(super) fn structure(message: &str, path: &[String]) -> String {
    let last = path.last().map_or("", String::as_str);
    if message.starts_with("unknown field ") {
        return unknown("key", last, &known(message));
    }
    if message.starts_with("unknown variant ") {
        let kinds = known(message);
        return match nearest(last, kinds.iter().copied()) {
            Some(_) => unknown("kind of input", last, &kinds),
            None => format!("{last:?} is no kind of input: {ONE_KIND}"),
        };
    }
    if message.starts_with("wanted ") || message.contains("unit variant") {
        return ONE_KIND.to_owned();
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let expected = if expected == "a map" { "a table" } else { expected };
        let found = if found == "sequence" { "an array" } else { found };
        return format!("expected {expected}, found {}", found.replace('`', ""));
    }
    message.to_owned()
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown {what} {name:?}, did you mean {near}? known are {list}"),
        None => format!("unknown {what} {name:?}: known are {list}"),
    }
}

/// The known names behind `` `wrong`, expected one of `a`, `b` ``.
fn known(message: &str) -> Vec<&str> {
    let names = message.rsplit_once("`, expected ").map_or("", |(_, names)| names);
    names.split('`').skip(1).step_by(2).collect()
}
