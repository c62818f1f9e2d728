//! Inputs of every kind: packets, systemd's sockets, who may connect, streams that clients make.

use logagent::config::Config;
use logagent::framing::{FRAMINGS, Multiline};
use logagent::input::InputKind;
use logagent::limits;
use logagent::routing::To;

use super::{check, read};

/// Checks the mistakes of `[input.x.KIND]` with these keys, where that has a path.
#[track_caller]
fn check_kind(kind: &str, keys: &str, expected: &[&str]) {
    let has_path = !matches!(kind, "stdin" | "systemd");
    let path = if has_path { "path = \"/x\"" } else { "" };
    check(&format!("[input.x.{kind}]\n{path}\n{keys}\n"), expected);
}

/// Checks which streams are there from the start, and which tables wait for a client.
#[track_caller]
fn check_streams(text: &str, streams: &str, tables: &str) {
    let Config { streams: open, on_demand, .. } = read(text).unwrap();
    let names: Vec<&str> = open.keys().map(|name| name.as_str()).collect();
    assert_eq!(names.join(" "), streams, "{text}");
    let names: Vec<&str> = on_demand.tables.keys().map(|name| name.as_str()).collect();
    assert_eq!(names.join(" "), tables, "{text}");
}

#[test]
fn every_kind_has_its_settings() {
    let config = read(
        "[input.a.unix-datagram]\npath = \"/a\"\nmode = \"0622\"\nmultiline = \"escape\"\n\
         [input.b.unix-seqpacket]\npath = \"/b\"\nowner = 7\nframing = \"nul\"\n\
         [input.c.systemd]\n[input.d.systemd]\nname = \"d socket\"\nstream = \"{user}\"\n\
         allow = { unit = \"app@*.service\", uid = [1, 2] }\nclient-names-stream = true\n",
    );
    let config = config.unwrap();
    let kinds: Vec<_> = config.inputs.values().map(|input| &input.kind).collect();
    let [InputKind::UnixDatagram(a), InputKind::UnixSeqpacket(b), c, d] = kinds.as_slice() else {
        panic!("{kinds:?}");
    };
    assert_eq!((a.mode, b.mode, b.owner), (0o622, 0o660, Some(7)));
    assert_eq!(**c, InputKind::Systemd("c".to_owned()));
    assert_eq!(**d, InputKind::Systemd("d socket".to_owned()));
    assert_eq!(config.inputs["a"].multiline, Multiline::Escape);
    assert_eq!(config.inputs["b"].framing.name, "nul");
    let routing = &config.inputs["d"].routing;
    assert!(matches!(&routing.to, To::Template(template) if template.to_string() == "{user}"));
    assert!(routing.client_names_stream && !config.inputs["c"].routing.client_names_stream);
    let units = routing.allow.units.as_ref().unwrap().iter().map(|unit| unit.to_string());
    assert_eq!(units.collect::<Vec<_>>(), ["app@*.service"]);
    assert_eq!((&routing.allow.uids, &routing.allow.gids), (&Some(vec![1, 2]), &None));
}

#[test]
fn packets_need_no_framing_that_counts() {
    let no_meaning = "keeps records apart by itself, so \"octet-counting\" has no meaning there: \
                      write \"newline\" or \"nul\" or \"syslog\"";
    let framing = "framing = \"octet-counting\"";
    check_kind("unix-datagram", framing, &[&format!("3:11: a datagram socket {no_meaning}")]);
    check_kind("unix-seqpacket", framing, &[&format!("3:11: a seqpacket socket {no_meaning}")]);
    for kind in ["unix-stream", "fifo", "stdin", "systemd"] {
        check_kind(kind, framing, &[]);
    }
    for kind in ["unix-datagram", "unix-seqpacket", "unix-stream", "fifo", "stdin", "systemd"] {
        check_kind(kind, "framing = \"syslog\"", &[]);
        check_kind(kind, "framing = \"nul\"", &[]);
    }
}

#[test]
fn multiline_is_for_records_that_may_hold_newlines() {
    let nothing = "with framing = \"newline\" a record ends at its first newline, so there is \
                   nothing to escape: write another framing, or remove multiline";
    let mut cells = 0;
    for framing in FRAMINGS.iter().filter(|framing| framing.fits_packets()) {
        for kind in ["unix-stream", "unix-datagram", "unix-seqpacket", "fifo", "stdin", "systemd"] {
            let keys = format!("multiline = \"escape\"\nframing = \"{}\"", framing.name);
            let is_a_line =
                framing.name == "newline" && matches!(kind, "unix-stream" | "fifo" | "stdin");
            let told = [format!("3:13: {nothing}")];
            let told: Vec<&str> = told.iter().filter(|_| is_a_line).map(String::as_str).collect();
            check_kind(kind, &keys, &told);
            cells += 1;
        }
    }
    assert_eq!(cells, 18);
    check_kind("stdin", "multiline = \"escape\"", &[&format!("3:13: {nothing}")]);
    // What is the default may be written, and a wrong framing tells nothing about it.
    check_kind("fifo", "multiline = \"lines\"", &[]);
    let names: Vec<String> = FRAMINGS.iter().map(|it| format!("\"{}\"", it.name)).collect();
    let unknown = format!("3:11: unknown framing \"lf\": write {}", names.join(" or "));
    check_kind("fifo", "framing = \"lf\"\nmultiline = \"escape\"", &[&unknown]);
}

#[test]
fn systemd_has_one_name_for_one_input() {
    check("[input.a.systemd]\n[input.b.systemd]\nname = \"c\"\n", &[]);
    let takes = |line, name| {
        format!(
            "the input of line {line} takes what systemd calls \"{name}\": give this one another \
             name, and its socket's unit the same FileDescriptorName="
        )
    };
    check(
        "[input.a.systemd]\n[input.b.systemd]\nname = \"a\"\n[input.c.systemd]\nname = \"a\"\n",
        &[&format!("3:8: {}", takes(1, "a")), &format!("5:8: {}", takes(1, "a"))],
    );
    check(
        "[input.a.systemd]\nname = \"b\"\n[input.b.systemd]\n",
        &[&format!("3:8: {}", takes(2, "b"))],
    );
    let rule =
        "a FileDescriptorName= has only ASCII characters, no colon and no control characters";
    check(
        "[input.a.systemd]\nname = \"a:b\"\n[input.b.systemd]\nname = 3\n",
        &[
            &format!("2:8: {rule}: write one without ':'"),
            "4:8: expected the FileDescriptorName= of a socket's unit, found the number 3",
        ],
    );
}

#[test]
fn only_inputs_with_connections_make_streams() {
    let keys = "stream = \"{unit.prefix}\"";
    for kind in ["unix-stream", "unix-seqpacket", "systemd"] {
        check_kind(kind, keys, &[]);
    }
    let one = "has no connections, so all that it reads goes to one stream: write a stream's name \
               without placeholders";
    check_kind("unix-datagram", keys, &[&format!("3:10: a datagram socket {one}")]);
    check_kind("fifo", keys, &[&format!("3:10: a FIFO {one}")]);
    check_kind("stdin", keys, &[&format!("3:10: the standard input {one}")]);
    let rule = "a stream's name has only letters, digits, `.`, `_`, `-` and `@`";
    check_kind(
        "unix-stream",
        "stream = \"{uid}/log\"",
        &[&format!("3:10: \"{{uid}}/log\" makes no stream's name: {rule}, not '/'")],
    );
}

#[test]
fn tables_of_streams_that_clients_make_wait_for_them() {
    let input = "[input.a.unix-stream]\npath = \"/a\"\n";
    let tables = "[stream.a]\n[stream.app-7]\n[stream.unknown]\n";
    let names = format!("{input}client-names-stream = true\n{tables}");
    check_streams(&names, "a", "app-7 unknown");
    let template = format!("{input}stream = \"app-{{uid}}\"\n[input.b.stdin]\n");
    check_streams(&template, "b", "");
    check_streams(&format!("{template}[stream.app-7]\n[stream.b]\n"), "b", "app-7");
    check_streams(&format!("{template}stream = \"app-0\"\n[stream.app-0]\n"), "app-0", "");

    let nobody = "no input feeds stream";
    let nor = "nor can a template make that name";
    let write = |name: &str| format!("write stream = \"{name}\" in an input, or remove this table");
    check(
        &format!("{template}[stream.web]\n[stream.app-x]\n[stream.bb]\n[stream.unknown]\n"),
        &[
            &format!("5:9: {nobody} \"web\", {nor}: {}", write("web")),
            &format!("6:9: {nobody} \"app-x\", {nor}: {}", write("app-x")),
            &format!("7:9: {nobody} \"bb\", {nor}, did you mean [stream.b]?"),
        ],
    );
    check(
        &format!("{input}[stream.unknown]\n"),
        &[&format!("3:9: {nobody} \"unknown\": {}", write("unknown"))],
    );
    // A unit's whole name ends with its type.
    check(
        &format!("{input}stream = \"{{unit}}\"\n[stream.web]\n[stream.\"web.service\"]\n"),
        &[&format!("4:9: {nobody} \"web\", {nor}: {}", write("web"))],
    );
}

#[test]
fn streams_that_clients_make_have_the_defaults() {
    let config = read(
        "[defaults]\ndir = \"/srv\"\nmode = \"0600\"\nmax-line = 17\nformat = \"cri\"\n\
         [input.a.systemd]\nstream = \"{comm}\"\n[stream.b]\nmode = \"0644\"\n",
    );
    let config = config.unwrap();
    assert!(config.streams.is_empty());
    for (name, mode) in [("a", 0o600), ("b", 0o644)] {
        let stream = config.stream(&name.parse().unwrap());
        assert_eq!(stream.writer.file.path.to_str(), Some(format!("/srv/{name}.log").as_str()));
        assert_eq!((stream.writer.file.mode, stream.lines.line_bytes_max), (mode, 17));
    }
}

#[test]
fn streams_that_clients_make_count_and_have_files_of_their_own() {
    let input = "[input.a.systemd]\nstream = \"{comm}\"\n";
    check(
        &format!("[agent]\nmax-streams = 1\n{input}[stream.b]\n[stream.c]\n"),
        &["2:15: there are 2 streams, and max-streams is 1: write max-streams = 2 or more in \
           [agent]"],
    );
    let client = "which a client may make: give stream";
    check(
        &format!(
            "{input}[stream.b]\nfile = \"/var/log/logagent/d.log\"\n\
             [stream.c]\nfile = \"/var/log/logagent/b.log\"\n\
             [stream.e]\n[stream.f]\nfile = \"/var/log/logagent/e.log\"\n\
             [stream.g]\nfile = \"/srv/h.log\"\n[stream.h]\nfile = \"/srv/h.log\"\n\
             [stream.i]\nfile = \"/var/log/logagent\"\n"
        ),
        &[
            &format!(
                "4:8: /var/log/logagent/d.log would be the file of stream \"d\", {client} \"b\" \
                 another one"
            ),
            "9:8: /var/log/logagent/e.log is the file of stream \"e\" (line 7): give the file of \
             stream \"f\" another path",
            "13:8: /srv/h.log is the file of stream \"g\" (line 11): give the file of stream \"h\" \
             another path",
            "15:8: /var/log/logagent is the directory of the streams that clients make (line 2): \
             give the file of stream \"i\" another path",
        ],
    );
}

#[test]
fn an_allow_names_somebody() {
    let empty = "that names nobody: write who may connect, such as unit = [\"myapp@*.service\"], \
                 or remove it to take everybody";
    check_kind("unix-stream", "allow = {}", &[&format!("3:9: an empty allow {empty}")]);
    check_kind("systemd", "[input.x.systemd.allow]", &[&format!("3:1: an empty allow {empty}")]);
    check_kind(
        "unix-seqpacket",
        "allow = { uid = [], unit = [], gid = 0 }",
        &[&format!("3:17: an empty list {empty}"), &format!("3:28: an empty list {empty}")],
    );
    for allow in
        ["allow.gid = [\"root\"]", "allow = { gid = 0 }", "[input.x.unix-stream.allow]\ngid = 0"]
    {
        check_kind("unix-stream", allow, &[]);
    }
    let many = vec!["1"; limits::ALLOWED_MAX].join(", ");
    check_kind("systemd", &format!("allow.uid = [{many}]"), &[]);
    check_kind(
        "systemd",
        &format!("allow = {{ uid = [{many}], gid = 1 }}"),
        &["3:9: allow names 1001 units, users and groups, and may name 1000: write patterns of \
           units, or a group that all of them are in"],
    );
}

#[test]
fn unknown_keys_of_an_allow_are_told_and_nothing_that_follows() {
    let known = "known are unit, uid, gid";
    check_kind(
        "unix-stream",
        "allow = { units = \"a.service\" }",
        &[&format!("3:11: unknown key \"units\", did you mean unit? {known}")],
    );
    check_kind(
        "systemd",
        "[input.x.systemd.allow]\nuser = 1\ngroups = [1]\npid = 3",
        &[
            &format!("4:1: unknown key \"user\", did you mean uid? {known}"),
            &format!("5:1: unknown key \"groups\", did you mean gid? {known}"),
            &format!("6:1: unknown key \"pid\", did you mean gid? {known}"),
        ],
    );
    let table = "expected a table such as { unit = [\"myapp@*.service\"] }, found";
    check_kind("unix-stream", "allow = 5", &[&format!("3:9: {table} integer 5")]);
    check_kind("unix-stream", "allow = [0]", &[&format!("3:9: {table} an array")]);
}
