//! Sockets and FIFOs that somebody else has made, and keeps when the agent ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{Agent, Place, wait_until};

/// Starts the daemon with `descriptor` as systemd hands one over, called `web`.
fn start(place: &Place, descriptor: impl Into<OwnedFd>, body: &str) -> Agent {
    place.configure(body);
    let hand_over = "exec 3<&0 0</dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut command = place.command_under(&["sh", "-c", hand_over]);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
    command.stdin(descriptor.into()).arg("-c").arg(place.path("agent.toml"));
    place.spawn_ready(command)
}

fn reload(place: &Place, agent: &Agent, body: &str, told: &str) {
    place.configure(body);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&[told]);
}

#[test]
fn a_client_that_waits_for_a_connection_when_the_agent_stops_is_read() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path("in")).unwrap();
    let kept = listener.try_clone().unwrap();
    let agent = start(&place, listener, "max-connections = 1\n[input.web.systemd]\n");
    let connect = |line: &[u8]| {
        let mut client = UnixStream::connect(place.path("in")).unwrap();
        client.write_all(line).unwrap();
        client
    };
    let _first = connect(b"first\n");
    agent.wait_for_lines("web", 1);
    let _second = connect(b"second\n");
    agent.wait_for_message(&["limit of connections"]);
    let _third = connect(b"third\n");
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "first\nsecond\n");
    // That one waits for the next agent.
    let mut line = [0; 6];
    kept.accept().unwrap().0.read_exact(&mut line).unwrap();
    assert_eq!(line, *b"third\n");
}

#[test]
fn a_reload_refuses_what_a_start_refuses() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("in")).unwrap();
    let agent = start(&place, socket, "[input.web.systemd]\n");
    let allow = "[input.web.systemd]\nallow = { uid = [12345] }\n";
    reload(&place, &agent, allow, "feed one stream");
    let framing = "[input.web.systemd]\nframing = \"octet-counting\"\n";
    reload(&place, &agent, framing, "without borders");
    agent.stop();
}

#[test]
fn a_pipe_that_would_end_is_refused() {
    let place = Place::new();
    place.configure("[input.web.systemd]\n");
    let (reader, _writer) = std::io::pipe().unwrap();
    let hand_over = "exec 3<&0; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut command = place.command_under(&["sh", "-c", hand_over]);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
    command.stdin(reader).arg("-c").arg(place.path("agent.toml"));
    let mut agent = place.spawn(command);
    assert_eq!(agent.wait(), 78, "{}", agent.messages());
    assert!(agent.messages().contains("reading and writing"), "{}", agent.messages());
}

#[test]
fn a_fifo_that_is_given_up_and_taken_again_has_one_reader() {
    const OTHER: &str = "[input.other.unix-stream]\npath = \"@/other\"\n\
                         [defaults]\nqueue = \"64KiB\"\nmax-line = \"4KiB\"\n";
    let place = Place::new();
    mkfifo(&place.path("in"), Mode::S_IRWXU).unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(place.path("in")).unwrap();
    let reads_into = |stream: &str| {
        format!(
            "[input.web.systemd]\nstream = \"{stream}\"\n[input.other.unix-stream]\n{}",
            OTHER.split_once('\n').unwrap().1
        )
    };
    let agent = start(&place, open(), &reads_into("one"));
    let mut fifo: File = open();
    fifo.write_all(b"first\n").unwrap();
    agent.wait_for_lines("one", 1);
    // A file that takes nothing, so that the FIFO cannot be read to its end.
    fs::remove_file(place.log("one")).unwrap();
    fs::create_dir(place.log("one")).unwrap();
    agent.signal(Signal::SIGUSR2);
    agent.wait_for_state("one", "stalled");
    let lines: Vec<String> = (0..4000).map(|number| format!("{number:099}\n")).collect();
    fifo.write_all(lines.concat().as_bytes()).unwrap();
    wait_until("the queue is full", || agent.count("/streams/one/pending_bytes") > 60_000);

    reload(&place, &agent, OTHER, "inputs_removed=1");
    reload(&place, &agent, &reads_into("two"), "inputs_added=1 inputs_removed=0");
    fs::remove_dir(place.log("one")).unwrap();
    let read = |stream: &str| fs::read_to_string(place.log(stream)).unwrap_or_default();
    wait_until("every line is there", || read("one").len() + read("two").len() >= 400_000);
    agent.stop();
    assert!(read("one") + &read("two") == lines.concat(), "lines are torn or out of order");
}

#[test]
fn a_socket_beside_a_command_is_read_whatever_it_is_called() {
    for (name, more) in [("child", &[][..]), ("stdout", &["--stderr", "@/err.log"])] {
        let place = Place::new();
        let listener = UnixListener::bind(place.path("in")).unwrap();
        let hand_over = "exec 3<&0 0</dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
        let mut command = place.command_under(&["sh", "-c", hand_over]);
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name).stdin(OwnedFd::from(listener));
        command.arg("run").arg("-o").arg(place.path("app.log"));
        command.args(more.iter().map(|word| place.text(word)));
        let script = "echo printed; until [ -e @/end ]; do sleep 0.05; done";
        command.args(["--", "sh", "-c", &place.text(script)]);
        let mut agent = place.spawn(command);
        let log = || fs::read_to_string(place.path("app.log")).unwrap_or_default();
        wait_until("the command's output is read", || log() == "printed\n");
        UnixStream::connect(place.path("in")).unwrap().write_all(b"sent\n").unwrap();
        wait_until("the socket is read", || log() == "printed\nsent\n");
        place.write("end", "");
        assert_eq!(agent.wait(), 0, "{name}");
    }
}
