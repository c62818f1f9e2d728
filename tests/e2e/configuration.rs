//! Wrong configurations, told with all their mistakes at once; and right ones.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Place, output_of, run, wait_until};

/// A line of a configuration, and what must be said of it.
type Line = (&'static str, &'static [&'static str]);

/// A mistake of every kind.
const MISTAKES: &[Line] = &[
    ("[agent]", &[]),
    ("pid-file = \"@/agent.pid\"", &[]),
    ("control = \"@/control.sock\"", &[]),
    ("grace = \"8 parsecs\"", &["parsecs"]),
    ("max-conections = 5", &["max-conections", "max-connections"]),
    ("[defaults]", &[]),
    ("dir = \"@/log\"", &[]),
    ("max-line = \"1 megabyte\"", &["megabyte", "MiB"]),
    ("mode = \"0999\"", &["0999"]),
    ("on-full = \"perhaps\"", &["perhaps", "wait"]),
    ("owner = \"no-such-user-here\"", &["no-such-user-here"]),
    ("[input.a.unix-stream]", &[]),
    ("path = \"@/same.sock\"", &[]),
    ("[input.b.unix-stream]", &[]),
    ("path = \"@/same.sock\"", &["same.sock"]),
    ("[input.c.unix-stream]", &[]),
    ("path = \"@/c.sock\"", &[]),
    ("stream = \"{unti.prefix}\"", &["unti.prefix"]),
    ("[input.d.unix-straem]", &["unix-straem", "unix-stream"]),
    ("path = \"@/d.sock\"", &[]),
    ("[input.e.unix-stream]", &["path"]),
    ("framing = \"newline\"", &[]),
    ("[input.f.fifo]", &[]),
    ("path = \"@/f.fifo\"", &[]),
    ("framing = \"newlines\"", &["newlines", "newline"]),
    ("[input.g.unix-stream]", &[]),
    ("path = \"@/g.sock\"", &[]),
    ("stream = \"../../etc/passwd\"", &["../../etc/passwd"]),
    ("[stream.a]", &[]),
    ("file = \"@/log/one.log\"", &[]),
    ("prefix = \"{tiem} \"", &["tiem"]),
    ("[stream.b]", &[]),
    ("file = \"@/log/one.log\"", &["one.log"]),
    ("[stream.nobody-feeds-this]", &["nobody-feeds-this"]),
    ("[stream.f]", &[]),
    ("queue = 7.5", &["size", "fraction"]),
    ("format = \"xml\"", &["xml", "raw"]),
];

fn check(place: &Place, config: &Path) -> Output {
    output_of(place.command().arg("check").arg(config))
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

/// Something is said of `file`, with this line and a column.
fn tells(said: &str, file: &str, line: usize, words: &[&str]) -> bool {
    let place = format!("{file}:{line}:");
    said.lines().any(|text| {
        let Some((_, rest)) = text.split_once(&place) else { return false };
        let Some((column, rest)) = rest.split_once(": ") else { return false };
        column.parse::<u32>().is_ok() && words.iter().all(|word| rest.contains(word))
    })
}

#[test]
fn one_run_tells_every_mistake_with_its_line_and_column() {
    let place = Place::new();
    let text: String = MISTAKES.iter().map(|(text, _)| format!("{text}\n")).collect();
    let config = place.write("agent.toml", &text);

    let checked = check(&place, &config);
    assert_eq!(checked.status.code(), Some(78));
    let started = output_of(&mut place.daemon());
    assert_eq!(started.status.code(), Some(78));
    for (who, said) in [("check", said(&checked)), ("the daemon", said(&started))] {
        let untold: Vec<_> = (1..)
            .zip(MISTAKES)
            .filter(|(line, (_, words))| {
                !words.is_empty() && !tells(&said, "agent.toml", *line, words)
            })
            .map(|(line, (text, words))| format!("line {line}, {text}: {words:?}"))
            .collect();
        assert!(untold.is_empty(), "{who} does not tell of {untold:#?}\nbut says:\n{said}");
    }
    assert_eq!(place.files("log"), [""; 0], "nothing is made of a wrong configuration");
    assert!(!place.path("c.sock").exists());
}

#[test]
fn mistakes_of_syntax_are_told_with_their_place() {
    let place = Place::new();
    let text = "[input.web.unix-stream]\npath = @/web.sock\n\n[defaults\nmode = \"0640\"\n";
    let config = place.write("agent.toml", text);
    let output = check(&place, &config);
    assert_eq!(output.status.code(), Some(78));
    let said = said(&output);
    assert!(tells(&said, "agent.toml", 2, &[]) && tells(&said, "agent.toml", 4, &[]), "{said}");
}

#[test]
fn a_file_that_is_missing_or_not_utf_8_is_a_configuration_error() {
    let place = Place::new();
    let output = check(&place, &place.path("missing.toml"));
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("missing.toml"), "{}", said(&output));
    fs::write(place.path("latin.toml"), b"# caf\xe9\n").unwrap();
    let output = check(&place, &place.path("latin.toml"));
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("latin.toml"), "{}", said(&output));
}

#[test]
fn a_queue_must_hold_two_of_the_longest_lines() {
    let place = Place::new();
    let config = place.configure(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         [stream.web]\nmax-line = \"1MiB\"\nqueue = \"2097151\"\n",
    );
    let output = check(&place, &config);
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("queue"), "{}", said(&output));
}

/// The daemon with two streams on files that are one must end with 78 and say which.
#[track_caller]
fn check_two_streams_on_one_file(place: &Place, a: &str, b: &str) {
    place.configure(&format!(
        "[input.a.unix-stream]\npath = \"@/a.sock\"\n[input.b.unix-stream]\npath = \"@/b.sock\"\n\
         [stream.a]\nfile = \"@/{a}\"\n[stream.b]\nfile = \"@/{b}\"\n"
    ));
    let output = output_of(&mut place.daemon());
    let said = said(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(tells(&said, "agent.toml", 11, &[".log", "\"a\"", "\"b\""]), "{said}");
}

#[test]
fn two_streams_on_one_file_are_refused_whatever_it_is_called() {
    let place = Place::new();
    fs::write(place.path("a.log"), "").unwrap();
    fs::hard_link(place.path("a.log"), place.path("b.log")).unwrap();
    check_two_streams_on_one_file(&place, "a.log", "b.log");

    // By way of another name of the directory.
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("log"), place.path("also")).unwrap();
    check_two_streams_on_one_file(&place, "log/a.log", "also/a.log");
    let place = Place::new();
    check_two_streams_on_one_file(&place, "log/a.log", "log/./a.log");
}

#[test]
fn a_directory_that_cannot_be_written_to_is_a_configuration_error() {
    let place = Place::of_nobody();
    fs::create_dir(place.path("closed")).unwrap();
    let config = place.configure(
        "[input.a.unix-stream]\npath = \"@/a.sock\"\n[input.b.unix-stream]\npath = \"@/b.sock\"\n\
         [stream.a]\nfile = \"@/closed/a.log\"\n[stream.b]\nfile = \"@/closed/new/b.log\"\n",
    );
    for output in [check(&place, &config), output_of(&mut place.daemon())] {
        let said = said(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(tells(&said, "agent.toml", 9, &["may not", "closed"]), "{said}");
        assert!(tells(&said, "agent.toml", 11, &["may not", "closed"]), "{said}");
    }
}

#[test]
fn files_beside_the_main_one_are_read_too() {
    let place = Place::new();
    fs::create_dir(place.path("conf.d")).unwrap();
    place.write("conf.d/10-shop.toml", "[input.shop.unix-stream]\npath = \"@/shop.sock\"\n");
    place.write("conf.d/20-shop.toml", "[stream.shop]\nfile = \"@/elsewhere.log\"\n");
    place.write("conf.d/README", "no configuration at all");
    let agent = place.start("[input.web.unix-stream]\npath = \"@/web.sock\"\n");
    for stream in ["web", "shop"] {
        let socket = place.path(&format!("{stream}.sock"));
        UnixStream::connect(socket).unwrap().write_all(b"line\n").unwrap();
        agent.wait_for_lines(stream, 1);
    }
    assert_eq!(fs::read_to_string(place.path("elsewhere.log")).unwrap(), "line\n");
    agent.stop();

    // A mistake is told with the file that it is in.
    place.write("conf.d/30-wrong.toml", "\n[input.web.unix-stream]\npath = \"@/w.sock\"\n");
    place.write("conf.d/40-wrong.toml", "[input.x.unix-stream]\npath = \"@/shop.sock\"\nmod = 1\n");
    let output = check(&place, &place.path("agent.toml"));
    assert_eq!(output.status.code(), Some(78));
    let said = said(&output);
    assert!(tells(&said, "30-wrong.toml", 2, &["web"]), "{said}");
    assert!(tells(&said, "40-wrong.toml", 2, &["shop.sock"]), "{said}");
    assert!(tells(&said, "40-wrong.toml", 3, &["mod"]), "{said}");
}

#[test]
fn the_configurations_that_are_shipped_and_printed_are_right() {
    let place = Place::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for name in ["logagent.toml", "minimal.toml"] {
        run(place.command().arg("check").arg(shipped.join(name)));
    }
    let printed = run(place.command().args(["print", "config"])).stdout;
    fs::write(place.path("printed.toml"), printed).unwrap();
    run(place.command().arg("check").arg(place.path("printed.toml")));
}

#[test]
fn our_own_messages_are_plain_words_and_values_where_nobody_looks_on() {
    let place = Place::new();
    place.configure(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n[stream.web]\nfile = \"/dev/full\"\n",
    );
    let agent = place.start_again();
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"a secret line\n").unwrap();
    agent.wait_for_message(&["stream=web"]);
    let messages = agent.messages();
    assert!(!messages.contains("secret"), "what clients log is theirs: {messages}");
    assert!(!messages.contains('\x1b'), "{messages}");
}

#[test]
fn the_level_of_our_own_messages_can_be_chosen() {
    for (level, option) in [("--log-level=debug", true), ("LOGAGENT_LOG=debug", false)] {
        let place = Place::new();
        place.configure("[input.web.unix-stream]\npath = \"@/web.sock\"\n");
        let mut quiet = place.daemon();
        let mut loud = place.daemon();
        if option {
            quiet.arg("--log-level=error");
            loud.arg(level);
        } else {
            quiet.env("LOGAGENT_LOG", "error");
            loud.env("LOGAGENT_LOG", "debug");
        }
        let said = |command: Command| {
            let mut agent = place.spawn_ready(command);
            agent.signal(nix::sys::signal::Signal::SIGTERM);
            assert_eq!(agent.wait(), 0);
            wait_until("the pid file is gone", || !place.path("agent.pid").exists());
            agent.messages()
        };
        assert_eq!(said(quiet), "", "{level}");
        assert!(!said(loud).is_empty(), "{level}");
    }
}

#[test]
fn a_file_that_may_not_be_given_away_is_told_with_what_helps() {
    for body in [
        "[input.a.unix-stream]\npath = \"@/a.sock\"\n[stream.a]\nowner = \"root\"\n",
        "[input.a.unix-stream]\npath = \"@/a.sock\"\ngroup = \"adm\"\n",
    ] {
        let place = Place::of_nobody();
        place.configure(body);
        let mut agent = place.spawn(place.daemon());
        assert_eq!(agent.wait(), 78, "{}", agent.messages());
        let told = agent.messages();
        assert!(told.contains("may not be given") && told.contains("print systemd"), "{told}");
    }
}
