//! The real logrotate, forced in a loop under load.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use nix::unistd::Uid;

use crate::support::{
    Agent, Checker, Clients, Gate, Logrotate, NOBODY, Place, Sent, Writes, rotated, scale,
    wait_until, whole_machine,
};

/// As it stands in thousands of logrotate files.
const POSTROTATE: &str = "
    postrotate
        [ ! -f @/agent.pid ] || kill -USR2 $(cat @/agent.pid)
    endscript
";

fn inputs(streams: &[String]) -> String {
    let input = |stream| format!("[input.{stream}.unix-stream]\npath = \"@/{stream}.sock\"\n");
    streams.iter().map(input).collect()
}

/// What is rotated so often, and how many clients of each stream send how much meanwhile.
struct Load<'a> {
    streams: &'a [String],
    clients_of_each: usize,
    lines_per_ms: u64,
    rotations: u64,
    next: Next,
}

/// When the next rotation comes.
#[derive(PartialEq)]
enum Next {
    AtOnce,
    /// As in life, where hours lie between two.
    WhenReopened,
}

impl Load<'_> {
    /// Returns what was sent to each stream, when it is written.
    #[track_caller]
    fn rotate(&self, place: &Place, agent: &Agent, logrotate: &Logrotate) -> Vec<Sent> {
        let gate = Gate::closed();
        let connect = |(index, stream): (usize, &String)| {
            let socket = place.path(&format!("{stream}.sock"));
            let numbers = index * self.clients_of_each..(index + 1) * self.clients_of_each;
            Clients::connect(&socket, numbers, u64::MAX, Writes::CutAnywhere, &gate)
        };
        let clients: Vec<_> = self.streams.iter().enumerate().map(connect).collect();
        gate.trickle_during(self.lines_per_ms, || {
            for _ in 0..self.rotations {
                let before = clients[0].lines_sent();
                wait_until("the clients send", || clients[0].lines_sent() > before);
                logrotate.rotate();
                for stream in self.streams {
                    self.wait_for_next(place, agent, stream);
                }
            }
        });
        let sent: Vec<_> = clients.into_iter().map(Clients::finish).collect();
        for (stream, sent) in self.streams.iter().zip(&sent) {
            agent.wait_for_lines(stream, self.clients_of_each as u64 * sent.lines);
        }
        sent
    }

    fn wait_for_next(&self, place: &Place, agent: &Agent, stream: &str) {
        let log = place.log(stream);
        // With nocreate it takes a while.
        wait_until("the file is there again", || log.exists());
        if self.next == Next::WhenReopened {
            let inode = fs::metadata(&log).unwrap().ino();
            let pointer = format!("/streams/{stream}/inode");
            wait_until("it is open", || agent.status_of(&pointer) == inode);
        }
    }
}

/// One stream, `web`, of ten clients; logrotate with `directives`. Returns how many lines are lost.
#[track_caller]
fn lost_with(directives: &str, postrotate: &str, next: Next) -> u64 {
    let _machine = whole_machine();
    let place = Place::new();
    let streams = ["web".to_owned()];
    let agent = place.start(&inputs(&streams));
    let logrotate = Logrotate::configured(
        &place,
        &format!("@/log/*.log {{\n rotate 1000\n{directives}\n{postrotate}\n}}\n"),
    );
    let rotations = scale(25, 200);
    let streams = streams.as_slice();
    let load = Load { streams, clients_of_each: 10, lines_per_ms: 10, rotations, next };
    let sent = load.rotate(&place, &agent, &logrotate);
    agent.stop();
    let files = rotated(&place.log("web"));
    assert_eq!(files.len() as u64, rotations + 1);
    let checker = Checker::of(&files);
    checker.assert_no_line_harmed();
    checker.lost(&sent)
}

#[test]
fn logrotate_with_create_and_the_pid_file_hook_loses_nothing() {
    assert_eq!(lost_with("create 0640 root root", POSTROTATE, Next::AtOnce), 0, "lines lost");
}

#[test]
fn logrotate_with_nocreate_loses_nothing() {
    assert_eq!(lost_with("nocreate", POSTROTATE, Next::AtOnce), 0, "lines lost");
}

#[test]
fn logrotate_with_delayed_compression_loses_nothing() {
    let directives = "create\ncompress\ndelaycompress";
    assert_eq!(lost_with(directives, POSTROTATE, Next::WhenReopened), 0, "lines lost");
}

/// A signal asks and does not wait: before logrotate compresses at once, this does.
const POSTROTATE_WAITS: &str = concat!(
    "
    postrotate
        kill -USR2 $(cat @/agent.pid)
        inode=$(stat -c %i @/log/web.log)
        until ",
    env!("CARGO_BIN_EXE_logagent"),
    " status --json --control @/control.sock | grep -qE \"inode\\\": *$inode[,}]\"; do
            sleep 0.01
        done
    endscript
"
);

#[test]
fn logrotate_that_compresses_at_once_but_waits_for_the_new_file_loses_nothing() {
    assert_eq!(lost_with("create\ncompress", POSTROTATE_WAITS, Next::AtOnce), 0, "lines lost");
}

#[test]
fn logrotate_with_sharedscripts_loses_nothing_of_several_streams() {
    let _machine = whole_machine();
    let place = Place::new();
    let streams: Vec<_> = (0..5).map(|stream| format!("s{stream}")).collect();
    let agent = place.start(&inputs(&streams));
    let logrotate = Logrotate::configured(
        &place,
        &format!("@/log/*.log {{\n rotate 1000\n create\n sharedscripts\n{POSTROTATE}\n}}\n"),
    );
    let (rotations, next) = (scale(25, 200), Next::AtOnce);
    let load = Load { streams: &streams, clients_of_each: 3, lines_per_ms: 5, rotations, next };
    let sent = load.rotate(&place, &agent, &logrotate);
    agent.stop();
    for (stream, sent) in streams.iter().zip(sent) {
        Checker::of(&rotated(&place.log(stream))).assert_exactly(&[sent]);
    }
}

#[test]
fn logrotate_of_a_hundred_logs_with_a_hook_for_each_leaves_no_backup() {
    let _machine = whole_machine();
    let place = Place::new();
    let streams: Vec<_> = (0..100).map(|stream| format!("s{stream:02}")).collect();
    let agent = place.start(&inputs(&streams));
    let logrotate = Logrotate::configured(
        &place,
        &format!("@/log/*.log {{\n rotate 1000\n create\n nosharedscripts\n{POSTROTATE}\n}}\n"),
    );
    let (rotations, next) = (scale(5, 50), Next::AtOnce);
    let load = Load { streams: &streams, clients_of_each: 1, lines_per_ms: 1, rotations, next };
    let sent = load.rotate(&place, &agent, &logrotate);
    agent.stop();
    let names = place.files("log");
    let backups: Vec<_> = names.iter().filter(|name| name.contains("backup")).collect();
    assert!(backups.is_empty(), "{backups:?}");
    assert_eq!(names.len() as u64, 100 * (rotations + 1), "{names:?}");
    for (stream, sent) in streams.iter().zip(sent) {
        Checker::of(&rotated(&place.log(stream))).assert_exactly(&[sent]);
    }
}

#[test]
fn after_copytruncate_lines_are_appended_whole_from_the_beginning() {
    let _machine = whole_machine();
    let place = Place::new();
    let streams = ["web".to_owned()];
    let agent = place.start(&inputs(&streams));
    let logrotate =
        Logrotate::configured(&place, "@/log/*.log {\n rotate 1000\n copytruncate\n}\n");
    let rotations = scale(25, 200);
    let (streams, next) = (streams.as_slice(), Next::AtOnce);
    let load = Load { streams, clients_of_each: 10, lines_per_ms: 10, rotations, next };
    let sent = load.rotate(&place, &agent, &logrotate);
    agent.stop();

    let files = rotated(&place.log("web"));
    let (log, copies) = files.split_last().unwrap();
    let mut checker = Checker::new();
    checker.accept_torn_ends();
    for copy in copies {
        assert!(!has_nul(copy), "a hole in {copy:?}");
        checker.read(copy);
    }
    assert!(!has_nul(log), "a hole in {log:?}");
    checker.read(log);
    checker.assert_no_line_harmed();
    // What came between a copy and its truncation is lost: logrotate's doing, so it is told.
    let (lost, lines) = (checker.lost(&sent), 10 * sent[0].lines);
    eprintln!("copytruncate: {rotations} rotations lost {lost} of {lines} lines");
    assert!(lost < lines, "nothing arrived");
}

fn has_nul(file: &Path) -> bool {
    memchr::memchr(0, &fs::read(file).unwrap()).is_some()
}

#[test]
fn a_file_created_for_somebody_else_stalls_the_stream_until_it_is_mended() {
    let _machine = whole_machine();
    let place = Place::of_nobody();
    let streams = ["web".to_owned(), "other".to_owned()];
    let agent = place.start(&inputs(&streams));
    let logrotate = Logrotate::configured(
        &place,
        &format!("@/log/web.log {{\n rotate 1000\n create 0600 root root\n{POSTROTATE}\n}}\n"),
    );
    let gate = Gate::closed();
    let connect = |stream: &str, clients| {
        let socket = place.path(&format!("{stream}.sock"));
        Clients::connect(&socket, clients, 2_000, Writes::CutAnywhere, &gate)
    };
    let (web, other) = (connect("web", 0..10), connect("other", 10..20));
    gate.open_to(1_000);
    agent.wait_for_lines("web", 10_000);
    logrotate.rotate();
    agent.wait_for_state("web", "stalled");
    agent.wait_for_message(&["web.log", "ermission denied"]);
    assert!(agent.status_of("/streams/web/last_error").to_string().contains("ermission denied"));

    gate.open_to(2_000);
    let other = other.finish();
    agent.wait_for_lines("other", 20_000);
    assert_eq!(agent.status_of("/streams/web/state"), "stalled");
    assert_eq!(fs::metadata(place.log("web")).unwrap().len(), 0, "the file is root's");
    assert_eq!(fs::metadata(place.log("web")).unwrap().uid(), Uid::current().as_raw());

    chown(place.log("web"), Some(NOBODY), None).unwrap();
    let web = web.finish();
    agent.wait_for_lines("web", 20_000);
    agent.stop();
    Checker::of(&rotated(&place.log("web"))).assert_exactly(&[web]);
    Checker::of(&[place.log("other")]).assert_exactly(&[other]);
}
