//! Mistakes of syntax: what is wrong with a line, and what it hides.

use super::{INPUT, check, read};

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
             max-streams, partial-memory, watch",
            "5:14: a table's name stands in brackets: write the closing ]",
            "7:8: a text stands in quotes: write \"/x\"",
            "8:8: a mode is a text: write \"0640\", in quotes",
        ],
    );
}

#[test]
fn mistakes_in_brackets_say_what_to_write() {
    let comma = "a comma stands between two";
    let in_braces = "a key in braces needs a value: write { key = value }, or the whole in quotes \
                     if it is a text";
    for (line, expected) in [
        (
            "allow = { unit = [\"a.service\" 1] }",
            format!("2:31: {comma} values of a list: write it"),
        ),
        (
            "allow = { unit = [a.service] }",
            "2:19: a text stands in quotes: write \"a.service\"".into(),
        ),
        ("allow = { uid = [1] gid = 2 }", format!("2:21: {comma} keys in braces: write it")),
        ("allow = { uid = 1 gid = 2 }", format!("2:23: {comma} keys in braces: write it")),
        ("allow = { uid: 1 }", format!("2:16: {in_braces}")),
        ("allow = { uid }", format!("2:15: {in_braces}")),
        ("allow = { uid = }", format!("2:17: {in_braces}")),
        ("allow = { uid, gid }", format!("2:14: {in_braces}")),
        ("allow = { \"a.service\" }", format!("2:23: {in_braces}")),
        ("stream = {unit.prefix}", format!("2:22: {in_braces}")),
        (
            "allow.unit = [unit = \"a.service\"]",
            "2:20: a list has no keys: write its values alone, [\"a\", \"b\"]".into(),
        ),
        ("allow = { = 1 }", "2:11: there is no key before the =: write key = value".into()),
        ("allow.uid = 1\nallow.uid.x = 1", {
            "3:7: this has a value already, which is no table: keep one of them".into()
        }),
        ("client-names-stream = Yes", {
            "2:23: write true or false for a yes or no, and \"Yes\" for a text".into()
        }),
    ] {
        let told = read(&format!("[input.a.systemd]\n{line}\n")).unwrap_err();
        assert_eq!(told, [format!("c:{expected}")], "{line}");
    }
}

#[test]
fn an_open_bracket_hides_only_its_own_lines() {
    let mode = "a mode is a text: write \"0640\", in quotes";
    let text = |line: &str| format!("[input.a.systemd]\n{line}\n[stream.a]\nmode = 640\n");
    for (line, expected) in [
        ("allow.uid = [1,", "2:13: this [ is not closed: write ] where it ends"),
        ("allow = { uid = [1]", "2:9: this { is not closed: write } where it ends"),
        ("allow = { uid = [1 }", "2:20: a [ is still open here: write ] before this }"),
        ("allow.uid = [1}", "2:15: a [ is still open here: write ] instead of this }"),
        ("allow.unit = [\"a.service]", "2:26: a text ends in its line: write its closing \""),
    ] {
        check(&text(line), &[expected, &format!("4:8: {mode}")]);
    }
    check(&text("allow = {\n  uid = [\n    1, # one\n  ],\n}"), &[&format!("8:8: {mode}")]);
}
