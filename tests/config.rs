//! The configuration's text, through the library: every kind of mistake with its place and its
//! words, the defaults, and the files that are shipped.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

use std::collections::BTreeMap;
use std::path::Path;

use logagent::config::{Config, check_text, render};
use logagent::formatting::Format;
use logagent::limits;
use logagent::pipeline::OverLong;
use logagent::writer::SyncPolicy;
use proptest::prelude::*;

const SAMPLE: &str = include_str!("../config/logagent.toml");
const MINIMAL: &str = include_str!("../config/minimal.toml");
const INPUT: &str = "[input.web.fifo]\npath = \"/run/web.fifo\"\n";

fn read(text: &str) -> Result<Config, Vec<String>> {
    let told = check_text(Path::new("c"), text);
    told.map_err(|mistakes| mistakes.iter().map(|mistake| mistake.to_string()).collect())
}

/// Checks the mistakes of a text, each as `line:column: text`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let told = read(text).err().unwrap_or_default();
    let expected: Vec<String> = expected.iter().map(|mistake| format!("c:{mistake}")).collect();
    assert_eq!(told, expected, "{text}");
}

/// Checks the mistakes of `[stream.web]` with these keys, beside an input that feeds it.
#[track_caller]
fn check_stream(keys: &str, expected: &[&str]) {
    check(&format!("{INPUT}[stream.web]\n{keys}\n"), expected);
}

#[test]
fn two_lines_are_a_useful_configuration() {
    let config = read(MINIMAL).unwrap();
    let (name, stream) = config.streams.first_key_value().unwrap();
    assert_eq!((config.inputs.len(), config.streams.len(), name.as_str()), (1, 1, "web"));
    let input = &config.inputs["web"];
    assert_eq!(input.kind.path(), Some(Path::new("/run/logagent/web.sock")));
    assert_eq!((input.kind.name(), input.framing.name), ("unix-stream", "newline"));
    assert_eq!(input.stream, *name);
    assert_eq!(stream.file.path, Path::new("/var/log/logagent/web.log"));
    assert_eq!((stream.file.mode, stream.file.owner, stream.file.group), (0o640, None, None));
    assert_eq!(stream.sync, SyncPolicy::Never);
    assert_eq!(stream.queue_bytes_max, limits::QUEUE_BYTES_MAX_DEFAULT);
    assert_eq!(stream.lines.line_bytes_max, limits::LINE_BYTES_MAX_DEFAULT);
    assert_eq!(stream.lines.over_long, OverLong::Split);
    assert_eq!(stream.lines.format, Format::Raw);
    let agent = &config.agent;
    assert_eq!(agent.pid_file.as_deref(), Some(Path::new("/run/logagent/logagent.pid")));
    assert_eq!(agent.control.as_deref(), Some(Path::new("/run/logagent/control.sock")));
    assert_eq!(agent.grace, limits::GRACE_DEFAULT);
    assert_eq!(agent.connections_max, limits::CONNECTIONS_MAX_DEFAULT);
    assert_eq!(agent.streams_max, limits::STREAMS_MAX_DEFAULT);
    assert_eq!(agent.partial_bytes_max, limits::PARTIAL_BYTES_POOL_DEFAULT);
}

/// The sample with its examples uncommented: `#` directly before a key or a table.
fn uncommented() -> String {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.into(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(|line| uncommented(line) + "\n").collect()
}

#[test]
fn the_sample_has_every_key_once_and_each_default_as_its_value() {
    let sample = read(SAMPLE).unwrap();
    let minimal = read(MINIMAL).unwrap();
    assert_eq!(sample.agent, minimal.agent);
    assert_eq!(sample.inputs["web"], minimal.inputs["web"]);
    let web = "web".parse().unwrap();
    assert_eq!(sample.streams[&web], minimal.streams[&web]);

    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (text, mut table) = (uncommented(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            let parts: Vec<&str> = name.trim_end_matches(']').split('.').collect();
            table = [parts[0], parts.get(2).copied().unwrap_or("")].concat();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.entry(table.clone()).or_default().push(key.to_owned());
        }
    }
    // Every key of [stream.NAME] but `file` is one of [defaults] too, and explained there or here.
    let stream = keys.remove("stream").unwrap();
    let defaults = keys.get_mut("defaults").unwrap();
    for key in ["format", "prefix", "file"] {
        assert!(stream.contains(&key.to_owned()), "[stream.NAME] shows {key}");
    }
    defaults.push("prefix".to_owned());
    let known = [
        ("agent", known_keys("[agent]")),
        ("defaults", known_keys("[defaults]")),
        ("inputunix-stream", known_keys("[input.x.unix-stream]")),
        ("inputfifo", known_keys("[input.x.fifo]")),
        ("inputstdin", known_keys("[input.x.stdin]")),
    ];
    let known: BTreeMap<String, Vec<String>> =
        known.into_iter().map(|(table, keys)| (table.to_owned(), keys)).collect();
    keys.values_mut().for_each(|keys| keys.sort());
    assert_eq!(keys, known);
    assert!(read(&text).is_ok(), "{:?}", read(&text));
}

/// The keys of a table: those that a mistake about an unknown one lists.
fn known_keys(table: &str) -> Vec<String> {
    let told = read(&format!("{table}\nunknown-key = 1\n")).unwrap_err();
    let list =
        told.iter().find_map(|told| told.split_once("\"unknown-key\": known are ")).unwrap().1;
    let mut keys: Vec<String> = list.split(", ").map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn what_is_rendered_of_the_sample_reads_back() {
    for text in [SAMPLE, MINIMAL, &uncommented()] {
        let config = read(text).unwrap();
        assert_eq!(read(&render(&config)).unwrap(), config);
    }
}

#[test]
fn mistakes_of_syntax_say_what_to_write() {
    for (line, expected) in [
        ("sync = never", "1:8: a text stands in quotes: write \"never\""),
        ("sync = 1s", "1:8: a text stands in quotes: write \"1s\""),
        ("over-long = truncate", "1:13: a text stands in quotes: write \"truncate\""),
        ("sync = 2026-x", "1:8: a text stands in quotes: write \"2026-x\""),
        ("queue = 0.5GiB", "1:12: a number with \"GiB\" behind it stands in quotes"),
        ("sync =", "1:7: there is no value: write one behind the ="),
        ("sync", "1:5: a key needs a value: write key = value"),
        ("sync = \"never", "1:14: a text ends in its line: write its closing \""),
        ("sync = 'never", "1:14: a text ends in its line: write its closing '"),
        (
            "sync = \"\\q\"",
            "1:10: a backslash begins an escape such as \\n: write \\\\ for a backslash itself",
        ),
        (
            "mode = 0640",
            "1:8: a number does not begin with 0: write a mode in quotes, such as \"0640\"",
        ),
        (
            "s/nc = 1",
            "1:2: a key is made of letters, digits, - and _: write any other one in quotes",
        ),
        ("[stream.web", "1:12: a table's name stands in brackets: write the closing ]"),
        ("sync = \"never\" mode = \"0600\"", "1:16: this belongs into a line of its own"),
        ("x = {a = 1,,b = 2}", "1:12: there is a comma too many: remove it"),
        (
            "sync = \"\u{7}\"",
            "1:9: a control character stands in a text as an escape such as \\u0007",
        ),
    ] {
        let text = format!("{line}\n{INPUT}");
        let told = read(&text).unwrap_err();
        assert_eq!(told, [format!("c:{expected}")], "{text}");
    }
    check(
        &format!("{INPUT}[stream.web]\nmode = \"0600\"\nmode = \"0640\"\n"),
        &["5:1: this stands here for the second time: keep one of them"],
    );
    check(
        &format!("{INPUT}[stream.web]\nsync = \"\"\"x\n"),
        &[
            "4:8: unknown sync \"x\\n\": write \"never\", \"reopen\" or an interval such as \"1s\"",
            "5:1: a text that begins with three quotes ends with three: write them",
        ],
    );
}

#[test]
fn a_line_that_cannot_be_read_hides_no_other_and_makes_none() {
    check(
        "path: \"/x\"\n[agent]\ngrace = 8s\ncolour = 1\n[input.a.fifo\n[stream.b]\npath = /x\n\
         mode = 640\n",
        &[
            "1:7: a key needs a value: write key = value",
            "3:9: a text stands in quotes: write \"8s\"",
            "4:1: unknown key \"colour\": known are pid-file, control, grace, max-connections, \
             max-streams, partial-memory",
            "5:14: a table's name stands in brackets: write the closing ]",
            "7:8: a text stands in quotes: write \"/x\"",
            "8:8: a mode is a text: write \"0640\", in quotes",
        ],
    );
}

#[test]
fn unknown_keys_and_kinds_list_the_known_ones() {
    let listener = "known are path, owner, group, mode, stream, framing";
    check(
        "[input.a.fifo]\npth = \"/x\"\nallow = 1\n",
        &[
            &format!("2:1: unknown key \"pth\", did you mean path? {listener}"),
            &format!("3:1: unknown key \"allow\": {listener}"),
        ],
    );
    check(
        "[agnet]\n[inputs.a.fifo]\n[stream.a]\n",
        &[
            "1:2: unknown key \"agnet\", did you mean agent? known are agent, defaults, input, \
             stream",
            "2:2: unknown key \"inputs\", did you mean input? known are agent, defaults, input, \
             stream",
        ],
    );
    let one_kind = "an input has exactly one kind: write [input.NAME.unix-stream], \
                    [input.NAME.fifo] or [input.NAME.stdin]";
    check(
        "[input.a.unix-strem]\nstream = \"b\"\n[stream.b]\n[input.c]\npath = \"/x\"\n[input.d]\n\
         [input.e]\npath = \"/x\"\nmode = \"0600\"\n[input.f.fifo]\npath = \"/f\"\n\
         [input.f.stdin]\n",
        &[
            "1:10: unknown kind of input \"unix-strem\", did you mean unix-stream? known are \
             unix-stream, fifo, stdin",
            &format!("5:1: \"path\" is no kind of input: {one_kind}"),
            &format!("6:1: {one_kind}"),
            &format!("7:1: {one_kind}"),
            &format!("10:8: {one_kind}"),
        ],
    );
    check(
        "agent = 1\nstream = \"x\"\n[[input.a.fifo]]\n[input]\nb = \"fifo\"\n",
        &[
            "1:9: expected a table, found integer 1",
            "2:10: expected a table, found string \"x\"",
            "3:1: expected a table, found an array",
            &format!("5:5: {one_kind}"),
        ],
    );
}

#[test]
fn values_of_another_type_are_told() {
    check(
        "[agent]\npid-file = 1\ncontrol = true\ngrace = 8\nmax-connections = \"10\"\n\
         max-streams = 0\npartial-memory = 1.5\n[input.web.fifo]\npath = [\"/x\"]\n\
         owner = -1\ngroup = {}\nmode = 660\nstream = 5\nframing = 2026-01-01\n",
        &[
            "2:12: expected an absolute path, or \"\" for none, found the number 1",
            "3:11: expected an absolute path, or \"\" for none, found true",
            "4:9: a duration needs its unit: write \"8s\" or \"8ms\"",
            "5:19: a number stands without quotes: write 10",
            "6:15: 0 is out of range: write 1 to 1000000",
            "7:18: expected a size such as \"64MiB\", found a number with a fraction",
            "9:8: expected an absolute path, found an array",
            "10:9: -1 is no user's number: write one from 0 to 4294967294",
            "11:9: expected a group's name or number, found a table or a date",
            "12:8: a mode is a text: write \"0660\", in quotes",
            "13:10: expected a stream's name, found the number 5",
            "14:11: expected a framing such as \"newline\", found a table or a date",
        ],
    );
    let from_there = "write a name from there, or a number";
    check_stream(
        "file = 1\nmode = \"rw\"\nowner = \"no such\"\ngroup = \"no such\"\nformat = \"json\"\n\
         prefix = \"{tiem}\"\nmax-line = \"1\"\nover-long = \"wrap\"\nqueue = \"4MB\"\n\
         on-full = \"drop-newest\"\nsync = 1",
        &[
            "4:8: expected an absolute path, found the number 1",
            "5:8: \"rw\" is no mode: write three octal digits behind a 0, such as \"0640\"",
            &format!("6:9: there is no user \"no such\" in /etc/passwd: {from_there}"),
            &format!("7:9: there is no group \"no such\" in /etc/group: {from_there}"),
            "8:10: this version has no format \"json\": write \"raw\" or \"stamped\"",
            "9:10: wrong prefix: unknown placeholder `{tiem}`; there are `{time}`, `{stream}`",
            "10:12: 1 is too short for a line: write at least \"16\"",
            "11:13: unknown over-long \"wrap\": write \"split\" or \"truncate\" or \"drop\"",
            "12:9: \"4MB\" is no size: write \"4MiB\"",
            "13:11: this version has no on-full \"drop-newest\": write \"wait\"",
            "14:8: a duration needs its unit: write \"1s\" or \"1ms\"",
        ],
    );
    check(
        &format!("[defaults]\ndir = \"logs\"\nmode = 640\n{INPUT}"),
        &[
            "2:7: \"logs\" is a relative path: write an absolute path, which begins with /",
            "3:8: a mode is a text: write \"0640\", in quotes",
        ],
    );
}

#[test]
fn keys_that_contradict_each_other_are_told() {
    let no_prefix = "the format raw has no prefix: write format = \"stamped\", or remove prefix";
    check_stream("prefix = \"x\"", &[&format!("4:10: {no_prefix}")]);
    check_stream("prefix = \"x\"\nformat = \"raw\"", &[&format!("4:10: {no_prefix}")]);
    check_stream("prefix = \"x\"\nformat = \"stamped\"", &[]);
    let both = format!("[defaults]\nformat = \"raw\"\nprefix = \"x\"\n{INPUT}");
    check(&both, &[&format!("3:10: {no_prefix}")]);
    check(&format!("[defaults]\nprefix = \"x\"\n{INPUT}"), &[]);

    let small = |queue, line, least| {
        format!(
            "a queue of {queue} is too small for lines of {line}, it must hold two: \
             write queue = \"{least}\" or more"
        )
    };
    check_stream("queue = \"1MiB\"", &[&format!("4:9: {}", small("1MiB", "1MiB", "2MiB"))]);
    check_stream("max-line = \"4MiB\"", &[&format!("4:12: {}", small("4MiB", "4MiB", "8MiB"))]);
    check_stream("max-line = \"4MiB\"\nqueue = \"8MiB\"", &[]);
    let told = format!("2:9: {}", small("8KiB", "1MiB", "2MiB"));
    check(&format!("[defaults]\nqueue = \"8KiB\"\n{INPUT}"), &[&told]);
    check(
        &format!("[defaults]\nqueue = \"8KiB\"\n{INPUT}[stream.web]\nmax-line = \"4KiB\"\n"),
        &[&told],
    );
}

#[test]
fn streams_and_inputs_must_meet() {
    let remove = "in an input, or remove this table";
    let name_rule = "a stream's name has only letters, digits, `.`, `_`, `-` and `@`";
    let no_input = "1:1: there is no input, so no line would ever arrive: write one, such as the \
                    two lines [input.web.unix-stream] and path = \"/run/logagent/web.sock\"";
    check("", &[no_input]);
    check(
        "[stream.x]\n",
        &[no_input, &format!("1:9: no input feeds stream \"x\": write stream = \"x\" {remove}")],
    );
    check(
        "[input.web.stdin]\n[stream.weeb]\n[stream.other]\n[stream.\"a/b\"]\n[input.\"a b\".fifo]\n\
         path = \"/x\"\nstream = \"x\"\n",
        &[
            "2:9: no input feeds stream \"weeb\", did you mean [stream.web]?",
            &format!("3:9: no input feeds stream \"other\": write stream = \"other\" {remove}"),
            &format!("4:9: {name_rule}, not '/'"),
            &format!("5:8: an input is named as a stream is, and {name_rule}, not ' '"),
        ],
    );
    check(
        "[input.a.stdin]\nstream = \".x\"\n",
        &["2:10: \".x\" is no stream's name: a stream's name may not begin with a dot"],
    );
    check(
        "[input.a.stdin]\nstream = \"{untit}\"\n",
        &["2:10: unknown placeholder {untit}, did you mean {unit}? known are {unit}, \
           {unit.prefix}, {unit.instance}, {uid}, {user}, {comm}"],
    );
    check(
        "[input.a.stdin]\nstream = \"{unit}\"\n[stream.any]\n",
        &["2:10: this version routes each input to one stream: write a stream's name without \
           placeholders"],
    );
    check(
        "[input.a.stdin]\n[input.b.stdin]\n",
        &["2:8: the standard input is read by the input of line 1: remove one of them"],
    );
    check(
        "[input.a.fifo]\n[input.b.unix-stream]\n",
        &[
            "1:1: this input has no path: write path = \"/run/logagent/a.fifo\"",
            "2:1: this input has no path: write path = \"/run/logagent/b.sock\"",
        ],
    );
    check(
        "[agent]\nmax-streams = 1\n[input.a.stdin]\n[input.b.fifo]\npath = \"/b\"\n",
        &["2:15: there are 2 streams, and max-streams is 1: write max-streams = 2 or more in \
           [agent]"],
    );
}

#[test]
fn every_path_has_one_use() {
    check(
        "[input.a.fifo]\npath = \"/x/a\"\n[input.b.unix-stream]\npath = \"/x/../x/a\"\n\
         [input.c.fifo]\npath = \"/run/logagent/control.sock\"\n[input.d.fifo]\n\
         path = \"/var/log/logagent/a.log\"\n[stream.d]\nfile = \"/d\"\n[stream.c]\n\
         file = \"/d\"\n",
        &[
            "4:8: /x/../x/a is the same as /x/a, which is the FIFO of input \"a\" (line 2): give \
             the socket of input \"b\" another path",
            "6:8: /run/logagent/control.sock is the control socket (line 1): give the FIFO of \
             input \"c\" another path",
            "8:8: /var/log/logagent/a.log is the file of stream \"a\" (line 1): give the FIFO of \
             input \"d\" another path",
            "12:8: /d is the file of stream \"d\" (line 10): give the file of stream \"c\" another \
             path",
        ],
    );
    check(
        "[agent]\npid-file = \"/p\"\ncontrol = \"/p\"\n[input.a.stdin]\n",
        &["3:11: /p is the pid file (line 2): give the control socket another path"],
    );
    check(
        "[input.a.stdin]\n[input.b.fifo]\npath = \"/b\"\n[stream.a]\nfile = \"/dev/null\"\n\
         [stream.b]\nfile = \"/dev/null\"\n",
        &[],
    );
    let long = "x".repeat(limits::SOCKET_PATH_BYTES_MAX);
    check(
        &format!("[input.a.unix-stream]\npath = \"/{long}\"\n"),
        &["2:8: a socket's path has at most 107 bytes, this has 108: write a shorter one"],
    );
    check(&format!("[input.a.fifo]\npath = \"/{long}\"\n"), &[]);
    check(&format!("[input.a.unix-stream]\npath = \"/{}\"\n", &long[1..]), &[]);
}

#[test]
fn one_run_tells_a_mistake_of_every_kind() {
    check(
        "[agent]\n\
         gracee = \"1s\"\n\
         [defaults]\n\
         queue = \"64MB\"\n\
         [input.a.unix-stream]\n\
         path = \"/run/a.sock\"\n\
         [input.b.unix-stream]\n\
         path = \"/run/a.sock\"\n\
         stream = \"{nope}\"\n\
         [input.c.pipe]\n\
         stream = \"site\"\n\
         [input.d.fifo]\n\
         path = \"d\"\n\
         [stream.a]\n\
         file = \"/srv/one.log\"\n\
         [stream.d]\n\
         file = \"/srv/one.log\"\n\
         mode = 640\n\
         [stream.site]\n\
         on-full = \"drop-oldest\"\n\
         [stream.orphan]\n\
         sync = \"often\"\n",
        &[
            "2:1: unknown key \"gracee\", did you mean grace? known are pid-file, control, grace, \
             max-connections, max-streams, partial-memory",
            "4:9: \"64MB\" is no size: write \"64MiB\"",
            "8:8: /run/a.sock is the socket of input \"a\" (line 6): give the socket of input \
             \"b\" another path",
            "9:10: unknown placeholder {nope}: known are {unit}, {unit.prefix}, {unit.instance}, \
             {uid}, {user}, {comm}",
            "10:10: \"pipe\" is no kind of input: an input has exactly one kind: write \
             [input.NAME.unix-stream], [input.NAME.fifo] or [input.NAME.stdin]",
            "13:8: \"d\" is a relative path: write an absolute path, which begins with /",
            "17:8: /srv/one.log is the file of stream \"a\" (line 15): give the file of stream \
             \"d\" another path",
            "18:8: a mode is a text: write \"0640\", in quotes",
            "20:11: this version has no on-full \"drop-oldest\": write \"wait\"",
            "21:9: no input feeds stream \"orphan\": write stream = \"orphan\" in an input, or \
             remove this table",
            "22:8: unknown sync \"often\": write \"never\", \"reopen\" or an interval such as \
             \"1s\"",
        ],
    );
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_told_about(changes in changes(), noise in "\\PC{0,40}") {
        let mut text = uncommented();
        for (at, piece) in changes {
            let (at, old) = text.char_indices().nth(at % text.chars().count()).unwrap();
            text.replace_range(at..at + old.len_utf8(), piece);
        }
        for text in [text, noise] {
            let lines = text.split('\n').count();
            for mistake in check_text(Path::new("c"), &text).err().unwrap_or_default() {
                prop_assert!((1..=lines).contains(&mistake.line), "{mistake}");
                prop_assert!(!mistake.text.is_empty() && !mistake.text.contains('\n'));
            }
        }
    }
}

/// Places, and what to put there instead of a character.
fn changes() -> impl Strategy<Value = Vec<(usize, &'static str)>> {
    let pieces = ["", "\"", "[", "]", "=", "\n", "#", "{", "}", ".", "0", "ä", "\0", "'''", "a"];
    proptest::collection::vec((0..10_000usize, proptest::sample::select(pieces.to_vec())), 1..8)
}
