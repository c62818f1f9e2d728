//! What other programs read in files of the formats `json`, `cri` and `stamped`: every byte sent.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{
    Agent, Checker, Clients, Entry, EntryEnd, Gate, NOBODY, Place, Random, Writes, joined,
    read_cri, read_json, run, scale, start_send, wait_until, whole_machine,
};

/// What reads a file of the format.
type Reader = fn(&Path) -> Vec<Entry>;

fn cri(file: &Path) -> Vec<Entry> {
    read_cri(&fs::read(file).unwrap())
}

const FORMATS: [(&str, Reader); 2] = [("json", read_json), ("cri", cri)];

/// Lines that a careless writer or reader would change. None holds a newline.
fn odd_lines() -> Vec<Vec<u8>> {
    let each_byte = || (0..=255).filter(|byte| *byte != b'\n');
    let mut lines: Vec<Vec<u8>> = vec![b"".to_vec(), each_byte().collect()];
    lines.extend(each_byte().map(|byte| vec![byte]));
    lines.extend(each_byte().map(|byte| vec![b'a', byte, b'z']));
    let texts = [
        "a line\r",
        " \t spaces \t ",
        r#"{"line":"in a line","partial":true}"#,
        r#""\"\\\u0041\n\x41</script>&lt;"#,
        "\u{2028}\u{2029}\u{85}\u{FEFF}\u{7F}\u{FFFE}\u{FFFF}\u{10FFFF}\u{FFFD}",
        "ä€𝄞 👩\u{200D}💻 e\u{301}",
        "2026-11-21T06:00:00.123456789Z stdout P a line of cri",
        "logagent: gap: 1 lines, 5 bytes lost",
    ];
    lines.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    // No UTF-8: alone, overlong, a surrogate, cut off, beyond Unicode.
    let wrong: [&[u8]; 6] =
        [b"\xFF", b"\xC0\x80", b"\xED\xA0\x80", b"\xE2\x82", b"\xF4\x90\x80\x80", b"\xC3("];
    for wrong in wrong {
        lines.push([b"before ", wrong, " behind €".as_bytes()].concat());
        lines.push([&b"x".repeat(31)[..], wrong, b"\""].concat());
    }
    let mut random = Random::new(5).bytes(scale(100_000, 1_000_000));
    random.retain(|byte| *byte != b'\n');
    let long: [&[u8]; 4] = [
        &b"x".repeat(100_000),
        &"ä€𝄞\"\\\u{1}".as_bytes().repeat(5_000),
        &random,
        &b"\r\0".repeat(40_000),
    ];
    lines.extend(long.iter().map(|line| line.to_vec()));
    lines.push(b"the end".to_vec());
    lines
}

fn text_of(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect()
}

fn send(place: &Place, bytes: &[u8]) {
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(bytes).unwrap();
}

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// What the file holds behind `lines` with these settings of its stream.
#[track_caller]
fn entries_of(settings: &str, read: Reader, lines: &[Vec<u8>]) -> Vec<Entry> {
    let place = Place::new();
    let agent = place.start(&format!("{WEB}[stream.web]\n{settings}"));
    send(&place, &text_of(lines));
    wait_until("all is read", || {
        agent.count("/inputs/web/bytes_in") == text_of(lines).len() as u64
    });
    agent.stop();
    read(&place.log("web"))
}

#[track_caller]
fn assert_same(found: &[Vec<u8>], sent: &[Vec<u8>]) {
    let shown = |line: &Vec<u8>| line[..line.len().min(100)].escape_ascii().to_string();
    for (number, (found, sent)) in found.iter().zip(sent).enumerate() {
        let lengths = (found.len(), sent.len());
        assert!(found == sent, "line {number}, {lengths:?}: {} {}", shown(found), shown(sent));
    }
    assert_eq!(found.len(), sent.len());
}

#[test]
fn others_read_every_byte_of_json_and_cri() {
    let lines = odd_lines();
    for (format, read) in FORMATS {
        for max_line in ["16", "4KiB", "1MiB"] {
            let settings = format!("format = \"{format}\"\nmax-line = \"{max_line}\"\n");
            let entries = entries_of(&settings, read, &lines);
            assert_same(&joined(&entries), &lines);
            let partial = entries.iter().any(|entry| entry.end == EntryEnd::Partial);
            assert_eq!(partial, max_line != "1MiB", "{settings}");
        }
    }
}

#[test]
fn a_piece_of_a_text_is_a_text() {
    let lines = ["ä€𝄞".repeat(10_000).into_bytes(), "𝄞".repeat(10_000).into_bytes()];
    for (format, read) in FORMATS {
        for max_line in 16..=20 {
            let settings = format!("format = \"{format}\"\nmax-line = \"{max_line}\"\n");
            let entries = entries_of(&settings, read, &lines);
            assert_same(&joined(&entries), &lines);
            for entry in entries {
                assert!(std::str::from_utf8(&entry.bytes).is_ok(), "{entry:?}");
            }
        }
    }
}

#[test]
fn a_line_that_lost_its_end_says_so_in_json() {
    let lines = odd_lines();
    let cut = "max-line = \"20\"\nover-long = \"truncate\"\n";
    for (format, read) in FORMATS {
        let entries = entries_of(&format!("format = \"{format}\"\n{cut}"), read, &lines);
        assert_eq!(entries.len(), lines.len());
        for (entry, line) in entries.iter().zip(&lines) {
            assert!(line.starts_with(&entry.bytes), "{entry:?} is not of {line:?}");
            // A character is kept or left out.
            assert!(entry.bytes.len() >= line.len().min(20 - 3), "{entry:?} of {line:?}");
            let end = match format {
                "json" if line.len() > 20 => EntryEnd::Truncated,
                _ => EntryEnd::Whole,
            };
            assert_eq!(entry.end, end, "{entry:?}");
        }
    }
}

#[test]
fn a_gap_record_is_an_entry_like_any_other() {
    let lines = [b"before".to_vec(), b"x".repeat(100), b"behind".to_vec()];
    for (format, read) in FORMATS {
        let drop = "max-line = \"20\"\nover-long = \"drop\"\n";
        let entries = entries_of(&format!("format = \"{format}\"\n{drop}"), read, &lines);
        let found = joined(&entries);
        let gap = String::from_utf8(found[1].clone()).unwrap();
        assert!(gap.starts_with("logagent: gap: 1 lines, 100 bytes lost, "), "{gap}");
        assert_same(&[found[0].clone(), found[2].clone()], &[lines[0].clone(), lines[2].clone()]);
    }
}

#[test]
fn json_and_cri_of_twenty_clients_lose_double_tear_and_mix_nothing() {
    let _machine = whole_machine();
    for (format, read) in FORMATS {
        let place = Place::new();
        let agent = place.start(&format!("{WEB}[stream.web]\nformat = \"{format}\"\n"));
        let lines = scale(1_000, 20_000);
        let socket = place.path("web.sock");
        let clients = Clients::connect(&socket, 0..20, lines, Writes::CutAnywhere, &Gate::open());
        let sent = clients.finish();
        agent.wait_for_lines("web", 20 * lines);
        agent.stop();
        let mut checker = Checker::new();
        checker.read_bytes(Path::new(format), &text_of(&joined(&read(&place.log("web")))));
        checker.assert_exactly(&[sent]);
    }
}

#[test]
fn json_has_the_fields_that_were_chosen_in_their_order_and_leaves_out_what_is_unknown() {
    let fields = "fields = [\"uid\", \"stream\", \"severity\", \"pid\", \"comm\", \"tag\"]";
    let place = Place::new();
    let agent = place.start(&format!(
        "[defaults]\nformat = \"json\"\n{fields}\n{WEB}[input.cron.fifo]\npath = \"@/fifo\"\n"
    ));
    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock"]);
    input.write_all(b"one\n").unwrap();
    drop(input);
    assert_eq!(send.wait(), 0);
    OpenOptions::new().write(true).open(place.path("fifo")).unwrap().write_all(b"two\n").unwrap();
    agent.wait_for_lines("cron", 1);
    let (uid, pid) = (nix::unistd::geteuid(), send.pid());
    agent.stop();
    let text = |stream: &str| fs::read_to_string(place.log(stream)).unwrap();
    let expected = format!(
        "{{\"uid\":{uid},\"stream\":\"web\",\"pid\":{pid},\"comm\":\"logagent\",\"line\":\"one\"}}\n"
    );
    assert_eq!(text("web"), expected);
    assert_eq!(text("cron"), "{\"stream\":\"cron\",\"line\":\"two\"}\n");
}

const EVERY_PLACEHOLDER: &str = "{time} {stream} {unit} {unit.prefix} {unit.instance} {pid} {uid} \
                                 {user} {comm} {severity} {facility} {tag}";

/// The unit that this process is in, and so the programs that it starts; its prefix and instance.
fn own_unit() -> [String; 3] {
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let of = |hierarchy: &str| {
        let path = cgroups.lines().find_map(|line| line.split_once(hierarchy))?.1;
        let unit = path.split('/').find(|part| !part.is_empty() && !part.ends_with(".slice"))?;
        let (stem, kind) = unit.rsplit_once('.')?;
        ["service", "scope"].contains(&kind).then(|| (unit.to_owned(), stem.to_owned()))
    };
    let Some((unit, stem)) = of("0::").or_else(|| of(":name=systemd:")) else {
        return ["-"; 3].map(str::to_owned);
    };
    let (prefix, instance) = stem.split_once('@').unwrap_or((&stem, "-"));
    [&unit, prefix, instance].map(str::to_owned)
}

/// The one line of the stream, without its time, which must be one.
#[track_caller]
fn behind_its_time(place: &Place, agent: &Agent, stream: &str) -> String {
    agent.wait_for_lines(stream, 1);
    let text = fs::read_to_string(place.log(stream)).unwrap();
    let (time, rest) = text.split_once(' ').unwrap();
    humantime::parse_rfc3339(time).unwrap();
    rest.to_owned()
}

#[test]
fn stamped_says_who_sent_the_line_and_a_dash_where_nobody_knows() {
    let place = Place::new();
    let input = |name: &str, kind: &str| {
        format!("[input.{name}.{kind}]\npath = \"@/{name}\"\nmode = \"0666\"\n")
    };
    let agent = place.start(&format!(
        "[defaults]\nformat = \"stamped\"\nprefix = \"{EVERY_PLACEHOLDER}|\"\n{}{}{}{}",
        input("own", "unix-stream"),
        input("nobody", "unix-stream"),
        input("fifo", "fifo"),
        input("datagram", "unix-datagram"),
    ));
    let unit = own_unit().join(" ");
    let (mut send, mut input) = start_send(&place, &["-s", "@/own"]);
    input.write_all(b"of its own\n").unwrap();
    drop(input);
    assert_eq!(send.wait(), 0);
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let expected =
        format!("own {unit} {} {} {} logagent - - -|of its own\n", send.pid(), user.uid, user.name);
    assert_eq!(behind_its_time(&place, &agent, "own"), expected);

    // Another program and user: only root can arrange that.
    let mut socat = Command::new("socat");
    socat.arg("-").arg(place.text("UNIX-CONNECT:@/nobody")).uid(NOBODY).gid(NOBODY);
    let mut socat = socat.stdin(Stdio::piped()).spawn().expect("tests/all installs socat");
    socat.stdin.take().unwrap().write_all(b"of nobody\n").unwrap();
    let pid = socat.id();
    assert!(socat.wait().unwrap().success());
    let expected = format!("nobody {unit} {pid} {NOBODY} nobody socat - - -|of nobody\n");
    assert_eq!(behind_its_time(&place, &agent, "nobody"), expected);

    OpenOptions::new().write(true).open(place.path("fifo")).unwrap().write_all(b"a\n").unwrap();
    let expected = "fifo - - - - - - - - - -|a\n";
    assert_eq!(behind_its_time(&place, &agent, "fifo"), expected);
    let datagram = place.text("UNIX-SENDTO:@/datagram");
    run(Command::new("sh").arg("-c").arg(format!("echo b | socat -u - {datagram}")));
    let expected = "datagram - - - - - - - - - -|b\n";
    assert_eq!(behind_its_time(&place, &agent, "datagram"), expected);
    agent.stop();
}

#[test]
fn pipe_mode_writes_json_and_cri() {
    for (format, read) in FORMATS {
        for option in [true, false] {
            let place = Place::new();
            fs::write(place.path("in"), text_of(&odd_lines())).unwrap();
            let mut command = place.command();
            command
                .arg("-o")
                .arg(place.log("app"))
                .stdin(fs::File::open(place.path("in")).unwrap());
            if option {
                command.args(["--format", format, "--max-line", "4KiB"]);
            } else {
                command.envs([("LOGAGENT_FORMAT", format), ("LOGAGENT_MAX_LINE", "4KiB")]);
            }
            let mut agent = place.spawn(command);
            assert_eq!(agent.wait(), 0, "{}", agent.messages());
            assert_same(&joined(&read(&place.log("app"))), &odd_lines());
        }
    }
    let place = Place::new();
    fs::write(place.path("in"), "one\n").unwrap();
    let mut command = place.command();
    command.args(["--format", "json", "-o"]).arg(place.log("app"));
    let mut agent = place.spawn({
        command.stdin(fs::File::open(place.path("in")).unwrap());
        command
    });
    assert_eq!(agent.wait(), 0);
    let text = fs::read_to_string(place.log("app")).unwrap();
    assert!(
        text.starts_with("{\"time\":\"2")
            && text.ends_with("Z\",\"stream\":\"app\",\"line\":\"one\"}\n"),
        "{text}"
    );
}
