//! Clients and units that say numbered lines while something is done to the agent.

use std::fs::OpenOptions;

use crate::machine::Machine;
use crate::support::{Checker, Clients, Gate, Place, Writes, run, wait_until};

/// Says what comes from a FIFO; its output goes to the agent.
const FEED: &str = "
[Service]
ExecStart=cat /place/feed-%i
";

/// Lines of each a millisecond.
const PACE: u64 = 3;

/// Lets clients of the agent's socket, those of the instance `web` and units send their lines while
/// `work` is done, and stops all agents. Every line must be in its file, once and whole.
#[track_caller]
pub fn under_load(place: &Place, machine: &Machine<'_>, work: impl FnOnce()) {
    machine.write_inside("/etc/systemd/system/feed@.service", FEED);
    let drop_in = "/etc/systemd/system/feed@.service.d";
    machine.succeeds(&["mkdir", drop_in]);
    let example = "/usr/share/doc/logagent/examples/app.conf";
    machine.succeeds(&["cp", example, &format!("{drop_in}/logagent.conf")]);
    machine.systemctl(&["daemon-reload"]);

    let gate = Gate::closed();
    let connect = |socket: &str, numbers| {
        let socket = machine.path(&format!("/run/logagent/{socket}"));
        Clients::connect(&socket, numbers, u64::MAX, Writes::CutAnywhere, &gate)
    };
    let (clients, of_web) = (connect("logagent.sock", 0..8), connect("web.sock", 8..12));
    let feeds = Clients::start(12..16, u64::MAX, Writes::CutAnywhere, &gate, |feed| {
        let fifo = place.path(&format!("feed-{feed}"));
        run(std::process::Command::new("mkfifo").arg(&fifo));
        machine.systemctl(&["start", &format!("feed@{feed}")]);
        OpenOptions::new().write(true).open(fifo).unwrap()
    });

    gate.trickle_during(PACE, work);
    let sent = [("logagent", clients.finish()), ("web", of_web.finish()), ("feed", feeds.finish())];
    let ended = |feed: usize| machine.state_of(&format!("feed@{feed}")) == "inactive";
    wait_until("every feed is read", || (12..16).all(ended));
    // A stop reads what was sent.
    let units =
        ["logagent.socket", "logagent.service", "logagent@web.socket", "logagent@web.service"];
    machine.systemctl(&[&["stop"][..], &units].concat());
    for (stream, sent) in sent {
        assert!(sent.lines > 100, "{} lines of each client of {stream}", sent.lines);
        let file = machine.path(&format!("/var/log/logagent/{stream}.log"));
        Checker::of(&[file]).assert_exactly(&[sent]);
    }
}
