//! What a running agent can be asked, and what comes of it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    Agent, Checker, Clients, Gate, Place, SmallDisk, Writes, deadline, output_of, run, scale,
    wait_until, whole_machine,
};

const TWO: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                   [input.app.unix-stream]\npath = \"@/app.sock\"\n";

fn send(place: &Place, socket: &str, text: &str) {
    UnixStream::connect(place.path(socket)).unwrap().write_all(text.as_bytes()).unwrap();
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn lines_of(json: &str) -> Vec<Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_reopen_says_of_each_stream_what_became_of_its_file() {
    let place = Place::new();
    let agent = place.start(TWO);
    send(&place, "web.sock", "one\ntwo\n");
    agent.wait_for_lines("web", 2);
    let old = inode(&place.log("web"));
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    let said = agent.told(&["reopen", "--json", "web"]);
    let said = lines_of(&said);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["stream"], "web");
    assert_eq!(said[0]["old"], serde_json::json!({ "inode": old, "lines": 2, "bytes": 8 }));
    assert_eq!(said[0]["new_inode"], inode(&place.log("web")));
    assert_eq!(said[0]["moved_lines"], 0);

    send(&place, "web.sock", "three\n");
    agent.wait_for_lines("web", 3);
    fs::rename(place.log("web"), place.log("web.2")).unwrap();
    let said = agent.told(&["reopen"]);
    assert!(said.contains("is complete: 1 lines written, 6 bytes"), "{said}");
    assert!(said.contains("app: ") && said.contains(", as before"), "{said}");
    assert_eq!(agent.told(&["reopen", "--quiet"]), "");
    agent.stop();
}

#[test]
fn a_reopen_of_a_stream_that_is_not_there_names_those_that_are_and_reopens_nothing() {
    let place = Place::new();
    let agent = place.start(TWO);
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    let (status, complaint) = agent.refused(&["reopen", "web", "wbe"]);
    assert_eq!(status, 71);
    assert!(complaint.contains("no stream \"wbe\"; there is app, web"), "{complaint}");
    assert_eq!(agent.status_of("/streams/web/inode"), inode(&place.log("web.1")));
    assert_eq!(agent.refused(&["reopen", "../web"]).0, 64);
    agent.stop();
}

#[test]
fn without_an_agent_a_reopen_is_no_success_and_says_so() {
    let place = Place::new();
    let mut reopen = place.command();
    let output = output_of(reopen.args(["reopen", "--control"]).arg(place.path("none.sock")));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{complaint}");
    assert!(complaint.contains("no agent answers at"), "{complaint}");
    assert!(complaint.contains("this is no success"), "{complaint}");
}

#[test]
fn the_agent_is_found_by_its_configuration_and_by_the_environment() {
    let place = Place::new();
    let agent = place.start(TWO);
    run(place.command().arg("reopen").arg("-c").arg(place.path("agent.toml")));
    run(place.command().arg("reopen").env("LOGAGENT_CONTROL", place.path("control.sock")));
    run(place.command().arg("reopen").env("LOGAGENT_CONFIG", place.path("agent.toml")));
    agent.stop();
}

/// A stream whose file cannot be opened: its directory is a file.
fn break_app(place: &Place) {
    fs::rename(place.path("log/app.d"), place.path("log/app.away")).unwrap();
    fs::write(place.path("log/app.d"), "").unwrap();
}

const APP_APART: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                         [input.app.unix-stream]\npath = \"@/app.sock\"\n\
                         [stream.app]\nfile = \"@/log/app.d/app.log\"\n";

#[test]
fn a_stream_that_cannot_be_reopened_is_an_error_and_the_others_are_done() {
    let place = Place::new();
    let agent = place.start(APP_APART);
    break_app(&place);
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    let output = output_of(&mut agent.ask(&["reopen"]));
    let (said, complaint) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8(said).unwrap().contains("web: "));
    assert!(complaint.contains("logagent: app: "), "{complaint}");
    assert_eq!(agent.status_of("/streams/web/inode"), inode(&place.log("web")));
    // What it could not open it opens by itself once that can be.
    send(&place, "app.sock", "one\n");
    fs::remove_file(place.path("log/app.d")).unwrap();
    agent.wait_for_lines("app", 1);
    assert_eq!(fs::read_to_string(place.path("log/app.d/app.log")).unwrap(), "one\n");
    agent.stop();
}

/// A file system whose writes hang until it thaws.
struct Frozen {
    disk: SmallFileSystem,
}

/// A small ext4 on a loop device: a real disk that can be frozen (fsfreeze(8)), so that whoever
/// writes to it hangs.
struct SmallFileSystem {
    at: std::path::PathBuf,
}

impl SmallFileSystem {
    fn mount(place: &Place, name: &str) -> SmallFileSystem {
        let (image, at) = (place.path(&format!("{name}.ext4")), place.path(name));
        fs::create_dir_all(&at).unwrap();
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run(std::process::Command::new("mkfs.ext4").arg("-q").arg(&image));
        run(std::process::Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        SmallFileSystem { at }
    }

    fn freeze(self) -> Frozen {
        run(std::process::Command::new("fsfreeze").arg("--freeze").arg(&self.at));
        Frozen { disk: self }
    }
}

impl Frozen {
    fn thaw(&self) {
        run(std::process::Command::new("fsfreeze").arg("--unfreeze").arg(&self.disk.at));
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        // It may be frozen still, where the test has failed.
        output_of(std::process::Command::new("fsfreeze").arg("--unfreeze").arg(&self.at));
        output_of(std::process::Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

const WEB_AND_HANGING: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                               [input.app.unix-stream]\npath = \"@/app.sock\"\n\
                               [stream.app]\nfile = \"@/disk/app.log\"\n";

#[test]
fn a_file_system_that_hangs_holds_up_no_other_streams_answer() {
    let place = Place::new();
    let disk = SmallFileSystem::mount(&place, "disk");
    let agent = place.start(WEB_AND_HANGING);
    send(&place, "app.sock", "one\n");
    agent.wait_for_lines("app", 1);
    let frozen = disk.freeze();
    send(&place, "app.sock", "two\nthree\n");
    wait_until("the lines wait", || agent.count("/streams/app/pending_lines") == 2);

    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    agent.told(&["reopen", "web"]);
    assert_eq!(agent.status_of("/streams/web/inode"), inode(&place.log("web")));
    fs::rename(place.log("web"), place.log("web.2")).unwrap();
    let output = output_of(&mut agent.ask(&["reopen", "--timeout", "1s"]));
    let (said, complaint) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(71));
    assert!(said.contains("web: ") && !said.contains("app: "), "{said}");
    assert!(complaint.contains("app: no answer within 1s: writing, 2 lines and 10 bytes pending"));

    frozen.thaw();
    agent.told(&["reopen"]);
    agent.wait_for_lines("app", 3);
    agent.stop();
}

#[test]
fn many_who_wait_for_a_hanging_file_keep_nobody_else_from_being_answered() {
    let place = Place::new();
    let disk = SmallFileSystem::mount(&place, "disk");
    let agent = place.start(WEB_AND_HANGING);
    let frozen = disk.freeze();
    send(&place, "app.sock", "one\n");
    wait_until("the line waits", || agent.count("/streams/app/pending_lines") == 1);
    let waiting: Vec<UnixStream> = (0..20)
        .map(|_| {
            let mut client = UnixStream::connect(place.path("control.sock")).unwrap();
            client.write_all(b"reopen app\n").unwrap();
            client
        })
        .collect();
    agent.told(&["status"]);
    // What came of the configuration is told at once, although a file is waited for.
    let mut client = UnixStream::connect(place.path("control.sock")).unwrap();
    client.write_all(b"reload\n").unwrap();
    let mut applied = String::new();
    BufReader::new(client).read_line(&mut applied).unwrap();
    assert!(applied.contains("\"failed\":[]"), "{applied}");
    let mut client = UnixStream::connect(place.path("control.sock")).unwrap();
    client.write_all(b"reopen web\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("16 clients wait for reopen already"), "{answer}");
    // Those who go make room.
    drop(waiting);
    agent.told(&["reopen", "web"]);
    frozen.thaw();
    agent.wait_for_lines("app", 1);
    agent.stop();
}

#[test]
fn a_reload_says_what_has_changed() {
    let place = Place::new();
    let agent = place.start(TWO);
    assert_eq!(agent.told(&["reload"]), "applied: nothing has changed\n");
    place.configure(
        "max-connections = 77\n[input.web.unix-stream]\npath = \"@/web.sock\"\n\
                     [input.new.unix-stream]\npath = \"@/new.sock\"\n\
                     [stream.web]\nmax-line = \"2KiB\"\n",
    );
    let output = run(&mut agent.ask(&["reload"]));
    let (said, complaint) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "streams added: new\nstreams removed: app\nstreams changed: web\n\
         inputs added: new\ninputs removed: app\n"
    );
    assert!(complaint.contains("only a restart brings it: max-connections"), "{complaint}");
    send(&place, "new.sock", "one\n");
    agent.wait_for_lines("new", 1);
    agent.stop();
}

#[test]
fn a_reload_waits_for_its_turn_where_many_reload() {
    let place = Place::new();
    let disk = SmallFileSystem::mount(&place, "disk");
    let agent = place.start(WEB_AND_HANGING);
    let frozen = disk.freeze();
    send(&place, "app.sock", "one\n");
    wait_until("the line waits", || agent.count("/streams/app/pending_lines") == 1);
    // Twice as many as may wait.
    let reloading: Vec<_> = (0..8)
        .map(|at| {
            let said = File::create(place.path(&format!("said.{at}"))).unwrap();
            agent.ask(&["reload"]).stdout(said).spawn().unwrap()
        })
        .collect();
    let told = || {
        let said = (0..8).map(|at| fs::read_to_string(place.path(&format!("said.{at}"))).unwrap());
        said.filter(|said| said == "applied: nothing has changed\n").count()
    };
    wait_until("as many as may are told of the configuration", || told() == 4);
    frozen.thaw();
    for mut reloading in reloading {
        assert!(reloading.wait().unwrap().success());
    }
    assert_eq!(told(), 8);
    agent.stop();
}

#[test]
fn a_reload_of_a_wrong_configuration_tells_every_mistake_and_changes_nothing() {
    let place = Place::new();
    let agent = place.start(TWO);
    place.configure("nope = 1\n[input.web.unix-stream]\npath = 7\n");
    fs::rename(place.log("web"), place.log("web.1")).unwrap();
    let (status, complaint) = agent.refused(&["reload"]);
    assert_eq!(status, 78, "{complaint}");
    assert!(complaint.contains("nope") && complaint.contains("path"), "{complaint}");
    assert!(complaint.contains("agent.toml:"), "{complaint}");
    send(&place, "app.sock", "one\n");
    agent.wait_for_lines("app", 1);
    // Files are reopened all the same.
    assert!(place.log("web").exists());
    agent.stop();
}

#[test]
fn a_reload_names_an_input_that_could_not_be_opened() {
    let place = Place::new();
    let agent = place.start(TWO);
    let _somebody_else = UnixListener::bind(place.path("new.sock")).unwrap();
    place.configure(&format!("{TWO}[input.new.unix-stream]\npath = \"@/new.sock\"\n"));
    let output = output_of(&mut agent.ask(&["reload"]));
    let (said, complaint) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(71), "{complaint}");
    assert_eq!(String::from_utf8(said).unwrap(), "streams added: new\n");
    assert!(complaint.contains("input new: "), "{complaint}");
    agent.stop();
}

#[test]
fn an_agent_without_a_configuration_file_refuses_to_reload() {
    let place = Place::new();
    let mut command = place.command();
    command.arg("-o").arg(place.log("web")).arg("-l").arg(place.path("web.sock"));
    command.arg("--pid-file").arg(place.path("agent.pid"));
    command.arg("--control").arg(place.path("control.sock"));
    let agent = place.spawn_ready(command);
    let (status, complaint) = agent.refused(&["reload"]);
    assert_eq!(status, 71);
    assert!(complaint.contains("without a configuration file"), "{complaint}");
    agent.stop();
}

/// Stops the agent by command, and returns what that said, whether it went well or not.
#[track_caller]
fn stop_by_command(agent: &mut Agent) -> (Option<i32>, String) {
    let output = output_of(&mut agent.ask(&["stop"]));
    let said = [output.stdout, output.stderr].concat();
    // The process has gone when the command returns: nothing is waited for.
    assert!(agent.has_gone(), "the agent is still there");
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_stop_returns_when_every_line_is_written_and_the_process_has_gone() {
    let place = Place::new();
    for _ in 0..scale(5, 50) {
        let mut agent = place.start(TWO);
        send(&place, "web.sock", "one\ntwo\n");
        agent.wait_for_lines("web", 2);
        let said = stop_by_command(&mut agent);
        assert_eq!(said, (Some(0), "drained: 2 lines written\n".to_owned()));
        assert_eq!(agent.wait(), 0);
    }
}

#[test]
fn a_stop_under_load_says_how_many_lines_are_in_the_file() {
    let _machine = whole_machine();
    let place = Place::new();
    for round in 0..scale(5, 100) {
        let mut agent = place.start(TWO);
        let gate = Gate::open();
        let socket = place.path("web.sock");
        let clients = Clients::connect(&socket, 0..20, u64::MAX, Writes::CutAnywhere, &gate);
        wait_until("they send", || clients.lines_sent() > 10_000);
        let (status, said) = stop_by_command(&mut agent);
        clients.abandon();
        assert_eq!(agent.wait(), status.unwrap(), "{said}");
        let log = place.log(&format!("web.{round}"));
        fs::rename(place.log("web"), &log).unwrap();
        let lines = memchr::memchr_iter(b'\n', &fs::read(&log).unwrap()).count();
        assert!(said.contains(&format!("{lines} lines written")), "{lines}: {said}");
        let mut checker = Checker::new();
        // Where a client was inside a line when its connection was closed.
        checker.accept_fragments(20);
        checker.read(&log);
        checker.assert_no_line_harmed();
    }
}

#[test]
fn a_stop_with_a_full_disk_says_what_was_given_up() {
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("disk"), 1 << 20);
    let mut agent = place.start(
        "grace = \"1s\"\n[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         [stream.web]\nfile = \"@/disk/web.log\"\n",
    );
    disk.fill_but(0);
    send(&place, "web.sock", "one\ntwo\n");
    agent.wait_for_state("web", "stalled");
    let (status, said) = stop_by_command(&mut agent);
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("gave up: 2 lines, 8 bytes, streams web; 0 lines written"), "{said}");
    assert_eq!(agent.wait(), 74);
}

#[test]
fn all_who_ask_to_stop_are_told_how_it_ended() {
    let place = Place::new();
    let mut agent = place.start(TWO);
    let waiting: Vec<_> = (0..5).map(|_| agent.ask(&["stop"])).collect();
    let stopping: Vec<_> = waiting
        .into_iter()
        .map(|mut stop| stop.stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let ended: Vec<_> = stopping.into_iter().map(|stop| stop.wait_with_output().unwrap()).collect();
    // Whoever came when it had gone already is told that.
    let told = ended.iter().filter(|output| output.stdout == b"drained: 0 lines written\n").count();
    assert!(told > 0, "{ended:?}");
    assert!(ended.iter().all(|output| matches!(output.status.code(), Some(0 | 71))), "{ended:?}");
    assert_eq!(agent.wait(), 0);
}

#[test]
fn a_stop_that_nobody_waits_for_any_more_is_still_one() {
    let place = Place::new();
    let mut agent = place.start(TWO);
    let mut client = UnixStream::connect(place.path("control.sock")).unwrap();
    client.write_all(b"stop\n").unwrap();
    drop(client);
    assert_eq!(agent.wait(), 0);
}

#[test]
fn a_client_that_does_not_take_the_answer_holds_no_stop_up() {
    let place = Place::new();
    let mut agent = place.start(TWO);
    let mut client = UnixStream::connect(place.path("control.sock")).unwrap();
    client.write_all(b"stop\n").unwrap();
    let begin = Instant::now();
    assert_eq!(agent.wait(), 0);
    assert!(begin.elapsed() < deadline());
    drop(client);
}

#[test]
fn a_rotation_by_command_makes_an_archive_of_whole_lines() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(TWO);
    let (status, complaint) = agent.refused(&["rotate"]);
    assert!(status == 71 && complaint.contains("no stream has a rotate setting"), "{complaint}");
    let gate = Gate::closed();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..10, u64::MAX, Writes::CutAnywhere, &gate);
    let mut files = Vec::new();
    gate.trickle_during(5, || {
        for _ in 0..scale(10, 200) {
            let sent = agent.count("/streams/web/lines_written");
            wait_until("the clients send", || agent.count("/streams/web/lines_written") > sent);
            let said = lines_of(&agent.told(&["rotate", "--json", "web"]));
            files.push(said[0]["archive"].as_str().unwrap().into());
        }
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 10 * sent.lines);
    agent.stop();
    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn a_signal_while_commands_come_is_not_forgotten() {
    let place = Place::new();
    let agent = place.start(TWO);
    for round in 0..scale(10, 100) {
        fs::rename(place.log("app"), place.log(&format!("app.{round}"))).unwrap();
        agent.signal(Signal::SIGUSR2);
        agent.told(&["reopen", "web"]);
        wait_until("the file is there again", || place.log("app").exists());
    }
    agent.stop();
}
