//! What was renamed is compressed at once: `logagent reopen` returns when it is complete.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;

use crate::support::{
    Agent, Checker, Clients, Gate, Logrotate, Place, Writes, rotated, run, scale, wait_until,
    whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// Compresses a file at once; it is gone then, and what would still be written to it is lost.
fn compress(file: &Path) -> PathBuf {
    run(Command::new("gzip").arg("-1").arg(file));
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// What was said of a renamed file is so when it is said: it is as long as it will ever be, and the
/// agent has it open no more.
#[track_caller]
fn assert_left(agent: &Agent, renamed: &Path, said: &str) {
    let said: Value = serde_json::from_str(said).unwrap();
    let file = fs::metadata(renamed).unwrap();
    assert_eq!(said["old"]["inode"], file.ino(), "{said}");
    assert_eq!(said["old"]["bytes"], file.len(), "{said}");
    let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    let open = descriptors.flatten().filter_map(|it| fs::metadata(it.path()).ok());
    assert!(!open.into_iter().any(|open| open.ino() == file.ino()), "it is still open: {said}");
}

#[track_caller]
fn assert_whole(archives: &[PathBuf]) {
    run(Command::new("gzip").arg("-t").args(archives));
}

#[test]
fn a_storm_of_reopens_with_compression_at_once_harms_no_line_of_a_hundred_clients() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..100, u64::MAX, Writes::CutAnywhere, &gate);
    let rotations = scale(50, 1_000);
    let mut files = Vec::new();
    gate.trickle_during(5, || {
        for rotation in 0..rotations {
            let sent = clients.lines_sent();
            wait_until("the clients send", || clients.lines_sent() > sent);
            let renamed = place.log(&format!("web.{rotation:04}"));
            fs::rename(place.log("web"), &renamed).unwrap();
            let said = agent.told(&["reopen", "--json"]);
            assert_left(&agent, &renamed, &said);
            files.push(compress(&renamed));
        }
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 100 * sent.lines);
    agent.stop();
    assert_whole(&files);
    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn logrotate_that_compresses_at_once_after_a_reopen_loses_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let hook = concat!(env!("CARGO_BIN_EXE_logagent"), " reopen --control @/control.sock");
    let logrotate = Logrotate::configured(
        &place,
        &format!(
            "@/log/*.log {{\n rotate 1000\n create\n compress\n postrotate\n {hook}\n endscript\n}}\n"
        ),
    );
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..100, u64::MAX, Writes::CutAnywhere, &gate);
    let rotations = scale(25, 1_000);
    gate.trickle_during(5, || {
        for _ in 0..rotations {
            let sent = clients.lines_sent();
            wait_until("the clients send", || clients.lines_sent() > sent);
            logrotate.rotate();
        }
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 100 * sent.lines);
    agent.stop();
    let files = rotated(&place.log("web"));
    let (_, archives) = files.split_last().unwrap();
    assert_eq!(archives.len(), rotations);
    assert_whole(archives);
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn several_reopens_at_once_each_return_when_the_old_file_is_complete() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, u64::MAX, Writes::CutAnywhere, &gate);
    let (done, others) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut files = Vec::new();
    gate.trickle_during(10, || {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        agent.told(&["reopen", "web", "--quiet"]);
                        others.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let rotated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for rotation in 0..scale(20, 300) {
                    let renamed = place.log(&format!("web.{rotation:04}"));
                    fs::rename(place.log("web"), &renamed).unwrap();
                    agent.told(&["reopen", "web"]);
                    files.push(compress(&renamed));
                }
            }));
            done.store(true, Ordering::Relaxed);
            rotated.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 10 * sent.lines);
    agent.stop();
    assert!(others.into_inner() > 10, "hardly any reopen came between");
    assert_whole(&files);
    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
}
