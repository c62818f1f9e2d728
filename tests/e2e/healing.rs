//! Files that are renamed, removed, replaced, truncated or mounted over, without a signal or a
//! command: the agent notices by itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Sent, SmallDisk, Writes, run, scale,
    wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// One stream, and a client of it that sends a line at a time.
struct Web {
    agent: Agent,
    place: Place,
    client: UnixStream,
    lines: u64,
}

impl Web {
    fn start() -> Web {
        let place = Place::new();
        let agent = place.start(WEB);
        Web::of(place, agent)
    }

    fn of(place: Place, agent: Agent) -> Web {
        let client = UnixStream::connect(place.path("web.sock")).unwrap();
        Web { agent, place, client, lines: 0 }
    }

    fn log(&self) -> PathBuf {
        self.place.log("web")
    }

    /// Sends a line, and waits until it is in a file.
    #[track_caller]
    fn send(&mut self, line: &str) {
        writeln!(self.client, "{line}").unwrap();
        self.lines += 1;
        self.agent.wait_for_lines("web", self.lines);
    }

    /// Opens the file, so that no other gets its inode as long as that is held.
    fn hold(&self) -> File {
        File::open(self.log()).unwrap()
    }

    /// Waits until the file at the path is the one that is open, and not `before`.
    #[track_caller]
    fn wait_for_another(&self, before: u64) -> u64 {
        wait_for_another(&self.agent, &self.log(), before)
    }

    /// How often each of renamed, removed, replaced and truncated was found.
    fn found(&self) -> [u64; 4] {
        let found = self.agent.status_of("/streams/web/found");
        ["renamed", "removed", "replaced", "truncated"].map(|what| found[what].as_u64().unwrap())
    }
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

#[track_caller]
fn wait_for_another(agent: &Agent, path: &Path, before: u64) -> u64 {
    let mut now = before;
    wait_until("another file is open", || {
        now = agent.status_of("/streams/web/inode").as_u64().unwrap_or(before);
        now != before
    });
    assert_eq!(now, inode(path), "the open file is the one at the path");
    now
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Has `meddle` do something to the file again and again while clients send, and waits each time
/// until the agent goes on in another one. Returns what was sent.
fn meddle_under_load(
    agent: &Agent,
    place: &Place,
    times: u64,
    every: Duration,
    mut meddle: impl FnMut(u64, &Path),
) -> Sent {
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..6, u64::MAX, Writes::CutAnywhere, &gate);
    let log = place.log("web");
    gate.trickle_during(20, || {
        for time in 0..times {
            let (begin, sent) = (Instant::now(), clients.lines_sent());
            wait_until("the clients send", || clients.lines_sent() > sent);
            let before = inode(&log);
            meddle(time, &log);
            wait_for_another(agent, &log, before);
            sleep(every.saturating_sub(begin.elapsed()));
        }
    });
    let count = clients.count() as u64;
    let sent = clients.finish();
    agent.wait_for_lines("web", count * sent.lines);
    sent
}

#[test]
fn files_renamed_without_a_signal_lose_double_and_tear_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let (times, every) = scale((5, 700), (100, 3000));
    let mut archives = Vec::new();
    let mut renamed = None;
    let sent =
        meddle_under_load(&agent, &place, times, Duration::from_millis(every), |time, log| {
            // The one before is complete: the agent has said that another one is open.
            archives.extend(renamed.take().map(compressed));
            let archive = place.log(&format!("web.{time:03}"));
            fs::rename(log, &archive).unwrap();
            renamed = Some(archive);
        });
    archives.extend(renamed.take().map(compressed));
    assert_eq!(agent.count("/streams/web/found/renamed"), times);
    agent.wait_for_message(&["level=warn", "renamed", "web.log"]);
    agent.stop();
    archives.push(place.log("web"));
    Checker::of(&archives).assert_exactly(&[sent]);
}

fn compressed(file: PathBuf) -> PathBuf {
    run(Command::new("gzip").arg(&file));
    file.with_extension(format!("{}.gz", file.extension().unwrap().to_str().unwrap()))
}

#[test]
fn of_removed_files_exactly_what_stood_in_them_is_lost() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let (times, every) = scale((5, 700), (100, 2000));
    let mut removed: Vec<File> = Vec::new();
    let sent = meddle_under_load(&agent, &place, times, Duration::from_millis(every), |_, log| {
        removed.push(File::open(log).unwrap());
        fs::remove_file(log).unwrap();
    });
    assert_eq!(agent.count("/streams/web/found/removed"), times);
    agent.stop();

    let left = Checker::of(&[place.log("web")]);
    left.assert_no_line_harmed();
    let mut all = Checker::new();
    let mut lost = 0;
    for (number, mut file) in removed.into_iter().enumerate() {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        lost += (bytes.len() / LINE_BYTES) as u64;
        all.read_bytes(Path::new(&format!("removed file {number}")), &bytes);
    }
    assert!(lost > 0);
    assert_eq!(left.lost(std::slice::from_ref(&sent)), lost);
    all.read(&place.log("web"));
    all.assert_exactly(std::slice::from_ref(&sent));
}

#[test]
fn an_idle_stream_whose_file_is_removed_has_one_again() {
    let web = Web::start();
    let before = inode(&web.log());
    let _held = web.hold();
    fs::remove_file(web.log()).unwrap();
    web.wait_for_another(before);
    assert_eq!(web.found(), [0, 1, 0, 0]);
    web.agent.wait_for_message(&["removed", "web.log", &before.to_string()]);
    web.agent.stop();
}

#[test]
fn a_renamed_file_is_written_on_until_there_is_another() {
    let mut web = Web::start();
    web.send("one");
    let (before, renamed) = (inode(&web.log()), web.place.log("web.1"));
    fs::rename(web.log(), &renamed).unwrap();
    let begin = Instant::now();
    web.send("two");
    // A machine that is too slow for that proves nothing.
    let was_quick = begin.elapsed() < Duration::from_millis(400);
    web.wait_for_another(before);
    web.send("three");
    if was_quick {
        assert_eq!((text(&renamed).as_str(), text(&web.log()).as_str()), ("one\ntwo\n", "three\n"));
    }
    assert_eq!(text(&renamed) + &text(&web.log()), "one\ntwo\nthree\n");
    assert_eq!(web.found(), [1, 0, 0, 0]);
    web.agent.wait_for_message(&["renamed", "web.log", &before.to_string()]);
    web.agent.stop();
}

#[test]
fn a_file_that_another_one_replaces_is_left_for_that_one() {
    let mut web = Web::start();
    web.send("one");
    let before = inode(&web.log());
    let _held = web.hold();
    // Renamed over it, ours has no name any more.
    fs::write(web.place.log("new"), "from elsewhere\n").unwrap();
    fs::rename(web.place.log("new"), web.log()).unwrap();
    let second = web.wait_for_another(before);
    web.send("two");
    assert_eq!(text(&web.log()), "from elsewhere\ntwo\n");
    // Made anew, ours is elsewhere.
    fs::rename(web.log(), web.place.log("web.1")).unwrap();
    fs::write(web.log(), "").unwrap();
    web.wait_for_another(second);
    web.send("three");
    assert_eq!(text(&web.log()), "three\n");
    assert_eq!(web.found(), [0, 0, 2, 0]);
    web.agent.wait_for_message(&["another file", "web.log", &before.to_string()]);
    web.agent.stop();
}

#[test]
fn a_truncated_file_is_written_on_from_its_new_end() {
    let mut web = Web::start();
    for round in 0..3_u64 {
        web.send("a line that is gone soon");
        let before = inode(&web.log());
        File::options().write(true).open(web.log()).unwrap().set_len(0).unwrap();
        wait_until("the truncation is noticed", || {
            // No name changes: it is noticed before a write.
            web.send("x");
            web.found() == [0, 0, 0, round + 1]
        });
        assert_eq!(inode(&web.log()), before);
        let lines = text(&web.log());
        assert!(!lines.is_empty() && lines.lines().all(|line| line == "x"), "{lines:?}");
    }
    web.agent.wait_for_message(&["truncated", "web.log"]);
    web.agent.stop();
}

#[test]
fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let mut web = Web::start();
    for round in 0..3 {
        web.send("before");
        let before = inode(&web.log());
        let mut held = vec![web.hold()];
        fs::remove_dir_all(web.place.path("log")).unwrap();
        let again = web.wait_for_another(before);
        assert_eq!(text(&web.log()), "");
        held.push(web.hold());
        // Nothing but the watch on the new directory tells of this.
        fs::remove_file(web.log()).unwrap();
        let last = web.wait_for_another(again);

        let elsewhere = web.place.path(&format!("elsewhere-{round}"));
        fs::rename(web.place.path("log"), &elsewhere).unwrap();
        let new = web.wait_for_another(last);
        held.push(web.hold());
        fs::remove_file(web.log()).unwrap();
        web.wait_for_another(new);
        web.send("after");
        assert_eq!(text(&web.log()), "after\n");
    }
    assert_eq!(web.found(), [3, 9, 0, 0]);
    web.agent.stop();
}

#[test]
fn a_directory_that_is_moved_away_and_back_is_still_watched() {
    let web = Web::start();
    let before = inode(&web.log());
    fs::rename(web.place.path("log"), web.place.path("away")).unwrap();
    fs::rename(web.place.path("away"), web.place.path("log")).unwrap();
    // Whatever the agent has seen of that.
    wait_until("there is a file", || web.log().exists());
    sleep(Duration::from_millis(700));
    let now = inode(&web.log());
    assert_eq!(now, before);
    let _held = web.hold();
    fs::remove_file(web.log()).unwrap();
    web.wait_for_another(now);
    web.agent.stop();
}

#[test]
fn a_file_system_mounted_over_the_directory_gets_the_next_lines() {
    let mut web = Web::start();
    web.send("below");
    let below = inode(&web.log());
    let disk = SmallDisk::mount(web.place.path("log"), 1 << 20);
    wait_until("a line is in the new file system", || {
        web.send("above");
        web.log().exists()
    });
    assert_eq!(web.found(), [1, 0, 0, 0]);
    let above = inode(&web.log());
    let held = web.hold();
    fs::remove_file(web.log()).unwrap();
    // It is watched.
    wait_for_another(&web.agent, &web.log(), above);
    drop((held, disk));
    wait_until("a line is below again", || {
        web.send("below");
        web.agent.status_of("/streams/web/inode") == below
    });
    web.send("at last");
    assert!(text(&web.log()).ends_with("\nat last\n"));
    web.agent.stop();
}

#[test]
fn without_inotify_the_next_write_notices() {
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        let place = Place::new();
        place.configure(WEB);
        let limited = format!("echo 0 > /proc/sys/user/{limit}; exec \"$@\"");
        let mut command = place.command_under(&["unshare", "-Ur", "sh", "-c", &limited, "sh"]);
        command.arg("-c").arg(place.path("agent.toml"));
        let agent = place.spawn_ready(command);
        agent.wait_for_message(&["cannot watch"]);
        let mut web = Web::of(place, agent);
        web.send("one");
        let before = inode(&web.log());
        let _held = web.hold();
        fs::remove_file(web.log()).unwrap();
        // At most every half second it looks.
        wait_until("it is noticed", || {
            web.send("x");
            web.found() == [0, 1, 0, 0]
        });
        web.wait_for_another(before);
        assert!(text(&web.log()).lines().all(|line| line == "x"));
        web.agent.stop();
    }
}

#[test]
fn many_streams_in_one_directory_are_healed_by_one_watch() {
    let place = Place::new();
    let names: Vec<String> = (0..scale(100, 1000)).map(|number| format!("s{number}")).collect();
    let input = |name: &String| format!("[input.{name}.fifo]\npath = \"@/{name}.fifo\"\n");
    let agent = place.start(&names.iter().map(input).collect::<String>());
    let watches = || -> usize {
        let directory = format!("/proc/{}/fdinfo", agent.pid());
        let infos = fs::read_dir(directory).unwrap().flatten();
        let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
        texts.map(|text| text.matches("inotify wd:").count()).sum()
    };
    assert_eq!(watches(), 1);
    for name in &names {
        fs::remove_file(place.log(name)).unwrap();
    }
    wait_until("every file is there again", || names.iter().all(|name| place.log(name).exists()));
    for name in &names {
        fs::rename(place.log(name), place.log(&format!("{name}.1"))).unwrap();
    }
    wait_until("every file is there again", || names.iter().all(|name| place.log(name).exists()));
    assert_eq!(watches(), 1);
    agent.stop();
}

#[test]
fn an_idle_agent_does_not_wake_up() {
    let mut web = Web::start();
    web.send("one");
    let before = inode(&web.log());
    fs::rename(web.log(), web.place.log("web.1")).unwrap();
    web.wait_for_another(before);
    // What it did last may take a moment.
    let mut last = Vec::new();
    wait_until("it is at rest", || {
        sleep(Duration::from_millis(200));
        let now = switches(web.agent.pid());
        std::mem::replace(&mut last, now) == last
    });
    sleep(Duration::from_secs(scale(3, 20)));
    assert_eq!(switches(web.agent.pid()), last, "threads and how often each went to sleep");
    web.agent.stop();
}

/// Of each thread its name and how often it has gone to sleep.
fn switches(pid: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: PathBuf| {
        let text = text(&task.join("status"));
        let line =
            |field: &str| text.lines().find(|line| line.starts_with(field)).unwrap().to_owned();
        (line("Name:"), line("voluntary_ctxt_switches:"))
    };
    tasks.map(|task| of(task.unwrap().path())).collect()
}

#[test]
fn a_signal_comes_before_the_healing() {
    let mut web = Web::start();
    for round in 0..5 {
        web.send("before");
        let before = inode(&web.log());
        fs::rename(web.log(), web.place.log(&format!("web.{round}"))).unwrap();
        fs::write(web.log(), "").unwrap();
        web.agent.signal(nix::sys::signal::Signal::SIGUSR2);
        web.wait_for_another(before);
    }
    let renamed_and_created = web.found();
    // Unless this machine is slow, it has needed no healing.
    assert!(renamed_and_created.iter().sum::<u64>() < 5, "{renamed_and_created:?}");
    web.agent.stop();
}

#[test]
fn whoever_removes_the_log_of_a_full_disk_sets_its_stream_going_again() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("log"), 1 << 20);
    let agent = place.start(WEB);
    disk.fill_but(8192);
    let gate = Gate::open();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..1, 200, Writes::CutAnywhere, &gate);
    let sent = clients.finish();
    agent.wait_for_state("web", "stalled");
    let mut held = File::open(place.log("web")).unwrap();
    fs::remove_file(place.log("web")).unwrap();
    // The disk has room once nobody has the file any more.
    wait_until("the file is left", || agent.count("/streams/web/found/removed") == 1);
    let mut removed = Vec::new();
    held.read_to_end(&mut removed).unwrap();
    drop(held);
    fs::remove_file(disk.path("filler")).unwrap();
    agent.wait_for_lines("web", sent.lines);
    agent.stop();
    let mut checker = Checker::new();
    checker.accept_torn_ends();
    checker.read_bytes(Path::new("removed"), &removed);
    checker.read(&place.log("web"));
    checker.assert_exactly(&[sent]);
}
