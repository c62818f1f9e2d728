//! `sync`: when files are forced to the disk, and what a kill and a power cut leave of them.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, LoopDisk, Place, Sent, Writes, numbered_lines, scale,
    wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// An agent whose writes and syncs are listed by strace.
struct Traced {
    agent: Agent,
    trace: PathBuf,
    log: PathBuf,
}

/// What was done to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Write,
    Sync,
    Close,
}

impl Traced {
    #[track_caller]
    fn start(place: &Place, body: &str, log: PathBuf) -> Traced {
        place.configure(body);
        let trace = place.path("trace");
        // -D: the agent is our child, and strace its.
        let wrapper = ["strace", "-D", "-f", "-qq", "-y", "-e", "signal=none", "-e"];
        let calls = ["trace=write,fsync,fdatasync,close", "-o", trace.to_str().unwrap()];
        let mut command = place.command_under(&[&wrapper[..], &calls].concat());
        command.arg("-c").arg(place.path("agent.toml"));
        Traced { agent: place.spawn_ready(command), trace, log }
    }

    /// What was done to the file so far, by whatever name it had then. A call counts when it has come
    /// to its end.
    fn seen(&self) -> Vec<Seen> {
        let trace = fs::read_to_string(&self.trace).unwrap();
        let whole_lines = trace.rfind('\n').map_or("", |end| &trace[..end]);
        let ours = format!("<{}", self.log.display());
        // Only the file's writer works on it.
        let mut begun = None;
        let mut seen = Vec::new();
        for line in whole_lines.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            if call.starts_with("<... ") {
                seen.extend(begun.take_if(|(by, _)| by == thread).map(|(_, seen)| seen));
                continue;
            }
            let now = match call.split('(').next() {
                Some("write") => Seen::Write,
                Some("fsync" | "fdatasync") => Seen::Sync,
                Some("close") => Seen::Close,
                _ => continue,
            };
            match (line.contains(&ours), line.ends_with("<unfinished ...>")) {
                (true, true) => begun = Some((thread.to_owned(), now)),
                (true, false) => seen.push(now),
                (false, _) => {}
            }
        }
        seen
    }

    fn syncs(&self) -> usize {
        self.seen().iter().filter(|seen| **seen == Seen::Sync).count()
    }

    /// Waits until nothing was written that was not synced since.
    #[track_caller]
    fn wait_until_synced(&self) {
        wait_until("the file is synced", || {
            let seen = self.seen();
            let last = seen.iter().rfind(|seen| **seen != Seen::Close);
            last == Some(&Seen::Sync)
        });
    }
}

fn body(sync: &str) -> String {
    format!("{WEB}[stream.web]\nsync = \"{sync}\"\n")
}

fn connect(place: &Place) -> UnixStream {
    UnixStream::connect(place.path("web.sock")).unwrap()
}

/// Leaves the file, as a rotation does.
#[track_caller]
fn rotate(agent: &Agent, log: &Path) {
    let inode = agent.status_of("/streams/web/inode");
    fs::rename(log, log.with_extension("log.1")).unwrap();
    agent.signal(Signal::SIGUSR2);
    wait_until("the old file is left", || {
        let now = agent.status_of("/streams/web/inode");
        now != inode && !now.is_null()
    });
}

#[test]
fn files_are_synced_when_sync_says_so_and_never_else() {
    for (sync, syncs_at_the_end) in [("never", false), ("reopen", true), ("50ms", true)] {
        let place = Place::new();
        let traced = Traced::start(&place, &body(sync), place.log("web"));
        let mut client = connect(&place);
        client.write_all(&numbered_lines(0, 0..100)).unwrap();
        traced.agent.wait_for_lines("web", 100);
        if sync == "50ms" {
            traced.wait_until_synced();
            let syncs = traced.syncs();
            client.write_all(&numbered_lines(0, 100..200)).unwrap();
            traced.agent.wait_for_lines("web", 200);
            traced.wait_until_synced();
            assert!(traced.syncs() > syncs);
        } else {
            assert_eq!(traced.syncs(), 0, "{sync}");
            client.write_all(&numbered_lines(0, 100..200)).unwrap();
            traced.agent.wait_for_lines("web", 200);
        }

        let syncs = traced.syncs();
        rotate(&traced.agent, &place.log("web"));
        client.write_all(&numbered_lines(0, 200..300)).unwrap();
        traced.agent.wait_for_lines("web", 300);
        // The old file is complete, and nothing of it is to be synced later.
        let seen = traced.seen();
        let closed = seen.iter().position(|seen| *seen == Seen::Close).expect("it is left");
        let before: Vec<_> = seen[..closed].iter().filter(|seen| **seen == Seen::Sync).collect();
        assert_eq!(before.is_empty(), !syncs_at_the_end, "{sync}: {seen:?}");
        assert_eq!(seen[closed - 1] == Seen::Sync, syncs_at_the_end, "{sync}: {seen:?}");
        assert!(sync != "reopen" || traced.syncs() == syncs + 1, "{sync}: {seen:?}");

        let Traced { mut agent, trace, log } = traced;
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0);
        let traced = Traced { agent, trace, log };
        wait_until("strace has written it", || {
            traced.seen().iter().filter(|seen| **seen == Seen::Close).count() == 2
        });
        let seen = traced.seen();
        assert_eq!(seen[seen.len() - 2] == Seen::Sync, syncs_at_the_end, "{sync}: {seen:?}");
        assert_eq!(traced.syncs() == 0, !syncs_at_the_end);
        let files = [place.log("web").with_extension("log.1"), place.log("web")];
        Checker::of(&files).assert_exactly(&[Sent { clients: 0..1, lines: 300 }]);
    }
}

#[test]
fn what_was_written_before_a_kill_is_in_the_file_whatever_sync_says() {
    let _machine = whole_machine();
    for sync in ["never", "reopen", "50ms"] {
        for _ in 0..scale(3, 30) {
            let place = Place::new();
            let mut agent = place.start(&body(sync));
            let gate = Gate::open();
            let socket = place.path("web.sock");
            let clients = Clients::connect(&socket, 0..4, 1 << 20, Writes::CutAnywhere, &gate);
            wait_until("lines are written", || agent.count("/streams/web/lines_written") > 1_000);
            let written = agent.count("/streams/web/lines_written");
            agent.signal(Signal::SIGKILL);
            wait_until("it is dead", || agent.end_so_far().is_some());
            clients.abandon();
            let mut checker = Checker::new();
            checker.accept_torn_ends();
            checker.read(&place.log("web"));
            checker.assert_no_line_harmed();
            let log = fs::read(place.log("web")).unwrap();
            let lines = memchr::memchr_iter(b'\n', &log).count() as u64;
            assert!(lines >= written, "{sync}: {written} lines written, {lines} in the file");
        }
    }
}

#[test]
fn what_was_synced_before_a_power_cut_is_in_the_file() {
    for sync in ["reopen", "10ms"] {
        let place = Place::new();
        let disk = LoopDisk::mount(&place, "rw");
        let log = disk.path("web.log");
        let file = format!("file = \"{}\"\n", log.display());
        let traced = Traced::start(&place, &format!("{}{file}", body(sync)), log.clone());
        connect(&place).write_all(&numbered_lines(0, 0..10_000)).unwrap();
        traced.agent.wait_for_lines("web", 10_000);
        match sync {
            "reopen" => rotate(&traced.agent, &log),
            _ => traced.wait_until_synced(),
        }
        disk.cut_power();
        drop(traced);
        wait_until("it is unmounted", || disk.try_unmount());
        disk.mount_again("rw");
        let left = if sync == "reopen" { log.with_extension("log.1") } else { log };
        Checker::of(&[left]).assert_exactly(&[Sent { clients: 0..1, lines: 10_000 }]);
    }
}
