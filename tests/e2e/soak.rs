//! Everything at once, for as long as there is time: rotations of every kind, a disk that fills up,
//! reloads, restarts, clients that come and go.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use logagent::writer::archive::files::list;
use nix::sys::signal::Signal;
use nix::sys::socket::SockType;

use crate::support::{
    Checker, Clients, Control, EVERY_KIND, Gate, Packets, Place, Sent, SmallDisk, SystemdBox,
    Writes, numbered_lines, scale, shipped_agent, wait_until, whole_machine,
};

const MIB: u64 = 1 << 20;

/// `web` is fed by inputs of every kind and rotated by others, `own` rotates itself, `disk` is on a
/// disk that fills up, `brief` has clients that come and go.
const INPUTS: &str = "
    [input.own.unix-stream]
    path = \"@/own.sock\"
    [input.disk.unix-stream]
    path = \"@/disk.sock\"
    [input.brief.unix-stream]
    path = \"@/brief.sock\"
    [stream.own]
    rotate = { size = \"1MiB\", keep = 10000, compress = \"gzip\" }
    [stream.disk]
    file = \"@/small/disk.log\"
    queue = \"2MiB\"
";

/// What changes from one reload to the next.
fn configuration(round: u64) -> String {
    let web = match round % 3 {
        0 => "",
        1 => "[stream.web]\nsync = \"100ms\"\n",
        _ => "[stream.web]\nsync = \"reopen\"\nqueue = \"8MiB\"\n",
    };
    let more = match round % 2 {
        0 => "",
        _ => "[input.more.unix-stream]\npath = \"@/more.sock\"\n",
    };
    format!("{EVERY_KIND}{INPUTS}{web}{more}")
}

/// What the soak works on.
trait Subject {
    fn control(&self) -> &Control;
    fn signal(&self, signal: Signal);
    fn configure(&self, body: &str);
    /// Has another agent go on in its place, where that can be; whether it can.
    fn restart(&self) -> bool {
        false
    }
    /// Whether what it holds can be compared with what it held before.
    fn bytes_and_descriptors(&self) -> Option<(u64, usize)> {
        None
    }
}

struct Soak<'a, S> {
    place: &'a Place,
    subject: &'a S,
    disk: &'a SmallDisk,
    rotated: Rotated,
    brief: Sent,
    held: Vec<(u64, usize)>,
}

/// How much there was of everything.
#[derive(Debug, Default)]
struct Counts {
    rounds: u64,
    rotations: u64,
    stalls: u64,
    restarts: u64,
    lines: u64,
}

impl<S: Subject> Soak<'_, S> {
    fn new<'a>(place: &'a Place, subject: &'a S, disk: &'a SmallDisk) -> Soak<'a, S> {
        let checker = || {
            let mut checker = Checker::new();
            checker.accept_torn_ends();
            checker
        };
        let on_disk = place.path("small/disk.log");
        let rotated = [("web", (place.log("web"), Checker::new())), ("disk", (on_disk, checker()))];
        let brief = Sent { clients: 50..60, lines: 0 };
        Soak { place, subject, disk, rotated: rotated.into(), brief, held: Vec::new() }
    }

    /// Takes the file away once it is complete, as others rotate.
    #[track_caller]
    fn rotate(&mut self, stream: &str, by_command: bool) {
        let (log, checker) = self.rotated.get_mut(stream).unwrap();
        let old = log.with_extension("old");
        let control = self.subject.control();
        let pointer = format!("/streams/{stream}/inode");
        let inode = control.status_of(&pointer);
        fs::rename(&log, &old).unwrap();
        if by_command {
            control.told(&["reopen", stream]);
        } else {
            self.subject.signal(Signal::SIGUSR2);
        }
        wait_until("the old file is left", || {
            let now = control.status_of(&pointer);
            now != inode && !now.is_null()
        });
        checker.read(&old);
        fs::remove_file(&old).unwrap();
    }

    /// Fills the disk up, has others served meanwhile, and makes room again.
    fn stall(&mut self) {
        let filler = self.disk.fill_but(8 << 10);
        self.subject.control().wait_for_state("disk", "stalled");
        self.come_and_go();
        fs::remove_file(filler).unwrap();
        let control = self.subject.control();
        wait_until("it is written again", || control.status_of("/streams/disk/state") != "stalled");
    }

    /// Clients that say a little and go.
    fn come_and_go(&mut self) {
        let lines = self.brief.lines..self.brief.lines + 10;
        for client in self.brief.clients.clone() {
            let mut socket = UnixStream::connect(self.place.path("brief.sock")).unwrap();
            socket.write_all(&numbered_lines(client, lines.clone())).unwrap();
        }
        self.brief.lines = lines.end;
        // Those say nothing.
        for _ in 0..20 {
            UnixStream::connect(self.place.path("brief.sock")).unwrap();
        }
        // What one has said is to be behind what it said before.
        let written = self.brief.lines * self.brief.clients.len() as u64;
        wait_until("it is written", || {
            self.subject.control().count("/streams/brief/lines_written") == written
        });
    }

    fn round(&mut self, counts: &mut Counts) {
        let round = counts.rounds;
        counts.rounds += 1;
        let sent = self.subject.control().count("/streams/web/lines_in");
        wait_until("lines come in", || {
            self.subject.control().count("/streams/web/lines_in") > sent + 1_000
        });
        self.rotate("web", round.is_multiple_of(2));
        counts.rotations += 1;
        self.come_and_go();
        match round % 7 {
            1 | 4 => {
                self.subject.configure(&configuration(round));
                self.subject.signal(Signal::SIGHUP);
            }
            2 => {
                self.subject.control().told(&["rotate", "own"]);
            }
            3 => {
                self.stall();
                counts.stalls += 1;
            }
            5 => {
                // What a disk does not take until the end of the grace is lost, and told.
                self.rotate("disk", false);
                counts.restarts += u64::from(self.subject.restart());
            }
            6 => self.held.extend(self.subject.bytes_and_descriptors()),
            _ => {}
        }
    }

    /// Waits until all that was sent is written, and returns how much that was.
    fn finish(&self, sent: &[(&str, Vec<Sent>)]) -> u64 {
        let mut all = 0;
        for (stream, sent) in sent {
            let lines: u64 = sent.iter().map(|s| s.lines * s.clients.len() as u64).sum();
            let pointer = format!("/streams/{stream}/lines_written");
            wait_until(&format!("{stream} has {lines} lines"), || {
                self.subject.control().count(&pointer) >= lines
            });
            assert_eq!(self.subject.control().count(&pointer), lines);
            all += lines;
        }
        all
    }

    /// What is held is no more at the end than it was after a while.
    fn assert_flat(&self) {
        let (warm, rest) = self.held.split_at(self.held.len() / 3);
        let most = |held: &[(u64, usize)]| {
            (held.iter().map(|it| it.0).max().unwrap(), held.iter().map(|it| it.1).max().unwrap())
        };
        let (before, after) = (most(warm), most(rest));
        eprintln!("bytes and descriptors at first {before:?}, later {after:?}");
        assert!(after.0 <= before.0 + 8 * MIB, "{:?}", self.held);
        // Moments of a rotation or of a client that goes.
        assert!(after.1 <= before.1 + 40, "{:?}", self.held);
    }
}

/// What was sent, and what was read so far of files that are gone.
struct Checks {
    sent: Vec<(&'static str, Vec<Sent>)>,
    checkers: Rotated,
}

/// Files that are read and removed.
type Rotated = BTreeMap<&'static str, (PathBuf, Checker)>;

impl Checks {
    #[track_caller]
    fn make(mut self, place: &Place) {
        for (stream, sent) in self.sent {
            let checker = match self.checkers.remove(stream) {
                Some((log, mut checker)) => {
                    checker.read(&log);
                    checker
                }
                None => Checker::of(&with_archives(&place.log(stream))),
            };
            checker.assert_exactly(&sent);
        }
    }
}

/// A file and its archives, the oldest first.
fn with_archives(log: &Path) -> Vec<PathBuf> {
    let mut found = list(log).unwrap();
    found.sort_by_key(|one| one.name);
    assert!(found.iter().all(|one| !one.is_unfinished), "{found:?}");
    found.into_iter().map(|one| one.path).chain([log.to_owned()]).collect()
}

/// Clients of every kind that send for as long as the gate lets them, by their streams.
fn clients(place: &Place, gate: &Arc<Gate>) -> Vec<(&'static str, Vec<Clients>)> {
    let packets = |kind, name: &str, numbers| {
        let path = place.path(name);
        let open = |_| Packets::connect(kind, &path, "");
        Clients::start(numbers, u64::MAX, Writes::OneLine, gate, open)
    };
    let streaming = |name: &str, numbers| {
        Clients::connect(&place.path(name), numbers, u64::MAX, Writes::CutAnywhere, gate)
    };
    let fifo = place.path("web.fifo");
    let open_fifo = |_| OpenOptions::new().write(true).open(&fifo).unwrap();
    let web = vec![
        streaming("web.stream", 0..4),
        packets(SockType::Datagram, "web.dgram", 4..5),
        packets(SockType::SeqPacket, "web.seqpacket", 5..6),
        Clients::start(6..8, u64::MAX, Writes::WholeLines, gate, open_fifo),
    ];
    let (own, disk) = (vec![streaming("own.sock", 20..21)], vec![streaming("disk.sock", 30..31)]);
    vec![("web", web), ("own", own), ("disk", disk)]
}

/// Soaks for so long, until everything is written. Returns what is to be checked when the agent has
/// stopped.
fn soak<S: Subject>(place: &Place, subject: &S, disk: &SmallDisk, time: Duration) -> Checks {
    let gate = Gate::closed();
    let clients = clients(place, &gate);
    let mut soak = Soak::new(place, subject, disk);
    let mut counts = Counts::default();
    gate.trickle_during(1, || {
        let begin = Instant::now();
        while begin.elapsed() < time || counts.rounds < 14 {
            soak.round(&mut counts);
        }
    });
    let finish = |(stream, clients): (&'static str, Vec<Clients>)| {
        (stream, clients.into_iter().map(Clients::finish).collect())
    };
    let mut sent: Vec<(&'static str, Vec<Sent>)> = clients.into_iter().map(finish).collect();
    sent.push(("brief", vec![soak.brief.clone()]));
    counts.lines = soak.finish(&sent);
    eprintln!("{counts:?}");
    if !soak.held.is_empty() {
        soak.assert_flat();
    }
    let checkers = std::mem::take(&mut soak.rotated);
    Checks { sent, checkers }
}

/// An agent of this machine, which is never restarted.
struct Alone<'a> {
    place: &'a Place,
    agent: crate::support::Agent,
}

impl Subject for Alone<'_> {
    fn control(&self) -> &Control {
        &self.agent
    }

    fn signal(&self, signal: Signal) {
        self.agent.signal(signal);
    }

    fn configure(&self, body: &str) {
        self.place.configure(body);
    }

    fn bytes_and_descriptors(&self) -> Option<(u64, usize)> {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.agent.pid())).unwrap().count();
        Some((self.agent.memory("VmRSS:"), descriptors))
    }
}

#[test]
fn a_soak_with_everything_at_once_loses_nothing_and_memory_and_descriptors_stay_flat() {
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 4 << 20);
    let subject = Alone { place: &place, agent: place.start(&configuration(0)) };
    let time = scale(Duration::from_secs(15), Duration::from_secs(600));
    let checks = soak(&place, &subject, &disk, time);
    subject.agent.stop();
    checks.make(&place);
}

/// The agent of a real systemd, which keeps its descriptors while it is restarted.
struct Restarted<'a> {
    systemd: SystemdBox<'a>,
    control: Control,
}

impl Subject for Restarted<'_> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn signal(&self, signal: Signal) {
        let signal = format!("--signal={signal}");
        self.systemd.systemctl(&["kill", &signal, "agent.service"]);
    }

    fn configure(&self, body: &str) {
        self.systemd.configure(body);
    }

    fn restart(&self) -> bool {
        self.systemd.systemctl(&["restart", "agent.service"]);
        self.systemd.agent();
        true
    }
}

#[test]
fn a_soak_with_restarts_in_a_real_systemd_loses_nothing() {
    let _machine = whole_machine();
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("small"), 4 << 20);
    let systemd = SystemdBox::boot(&place, &[("agent.service", &shipped_agent(200))]);
    let control = systemd.start_agent(&configuration(0));
    let subject = Restarted { systemd, control };
    let time = scale(Duration::from_secs(10), Duration::from_secs(300));
    let checks = soak(&place, &subject, &disk, time);
    subject.systemd.systemctl(&["stop", "agent.service"]);
    checks.make(&place);
}
