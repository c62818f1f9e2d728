//! Whoever can connect to the control socket and behaves badly there: it costs nothing, and holds
//! nobody up.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;

use crate::support::{Agent, NOBODY, Place, output_of, scale, wait_until};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

fn connect(place: &Place) -> UnixStream {
    let client = UnixStream::connect(place.path("control.sock")).unwrap();
    client.set_read_timeout(Some(crate::support::deadline())).unwrap();
    client.set_write_timeout(Some(crate::support::deadline())).unwrap();
    client
}

/// What is answered to these bytes, if anything; `ends` says that nothing more is sent.
fn answer_to(place: &Place, bytes: &[u8], ends: bool) -> String {
    let mut client = connect(place);
    // The agent may have hung up before it has everything.
    client.write_all(bytes).unwrap_or_default();
    if ends {
        client.shutdown(Shutdown::Write).unwrap_or_default();
    }
    let mut answer = Vec::new();
    // What was not read there resets the connection behind the answer.
    client.read_to_end(&mut answer).unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

fn descriptors(agent: &Agent) -> usize {
    fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

#[test]
fn what_is_no_request_is_refused_in_one_line_and_the_agent_goes_on() {
    let place = Place::new();
    let agent = place.start(WEB);
    let inode = agent.status_of("/streams/web/inode");
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let answer = answer_to(&place, bytes, true);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(answer.contains(expected), "{shown:?}: {answer:?}");
        assert!(answer.lines().count() <= 1 && answer.len() < 500, "{shown:?}: {answer:?}");
    };
    check(b"", "");
    check(b"\n", "unknown command");
    check(b"stop", "without a newline");
    check(b"reopen we", "without a newline");
    check(b"nonsense\n", "unknown command \\\"nonsense\\\"; there is status");
    check(b"status please\n", "takes no arguments");
    check(b"stop now\n", "takes no arguments");
    check(b"tail\n", "once or follow");
    check(b"tail once nope\n", "no stream");
    check(b"\x00\xff\xfe\n", "UTF-8");
    check(b"GET / HTTP/1.1\r\n\r\n", "words with spaces");
    check(&vec![b'x'; 1 << 20], "one line of at most");
    check(&[b"reopen ".as_slice(), &b"x ".repeat(1 << 20)].concat(), "one line of at most");
    assert_eq!(agent.status_of("/streams/web/inode"), inode, "something was reopened");
    agent.stop();
}

#[test]
fn a_request_that_comes_byte_by_byte_is_one() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place);
    for byte in b"reopen   web\n" {
        client.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("{\"complete\":true}\n"), "{answer}");
    agent.stop();
}

#[test]
fn twenty_stuck_clients_of_each_kind_and_everybody_else_is_answered() {
    let place = Place::new();
    let agent = place.start(WEB);
    let before = descriptors(&agent);
    let mut stuck = Vec::new();
    for request in ["", "sta", "status\n", "reopen\n", "tail follow\n", "tail follow web\n"] {
        for _ in 0..20 {
            let mut client = connect(&place);
            client.write_all(request.as_bytes()).unwrap_or_default();
            stuck.push(client);
        }
    }
    for _ in 0..scale(5, 50) {
        agent.told(&["status"]);
        agent.told(&["reopen"]);
        agent.told(&["reload"]);
    }
    // Guests and eight `tail`s at most stay.
    assert!(descriptors(&agent) < before + 40, "{} descriptors", descriptors(&agent));
    drop(stuck);
    wait_until("they have gone", || descriptors(&agent) <= before);
    agent.stop();
}

#[test]
fn a_flood_of_clients_that_come_and_go_costs_neither_memory_nor_descriptors() {
    let place = Place::new();
    let agent = place.start(WEB);
    agent.told(&["status"]);
    let (before, memory) = (descriptors(&agent), agent.memory("VmRSS:"));
    for round in 0..scale(300, 20_000) {
        let mut client = connect(&place);
        let request: &[u8] = [b"".as_slice(), b"stat", b"status\n", b"tail follow\n"][round % 4];
        client.write_all(request).unwrap_or_default();
    }
    wait_until("they have gone", || descriptors(&agent) <= before);
    let grown = agent.memory("VmRSS:").saturating_sub(memory);
    assert!(grown < 8 << 20, "{grown} bytes more");
    agent.stop();
}

#[test]
fn only_the_agents_own_user_and_root_are_answered() {
    let place = Place::new();
    let agent = place.start(WEB);
    let socket = place.path("control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // The program where nobody can read it.
    fs::copy(env!("CARGO_BIN_EXE_logagent"), place.path("program")).unwrap();
    let status = || {
        let mut command = std::process::Command::new(place.path("program"));
        command.args(["status", "--control"]).arg(&socket).uid(NOBODY).gid(NOBODY);
        output_of(&mut command)
    };
    let output = status();
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8_lossy(&output.stderr).contains("permission denied"));
    // Even where somebody opens the socket to everybody.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let output = status();
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8_lossy(&output.stderr).contains("permission denied"));
    agent.wait_for_message(&["refused a control client of another user"]);
    agent.stop();
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let place = Place::new();
    let agent = place.start(WEB);
    let asking: Vec<_> = (0..scale(40, 200))
        .map(|_| {
            let mut command = agent.ask(&["status", "--json"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut one in asking {
        assert!(one.wait().unwrap().success());
    }
    agent.stop();
}
