//! Full and failing disks, and what `on-full` makes of them: who waits, what is dropped, and that
//! every dropped line is told where it is missing.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::SockType;
use nix::sys::statvfs::statvfs;
use serde_json::Value;

use crate::support::{
    Agent, Checker, Clients, Gaps, Gate, LINE_BYTES, LoopDisk, Packets, Place, Sent, SmallDisk,
    TamperedWrites, Writes, numbered_lines, run, scale, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// The counts of stream `web` in one moment, which must agree to the line.
struct Counts {
    lines_in: u64,
    lines_written: u64,
    dropped: u64,
    pending: u64,
    gap_records: u64,
    state: Value,
}

impl Counts {
    #[track_caller]
    fn of(agent: &Agent) -> Counts {
        let status = agent.status();
        let web = &status["streams"]["web"];
        let count = |name: &str| web[name].as_u64().unwrap();
        let dropped = web["lines_dropped"].as_object().unwrap().values();
        let counts = Counts {
            lines_in: count("lines_in"),
            lines_written: count("lines_written"),
            dropped: dropped.map(|lines| lines.as_u64().unwrap()).sum(),
            pending: count("pending_lines"),
            gap_records: count("gap_records"),
            state: web["state"].clone(),
        };
        let Counts { lines_in, lines_written, dropped, pending, .. } = counts;
        assert_eq!(lines_in, lines_written + dropped + pending, "{web}");
        counts
    }
}

/// Waits until all that has come is written or dropped.
fn wait_until_drained(agent: &Agent, lines_in: u64) -> Counts {
    wait_until("all is written", || {
        let counts = Counts::of(agent);
        counts.lines_in == lines_in && counts.state == "idle"
    });
    Counts::of(agent)
}

/// A file on a small disk that somebody empties, who has all that was in it read first.
struct Emptied<'a> {
    agent: &'a Agent,
    log: PathBuf,
    checker: Checker,
    rounds: u64,
}

impl Emptied<'_> {
    /// Takes everything away, once the file takes nothing more.
    fn empty(&mut self) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(2) {
            // On a full disk nothing can come between the copy and the truncation.
            self.checker.read(&self.log);
            fs::File::options().write(true).open(&self.log).unwrap().set_len(0).unwrap();
        } else {
            let old = self.log.with_extension("old");
            let inode = self.agent.status_of("/streams/web/inode");
            fs::rename(&self.log, &old).unwrap();
            fs::File::create(&self.log).unwrap();
            self.agent.signal(Signal::SIGUSR2);
            wait_until("the old file is left", || {
                self.agent.status_of("/streams/web/inode") != inode
            });
            self.checker.read(&old);
            fs::remove_file(&old).unwrap();
        }
    }

    /// Whether not a byte more can come, in the last page of the file neither. The state may be that
    /// of a writer which has not tried again yet since the file was emptied.
    fn is_full(&self) -> bool {
        let disk = statvfs(&self.log).unwrap();
        let bytes = fs::metadata(&self.log).unwrap().len();
        disk.blocks_available() == 0 && bytes > 0 && bytes.is_multiple_of(disk.block_size())
    }

    /// Empties it again and again until it is `over`, and everything is written. Where lines are
    /// dropped, not before some are.
    fn empty_until(mut self, drops: bool, over: &AtomicBool) -> Checker {
        let mut dropped_before = 0;
        loop {
            let is_over = over.load(Relaxed);
            let counts = Counts::of(self.agent);
            if is_over && counts.state == "idle" {
                return self.checker;
            }
            let is_wanted = is_over || !drops || counts.dropped > dropped_before;
            if is_wanted && counts.state == "stalled" && self.is_full() {
                dropped_before = counts.dropped;
                self.empty();
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// 4 MiB under 20 MiB a second.
#[track_caller]
fn check_emptied_again_and_again(on_full: &str) {
    const CLIENTS: u64 = 8;
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 4 << 20);
    let agent = place.start(&format!(
        "{WEB}[stream.web]\nfile = \"@/small/web.log\"\nqueue = \"2MiB\"\non-full = \"{on_full}\"\n"
    ));
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients =
        Clients::connect(&socket, 0..CLIENTS as usize, u64::MAX, Writes::CutAnywhere, &gate);
    let mut checker = Checker::new();
    checker.accept_torn_ends();
    checker.accept_gaps();
    let emptied = Emptied { agent: &agent, log: disk.path("web.log"), checker, rounds: 0 };
    let drops = on_full != "wait";
    let over = AtomicBool::new(false);
    let (sent, mut checker) = std::thread::scope(|scope| {
        let emptying = scope.spawn(|| emptied.empty_until(drops, &over));
        let lines_a_millisecond = (20 << 20) / 1000 / LINE_BYTES as u64 / CLIENTS;
        gate.trickle_during(lines_a_millisecond, || {
            let begin = Instant::now();
            let time = scale(Duration::from_millis(2500), Duration::from_secs(60));
            while begin.elapsed() < time && !emptying.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let sent = clients.finish();
        over.store(true, Relaxed);
        (sent, emptying.join().unwrap())
    });
    let counts = wait_until_drained(&agent, CLIENTS * sent.lines);
    agent.stop();
    checker.read(&disk.path("web.log"));

    checker.assert_no_line_harmed();
    let gaps = checker.gaps().clone();
    assert_eq!(counts.dropped, gaps.lines, "{gaps:?}");
    assert_eq!(counts.dropped, checker.lost(&[sent]), "{gaps:?}");
    assert_eq!(counts.dropped * LINE_BYTES as u64, gaps.bytes, "{gaps:?}");
    assert_eq!(counts.gap_records, gaps.records);
    assert_eq!(counts.dropped > 0, drops);
    if drops {
        assert!(gaps.reasons.contains("disk full"), "{gaps:?}");
    }
}

#[test]
fn a_small_disk_that_is_emptied_again_and_again_loses_nothing_while_senders_wait() {
    check_emptied_again_and_again("wait");
}

#[test]
fn a_small_disk_that_is_emptied_again_and_again_tells_every_new_line_that_it_dropped() {
    check_emptied_again_and_again("drop-newest");
}

#[test]
fn a_small_disk_that_is_emptied_again_and_again_tells_every_old_line_that_it_dropped() {
    check_emptied_again_and_again("drop-oldest");
}

/// Reads a file of numbered lines and gap records: what was sent is there, or told to be missing.
#[track_caller]
fn check_told(file: &Path, sent: &[Sent], dropped: u64) -> Gaps {
    let mut checker = Checker::new();
    checker.accept_gaps();
    checker.read(file);
    checker.assert_no_line_harmed();
    assert_eq!((checker.lost(sent), checker.gaps().lines), (dropped, dropped));
    checker.gaps().clone()
}

fn connect(place: &Place) -> UnixStream {
    UnixStream::connect(place.path("web.sock")).unwrap()
}

const SMALL_QUEUE: &str = "queue = \"8KiB\"\nmax-line = \"1KiB\"\non-full = \"drop-newest\"\n";

#[test]
fn every_error_of_a_file_stalls_it_and_a_gap_record_says_which_one_it_was() {
    let errors = [
        ("ENOSPC", "disk full", "make room on the file system"),
        ("EDQUOT", "quota exceeded", "make room within the quota"),
        ("EFBIG", "file too large", "LimitFSIZE="),
        ("EROFS", "read-only file system", "ReadWritePaths="),
        ("EIO", "input/output error", "nput/output error"),
        ("ESTALE", "stale file handle", "tale file handle"),
    ];
    for (error, reason, message) in errors {
        let place = Place::new();
        let agent = place.start(&format!("{WEB}[stream.web]\n{SMALL_QUEUE}"));
        let tampered = TamperedWrites::start(&agent, &place.log("web"), &format!("error={error}"));
        let mut client = connect(&place);
        client.write_all(&numbered_lines(0, 0..1)).unwrap();
        agent.wait_for_state("web", "stalled");
        agent.wait_for_message(&["web", message]);
        client.write_all(&numbered_lines(0, 1..1000)).unwrap();
        wait_until("it drops", || Counts::of(&agent).lines_in == 1000);
        drop(tampered);
        let dropped = wait_until_drained(&agent, 1000).dropped;
        assert!(dropped > 0);
        client.write_all(&numbered_lines(0, 1000..1001)).unwrap();
        wait_until_drained(&agent, 1001);
        agent.stop();
        let gaps = check_told(&place.log("web"), &[Sent { clients: 0..1, lines: 1001 }], dropped);
        assert_eq!(gaps.records, 1, "{error}");
        assert_eq!(gaps.reasons.iter().collect::<Vec<_>>(), [reason], "{error}");
    }
}

/// The descriptors of an agent that are open on `path`.
fn descriptors(agent: &Agent, path: &Path) -> Vec<PathBuf> {
    let open = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    let open = open.map(|entry| entry.unwrap().path());
    open.filter(|fd| fs::read_link(fd).is_ok_and(|target| target == path)).collect()
}

#[test]
fn a_stale_handle_is_left_for_what_the_path_names() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place);
    client.write_all(&numbered_lines(0, 0..10)).unwrap();
    agent.wait_for_lines("web", 10);
    let tampered = TamperedWrites::start(&agent, &place.log("web"), "error=ESTALE:when=1");
    client.write_all(&numbered_lines(0, 10..20)).unwrap();
    agent.wait_for_lines("web", 20);
    drop(tampered);
    assert_eq!(agent.count("/streams/web/reopens"), 1);
    assert_eq!(descriptors(&agent, &place.log("web")).len(), 1);
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[Sent { clients: 0..1, lines: 20 }]);
}

#[test]
fn a_disk_that_fails_for_a_moment_keeps_its_file_and_one_that_goes_on_is_opened_again() {
    let place = Place::new();
    let agent = place.start(WEB);
    let mut client = connect(&place);
    for (errors, reopens, lines) in [("when=1..2", 0, 10), ("when=1..3", 1, 20)] {
        let tampering = format!("error=EIO:{errors}");
        let tampered = TamperedWrites::start(&agent, &place.log("web"), &tampering);
        client.write_all(&numbered_lines(0, lines - 10..lines)).unwrap();
        agent.wait_for_lines("web", lines);
        drop(tampered);
        assert_eq!(agent.count("/streams/web/reopens"), reopens);
    }
    agent.stop();
    Checker::of(&[place.log("web")]).assert_exactly(&[Sent { clients: 0..1, lines: 20 }]);
}

/// The agent writes to a disk that `fail` makes fail; it lets go of it, so that it can be repaired
/// and mounted again, and goes on there by itself.
#[track_caller]
fn check_failing_disk(options: &str, fail: impl FnOnce(&LoopDisk), said: &str) {
    let place = Place::new();
    let disk = LoopDisk::mount(&place, options);
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"@/beneath/disk/web.log\"\n"));
    let mut client = connect(&place);
    client.write_all(&numbered_lines(0, 0..1000)).unwrap();
    agent.wait_for_lines("web", 1000);
    disk.sync();
    fail(&disk);
    client.write_all(&numbered_lines(0, 1000..2000)).unwrap();
    agent.wait_for_state("web", "stalled");
    agent.wait_for_message(&["web", said]);
    wait_until("the disk is let go of", || disk.try_unmount());
    disk.repair();
    disk.mount_again(options);
    agent.wait_for_lines("web", 2000);
    agent.stop();
    let log = disk.path("web.log");
    Checker::of(&[log]).assert_exactly(&[Sent { clients: 0..1, lines: 2000 }]);
}

#[test]
fn a_disk_that_fails_can_be_repaired_and_mounted_again_under_the_agent() {
    check_failing_disk("errors=continue", LoopDisk::shut_down, "nput/output error");
}

#[test]
fn a_damaged_file_system_can_be_repaired_and_mounted_again_under_the_agent() {
    check_failing_disk("errors=remount-ro", LoopDisk::damage, "ReadWritePaths=");
}

#[test]
fn a_file_system_that_is_read_only_at_the_start_is_written_once_it_is_not() {
    let place = Place::new();
    let disk = LoopDisk::mount(&place, "rw");
    disk.remount("ro");
    let agent = place.start(&format!("{WEB}[stream.web]\nfile = \"@/beneath/disk/web.log\"\n"));
    let mut client = connect(&place);
    client.write_all(&numbered_lines(0, 0..10)).unwrap();
    agent.wait_for_state("web", "stalled");
    agent.wait_for_message(&["web", "ReadWritePaths="]);
    disk.remount("rw");
    agent.wait_for_lines("web", 10);
    agent.stop();
    Checker::of(&[disk.path("web.log")]).assert_exactly(&[Sent { clients: 0..1, lines: 10 }]);
}

#[test]
fn a_full_pipe_mode_drops_as_its_option_says_and_ends_clean() {
    for on_full in ["drop-newest", "drop-oldest"] {
        let place = Place::new();
        let disk = SmallDisk::mount(place.path("small"), 1 << 20);
        let log = disk.path("app.log");
        let filler = disk.fill_but(0);
        let (input, mut app) = std::io::pipe().unwrap();
        let mut command = place.command();
        command.arg("-o").arg(&log).args(["--on-full", on_full, "--format", "raw"]).stdin(input);
        let mut agent = place.spawn(command);
        // Far more than the queue and the pipe hold: nobody waits.
        let lines = 100_000;
        app.write_all(&numbered_lines(0, 0..lines)).unwrap();
        fs::remove_file(filler).unwrap();
        let mut checker = Checker::new();
        checker.accept_torn_ends();
        checker.accept_gaps();
        // The queue is larger than the disk.
        let old = disk.path("old");
        let mut emptied = false;
        drop(app);
        wait_until("it ends", || {
            if !emptied && fs::metadata(&log).is_ok_and(|log| log.len() == 1 << 20) {
                fs::rename(&log, &old).unwrap();
                emptied = true;
            }
            if emptied && fs::metadata(&old).is_ok() {
                agent.signal(Signal::SIGUSR2);
                wait_until("the old file is left", || descriptors(&agent, &old).is_empty());
                checker.read(&old);
                fs::remove_file(&old).unwrap();
                emptied = false;
            }
            agent.end_so_far().is_some()
        });
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        checker.read(&log);
        checker.assert_no_line_harmed();
        let gaps = checker.gaps();
        assert!(gaps.lines > 0 && gaps.lines < lines, "{gaps:?}");
        assert_eq!(gaps.lines, checker.lost(&[Sent { clients: 0..1, lines }]));
    }
}

#[test]
fn senders_that_wait_go_on_once_a_reload_lets_lines_be_dropped() {
    let place = Place::new();
    let body = |on_full: &str| {
        format!(
            "{WEB}[stream.web]\nfile = \"/dev/full\"\nqueue = \"2MiB\"\non-full = \"{on_full}\"\n"
        )
    };
    let mut agent = place.start(&body("wait"));
    let gate = Gate::open();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..4, 20_000, Writes::CutAnywhere, &gate);
    wait_until("the queue is full", || agent.count("/streams/web/pending_bytes") > 3 << 19);
    place.configure(&body("drop-oldest"));
    agent.signal(Signal::SIGHUP);
    let sent = clients.finish();
    wait_until("all was read", || Counts::of(&agent).lines_in == 4 * sent.lines);
    assert!(Counts::of(&agent).dropped > 0);
    assert!(agent.count("/streams/web/pending_bytes") <= 2 << 20);
    agent.signal(Signal::SIGTERM);
    agent.wait_for_message(&["draining"]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 74);
}

#[test]
fn a_file_at_its_size_limit_tells_what_was_dropped_meanwhile() {
    let place = Place::new();
    place.configure(&format!("{WEB}[stream.web]\n{SMALL_QUEUE}"));
    let mut command = place.command_under(&["prlimit", "--fsize=100000:unlimited"]);
    command.arg("-c").arg(place.path("agent.toml"));
    let agent = place.spawn_ready(command);
    let mut client = connect(&place);
    // As much at a time as the queue holds.
    for lines in (0..900).step_by(60) {
        client.write_all(&numbered_lines(0, lines..lines + 60)).unwrap();
        wait_until("it is written, or cannot be", || {
            let counts = Counts::of(&agent);
            counts.lines_in == lines + 60 && counts.state != "writing"
        });
    }
    agent.wait_for_state("web", "stalled");
    client.write_all(&numbered_lines(0, 900..2000)).unwrap();
    wait_until("all was read", || Counts::of(&agent).lines_in == 2000);
    let pid = agent.pid().to_string();
    run(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]));
    let dropped = wait_until_drained(&agent, 2000).dropped;
    agent.stop();
    let sent = Sent { clients: 0..1, lines: 2000 };
    let gaps = check_told(&place.log("web"), &[sent], dropped);
    assert!(gaps.reasons.contains("file too large"), "{gaps:?}");
}

#[test]
fn packets_larger_than_a_full_queue_are_taken_where_lines_are_dropped() {
    let kinds = [("unix-datagram", SockType::Datagram), ("unix-seqpacket", SockType::SeqPacket)];
    for (kind, sender) in kinds {
        let place = Place::new();
        let agent = place.start(&format!(
            "[input.web.{kind}]\npath = \"@/web.sock\"\n\
             [stream.web]\nfile = \"/dev/full\"\n{SMALL_QUEUE}"
        ));
        let sender = Packets::connect(sender, &place.path("web.sock"), "");
        // Each is split in a hundred lines, and its newline cut.
        let packet = [&[b'x'; 100 << 10][..], b"\n"].concat();
        for packets in 1..=20 {
            sender.send(&packet).unwrap();
            wait_until("it is read", || Counts::of(&agent).lines_in == 100 * packets);
        }
        let counts = Counts::of(&agent);
        assert!(counts.dropped > 1900, "{} of 2000 dropped", counts.dropped);
        assert!(agent.count("/streams/web/pending_bytes") <= 8 << 10);
    }
}

#[test]
fn a_write_that_hangs_holds_up_no_sender_where_lines_are_dropped() {
    let _machine = whole_machine();
    for on_full in ["drop-newest", "drop-oldest"] {
        let place = Place::new();
        let agent = place.start(&format!("{WEB}[stream.web]\non-full = \"{on_full}\"\n"));
        let tampered = TamperedWrites::start(&agent, &place.log("web"), "delay_enter=3600s:when=1");
        let socket = place.path("web.sock");
        let clients = Clients::connect(&socket, 0..5, 20_000, Writes::CutAnywhere, &Gate::open());
        let sent = clients.finish();
        wait_until("all was read", || Counts::of(&agent).lines_in == 100_000);
        let hanging = Counts::of(&agent);
        assert!(hanging.lines_written == 0 && hanging.dropped > 0, "{}", hanging.dropped);
        drop(tampered);
        let dropped = wait_until_drained(&agent, 100_000).dropped;
        agent.stop();
        let gaps = check_told(&place.log("web"), &[sent], dropped);
        assert_eq!(gaps.reasons.iter().collect::<Vec<_>>(), ["disk too slow"]);
    }
}
