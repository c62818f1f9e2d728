//! Rotation without logrotate: by size, by time, compressed, some archives kept.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use logagent::writer::archive::files::list;
use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, LINE_BYTES, Place, Random, Sent, SmallDisk, Writes,
    numbered_lines, run, scale, wait_until, whole_machine,
};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

fn rotating(keys: &str) -> String {
    format!("{WEB}[stream.web]\nrotate = {{ {keys} }}\n")
}

/// The archives of a file, the oldest first; none of them half made.
#[track_caller]
fn archives(log: &Path) -> Vec<PathBuf> {
    let mut found = list(log).unwrap();
    found.sort_by_key(|one| one.name);
    assert!(found.iter().all(|one| !one.is_unfinished), "{found:?}");
    found.into_iter().map(|one| one.path).collect()
}

/// The archives and the file, in the order in which they were written.
#[track_caller]
fn files(log: &Path) -> Vec<PathBuf> {
    let mut files = archives(log);
    files.push(log.into());
    files
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.to_str().unwrap().ends_with(suffix)
}

/// Waits until every archive is compressed, and nothing is on its way.
#[track_caller]
fn wait_until_compressed(log: &Path, suffix: &str) {
    wait_until("every archive is compressed", || {
        let found = list(log).unwrap();
        found.iter().all(|one| has_suffix(&one.path, suffix))
    });
}

/// What the system's own tool says of compressed files.
#[track_caller]
fn assert_whole(tool: &str, files: &[PathBuf]) {
    for files in files.chunks(500) {
        run(Command::new(tool).arg("-t").args(files));
    }
}

/// Whoever compresses runs, reads and writes when nobody else wants to.
#[track_caller]
fn assert_lowest_priority(agent: &Agent) {
    let mut tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let is_archivist = |task: &PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "archivist\n")
    };
    let archivist = tasks.find_map(|task| Some(task.unwrap().path()).filter(is_archivist)).unwrap();
    // It lowers itself when it begins.
    wait_until("its nice value is 19", || {
        let stat = fs::read_to_string(archivist.join("stat")).unwrap();
        let behind_name = stat.rsplit(')').next().unwrap();
        // Field 19, where the name is field 2 (proc_pid_stat(5)).
        behind_name.split_whitespace().nth(19 - 3) == Some("19")
    });
    let id = archivist.file_name().unwrap().to_str().unwrap().to_owned();
    wait_until("its input and output are idle", || {
        run(Command::new("ionice").args(["-p", &id])).stdout == b"idle\n"
    });
}

fn send(place: &Place, lines: &[u8]) {
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(lines).unwrap();
}

#[test]
fn own_rotation_under_twenty_clients_loses_doubles_and_tears_nothing() {
    let _machine = whole_machine();
    for (compress, suffix) in [("none", ""), ("zstd", ".zst"), ("gzip", ".gz")] {
        let place = Place::new();
        let agent = place.start(&rotating(&format!("size = \"64KiB\", compress = \"{compress}\"")));
        let lines = scale(2_000, 50_000);
        let (socket, gate) = (place.path("web.sock"), Gate::open());
        let clients = Clients::connect(&socket, 0..20, lines, Writes::CutAnywhere, &gate);
        let sent = clients.finish();
        agent.wait_for_lines("web", 20 * lines);
        let rotations = agent.count("/streams/web/rotations");
        assert_eq!(agent.count("/streams/web/reopens"), 0);
        let log = place.log("web");
        if compress != "none" {
            assert_lowest_priority(&agent);
            wait_until_compressed(&log, suffix);
        }
        agent.stop();

        let archives = archives(&log);
        assert_eq!(archives.len() as u64, rotations);
        let least = 20 * lines * LINE_BYTES as u64 / (64 << 10);
        assert!(rotations >= least, "only {rotations} rotations");
        Checker::of(&files(&log)).assert_exactly(&[sent]);
        match compress {
            // As full as whole lines can make it.
            "none" => {
                for archive in archives {
                    let bytes = fs::metadata(archive).unwrap().len();
                    let lines_max = (64 << 10) / LINE_BYTES as u64;
                    assert_eq!(bytes / LINE_BYTES as u64, lines_max, "{bytes} bytes");
                }
            }
            tool => assert_whole(tool, &archives),
        }
    }
}

#[test]
fn a_kill_while_files_are_rotated_and_compressed_loses_only_what_was_not_written() {
    let _machine = whole_machine();
    let place = Place::new();
    place.configure(&rotating("size = \"16KiB\", compress = \"zstd\""));
    let (log, mut random) = (place.log("web"), Random::new(7));
    let kills = scale(12, 100);
    let mut unfinished = 0;
    for kill in 0..kills {
        let mut agent = place.start_again();
        // What the kill before has left is finished or undone.
        wait_until_compressed(&log, ".zst");
        let gate = Gate::open();
        let numbers = kill * 4..kill * 4 + 4;
        let socket = place.path("web.sock");
        let clients = Clients::connect(&socket, numbers, u64::MAX, Writes::CutAnywhere, &gate);
        let rotations = random.between(2, 40) as u64;
        wait_until("it rotates", || agent.count("/streams/web/rotations") >= rotations);
        agent.signal(Signal::SIGKILL);
        agent.child().wait().unwrap();
        clients.abandon();
        let left = list(&log).unwrap();
        unfinished += left.iter().filter(|one| !has_suffix(&one.path, ".zst")).count();
    }
    assert!(unfinished > 0, "no kill came while something was compressed");
    let agent = place.start_again();
    wait_until_compressed(&log, ".zst");
    agent.stop();
    assert_whole("zstd", &archives(&log));
    let names = place.files("log");
    assert_eq!(names.len(), files(&log).len(), "{names:?}");
    let mut checker = Checker::new();
    checker.accept_fragments(kills);
    files(&log).iter().for_each(|file| checker.read(file));
    checker.assert_no_line_harmed();
    checker.assert_no_gap();
}

#[test]
fn a_period_that_ends_rotates_the_file_even_where_no_line_comes_then() {
    let place = Place::new();
    let agent = place.start(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         [input.busy.unix-stream]\npath = \"@/busy.sock\"\n\
         [defaults]\nrotate = { every = \"1s\" }\n",
    );
    send(&place, b"one\n");
    let log = place.log("web");
    wait_until("the file is rotated", || agent.count("/streams/web/rotations") == 1);
    let archive = archives(&log).remove(0);
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert_eq!(name.len(), "web.log-20261121T060000Z".len(), "{name}");
    assert_eq!(fs::read_to_string(&archive).unwrap(), "one\n");
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::metadata(&log).unwrap().ino(), agent.count("/streams/web/inode"));

    // An empty file stays, however many periods end.
    let mut busy = UnixStream::connect(place.path("busy.sock")).unwrap();
    wait_until("another one is rotated again and again", || {
        busy.write_all(b"line\n").unwrap();
        agent.count("/streams/busy/rotations") >= 3
    });
    assert_eq!(agent.count("/streams/web/rotations"), 1);
    assert_eq!(archives(&log), [archive]);
    drop(busy);
    agent.stop();
}

#[test]
fn a_file_of_a_period_that_has_ended_is_rotated_at_the_start() {
    let place = Place::new();
    fs::write(place.log("web"), "old\n").unwrap();
    let an_hour = std::time::Duration::from_secs(60 * 60);
    let before = std::time::SystemTime::now() - 25 * an_hour;
    fs::File::options().write(true).open(place.log("web")).unwrap().set_modified(before).unwrap();
    let agent = place.start(&rotating("every = \"1d\", compress = \"gzip\""));
    let log = place.log("web");
    wait_until("the file is rotated", || agent.count("/streams/web/rotations") == 1);
    wait_until_compressed(&log, ".gz");
    send(&place, b"new\n");
    agent.wait_for_lines("web", 1);
    assert_eq!(fs::read_to_string(&log).unwrap(), "new\n");
    let old = run(Command::new("gzip").arg("-dc").args(archives(&log))).stdout;
    assert_eq!(old, b"old\n");
    agent.stop();
    // One of this period goes on, whoever began it.
    let agent = place.start_again();
    send(&place, b"newer\n");
    agent.wait_for_lines("web", 1);
    agent.stop();
    assert_eq!(archives(&log).len(), 1);
    assert_eq!(fs::read_to_string(&log).unwrap(), "new\nnewer\n");
}

#[test]
fn the_newest_archives_are_kept_and_nothing_else_is_touched() {
    let place = Place::new();
    let others = ["web.log-20261121", "web.log-20261121T060000Z.bak", "web.log.1", "other.log"];
    for name in others {
        place.write(&format!("log/{name}"), "not ours\n");
    }
    let agent = place.start(&rotating("size = \"4KiB\", keep = 3, compress = \"zstd\""));
    let lines = 1_000;
    send(&place, &numbered_lines(0, 0..lines));
    agent.wait_for_lines("web", lines);
    let log = place.log("web");
    let rotations = agent.count("/streams/web/rotations");
    assert_eq!(rotations, (lines - 1) / (4096 / LINE_BYTES as u64));
    wait_until_compressed(&log, ".zst");
    wait_until("only those are left that are kept", || list(&log).unwrap().len() == 3);
    agent.stop();
    let kept = 3 * (4096 / LINE_BYTES as u64);
    let left: Vec<u8> = files(&log)
        .iter()
        .flat_map(|file| match has_suffix(file, ".zst") {
            true => run(Command::new("zstd").arg("-dcq").arg(file)).stdout,
            false => fs::read(file).unwrap(),
        })
        .collect();
    let in_file = fs::metadata(&log).unwrap().len() / LINE_BYTES as u64;
    assert_eq!(left, numbered_lines(0, lines - in_file - kept..lines));
    for name in others {
        assert_eq!(fs::read_to_string(place.path(&format!("log/{name}"))).unwrap(), "not ours\n");
    }
}

#[test]
fn a_reload_begins_and_ends_rotation() {
    let place = Place::new();
    let agent = place.start(WEB);
    let log = place.log("web");
    let mut sent = 0;
    let mut send_some = |agent: &Agent| {
        send(&place, &numbered_lines(0, sent..sent + 100));
        sent += 100;
        agent.wait_for_lines("web", sent);
    };
    send_some(&agent);
    assert_eq!(agent.count("/streams/web/rotations"), 0);
    for (body, rotates) in [(rotating("size = \"4KiB\""), true), (WEB.to_owned(), false)] {
        place.configure(&body);
        let applied = agent.messages().matches("applied").count();
        agent.signal(Signal::SIGHUP);
        wait_until("it is applied", || agent.messages().matches("applied").count() > applied);
        let before = agent.count("/streams/web/rotations");
        send_some(&agent);
        assert_eq!(agent.count("/streams/web/rotations") > before, rotates);
    }
    agent.stop();
    Checker::of(&files(&log)).assert_exactly(&[Sent { clients: 0..1, lines: sent }]);
}

#[test]
fn pipe_mode_rotates_and_keeps_as_many_as_it_is_told() {
    for by_environment in [false, true] {
        let place = Place::new();
        let mut command = place.command();
        command.arg("-o").arg(place.path("app.log")).stdin(Stdio::piped());
        if by_environment {
            command.env("LOGAGENT_ROTATE_SIZE", "4KiB").env("LOGAGENT_ROTATE_KEEP", "2");
        } else {
            command.args(["--rotate-size", "4KiB", "--rotate-keep", "2"]);
        }
        let mut agent = place.spawn(command);
        let mut input = agent.child().stdin.take().unwrap();
        let all = numbered_lines(0, 0..500);
        input.write_all(&all).unwrap();
        let log = place.path("app.log");
        let file_bytes = 4096 / LINE_BYTES * LINE_BYTES;
        let left_bytes = 2 * file_bytes + all.len() % file_bytes;
        let left = || -> Vec<u8> {
            let read = |file: &PathBuf| fs::read(file).unwrap_or_default();
            files(&log).iter().flat_map(read).collect()
        };
        wait_until("only what is kept is left", || left() == all[all.len() - left_bytes..]);
        drop(input);
        assert_eq!(agent.wait(), 0);
        assert_eq!(archives(&log).len(), 2);
    }
}

#[test]
fn a_disk_that_is_too_full_to_compress_keeps_the_archive_until_there_is_room() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 1 << 20);
    let agent = place.start(&format!(
        "{WEB}[stream.web]\nfile = \"@/small/web.log\"\n\
         rotate = {{ size = \"200KiB\", compress = \"gzip\" }}\n"
    ));
    let log = disk.path("web.log");
    // What can be made no smaller: an archive beside which there is no room.
    let filler = disk.fill_but(210 << 10);
    let mut random = Random::new(3);
    let mut lines = Vec::new();
    for _ in 0..1790 {
        lines.extend((0..118).map(|_| b'!' + u8::try_from(random.between(0, 90)).unwrap()));
        lines.push(b'\n');
    }
    send(&place, &lines);
    agent.wait_for_message(&["cannot compress", "o space left"]);
    let error = agent.status_of("/streams/web/last_error");
    assert!(error.as_str().unwrap().contains("o space left"), "{error}");
    fs::remove_file(filler).unwrap();
    agent.wait_for_lines("web", 1790);
    wait_until("it is compressed in the end", || {
        let found = list(&log).unwrap();
        !found.is_empty() && found.iter().all(|one| has_suffix(&one.path, ".gz"))
    });
    agent.stop();
    let mut left = run(Command::new("gzip").arg("-dc").args(archives(&log))).stdout;
    left.extend(fs::read(log).unwrap());
    assert_eq!(left, lines);
}

#[test]
fn a_device_is_never_rotated() {
    let place = Place::new();
    let device = place.path("null");
    // One of its own: whoever rotates the system's does harm.
    run(Command::new("mknod").arg(&device).args(["c", "1", "3"]));
    let agent = place.start(&format!(
        "{WEB}[stream.web]\nfile = \"@/null\"\nrotate = {{ size = \"4KiB\", every = \"1s\" }}\n"
    ));
    send(&place, &numbered_lines(0, 0..1_000));
    agent.wait_for_lines("web", 1_000);
    assert_eq!(agent.count("/streams/web/rotations"), 0);
    agent.stop();
    assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
    assert_eq!(archives(&device), [] as [PathBuf; 0]);
}
