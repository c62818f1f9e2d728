//! From a program to a file: every line once, whole, in order.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use crate::support::{
    Checker, Clients, Gate, Place, Random, Writes, numbered_line, numbered_lines, scale,
    wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

fn send(socket: &Path, bytes: &[u8]) {
    UnixStream::connect(socket).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_hundred_clients_over_a_socket_lose_double_tear_and_mix_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let lines = scale(2_000, 20_000);
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..100, lines, Writes::CutAnywhere, &Gate::open());
    let sent = clients.finish();
    agent.wait_for_lines("web", 100 * lines);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

#[test]
fn one_line_a_write_arrives_like_any_other() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let lines = scale(2_000, 20_000);
    let socket = place.path("web.sock");
    let sent = Clients::connect(&socket, 0..10, lines, Writes::OneLine, &Gate::open()).finish();
    agent.wait_for_lines("web", 10 * lines);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

#[test]
fn several_inputs_may_feed_one_stream_and_their_lines_do_not_mix() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(
        "[input.a.unix-stream]\npath = \"@/a.sock\"\nstream = \"both\"\n\
         [input.b.fifo]\npath = \"@/b.fifo\"\nstream = \"both\"\n",
    );
    let lines = scale(5_000, 50_000);
    let gate = Gate::open();
    let a = Clients::connect(&place.path("a.sock"), 0..4, lines, Writes::CutAnywhere, &gate);
    let b = Clients::start(4..6, lines, Writes::WholeLines, &gate, |_| writer(&place, "b.fifo"));
    let sent = [a.finish(), b.finish()];
    agent.wait_for_lines("both", 6 * lines);
    assert_eq!(agent.count("/inputs/a/lines_in"), 4 * lines);
    assert_eq!(agent.count("/inputs/b/lines_in"), 2 * lines);
    agent.stop();
    Checker::of(&[place.log("both")]).assert_exactly(&sent);
}

fn writer(place: &Place, fifo: &str) -> File {
    OpenOptions::new().write(true).open(place.path(fifo)).unwrap()
}

#[test]
fn four_writers_of_a_fifo_lose_double_tear_and_mix_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start("[input.cron.fifo]\npath = \"@/cron.fifo\"\nmode = \"0620\"\n");
    assert!(fs::metadata(place.path("cron.fifo")).unwrap().file_type().is_fifo());
    let lines = scale(10_000, 100_000);
    let open = |_| writer(&place, "cron.fifo");
    let sent = Clients::start(0..4, lines, Writes::WholeLines, &Gate::open(), open).finish();
    agent.wait_for_lines("cron", 4 * lines);

    // It does not end with its last writer.
    let later = Clients::start(4..5, 10, Writes::WholeLines, &Gate::open(), open).finish();
    agent.wait_for_lines("cron", 4 * lines + 10);
    agent.stop();
    Checker::of(&[place.log("cron")]).assert_exactly(&[sent, later]);
}

#[test]
fn a_pipe_on_standard_input_loses_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let mut command = place.command();
    command.arg("-o").arg(place.log("app")).stdin(Stdio::piped());
    let mut agent = place.spawn(command);
    let lines = scale(100_000, 2_000_000);
    let stdin = agent.child().stdin.take().map(std::os::fd::OwnedFd::from).map(File::from).unwrap();
    let open = |_| stdin.try_clone().unwrap();
    let clients = Clients::start(0..1, lines, Writes::CutAnywhere, &Gate::open(), open);
    drop(stdin);
    let sent = clients.finish();
    assert_eq!(agent.wait(), 0);
    Checker::of(&[place.log("app")]).assert_exactly(&[sent]);
}

/// Writes `lines` one at a time, and waits for each thousand of them.
fn write_and_wait(input: &mut impl Write, lines: u64, file: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..lines {
        let line = numbered_line(0, number);
        input.write_all(&line).unwrap();
        text.extend_from_slice(&line);
        if number % 1000 == 999 {
            let written = || fs::metadata(file).map_or(0, |found| found.len());
            wait_until("the lines", || written() == text.len() as u64);
        }
    }
    text
}

#[test]
fn a_flood_of_single_lines_is_in_the_file_while_its_sender_stays() {
    let lines = scale(20_000, 200_000);
    let place = Place::new();
    let mut command = place.command();
    command.arg("-o").arg(place.log("app")).stdin(Stdio::piped());
    let mut agent = place.spawn(command);
    let mut stdin = agent.child().stdin.take().unwrap();
    let text = write_and_wait(&mut stdin, lines, &place.log("app"));
    drop(stdin);
    assert_eq!(agent.wait(), 0);
    assert!(fs::read(place.log("app")).unwrap() == text, "the file is not what was written");

    let place = Place::new();
    let agent = place.start(&format!("{WEB}[input.cron.fifo]\npath = \"@/cron.fifo\"\n"));
    let mut fifo = writer(&place, "cron.fifo");
    let mut socket = UnixStream::connect(place.path("web.sock")).unwrap();
    for (input, stream) in [(&mut fifo as &mut dyn Write, "cron"), (&mut socket, "web")] {
        let text = write_and_wait(&mut &mut *input, lines, &place.log(stream));
        assert!(fs::read(place.log(stream)).unwrap() == text, "the file is not what was written");
    }
    agent.stop();
}

#[test]
fn standard_input_may_be_a_regular_file() {
    let place = Place::new();
    let mut text = numbered_lines(0, 0..50_000);
    fs::write(place.path("in"), &text).unwrap();
    let mut command = place.command();
    command.arg("-o").arg(place.log("app")).stdin(File::open(place.path("in")).unwrap());
    assert_eq!(place.spawn(command).wait(), 0);
    assert!(fs::read(place.log("app")).unwrap() == text, "the file is not what was read");

    // Appended to what is there, from where the descriptor stands, the last line made whole.
    fs::write(place.path("in"), "one\ntwo\nthree").unwrap();
    let mut input = File::open(place.path("in")).unwrap();
    std::io::Seek::seek(&mut input, std::io::SeekFrom::Start(4)).unwrap();
    let mut command = place.command();
    command.arg("-o").arg(place.log("app")).stdin(input);
    assert_eq!(place.spawn(command).wait(), 0);
    text.extend_from_slice(b"two\nthree\n");
    assert!(fs::read(place.log("app")).unwrap() == text, "the file is not what was read");
}

/// Sends `bytes` over a socket, in pieces of every size up to 7, and compares the file.
#[track_caller]
fn check_bytes(framing: &str, bytes: &[u8], lines: u64, file: &[u8]) {
    let place = Place::new();
    let agent = place.start(&format!("{WEB}framing = \"{framing}\"\n"));
    for piece_bytes in 1..8 {
        let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
        for piece in bytes.chunks(piece_bytes) {
            client.write_all(piece).unwrap();
        }
        drop(client);
        agent.wait_for_lines("web", piece_bytes as u64 * lines);
    }
    agent.stop();
    let found = fs::read(place.log("web")).unwrap();
    assert_eq!(found.escape_ascii().to_string(), file.repeat(7).escape_ascii().to_string());
}

#[test]
fn raw_lines_are_kept_byte_for_byte() {
    let odd = b"cr\r\nnul\0nul\n\xff\xfe\xc3\x28 no utf-8\n\n\n \t \x1b[31mred\n\r\n\0\n";
    check_bytes("newline", odd, 8, odd);
}

#[test]
fn a_last_line_without_its_newline_is_a_whole_line() {
    check_bytes("newline", b"first\nlast", 2, b"first\nlast\n");
}

#[test]
fn a_nul_ends_a_line_where_that_is_the_framing() {
    check_bytes("nul", b"first\0\0\xffthird\r\0last", 4, b"first\n\n\xffthird\r\nlast\n");
}

#[test]
fn random_bytes_arrive_as_they_are() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut bytes = Random::new(7).bytes(3_000_000);
    bytes.push(b'\n');
    send(&place.path("web.sock"), &bytes);
    agent.wait_for_lines("web", bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
    agent.stop();
    assert!(fs::read(place.log("web")).unwrap() == bytes, "the file is not what was sent");
}

/// Lines over `max-line` with this `over-long`: the file without them, and what counts them.
#[track_caller]
fn check_over_long(over_long: &str, counter: &str, file: impl Fn(&str) -> bool) {
    let place = Place::new();
    let agent =
        place.start(&format!("[defaults]\nmax-line = \"16\"\nover-long = \"{over_long}\"\n{WEB}"));
    send(&place.path("web.sock"), b"0123456789abcdefghijklmnopqrstuvwxyz\nshort\n");
    wait_until("the lines are in the file", || {
        fs::read_to_string(place.log("web")).is_ok_and(|text| text.ends_with("short\n"))
    });
    let text = fs::read_to_string(place.log("web")).unwrap();
    assert!(file(&text), "{text}");
    assert!(agent.count(&format!("/streams/web/{counter}")) > 0, "{counter}");
    agent.stop();
}

#[test]
fn a_line_over_max_line_is_split_truncated_or_dropped_and_counted() {
    check_over_long("split", "lines_split", |text| {
        text == "0123456789abcdef\nghijklmnopqrstuv\nwxyz\nshort\n"
    });
    check_over_long("truncate", "lines_truncated", |text| text == "0123456789abcdef\nshort\n");
    check_over_long("drop", "gap_records", |text| {
        let gap = text.strip_suffix("\nshort\n").unwrap();
        gap.starts_with("logagent: gap: 1 lines, 36 bytes lost, ") && gap.lines().count() == 1
    });
}

#[test]
fn a_stamped_line_says_when_and_where_and_then_the_line() {
    let place = Place::new();
    let agent = place.start(&format!(
        "[stream.web]\nformat = \"stamped\"\nprefix = \"{{time}} {{stream}} \"\n{WEB}"
    ));
    send(&place.path("web.sock"), b"hello\n\n");
    agent.wait_for_lines("web", 2);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, sent) in lines.iter().zip(["hello", ""]) {
        let mut words = line.splitn(3, ' ');
        humantime::parse_rfc3339(words.next().unwrap()).unwrap();
        assert_eq!((words.next(), words.next()), (Some("web"), Some(sent)), "{text}");
    }
}
