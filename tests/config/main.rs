//! The configuration's text, through the library: every kind of mistake with its place and its
//! words, the defaults, and the files that are shipped.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

mod inputs;
mod sample;
mod streams;
mod structure;
mod syntax;
mod values;

use std::path::Path;

use logagent::config::{Config, check_text};
use proptest::prelude::*;

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
         on-full = \"drop-eldest\"\n\
         [stream.orphan]\n\
         sync = \"often\"\n",
        &[
            "2:1: unknown key \"gracee\", did you mean grace? known are pid-file, control, grace, \
             max-connections, max-streams, partial-memory, watch",
            "4:9: \"64MB\" is no size: write \"64MiB\"",
            "8:8: /run/a.sock is the socket of input \"a\" (line 6): give the socket of input \
             \"b\" another path",
            "9:10: unknown placeholder {nope}: known are {unit}, {unit.prefix}, {unit.instance}, \
             {uid}, {user}, {comm}",
            "10:10: unknown kind of input \"pipe\", did you mean fifo? known are unix-stream, \
             unix-datagram, unix-seqpacket, fifo, stdin, systemd",
            "13:8: \"d\" is a relative path: write an absolute path, which begins with /",
            "17:8: /srv/one.log is the file of stream \"a\" (line 15): give the file of stream \
             \"d\" another path",
            "18:8: a mode is a text: write \"0640\", in quotes",
            "20:11: unknown on-full \"drop-eldest\": write \"wait\" or \"drop-newest\" or \"drop-oldest\"",
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
        let mut text = sample::uncommented();
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
