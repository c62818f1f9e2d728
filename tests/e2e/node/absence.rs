//! The agent is not there, or does not read: the app goes on, and what does not fit into the package's
//! buffer is told to the line.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::marks::Marks;
use super::programs::{PACKAGE, install};
use crate::support::{
    Agent, HangingDisk, Place, Sent, deadline, node, rotated, scale, wait_until, whole_machine,
};

const INPUT: &str = "
    [input.app.unix-stream]
    path = \"@/app.sock\"
    stream = \"web\"
    client-names-stream = true
";

/// With what the package and the loggers add, a line has more bytes than it has here.
const MARKED_LINE_BYTES_MAX: u64 = 250;

/// What an app of these tests may keep.
const BUFFER_BYTES: u64 = 200_000;
/// More lines than that, with all that the kernel takes.
const TOO_MANY: u64 = 20_000;

/// `told.js`, which does what it is told.
struct App {
    process: Agent,
    input: Option<PipeWriter>,
    output: BufReader<PipeReader>,
    client: usize,
    logged: u64,
    /// The longest pause of its event loop, in milliseconds.
    pause: u64,
}

impl App {
    #[track_caller]
    fn start(place: &Place, way_in: &str, client: usize, settings: &[(&str, &str)]) -> App {
        install(place);
        let (input, typed) = pipe().unwrap();
        let (said, output) = pipe().unwrap();
        let mut command = node();
        command.arg(place.path("told.js")).arg(client.to_string());
        command.env("WAY_IN", way_in).env("SOCKET", place.path("app.sock"));
        command.env("NODE_APP_INSTANCE", (client - 1).to_string());
        command.envs(settings.iter().copied()).stdin(input).stdout(output);
        let process = place.spawn(command);
        let output = BufReader::new(said);
        App { process, input: Some(typed), output, client, logged: 0, pause: 0 }
    }

    /// Says something to it, and waits for its answer.
    #[track_caller]
    fn tell(&mut self, words: &str) -> Value {
        self.say(words);
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{answer:?}: {error}\n{}", self.process.messages()));
        self.logged = answer["logged"].as_u64().unwrap();
        self.pause = self.pause.max(answer["pause"].as_u64().unwrap());
        answer
    }

    fn say(&mut self, words: &str) {
        writeln!(self.input.as_mut().unwrap(), "{words}").unwrap();
    }

    /// Lets it end, by itself or with process.exit(). Returns how many lines it says are lost.
    #[track_caller]
    fn end(mut self, exit: bool) -> u64 {
        if exit {
            self.say("exit 3");
        }
        drop(self.input.take());
        let begin = Instant::now();
        assert_eq!(self.process.wait(), if exit { 3 } else { 0 }, "{}", self.process.messages());
        assert!(begin.elapsed() < deadline() / 2, "it took {:?} to end", begin.elapsed());
        lost_lines(&self.process.messages())
    }

    fn sent(&self) -> Sent {
        Sent { clients: self.client..self.client + 1, lines: self.logged }
    }
}

/// How many lines the package has said are lost.
#[track_caller]
fn lost_lines(told: &str) -> u64 {
    let lines = |line: &str| -> Option<u64> {
        let (said, _) = line.split_once(" lost, not delivered to ")?;
        let (count, _) = said.rsplit_once("logagent: ")?.1.split_once(' ')?;
        Some(count.parse().unwrap())
    };
    told.lines().filter_map(lines).sum()
}

/// What is in the stream's files.
#[track_caller]
fn marks(place: &Place) -> Marks {
    let marks = Marks::read(&rotated(&place.log("web")), 0);
    marks.assert_processes();
    marks.checker.assert_no_line_harmed();
    marks
}

fn wait_for_end_of_connections(agent: &Agent) {
    wait_until("the connections are over", || agent.count("/inputs/app/connections") == 0);
}

/// The numbers of a client's lines that the gap records in its file tell of, each in the place where
/// they are missing.
#[track_caller]
fn assert_gaps_stand_where_lines_are_missing(place: &Place) {
    let text = fs::read_to_string(place.log("web")).unwrap();
    let (mut next, mut missing): (u64, u64) = (0, 0);
    for line in text.lines() {
        if let Some((_, said)) = line.split_once("logagent: gap: ") {
            missing += said.split(' ').next().unwrap().parse::<u64>().unwrap();
            continue;
        }
        let at = line.find("00001 ").expect("a numbered line");
        let number: u64 = line[at + 6..at + 15].parse().unwrap();
        assert_eq!(number, next + missing, "after line {next} and a gap of {missing}");
        (next, missing) = (number + 1, 0);
    }
}

/// A socket's file on which nobody listens.
fn stale_socket(place: &Place) {
    drop(UnixListener::bind(place.path("app.sock")).unwrap());
}

#[test]
fn an_app_that_starts_before_the_agent_loses_nothing() {
    for (number, way_in) in PACKAGE.iter().enumerate() {
        let place = Place::new();
        if number % 2 == 1 {
            stale_socket(&place);
        }
        let mut app = App::start(&place, way_in, 1, &[]);
        app.tell("log 3000");
        let agent = place.start(INPUT);
        app.tell("log 1000");
        let sent = app.sent();
        assert_eq!(app.end(number % 3 == 0), 0, "lines lost");
        wait_for_end_of_connections(&agent);
        agent.stop();
        let marks = marks(&place);
        marks.checker.assert_exactly(&[sent]);
        assert_eq!(marks.checker.gaps().records, 0);
    }
}

#[test]
fn an_agent_that_is_away_for_a_while_costs_no_line_that_fits_into_the_buffer() {
    let place = Place::new();
    let agent = place.start(INPUT);
    let apps = PACKAGE.iter().zip(1..);
    let mut apps: Vec<_> =
        apps.map(|(way_in, client)| App::start(&place, way_in, client, &[])).collect();
    let all = |apps: &mut Vec<App>, words: &str| {
        for app in apps {
            app.tell(words);
        }
    };
    all(&mut apps, "log 1000");
    agent.stop();
    all(&mut apps, "log 2000");
    all(&mut apps, &format!("wait {}", scale(100, 2_000)));
    all(&mut apps, "log 2000");
    let agent = place.start_again();
    all(&mut apps, "log 1000");
    let sent: Vec<_> = apps.iter().map(App::sent).collect();
    for (app, way_in) in apps.into_iter().zip(PACKAGE) {
        eprintln!("{way_in}: longest pause of the event loop {} ms", app.pause);
        assert_eq!(app.end(false), 0, "lines lost");
    }
    wait_for_end_of_connections(&agent);
    agent.stop();
    let marks = marks(&place);
    marks.checker.assert_exactly(&sent);
    assert_eq!(marks.checker.gaps().records, 0);
}

/// How an agent does not take lines.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    Absent,
    Stopped,
    HangingDisk,
}

/// Lets an app log more than it may keep, while the agent takes nothing, and a little when it is well
/// again: the lines in the file and those that gap records tell of are all that were logged.
#[track_caller]
fn check_told(trouble: Trouble) {
    let _machine = whole_machine();
    for way_in in PACKAGE {
        let place = Place::new();
        let disk = HangingDisk::mount(&place, "disk");
        // The agent keeps little.
        let limits = "[defaults]\nmax-line = \"64KiB\"\nqueue = \"128KiB\"\n";
        let file = "[stream.web]\nfile = \"@/disk/web.log\"\n";
        let slow = format!("{INPUT}{file}{limits}");
        let configuration = if trouble == Trouble::HangingDisk { &*slow } else { INPUT };
        let mut agent = Some(place.start(configuration));
        let buffer = BUFFER_BYTES.to_string();
        let mut app = App::start(&place, way_in, 1, &[("BUFFER_BYTES", &buffer)]);
        app.tell("log 100");
        let running = agent.as_ref().unwrap();
        running.wait_for_lines("web", 100);
        match trouble {
            Trouble::Absent => agent.take().unwrap().stop(),
            Trouble::Stopped => running.signal(Signal::SIGSTOP),
            Trouble::HangingDisk => disk.hang(),
        }
        let answer = app.tell(&format!("log {TOO_MANY}"));
        if let Some(kept) = answer.pointer("/counters/bufferedBytes") {
            assert!(kept.as_u64().unwrap() <= BUFFER_BYTES, "{way_in}: {answer}");
        }
        let agent = agent.unwrap_or_else(|| place.start_again());
        match trouble {
            Trouble::Absent => {}
            Trouble::Stopped => agent.signal(Signal::SIGCONT),
            Trouble::HangingDisk => disk.go_on(),
        }
        app.tell(&format!("log {}", TOO_MANY / 10));
        let (sent, pause) = (app.sent(), app.pause);
        assert_eq!(app.end(false), 0, "{way_in}: lines lost at the end");
        wait_for_end_of_connections(&agent);
        agent.stop();
        if trouble == Trouble::HangingDisk {
            fs::copy(place.path("disk/web.log"), place.log("web")).unwrap();
        }
        let marks = marks(&place);
        let (lost, told) = (marks.checker.lost(std::slice::from_ref(&sent)), marks.checker.gaps());
        eprintln!("{trouble:?}, {way_in}: {lost} lost, {told:?}, longest pause {pause} ms");
        marks.checker.assert_no_strangers(&[sent]);
        assert_eq!(lost, told.lines, "{way_in}: lost, and told as lost");
        assert!(lost > 0, "{way_in}: everything fitted: this shows nothing");
        assert_gaps_stand_where_lines_are_missing(&place);
    }
}

#[test]
fn what_does_not_fit_while_the_agent_is_away_is_told_to_the_line_in_its_place() {
    check_told(Trouble::Absent);
}

#[test]
fn what_does_not_fit_while_the_agent_is_stuck_is_told_to_the_line_in_its_place() {
    check_told(Trouble::Stopped);
}

#[test]
fn what_does_not_fit_while_the_disk_hangs_is_told_to_the_line_in_its_place() {
    check_told(Trouble::HangingDisk);
}

/// The process ends while nobody takes its lines: it says how many are lost.
#[track_caller]
fn check_told_at_exit(trouble: Trouble) {
    let _machine = whole_machine();
    for (number, way_in) in PACKAGE.into_iter().enumerate() {
        let exits = (number % 2 == 0) == (trouble == Trouble::Absent);
        for exit in scale(&[exits][..], &[false, true]).iter().copied() {
            let place = Place::new();
            let agent = place.start(INPUT);
            let buffer = BUFFER_BYTES.to_string();
            let settings = [("BUFFER_BYTES", &*buffer), ("EXIT_TIMEOUT", "200")];
            let mut app = App::start(&place, way_in, 1, &settings);
            app.tell("log 100");
            agent.wait_for_lines("web", 100);
            let stuck = if trouble == Trouble::Absent {
                agent.stop();
                None
            } else {
                agent.signal(Signal::SIGSTOP);
                Some(agent)
            };
            app.tell(&format!("log {}", TOO_MANY / 4));
            let sent = app.sent();
            let told_at_exit = app.end(exit);
            if let Some(agent) = stuck {
                agent.signal(Signal::SIGCONT);
                wait_for_end_of_connections(&agent);
                agent.stop();
            }
            let marks = marks(&place);
            let lost = marks.checker.lost(&[sent]);
            let told = told_at_exit + marks.checker.gaps().lines;
            eprintln!(
                "{trouble:?}, {way_in}, exit {exit}: {lost} lost, {told_at_exit} told at exit"
            );
            assert_eq!(lost, told, "{way_in}, exit {exit}: lost, and told as lost");
            assert!(told_at_exit > 0, "{way_in}, exit {exit}: this shows nothing");
        }
    }
}

#[test]
fn a_process_that_ends_while_the_agent_is_away_says_exactly_what_is_lost() {
    check_told_at_exit(Trouble::Absent);
}

#[test]
fn a_process_that_ends_while_the_agent_is_stuck_says_exactly_what_is_lost() {
    check_told_at_exit(Trouble::Stopped);
}

#[test]
fn an_app_without_an_agent_stays_within_bounded_memory() {
    let place = Place::new();
    let buffer = BUFFER_BYTES.to_string();
    // As much as fits, and then so much more that it would show.
    let mut app = App::start(&place, "stream", 1, &[("BUFFER_BYTES", &buffer)]);
    let before = app.tell("log 20000")["rss"].as_u64().unwrap();
    let lines = scale(200_000, 2_000_000);
    let after = app.tell(&format!("log {lines}"));
    let grown = after["rss"].as_u64().unwrap().saturating_sub(before);
    eprintln!("{lines} lines more: {grown} bytes of memory more; {after}");
    assert!(grown < lines * MARKED_LINE_BYTES_MAX / 4 + 32_000_000, "{grown} bytes more");
    let counters = &after["counters"];
    let (dropped, kept) = (counters["dropped"].as_u64(), counters["buffered"].as_u64());
    assert_eq!(dropped.unwrap() + kept.unwrap(), app.logged, "{after}");
    let logged = app.logged;
    assert_eq!(app.end(false), logged, "lines that it says are lost");
}

#[test]
fn an_app_stays_alive_for_ten_seconds_without_an_agent_and_loses_nothing() {
    let place = Place::new();
    let agent = place.start(INPUT);
    let mut app = App::start(&place, "stream", 1, &[]);
    app.tell("log 1000");
    agent.stop();
    let begin = Instant::now();
    while begin.elapsed() < scale(Duration::from_secs(2), Duration::from_secs(10)) {
        app.tell("log 100");
        app.tell("wait 50");
    }
    let agent = place.start_again();
    app.tell("log 1000");
    let sent = app.sent();
    eprintln!("longest pause of the event loop {} ms", app.pause);
    assert_eq!(app.end(false), 0, "lines lost");
    wait_for_end_of_connections(&agent);
    agent.stop();
    marks(&place).checker.assert_exactly(&[sent]);
}
