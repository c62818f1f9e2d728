//! `logagent send`: what a shell, a cron job or a script gives to a running agent.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::process::Stdio;
use std::time::Instant;

use logagent::limits::SEND_RETRY_MIN;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;

use crate::support::{
    Checker, Clients, Gate, Place, Random, Sent, Writes, numbered_lines, scale, send_command,
    start_send, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";
const NAMED: &str =
    "[input.named.unix-stream]\npath = \"@/named.sock\"\nclient-names-stream = true\n";

/// Sends `text` to the agent's end; it must have nothing to say.
#[track_caller]
fn send(place: &Place, arguments: &[&str], text: &[u8]) {
    let (mut send, mut input) = start_send(place, arguments);
    input.write_all(text).unwrap();
    drop(input);
    assert_eq!(send.wait(), 0, "{}", send.messages());
    assert_eq!(send.messages(), "");
}

#[test]
fn send_carries_the_lines_of_its_input_to_the_agent() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let (mut send, input) = start_send(&place, &["-s", "@/web.sock"]);
    let lines = scale(100_000, 2_000_000);
    let open = |_| input.try_clone().unwrap();
    let clients = Clients::start(0..1, lines, Writes::CutAnywhere, &Gate::open(), open);
    drop(input);
    let sent = clients.finish();
    assert_eq!(send.wait(), 0, "{}", send.messages());
    // It ends when the agent has read everything.
    assert_eq!(agent.count("/streams/web/lines_in"), lines);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
    assert_eq!(send.messages(), "");
}

#[test]
fn a_line_is_with_the_agent_while_the_input_stays_open() {
    let place = Place::new();
    let agent = place.start(WEB);
    let (mut send, mut input) = start_send(&place, &["-s", "@/web.sock"]);
    for number in 1..=10 {
        input.write_all(b"a line\nthe next ").unwrap();
        agent.wait_for_lines("web", number);
    }
    drop(input);
    assert_eq!(send.wait(), 0);
    agent.wait_for_lines("web", 11);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    assert_eq!(text, format!("a line\n{}the next \n", "the next a line\n".repeat(9)));
}

#[test]
fn send_names_its_stream() {
    let place = Place::new();
    let agent = place.start(NAMED);
    send(&place, &["-s", "@/named.sock", "--stream", "jobs.daily"], b"one\n");
    send(&place, &["--stream", "other", "--socket", "@/named.sock"], b"two\n");
    send(&place, &["-s", "@/named.sock"], b"three\n");
    agent.stop();
    for (stream, line) in [("jobs.daily", "one\n"), ("other", "two\n"), ("named", "three\n")] {
        assert_eq!(fs::read_to_string(place.log(stream)).unwrap(), line);
    }
}

#[test]
fn the_environment_says_what_the_command_line_does_not() {
    let place = Place::new();
    let agent = place.start(NAMED);
    let run = |variables: &[(&str, &str)], arguments: &[&str], line: &str| {
        let mut command =
            send_command(&place, arguments, File::open(place.write("in", line)).unwrap());
        command.envs(variables.iter().map(|(name, value)| (name, place.text(value))));
        let mut send = place.spawn(command);
        (send.wait(), send.messages())
    };
    let socket = ("LOGAGENT_SOCKET", "@/named.sock");
    assert_eq!(run(&[socket, ("LOGAGENT_STREAM", "a")], &[], "one\n").0, 0);
    assert_eq!(run(&[socket, ("LOGAGENT_STREAM", "a")], &["--stream", "b"], "two\n").0, 0);
    let wrong = ("LOGAGENT_SOCKET", "@/nobody.sock");
    assert_eq!(run(&[wrong, ("LOGAGENT_STREAM", "")], &["-s", "@/named.sock"], "three\n").0, 0);
    let (status, messages) = run(&[socket, ("LOGAGENT_STREAM", "../a")], &[], "four\n");
    assert_eq!(status, 64);
    assert!(messages.contains("LOGAGENT_STREAM=../a: "), "{messages}");
    agent.stop();
    for (stream, line) in [("a", "one\n"), ("b", "two\n"), ("named", "three\n")] {
        assert_eq!(fs::read_to_string(place.log(stream)).unwrap(), line);
    }
}

#[test]
fn twenty_sends_at_once_into_several_streams_lose_double_and_tear_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(NAMED);
    const STREAMS: usize = 4;
    let lines = scale(5_000, 100_000);
    let sends = RefCell::new(Vec::new());
    let open = |client: usize| {
        let stream = format!("s{}", client / (20 / STREAMS));
        let (send, input) = start_send(&place, &["-s", "@/named.sock", "--stream", &stream]);
        sends.borrow_mut().push(send);
        input
    };
    Clients::start(0..20, lines, Writes::CutAnywhere, &Gate::open(), open).finish();
    for mut send in sends.into_inner() {
        assert_eq!(send.wait(), 0, "{}", send.messages());
    }
    agent.stop();
    for stream in 0..STREAMS {
        let clients = stream * 20 / STREAMS..(stream + 1) * 20 / STREAMS;
        let log = place.log(&format!("s{stream}"));
        Checker::of(&[log]).assert_exactly(&[Sent { clients, lines }]);
    }
}

/// What stands in the file of an agent that was sent `text`.
#[track_caller]
fn check(text: &[u8], file: &[u8]) {
    let place = Place::new();
    let agent = place.start(WEB);
    send(&place, &["-s", "@/web.sock"], text);
    agent.stop();
    let found = fs::read(place.log("web")).unwrap();
    let equal = found == file;
    let shown = |bytes: &[u8]| bytes[..bytes.len().min(200)].escape_ascii().to_string();
    assert!(equal, "{} bytes, not {}: {}", found.len(), file.len(), shown(&found));
}

#[test]
fn an_empty_input_sends_nothing_and_needs_no_agent() {
    check(b"", b"");
    let place = Place::new();
    send(&place, &["-s", "@/nobody.sock"], b"");
    let mut command = send_command(&place, &["-s", "@/nobody.sock"], Stdio::null());
    assert_eq!(place.spawn(command).wait(), 0);
    // As cron and some supervisors start programs: with a closed standard input.
    command = place.command_under(&["sh", "-c", "exec \"$0\" \"$@\" <&-"]);
    command.args(["send", "-s", &place.text("@/nobody.sock")]);
    assert_eq!(place.spawn(command).wait(), 0);
}

#[test]
fn send_makes_the_last_line_whole() {
    check(b"one\ntwo", b"one\ntwo\n");
    check(b"x", b"x\n");
    check(b"\n", b"\n");
    check(b"\n\n", b"\n\n");
}

#[test]
fn send_keeps_every_byte() {
    let odd = b"cr\r\nnul\0nul\n\xff\xfe\xc3\x28 no utf-8\n\n\n \t \x1b[31mred\n\r\n\0\n";
    check(odd, odd);
    let mut bytes = Random::new(8).bytes(3_000_000);
    bytes.push(b'\n');
    check(&bytes, &bytes);
}

#[test]
fn send_carries_a_line_of_any_length() {
    let long = b"0123456789abcdef".repeat(5 << 16);
    assert_eq!(long.len(), 5 << 20);
    let split: Vec<u8> = long.chunks(1 << 20).flat_map(|piece| [piece, b"\n"].concat()).collect();
    check(&[&long[..], b"\nnext\n"].concat(), &[&split[..], b"next\n"].concat());
    check(&long, &split);
    check(&long[..1 << 20], &split[..(1 << 20) + 1]);
}

#[test]
fn the_input_may_be_a_file() {
    let place = Place::new();
    let agent = place.start(WEB);
    let text = numbered_lines(0, 0..50_000);
    fs::write(place.path("in"), &text).unwrap();
    let input = File::open(place.path("in")).unwrap();
    let mut send = place.spawn(send_command(&place, &["-s", "@/web.sock"], input));
    assert_eq!(send.wait(), 0, "{}", send.messages());
    agent.stop();
    assert!(fs::read(place.log("web")).unwrap() == text, "the file is not what was sent");
}

#[test]
fn the_input_may_be_non_blocking_and_stays_so() {
    let place = Place::new();
    let agent = place.start(WEB);
    nix::unistd::mkfifo(&place.path("in"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut options = OpenOptions::new();
    let input = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(place.path("in"));
    let input = input.unwrap();
    let mut output = OpenOptions::new().write(true).open(place.path("in")).unwrap();
    let given = input.try_clone().unwrap();
    let mut send = place.spawn(send_command(&place, &["-s", "@/web.sock"], given));
    for number in 0..100 {
        // It finds the pipe empty in between.
        output.write_all(&numbered_lines(0, number..number + 1)).unwrap();
        agent.wait_for_lines("web", number + 1);
    }
    let flags = OFlag::from_bits_retain(fcntl(&input, FcntlArg::F_GETFL).unwrap());
    assert!(flags.contains(OFlag::O_NONBLOCK), "it is others' descriptor, too");
    drop(output);
    assert_eq!(send.wait(), 0, "{}", send.messages());
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[Sent { clients: 0..1, lines: 100 }]);
}

/// Three lines that nobody takes: the exit status, and what it says.
#[track_caller]
fn check_refused(place: &Place, arguments: &[&str], status: i32, words: &[&str]) {
    let input = place.write("in", "one\ntwo\nthree");
    let mut send = place.spawn(send_command(place, arguments, File::open(input).unwrap()));
    assert_eq!(send.wait(), status, "{arguments:?}: {}", send.messages());
    send.wait_for_message(words);
}

const UNSENT: &str = "3 lines, 13 bytes were not sent";

#[test]
fn a_socket_that_cannot_be_is_told_at_once() {
    let place = Place::new();
    let agent = place.start("[input.d.unix-datagram]\npath = \"@/datagram.sock\"\n");
    let datagram = ["-s", "@/datagram.sock", "--timeout", "1h"];
    check_refused(&place, &datagram, 74, &["datagram.sock", "no stream socket", UNSENT]);
    agent.stop();
    let long = format!("@/{}.sock", "x".repeat(110));
    let words = ["bytes", "107", ".sock"];
    check_refused(&place, &["-s", &long, "--timeout", "1h"], 64, &words);
    check_refused(&place, &["-s", "@/a.sock", "--timeout", "nonsense"], 64, &["timeout"]);
    for name in ["", ".", "..", ".a", "a/b", "a b", "a\nb", &"x".repeat(129)] {
        let arguments = ["-s", "@/a.sock", "--timeout", "1h", "--stream", name];
        check_refused(&place, &arguments, 64, &["--stream"]);
    }
}

#[test]
fn what_nobody_has_taken_within_the_timeout_is_told() {
    let place = Place::new();
    let absent = ["-s", "@/web.sock", "--timeout", "50ms"];
    check_refused(&place, &absent, 74, &["web.sock", "No such file", UNSENT]);
    // An agent would move it away when it starts.
    place.write("web.sock", "");
    check_refused(&place, &absent, 74, &["web.sock", "refused", UNSENT]);
}

#[test]
fn a_socket_that_is_closed_to_the_sender_is_told() {
    let place = Place::of_nobody();
    let agent = place.start(WEB);
    chown(place.path("web.sock"), Some(0), Some(0)).unwrap();
    fs::set_permissions(place.path("web.sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let arguments = ["-s", "@/web.sock", "--timeout", "50ms"];
    check_refused(&place, &arguments, 74, &["web.sock", "Permission denied", UNSENT]);
    agent.stop();
}

#[test]
fn a_sender_that_the_agent_refuses_is_told_and_does_not_hurry() {
    for arguments in [&[][..], &["--stream", "a"]] {
        let place = Place::new();
        let settings = "allow = { uid = [12345] }\nclient-names-stream = true\n";
        let agent = place.start(&format!("{WEB}{settings}"));
        fs::write(place.path("in"), numbered_lines(0, 0..50_000)).unwrap();
        let input = File::open(place.path("in")).unwrap();
        let begin = Instant::now();
        let arguments = [&["-s", "@/web.sock"], arguments].concat();
        let mut send = place.spawn(send_command(&place, &arguments, input));
        // Each connection may cost it what a socket holds, so it pauses before the next.
        wait_until("it tries again", || agent.count("/inputs/web/refused") >= 5);
        let pauses = (0..4).map(|doubled| SEND_RETRY_MIN * (1 << doubled)).sum();
        assert!(begin.elapsed() >= pauses, "5 connections in {:?}", begin.elapsed());
        send.signal(Signal::SIGTERM);
        assert_eq!(send.wait(), 74);
        let told = send.messages();
        assert!(told.contains("may be missing") || told.contains("were not sent"), "{told}");
        assert!(!told.contains("up to 0 bytes"), "{told}");
        assert_eq!(agent.count("/streams/web/lines_in"), 0);
        agent.stop();
    }
}
