//! HUP under load: the difference is applied, and what did not change does not notice.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, Place, Sent, Writes, numbered_lines, scale, wait_until,
    whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                   [input.cron.fifo]\npath = \"@/cron.fifo\"\n";

/// The configuration of one round: `web` and `cron` as ever, `changing` in one of two formats, an
/// input of this round only.
fn configuration(round: u64) -> String {
    let format = match round % 2 {
        0 => "format = \"raw\"",
        _ => "format = \"stamped\"\nprefix = \"{stream} \"",
    };
    format!(
        "{WEB}[input.changing.unix-stream]\npath = \"@/changing.sock\"\n\
         [stream.changing]\n{format}\n\
         [input.extra{round}.unix-stream]\npath = \"@/extra{round}.sock\"\n"
    )
}

fn connect(place: &Place, socket: &str) -> UnixStream {
    let mut client = None;
    wait_until(&format!("{socket} accepts"), || {
        client = UnixStream::connect(place.path(socket)).ok();
        client.is_some()
    });
    client.unwrap()
}

fn reload(place: &Place, agent: &Agent, body: &str) {
    place.configure(body);
    agent.signal(Signal::SIGHUP);
}

#[test]
fn reloading_under_load_loses_nothing_of_what_did_not_change() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(&configuration(0));
    let rounds = scale(10, 50);
    let gate = Gate::closed();
    let start = |socket: &str, numbers| {
        Clients::connect(&place.path(socket), numbers, u64::MAX, Writes::CutAnywhere, &gate)
    };
    let (web, changing) = (start("web.sock", 0..10), start("changing.sock", 10..15));
    let cron = Clients::start(15..17, u64::MAX, Writes::WholeLines, &gate, |_| {
        fs::OpenOptions::new().write(true).open(place.path("cron.fifo")).unwrap()
    });
    let connections = agent.count("/inputs/web/connections_total");
    let extra = |round: u64| usize::try_from(20 + round).unwrap();
    gate.trickle_during(5, || {
        let mut before = connect(&place, "extra0.sock");
        before.write_all(&numbered_lines(extra(0), 0..10)[..500]).unwrap();
        for round in 1..=rounds {
            reload(&place, &agent, &configuration(round));
            let mut client = connect(&place, &format!("extra{round}.sock"));
            client.write_all(&numbered_lines(extra(round), 0..10)[..500]).unwrap();

            // The input of the last round listens no longer; its connection goes on to its end.
            let removed = place.path(&format!("extra{}.sock", round - 1));
            wait_until("the removed input is gone", || UnixStream::connect(&removed).is_err());
            before.write_all(&numbered_lines(extra(round - 1), 0..10)[500..]).unwrap();
            before = client;
        }
        before.write_all(&numbered_lines(extra(rounds), 0..10)[500..]).unwrap();
    });
    let (web, changing, cron) = (web.finish(), changing.finish(), cron.finish());
    agent.wait_for_lines("web", 10 * web.lines);
    agent.wait_for_lines("cron", 2 * cron.lines);
    assert_eq!(agent.count("/inputs/web/connections_total"), connections, "they stay connected");
    agent.stop();

    Checker::of(&[place.log("web")]).assert_exactly(&[web]);
    Checker::of(&[place.log("cron")]).assert_exactly(&[cron]);
    for round in 0..=rounds {
        let sent = Sent { clients: extra(round)..extra(round) + 1, lines: 10 };
        Checker::of(&[place.log(&format!("extra{round}"))]).assert_exactly(&[sent]);
    }
    // Each line in one of the formats that it had.
    let log = fs::read_to_string(place.log("changing")).unwrap();
    let (stamped, raw): (Vec<_>, Vec<_>) =
        log.split_inclusive('\n').partition(|line| line.starts_with("changing "));
    assert!(!stamped.is_empty() && !raw.is_empty(), "the format never changed");
    let plain: String = log
        .split_inclusive('\n')
        .map(|line| line.strip_prefix("changing ").unwrap_or(line))
        .collect();
    let mut checker = Checker::new();
    checker.read_bytes(&place.log("changing"), plain.as_bytes());
    checker.assert_exactly(&[changing]);
}

#[test]
fn a_wrong_configuration_changes_nothing_and_still_reopens() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place, "web.sock");
    client.write_all(b"before\n").unwrap();
    agent.wait_for_lines("web", 1);

    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    reload(
        &place,
        &agent,
        "[input.new.unix-stream]\npath = \"@/new.sock\"\npaht = 1\n[stream.web]\nqueue = \"much\"\n",
    );
    wait_until("the file is there again", || place.log("web").exists());
    agent.wait_for_message(&["agent.toml:", "paht"]);
    agent.wait_for_message(&["agent.toml:", "much"]);
    client.write_all(b"after\n").unwrap();
    connect(&place, "web.sock").write_all(b"new connection\n").unwrap();
    agent.wait_for_lines("web", 3);
    assert!(!place.path("new.sock").exists());
    assert_eq!(fs::read_to_string(place.log("web.1")).unwrap(), "before\n");

    // Mended, it is applied.
    reload(&place, &agent, &format!("{WEB}[input.new.unix-stream]\npath = \"@/new.sock\"\n"));
    connect(&place, "new.sock").write_all(b"line\n").unwrap();
    agent.wait_for_lines("new", 1);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_configuration_that_cannot_be_applied_changes_nothing_and_still_reopens() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place, "web.sock");
    fs::create_dir(place.path("new.sock")).unwrap();
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    reload(&place, &agent, &format!("{WEB}[input.new.unix-stream]\npath = \"@/new.sock\"\n"));
    wait_until("the file is there again", || place.log("web").exists());
    agent.wait_for_message(&["new.sock"]);
    client.write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}

#[test]
fn a_stream_whose_file_changes_goes_on_in_the_new_one() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place, "web.sock");
    client.write_all(b"first\nsec").unwrap();
    agent.wait_for_lines("web", 1);
    reload(&place, &agent, &format!("{WEB}[stream.web]\nfile = \"@/elsewhere/web.log\"\n"));
    wait_until("the new file is there", || place.path("elsewhere/web.log").exists());
    let file = place.path("elsewhere/web.log");
    wait_until("it is used", || agent.status_of("/streams/web/file") == file.to_str().unwrap());
    client.write_all(b"ond\n").unwrap();
    wait_until("the second line is there", || fs::read_to_string(&file).unwrap() == "second\n");
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "first\n");
}

fn send(place: &Place, socket: &str, bytes: &[u8]) {
    connect(place, socket).write_all(bytes).unwrap();
}

/// Waits until the reload has been done.
#[track_caller]
fn reload_and_wait(place: &Place, agent: &Agent, body: &str) {
    let done = |agent: &Agent| agent.messages().matches("read again and applied").count();
    let before = done(agent);
    reload(place, agent, body);
    wait_until("it is applied", || done(agent) > before);
}

#[test]
fn a_file_beside_the_main_one_is_added_by_a_reload() {
    let place = Place::new();
    let agent = place.start(WEB);
    fs::create_dir(place.path("conf.d")).unwrap();
    place.write("conf.d/shop.toml", "[input.shop.unix-stream]\npath = \"@/shop.sock\"\n");
    agent.signal(Signal::SIGHUP);
    send(&place, "shop.sock", b"line\n");
    agent.wait_for_lines("shop", 1);
    agent.stop();
}

#[test]
fn a_file_may_pass_from_one_stream_to_another() {
    let place = Place::new();
    let of = |stream: &str| {
        format!(
            "[input.web.unix-stream]\npath = \"@/web.sock\"\nstream = \"{stream}\"\n\
             [stream.{stream}]\nfile = \"@/log/shared.log\"\n"
        )
    };
    let agent = place.start(&of("old"));
    let mut before = connect(&place, "web.sock");
    before.write_all(b"one\n").unwrap();
    agent.wait_for_lines("old", 1);
    reload_and_wait(&place, &agent, &of("new"));
    send(&place, "web.sock", b"two\n");
    // The connection of before ends where it began.
    before.write_all(b"three\n").unwrap();
    drop(before);
    wait_until("all is there", || {
        fs::read_to_string(place.log("shared")).unwrap().lines().count() == 3
    });
    agent.stop();
    let text = fs::read_to_string(place.log("shared")).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "three", "two"]);
}

#[test]
fn two_streams_may_exchange_their_files() {
    let place = Place::new();
    let with = |a: &str, b: &str| {
        format!(
            "[input.a.unix-stream]\npath = \"@/a.sock\"\n[input.b.unix-stream]\n\
             path = \"@/b.sock\"\n[stream.a]\nfile = \"@/log/{a}.log\"\n\
             [stream.b]\nfile = \"@/log/{b}.log\"\n"
        )
    };
    let agent = place.start(&with("one", "two"));
    let (mut a, mut b) = (connect(&place, "a.sock"), connect(&place, "b.sock"));
    a.write_all(b"a1\n").unwrap();
    b.write_all(b"b1\n").unwrap();
    agent.wait_for_lines("a", 1);
    agent.wait_for_lines("b", 1);
    let inode = |name: &str| fs::metadata(place.log(name)).unwrap().ino();
    reload(&place, &agent, &with("two", "one"));
    wait_until("they have exchanged their files", || {
        agent.status_of("/streams/a/inode") == inode("two")
            && agent.status_of("/streams/b/inode") == inode("one")
    });
    a.write_all(b"a2\n").unwrap();
    b.write_all(b"b2\n").unwrap();
    agent.wait_for_lines("a", 2);
    agent.wait_for_lines("b", 2);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("one")).unwrap(), "a1\nb2\n");
    assert_eq!(fs::read_to_string(place.log("two")).unwrap(), "b1\na2\n");
}

#[test]
fn a_socket_may_pass_from_one_input_to_another_and_feed_another_stream() {
    let place = Place::new();
    let input = |name: &str, stream: &str| {
        format!("[input.{name}.unix-stream]\npath = \"@/web.sock\"\nstream = \"{stream}\"\n")
    };
    let agent = place.start(&input("first", "old"));
    let mut before = connect(&place, "web.sock");
    before.write_all(b"before\nwi").unwrap();
    agent.wait_for_lines("old", 1);
    reload_and_wait(&place, &agent, &input("second", "new"));
    send(&place, "web.sock", b"after\n");
    agent.wait_for_lines("new", 1);
    before.write_all(b"thin\n").unwrap();
    drop(before);
    wait_until("it ends where it began", || {
        fs::read_to_string(place.log("old")).unwrap() == "before\nwithin\n"
    });
    agent.stop();
}

#[test]
fn what_was_removed_may_come_back_while_its_connections_go_on() {
    let place = Place::new();
    let extra = format!("{WEB}[input.extra.unix-stream]\npath = \"@/extra.sock\"\n");
    let agent = place.start(&extra);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(connect(&place, "extra.sock"));
        clients.iter_mut().for_each(|client| client.write_all(b"with it\n").unwrap());
        reload_and_wait(&place, &agent, WEB);
        let removed = place.path("extra.sock");
        wait_until("it listens no longer", || UnixStream::connect(&removed).is_err());
        clients.iter_mut().for_each(|client| client.write_all(b"without it\n").unwrap());
        reload_and_wait(&place, &agent, &extra);
    }
    drop(clients);
    wait_until("all is there", || {
        fs::read_to_string(place.log("extra")).unwrap().lines().count() == 30
    });
    agent.stop();
    let text = fs::read_to_string(place.log("extra")).unwrap();
    assert_eq!(text.matches("with it\n").count(), 15);
    assert_eq!(text.matches("without it\n").count(), 15);
}

#[test]
fn a_stalled_stream_that_is_given_another_file_loses_nothing() {
    let place = Place::new();
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"/dev/full\"\n"));
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..5, 20_000, Writes::CutAnywhere, &Gate::open());
    agent.wait_for_state("web", "stalled");
    reload(&place, &agent, &format!("{WEB}[stream.web]\nqueue = \"2MiB\"\n"));
    let sent = clients.finish();
    agent.wait_for_lines("web", 100_000);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

#[test]
fn access_to_a_socket_is_changed_by_a_reload() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place, "web.sock");
    reload_and_wait(
        &place,
        &agent,
        "[input.web.unix-stream]\npath = \"@/web.sock\"\nmode = \"0600\"\n\
         [input.cron.fifo]\npath = \"@/cron.fifo\"\nmode = \"0600\"\n",
    );
    for name in ["web.sock", "cron.fifo"] {
        let mode = fs::metadata(place.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    client.write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}

#[test]
fn settings_that_need_a_restart_are_told() {
    let place = Place::new();
    let agent = place.start(WEB);
    reload_and_wait(&place, &agent, &format!("max-connections = 7\n{WEB}"));
    agent.wait_for_message(&["restart", "max-connections"]);
    agent.stop();
}

#[test]
fn a_socket_of_another_kind_takes_the_path_over() {
    let place = Place::new();
    let input = |kind: &str| format!("[input.web.{kind}]\npath = \"@/web.sock\"\n");
    let agent = place.start(&input("unix-stream"));
    for kind in ["unix-datagram", "unix-seqpacket", "unix-datagram", "unix-stream"] {
        reload(&place, &agent, &input(kind));
        wait_until("the input is of that kind", || {
            agent.status()["inputs"]["web"]["kind"].as_str() == Some(kind)
        });
    }
    connect(&place, "web.sock").write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}
