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

/// Of these only the first in a line is a mistake: the parser loses its way.
static LOSES_ITS_WAY: &[&str] = &[
    "extra assignment between",
    "extra comma in inline table, expected `=`",
    "missing assignment between",
    "missing comma between",
    "unexpected `=` in array",
];

const NO_COMMA_BETWEEN_KEYS: &str = "a comma stands between two keys in braces: write it";
const NO_VALUE_IN_BRACES: &str = "a key in braces needs a value: write { key = value }, or the \
                                  whole in quotes if it is a text";

/// Beginnings of the parser's texts, and ours.
static SYNTAX: &[(&str, &str)] = &[
    ("cannot extend value", "this has a value already, which is no table: keep one of them"),
    ("duplicate key", "this stands here for the second time: keep one of them"),
    ("extra assignment between", NO_COMMA_BETWEEN_KEYS),
    ("extra comma in inline table, expected `=`", NO_VALUE_IN_BRACES),
    ("extra comma", "there is a comma too many: remove it"),
    ("invalid basic string, expected `\"`", "a text ends in its line: write its closing \""),
    ("invalid basic string", "a control character stands in a text as an escape such as \\u0007"),
    ("invalid literal string, expected `'`", "a text ends in its line: write its closing '"),
    (
        "invalid unquoted key",
        "a key is made of letters, digits, - and _: write any other one in quotes",
    ),
    (BARE_KEY, "a key needs a value: write key = value"),
    ("missing assignment between", NO_VALUE_IN_BRACES),
    ("missing comma between array", "a comma stands between two values of a list: write it"),
    ("missing comma between key", NO_COMMA_BETWEEN_KEYS),
    (
        "missing escaped value",
        "a backslash begins an escape such as \\n: write \\\\ for a backslash itself",
    ),
    ("invalid multi-line", "a text that begins with three quotes ends with three: write them"),
    ("unquoted keys cannot be empty", "there is no key before the =: write key = value"),
    ("unexpected `=` in array", "a list has no keys: write its values alone, [\"a\", \"b\"]"),
    ("unclosed table", "a table's name stands in brackets: write the closing ]"),
    ("unexpected key or value", "this belongs into a line of its own"),
    (
        "unexpected leading zero",
        "a number does not begin with 0: write a mode in quotes, such as \"0640\"",
    ),
];

/// The one-kind rule, however it is broken.
const ONE_KIND: &str = "an input has exactly one kind: write [input.NAME.KIND] with unix-stream, \
                        unix-datagram, unix-seqpacket, fifo, stdin or systemd for KIND";

/// What people know things by elsewhere, and their names here.
static ELSEWHERE: &[(&str, &str)] = &[
    ("datagram", "unix-datagram"),
    ("dgram", "unix-datagram"),
    ("unix-dgram", "unix-datagram"),
    ("unixgram", "unix-datagram"),
    ("seqpacket", "unix-seqpacket"),
    ("unix-packet", "unix-seqpacket"),
    ("unixpacket", "unix-seqpacket"),
    ("stream", "unix-stream"),
    ("unix", "unix-stream"),
    ("socket", "unix-stream"),
    ("unix-socket", "unix-stream"),
    ("pipe", "fifo"),
    ("named-pipe", "fifo"),
    ("socket-activation", "systemd"),
    ("systemd-socket", "systemd"),
    ("user", "uid"),
    ("users", "uid"),
    ("group", "gid"),
    ("groups", "gid"),
    ("fdname", "name"),
    ("file-descriptor-name", "name"),
    ("FileDescriptorName", "name"),
];

/// Keys that some kinds of input have not, and why.
#[rustfmt::skip]
static LACKING: &[(&[&str], &[&str], &str)] = &[
    (&["unix-datagram", "fifo", "stdin"], &["allow"],
     "nobody connects to this kind of input, so nobody can be refused: remove allow"),
    (&["unix-datagram", "fifo", "stdin"], &["client-names-stream"],
     "nobody connects to this kind of input, so all that it reads goes to one stream: remove \
      client-names-stream"),
    (&["unix-stream", "unix-seqpacket"], &["instances"],
     "any number of instances connects to one socket: remove instances"),
    (&["unix-datagram"], &["instances"],
     "any number of instances sends to one socket: remove instances"),
    (&["stdin"], &["instances"], "there is one standard input: remove instances"),
    (&["systemd"], &["instances"],
     "systemd makes what it hands over: write a ListenFIFO= for each instance in the socket's \
      unit, and remove instances"),
    (&["stdin"], &["path", "owner", "group", "mode"],
     "the standard input is there already and has neither path nor owner: remove this"),
    (&["systemd"], &["path"],
     "systemd opens it: write ListenStream= or another Listen…= in the socket's unit, and \
      remove path"),
    (&["systemd"], &["owner"],
     "systemd opens it: write SocketUser= in the socket's unit, and remove owner"),
    (&["systemd"], &["group"],
     "systemd opens it: write SocketGroup= in the socket's unit, and remove group"),
    (&["systemd"], &["mode"],
     "systemd opens it: write SocketMode= in the socket's unit, and remove mode"),
];

/// Whether what is wrong behind such a mistake in its line only follows from it.
pub(super) fn loses_its_way(message: &str) -> bool {
    LOSES_ITS_WAY.iter().any(|beginning| message.starts_with(beginning))
}

/// A mistake of syntax. `found` is the text at its place, `rest` that and what follows.
pub(super) fn syntax(message: &str, found: &str, rest: &str) -> String {
    // The parser looks for a value there, the last kind of which would be a text in such quotes.
    if message.starts_with("invalid literal string, expected `'`") && rest.starts_with('}') {
        return NO_VALUE_IN_BRACES.to_owned();
    }
    if ["true", "false", "yes", "no", "on", "off"].contains(&&*found.to_ascii_lowercase()) {
        return format!("write true or false for a yes or no, and \"{found}\" for a text");
    }
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
        return lacking(path).unwrap_or_else(|| unknown("key", last, &known(message)));
    }
    if message.starts_with("unknown variant ") {
        let kinds = known(message);
        return match meant(last, &kinds) {
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
        let expected = match last {
            "allow" => "a table such as { unit = [\"myapp@*.service\"] }",
            "rotate" => "a table such as { size = \"100MiB\", keep = 10 }",
            _ if expected == "a map" => "a table",
            _ => expected,
        };
        let found = if found == "sequence" { "an array" } else { found };
        return format!("expected {expected}, found {}", found.replace('`', ""));
    }
    message.to_owned()
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match meant(name, known) {
        Some(meant) => format!("unknown {what} {name:?}, did you mean {meant}? known are {list}"),
        None => format!("unknown {what} {name:?}: known are {list}"),
    }
}

/// Which of the `known` names is meant by another one.
fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let dashed = name.replace('_', "-");
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == dashed);
    let here = elsewhere.and_then(|(_, here)| known.iter().find(|known| *known == here));
    here.copied().or_else(|| nearest(name, known.iter().copied()))
}

/// Why an input of this kind has no such key, where others have it.
fn lacking(path: &[String]) -> Option<String> {
    let [input, _, kind, key] = path else { return None };
    let lacking = LACKING.iter().find(|(kinds, keys, _)| {
        input == "input" && kinds.contains(&kind.as_str()) && keys.contains(&key.as_str())
    });
    lacking.map(|(_, _, why)| (*why).to_owned())
}

/// The known names behind `` `wrong`, expected one of `a`, `b` ``.
fn known(message: &str) -> Vec<&str> {
    let names = message.rsplit_once("`, expected ").map_or("", |(_, names)| names);
    names.split('`').skip(1).step_by(2).collect()
}
