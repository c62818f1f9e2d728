//! Files and disks that will not take what they should.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{
    Checker, Clients, Gate, Place, SmallDisk, TamperedWrites, Writes, numbered_lines, run, scale,
    wait_until, whole_machine,
};

const TWO: &str = "[input.bad.unix-stream]\npath = \"@/bad.sock\"\n\
                   [input.good.unix-stream]\npath = \"@/good.sock\"\n";
const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

#[test]
fn a_stream_whose_file_takes_nothing_does_not_hold_up_another() {
    let _machine = whole_machine();
    let place = Place::new();
    let mut agent = place.start(&format!(
        "grace = \"100ms\"\n{TWO}[stream.bad]\nfile = \"/dev/full\"\nqueue = \"2MiB\"\n"
    ));
    let gate = Gate::open();
    // More than its queue and the sockets hold: some of it waits in the clients.
    let bad = Clients::connect(&place.path("bad.sock"), 0..10, 10_000, Writes::CutAnywhere, &gate);
    agent.wait_for_state("bad", "stalled");
    agent.wait_for_message(&["bad", "o space left"]);

    let lines = scale(20_000, 200_000);
    let socket = place.path("good.sock");
    let good = Clients::connect(&socket, 10..20, lines, Writes::CutAnywhere, &gate).finish();
    agent.wait_for_lines("good", 10 * lines);
    assert_eq!(agent.status_of("/streams/bad/state"), "stalled");
    assert_eq!(agent.count("/streams/bad/lines_written"), 0);
    assert!(agent.count("/streams/bad/pending_bytes") <= 2 << 20, "more than its queue holds");
    assert!(bad.lines_sent() < 100_000, "somebody took what could not be written");
    assert_eq!(agent.count("/streams/bad/lines_in"), agent.count("/streams/bad/pending_lines"));

    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
    Checker::of(&[place.log("good")]).assert_exactly(&[good]);
    bad.abandon();
}

#[test]
fn a_full_disk_holds_up_its_own_stream_which_goes_on_at_the_exact_byte() {
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    let agent = place.start(&format!("{TWO}[stream.bad]\nfile = \"@/small/bad.log\"\n"));
    let filler = disk.fill_but(16 << 10);
    let gate = Gate::open();
    let bad = Clients::connect(&place.path("bad.sock"), 0..5, 1_000, Writes::CutAnywhere, &gate);
    agent.wait_for_state("bad", "stalled");
    agent.wait_for_message(&["bad", "o space left"]);

    let lines = scale(20_000, 200_000);
    let socket = place.path("good.sock");
    let good = Clients::connect(&socket, 10..20, lines, Writes::CutAnywhere, &gate).finish();
    agent.wait_for_lines("good", 10 * lines);
    assert_eq!(agent.status_of("/streams/bad/state"), "stalled");

    fs::remove_file(filler).unwrap();
    let bad = bad.finish();
    agent.wait_for_lines("bad", 5_000);
    agent.stop();
    Checker::of(&[disk.path("bad.log")]).assert_exactly(&[bad]);
    Checker::of(&[place.log("good")]).assert_exactly(&[good]);
}

#[test]
fn a_disk_that_fills_again_and_again_loses_doubles_and_tears_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 4 << 20);
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"@/small/web.log\"\n"));
    let gate = Gate::closed();
    let rounds = scale(5, 20);
    let lines = rounds * 100;
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, lines, Writes::CutAnywhere, &gate);
    for round in 1..=rounds {
        let filler = disk.fill_but(usize::try_from(round).unwrap() * 1000);
        gate.open_to(round * 100);
        agent.wait_for_state("web", "stalled");
        fs::remove_file(filler).unwrap();
        agent.wait_for_lines("web", round * 1000);
    }
    let sent = clients.finish();
    agent.stop();
    Checker::of(&[disk.path("web.log")]).assert_exactly(&[sent]);
}

#[test]
fn a_disk_that_fills_again_and_again_is_complained_of_once_a_minute() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"@/small/web.log\"\n"));
    let begin = Instant::now();
    let mut client = UnixStream::connect(place.path("web.sock")).unwrap();
    for round in 1..=5 {
        let filler = disk.fill_but(0);
        client.write_all(&numbered_lines(0, 0..100)).unwrap();
        agent.wait_for_state("web", "stalled");
        fs::remove_file(filler).unwrap();
        agent.wait_for_lines("web", round * 100);
    }
    let complaints = agent.messages().matches("o space left").count() as u64;
    assert!(complaints <= 1 + begin.elapsed().as_secs() / 60, "{complaints} complaints");
    agent.stop();
}

#[test]
fn what_a_full_old_file_does_not_take_moves_to_the_new_one() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    fs::create_dir(place.path("roomy")).unwrap();
    // The path leads elsewhere after the rotation, as it does when an old log stays behind.
    symlink(place.path("small"), place.path("current")).unwrap();
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"@/current/web.log\"\n"));
    disk.fill_but(10_000);
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..5, 1_000, Writes::CutAnywhere, &Gate::open());
    agent.wait_for_state("web", "stalled");
    fs::remove_file(place.path("current")).unwrap();
    symlink(place.path("roomy"), place.path("current")).unwrap();
    agent.signal(Signal::SIGUSR2);
    let sent = clients.finish();
    agent.wait_for_lines("web", 5_000);
    agent.stop();
    let mut checker = Checker::new();
    checker.accept_torn_ends();
    checker.read(&disk.path("web.log"));
    checker.read(&place.path("roomy/web.log"));
    checker.assert_exactly(&[sent]);
    assert!(fs::read(disk.path("web.log")).unwrap().len() > 1000, "nothing in the old file");
}

#[test]
fn a_file_size_limit_does_not_kill_and_stalls_only_what_reaches_it() {
    let place = Place::new();
    place.configure(TWO);
    let mut command = place.command_under(&["prlimit", "--fsize=100000:unlimited"]);
    command.arg("-c").arg(place.path("agent.toml"));
    let agent = place.spawn_ready(command);
    let gate = Gate::open();
    let bad = Clients::connect(&place.path("bad.sock"), 0..5, 1_000, Writes::CutAnywhere, &gate);
    agent.wait_for_state("bad", "stalled");
    agent.wait_for_message(&["bad", "ile too large"]);
    let socket = place.path("good.sock");
    let good = Clients::connect(&socket, 5..6, 100, Writes::CutAnywhere, &gate).finish();
    agent.wait_for_lines("good", 100);
    assert_eq!(fs::metadata(place.log("bad")).unwrap().len(), 100_000);

    let pid = agent.pid().to_string();
    run(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]));
    let bad = bad.finish();
    agent.wait_for_lines("bad", 5_000);
    agent.stop();
    Checker::of(&[place.log("bad")]).assert_exactly(&[bad]);
    Checker::of(&[place.log("good")]).assert_exactly(&[good]);
}

#[test]
fn writes_that_fail_now_and_then_are_repeated_at_the_same_byte() {
    let place = Place::new();
    let agent = place.start(WEB);
    let tampered = TamperedWrites::start(&agent, &place.log("web"), "error=EIO:when=2+3");
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..3, 100, Writes::CutAnywhere, &gate);
    for lines in (10..=100).step_by(10) {
        gate.open_to(lines);
        agent.wait_for_lines("web", 3 * lines);
    }
    let sent = clients.finish();
    agent.wait_for_message(&["web", "nput/output error"]);
    drop(tampered);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
}

#[test]
fn a_write_that_hangs_holds_up_only_its_own_stream() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(TWO);
    let tampered = TamperedWrites::start(&agent, &place.log("bad"), "delay_enter=3600s:when=1");
    let gate = Gate::open();
    let bad = Clients::connect(&place.path("bad.sock"), 0..5, 20_000, Writes::CutAnywhere, &gate);
    wait_until("the stream is held up", || agent.count("/streams/bad/pending_bytes") > 1 << 20);

    let lines = scale(5_000, 50_000);
    let socket = place.path("good.sock");
    let good = Clients::connect(&socket, 10..20, lines, Writes::CutAnywhere, &gate).finish();
    agent.wait_for_lines("good", 10 * lines);
    assert_eq!(agent.count("/streams/bad/lines_written"), 0);

    drop(tampered);
    let bad = bad.finish();
    agent.wait_for_lines("bad", 100_000);
    agent.stop();
    Checker::of(&[place.log("bad")]).assert_exactly(&[bad]);
    Checker::of(&[place.log("good")]).assert_exactly(&[good]);
}

#[test]
fn directories_are_made_and_files_have_their_mode_whatever_the_umask() {
    let place = Place::new();
    place.configure(&format!(
        "{WEB}[stream.web]\nfile = \"@/made/for/it/web.log\"\nmode = \"0664\"\n\
         owner = \"65534\"\ngroup = \"65534\"\n"
    ));
    let mut command = place.command_under(&["sh", "-c", "umask 077; exec \"$0\" \"$@\""]);
    command.arg("-c").arg(place.path("agent.toml"));
    let agent = place.spawn_ready(command);
    let file = fs::metadata(place.path("made/for/it/web.log")).unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o664);
    assert_eq!((file.uid(), file.gid()), (65534, 65534));
    agent.stop();

    // What was there before stays as it was.
    fs::set_permissions(place.path("made/for/it/web.log"), fs::Permissions::from_mode(0o600))
        .unwrap();
    place.start_again().stop();
    let file = fs::metadata(place.path("made/for/it/web.log")).unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);
}

#[test]
fn anything_but_a_regular_file_in_the_logs_place_is_refused() {
    for kind in ["fifo", "socket", "symlink", "directory"] {
        let place = Place::new();
        place.configure(WEB);
        match kind {
            "fifo" => mkfifo(&place.log("web"), Mode::S_IRWXU).unwrap(),
            "socket" => drop(UnixListener::bind(place.log("web")).unwrap()),
            "symlink" => symlink(place.path("elsewhere"), place.log("web")).unwrap(),
            _ => fs::create_dir(place.log("web")).unwrap(),
        }
        let mut agent = place.spawn(place.daemon());
        assert_eq!(agent.wait(), 78, "{kind}: {}", agent.messages());
        agent.wait_for_message(&["web.log"]);
        assert!(!place.path("elsewhere").exists());
    }
}

#[test]
fn a_fragment_at_a_files_end_gets_its_newline_before_the_next_line() {
    let place = Place::new();
    fs::write(place.log("web"), "whole\nfragm").unwrap();
    let agent = place.start(WEB);
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"next\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "whole\nfragm\nnext\n");

    // A whole last line gets none, nor does an empty file.
    place.start_again().stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "whole\nfragm\nnext\n");
}

#[test]
fn a_full_disk_at_the_start_stalls_the_stream_and_no_other() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    let filler = disk.fill_but(0);
    let agent = place.start(&format!("{TWO}[stream.bad]\nfile = \"@/small/new/bad.log\"\n"));
    let connect = |name: &str| UnixStream::connect(place.path(name)).unwrap();
    connect("bad.sock").write_all(b"bad\n").unwrap();
    connect("good.sock").write_all(b"good\n").unwrap();
    agent.wait_for_lines("good", 1);
    agent.wait_for_state("bad", "stalled");
    fs::remove_file(filler).unwrap();
    agent.wait_for_lines("bad", 1);
    agent.stop();
    assert_eq!(fs::read_to_string(disk.path("new/bad.log")).unwrap(), "bad\n");
}
