//! Signals by the thousand, from several processes at once, under load.

use std::fs;
use std::process::{Child, Command};

use nix::sys::signal::Signal;

use crate::support::{
    Agent, Checker, Clients, Gate, HangingDisk, Place, Writes, scale, spawn, wait_until,
    whole_machine,
};

const MIB: u64 = 1 << 20;
const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// A process that sends one kind of signal over and over, so many times or until nobody is there.
struct Storm(Child);

impl Storm {
    fn start(agent: &Agent, signal: Signal, times: u64) -> Storm {
        const LOOP: &str = "n=0; while [ $n -lt $3 ] && kill -$1 $2 2>&-; do n=$((n + 1)); done";
        let name = signal.as_str().trim_start_matches("SIG");
        let mut command = Command::new("sh");
        command.args(["-c", LOOP, "sh", name, &agent.pid().to_string(), &times.to_string()]);
        Storm(spawn(&mut command))
    }

    fn of_every_kind(agent: &Agent, times: u64) -> Vec<Storm> {
        let signals = [Signal::SIGUSR2, Signal::SIGUSR1, Signal::SIGHUP, Signal::SIGUSR2];
        signals.into_iter().map(|signal| Storm::start(agent, signal, times)).collect()
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        if !self.is_over() {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
}

#[test]
fn a_storm_of_signals_under_load_harms_no_line() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent = place.start(WEB);
    let gate = Gate::closed();
    let clients =
        Clients::connect(&place.path("web.sock"), 0..8, u64::MAX, Writes::CutAnywhere, &gate);
    let mut files = Vec::new();
    gate.trickle_during(5, || {
        let mut storms = Storm::of_every_kind(&agent, scale(60_000, 1_000_000));
        while !storms.iter_mut().all(Storm::is_over) {
            let renamed = place.log(&format!("web.{:05}", files.len()));
            fs::rename(place.log("web"), &renamed).unwrap();
            files.push(renamed);
            wait_until("the file is there again", || place.log("web").exists());
            // What it has left is complete before its next name is given away.
            let sent = clients.lines_sent();
            wait_until("the clients send", || clients.lines_sent() > sent + 500);
        }
    });
    let sent = clients.finish();
    agent.wait_for_lines("web", 8 * sent.lines);
    assert!(files.len() > 2, "only {} rotations", files.len());
    agent.stop();
    files.push(place.log("web"));
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn a_stop_in_the_midst_of_a_storm_of_signals_is_one() {
    let _machine = whole_machine();
    for _ in 0..scale(5, 50) {
        let place = Place::new();
        let mut agent = place.start(WEB);
        let gate = Gate::open();
        let socket = place.path("web.sock");
        let clients = Clients::connect(&socket, 0..4, 1_000, Writes::CutAnywhere, &gate);
        let storms = Storm::of_every_kind(&agent, u64::MAX >> 1);
        let sent = clients.finish();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0, "{}", agent.messages());
        drop(storms);
        Checker::of(&[place.log("web")]).assert_exactly(&[sent]);
    }
}

#[test]
fn orders_to_a_stream_that_hangs_do_not_pile_up() {
    let _machine = whole_machine();
    let place = Place::new();
    let agent;
    let disk = HangingDisk::mount(&place, "disk");
    let body =
        |sync: &str| format!("{WEB}[stream.web]\nfile = \"@/disk/web.log\"\nsync = \"{sync}\"\n");
    agent = place.start(&body("never"));
    let gate = Gate::open();
    let socket = place.path("web.sock");
    let clients = Clients::connect(&socket, 0..4, 20_000, Writes::CutAnywhere, &gate);
    agent.wait_for_state("web", "writing");
    disk.hang();
    wait_until("the queue fills up", || agent.count("/streams/web/pending_bytes") > MIB);
    let storm = |times| {
        let mut storms = Storm::of_every_kind(&agent, times);
        let mut configured = 0_u64;
        wait_until("the storm is over", || {
            configured += 1;
            place.configure(&body(["never", "reopen", "10s"][configured as usize % 3]));
            storms.iter_mut().all(Storm::is_over)
        });
        agent.status();
    };
    storm(scale(1_000, 5_000));
    let before = agent.memory("RssAnon:");
    storm(scale(10_000, 100_000));
    let after = agent.memory("RssAnon:");
    assert!(after < before + MIB, "{before} bytes before, {after} after the storm");
    disk.go_on();
    let sent = clients.finish();
    agent.wait_for_lines("web", 80_000);
    agent.stop();
    Checker::of(&[place.path("disk/web.log")]).assert_exactly(&[sent]);
}
