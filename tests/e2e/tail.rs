//! `logagent tail`, and readers that find files by themselves: each line exactly once, in order,
//! however often the files are rotated.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Writes, run, scale, spawn, wait_until,
    whole_machine,
};

const TWO: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                   [input.app.unix-stream]\npath = \"@/app.sock\"\n";

fn send(place: &Place, socket: &str, text: &str) {
    UnixStream::connect(place.path(socket)).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A `tail` that runs; it ends with this.
struct Tail {
    child: Child,
    out: PathBuf,
}

impl Tail {
    /// One that follows, when it has shown so many bytes.
    #[track_caller]
    fn start(place: &Place, agent: &Agent, words: &[&str], bytes: u64) -> Tail {
        let out = place.path(&format!("tail-{}", words.join("-")));
        let mut command = agent.ask(words);
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(out.with_extension("err")).unwrap());
        let tail = Tail { child: spawn(&mut command), out };
        wait_until("it shows what is there", || tail.bytes() >= bytes);
        tail
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.out).unwrap().len()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    fn complaint(&self) -> String {
        fs::read_to_string(self.out.with_extension("err")).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Its exit status, when it has ended by itself.
    #[track_caller]
    fn wait(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the tail ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

/// A line that marks the beginning: what is shown from then on is complete.
fn begin(place: &Place, agent: &Agent) {
    send(place, "web.sock", "begin\n");
    agent.wait_for_lines("web", 1);
}

/// How a rotation is done.
type Rotate = fn(&Place, &Agent, usize);

fn rename_and_reopen(place: &Place, agent: &Agent, rotation: usize) {
    fs::rename(place.log("web"), place.log(&format!("web.{rotation:04}"))).unwrap();
    agent.told(&["reopen", "web"]);
}

fn rename_and_signal(place: &Place, agent: &Agent, rotation: usize) {
    wait_until("the file is there", || place.log("web").exists());
    fs::rename(place.log("web"), place.log(&format!("web.{rotation:04}"))).unwrap();
    agent.signal(Signal::SIGUSR2);
}

fn remove_and_reopen(place: &Place, agent: &Agent, _: usize) {
    fs::remove_file(place.log("web")).unwrap();
    agent.told(&["reopen", "web"]);
}

fn rotate_by_command(_: &Place, agent: &Agent, _: usize) {
    agent.told(&["rotate", "web"]);
}

/// `tail -f` sees every line once and in order, however often the file is rotated.
#[track_caller]
fn check_tail(rotate: Rotate, rotations: usize) {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    let tail = Tail::start(&place, &agent, &["tail", "-f", "web"], 6);
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, u64::MAX, Writes::CutAnywhere, &gate);
    gate.trickle_during(5, || (0..rotations).for_each(|n| rotate(&place, &agent, n)));
    let sent = clients.finish();
    let bytes = 6 + 10 * sent.lines * LINE_BYTES as u64;
    wait_until(&format!("{bytes} bytes are shown"), || {
        assert_eq!(tail.complaint(), "");
        tail.bytes() >= bytes
    });
    let shown = fs::read(&tail.out).unwrap();
    assert!(shown.starts_with(b"begin\n"));
    let mut checker = Checker::new();
    checker.read_bytes(&tail.out, &shown[6..]);
    checker.assert_exactly(&[sent]);
    agent.stop();
}

#[test]
fn tail_follows_a_file_through_a_hundred_reopens() {
    check_tail(rename_and_reopen, scale(100, 1_000));
}

#[test]
fn tail_follows_a_file_through_a_hundred_signals() {
    check_tail(rename_and_signal, scale(100, 1_000));
}

#[test]
fn tail_follows_files_that_are_removed_at_once() {
    check_tail(remove_and_reopen, scale(50, 1_000));
}

#[test]
fn tail_follows_our_own_rotation() {
    check_tail(rotate_by_command, scale(50, 1_000));
}

#[test]
fn tail_shows_the_last_lines_of_each_stream_marked_with_its_name() {
    let place = Place::new();
    let agent = place.start(TWO);
    send(&place, "web.sock", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
    send(&place, "app.sock", "one\ntwo\n");
    agent.wait_for_lines("web", 12);
    agent.wait_for_lines("app", 2);
    assert_eq!(agent.told(&["tail", "web"]), "3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
    assert_eq!(agent.told(&["tail", "-n", "2", "web"]), "11\n12\n");
    assert_eq!(agent.told(&["tail", "-n", "0", "web"]), "");
    assert_eq!(agent.told(&["tail", "-n", "1"]), "app: two\nweb: 12\n");
    agent.stop();
}

#[test]
fn tail_reaches_back_into_rotated_and_compressed_files() {
    let place = Place::new();
    let agent = place.start(TWO);
    for rotation in (1..=4).rev() {
        send(&place, "web.sock", &format!("a{rotation}\nb{rotation}\n"));
        agent.wait_for_lines("web", 2 * (5 - rotation));
        fs::rename(place.log("web"), place.path(&format!("log/web.log.{rotation}"))).unwrap();
        agent.told(&["reopen", "web"]);
    }
    run(Command::new("gzip").arg(place.path("log/web.log.3")));
    send(&place, "web.sock", "a0\n");
    agent.wait_for_lines("web", 9);
    assert_eq!(agent.told(&["tail", "-n", "3", "web"]), "a1\nb1\na0\n");
    assert_eq!(agent.told(&["tail", "-n", "6", "web"]), "b3\na2\nb2\na1\nb1\na0\n");
    assert_eq!(agent.told(&["tail", "-n", "99", "web"]), "a4\nb4\na3\nb3\na2\nb2\na1\nb1\na0\n");
    agent.stop();
}

#[test]
fn tail_of_several_streams_goes_on_with_each() {
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    let tail = Tail::start(&place, &agent, &["tail", "-f"], 11);
    for round in 0..20 {
        send(&place, "web.sock", &format!("{round}\n"));
        send(&place, "app.sock", &format!("{round}\n"));
        let stream = ["web", "app"][round % 2];
        fs::rename(place.log(stream), place.log(&format!("{stream}.{round}"))).unwrap();
        agent.told(&["reopen"]);
    }
    wait_until("all is shown", || tail.text().lines().count() >= 41);
    let shown = tail.text();
    for stream in ["web", "app"] {
        let lines: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix(stream)).collect();
        let lines: Vec<_> = lines.into_iter().filter(|line| *line != ": begin").collect();
        let expected: Vec<_> = (0..20).map(|round| format!(": {round}")).collect();
        assert_eq!(lines, expected, "{stream}");
    }
    agent.stop();
}

#[test]
fn tail_reads_a_truncated_file_on_from_its_new_beginning() {
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    let tail = Tail::start(&place, &agent, &["tail", "-f", "web"], 6);
    for round in 0..5 {
        File::options().write(true).open(place.log("web")).unwrap().set_len(0).unwrap();
        send(&place, "web.sock", &format!("after truncation {round}\n"));
        let line = format!("after truncation {round}\n");
        wait_until("the line is shown", || tail.text().ends_with(&line));
    }
    assert_eq!(tail.text().lines().count(), 6, "{}", tail.text());
    assert!(tail.complaint().contains("web: the file was truncated"), "{}", tail.complaint());
    agent.stop();
}

#[test]
fn tail_says_when_the_agent_has_gone_and_has_shown_everything_then() {
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    let mut tail = Tail::start(&place, &agent, &["tail", "-f", "web"], 6);
    send(&place, "web.sock", &"x\n".repeat(100_000));
    agent.wait_for_lines("web", 100_001);
    agent.stop();
    assert_eq!(tail.wait(), Some(71));
    assert_eq!(tail.text().lines().count(), 100_001);
    assert_eq!(tail.complaint(), "logagent: the agent has gone\n");
}

#[test]
fn tail_ends_quietly_when_nobody_reads_it_any_more() {
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    for words in [["tail", "-f", "web"], ["status", "--watch", ""]] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let mut command = agent.ask(&words);
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut out: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        drop(out);
        wait_until("it ends", || child.try_wait().unwrap().is_some());
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""), "{words:?}");
    }
    let mut tail = Tail::start(&place, &agent, &["tail", "-f", "web"], 6);
    tail.signal(Signal::SIGINT);
    assert_eq!(tail.wait(), None, "it was not killed");
    agent.stop();
}

#[test]
fn tail_of_a_stream_that_is_not_there_names_those_that_are() {
    let place = Place::new();
    let agent = place.start(TWO);
    let (status, complaint) = agent.refused(&["tail", "-f", "nope"]);
    assert_eq!(status, 71);
    assert!(complaint.contains("no stream \"nope\"; there is app, web"), "{complaint}");
    agent.stop();
}

#[test]
fn a_stuck_tail_is_cut_off_and_told_so_and_holds_nothing_up() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(TWO);
    begin(&place, &agent);
    let mut tail = Tail::start(&place, &agent, &["tail", "-f", "web"], 6);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    let before = descriptors();
    tail.signal(Signal::SIGSTOP);
    let mut files = Vec::new();
    for rotation in 0..scale(600, 3_000) {
        send(&place, "web.sock", &format!("{rotation}\n"));
        agent.wait_for_lines("web", rotation + 2);
        files.push(place.log(&format!("web.{rotation}")));
        fs::rename(place.log("web"), files.last().unwrap()).unwrap();
        agent.told(&["reopen", "web"]);
        assert!(descriptors() <= before + 24, "{} descriptors after {before}", descriptors());
    }
    tail.signal(Signal::SIGCONT);
    assert_eq!(tail.wait(), Some(71));
    assert!(tail.complaint().contains("agent"), "{}", tail.complaint());
    // What it has shown are the first lines, without a gap.
    let shown = tail.text();
    let expected: String = (0..shown.lines().count() - 1).map(|line| format!("{line}\n")).collect();
    assert_eq!(shown, format!("begin\n{expected}"));
    wait_until("its descriptors are closed", || descriptors() <= before);
    agent.stop();
}

/// A reader as shippers are: looks for files in the directory, knows them by their inodes, and reads
/// each to its end; one that is gone from the directory is read to its end and closed.
#[derive(Default)]
struct Shipper {
    files: BTreeMap<u64, File>,
    read: BTreeMap<u64, Vec<u8>>,
}

impl Shipper {
    fn look(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if !entry.file_name().to_string_lossy().starts_with("web") {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            let inode = file.metadata().unwrap().ino();
            self.files.entry(inode).or_insert(file);
        }
        for (inode, file) in &mut self.files {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            self.read.entry(*inode).or_default().extend_from_slice(&bytes);
        }
    }
}

#[test]
fn a_reader_that_knows_files_by_their_inodes_sees_every_line_once_through_a_hundred_rotations() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(TWO);
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, u64::MAX, Writes::CutAnywhere, &gate);
    let (done, directory) = (AtomicBool::new(false), place.path("log"));
    let mut inodes = Vec::new();
    let mut shipper = Shipper::default();
    std::thread::scope(|scope| {
        let shipping = scope.spawn(|| {
            let mut shipper = Shipper::default();
            while !done.load(Ordering::Relaxed) {
                shipper.look(&directory);
            }
            shipper
        });
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            gate.trickle_during(5, || {
                for rotation in 0..scale(100, 1_000) {
                    inodes.push(fs::metadata(place.log("web")).unwrap().ino());
                    rename_and_reopen(&place, &agent, rotation);
                }
            });
        }));
        done.store(true, Ordering::Relaxed);
        shipper = shipping.join().unwrap();
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 10 * sent.lines);
    inodes.push(fs::metadata(place.log("web")).unwrap().ino());
    agent.stop();
    shipper.look(&directory);
    let mut checker = Checker::new();
    for inode in inodes {
        checker.read_bytes(&place.log(&format!("inode {inode}")), &shipper.read[&inode]);
    }
    checker.assert_exactly(&[sent]);
}
