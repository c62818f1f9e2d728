//! Instances of a template at full pace, in a real systemd: rotated by logrotate.service all the time,
//! while the agent is restarted, killed, stopped.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Installed, Marked, Place, Sent, scale, wait_until, whole_machine};

const CONFIGURATION: &str = r#"
[input.units.systemd]
stream = "{unit.prefix}"
allow = { unit = ["app@*.service"] }

[stream.app]
format = "stamped"
prefix = "{unit.instance} "
"#;

const APP: &str = "
[Service]
User=nobody
ExecStart=/usr/bin/python3 /place/pace.py %i $LINES 5000 /place/notes/%i
";

const INSTANCES: [&str; 4] = ["app@1", "app@2", "app@3", "app@4"];
const LINES_PER_SECOND: u64 = 5_000;

/// Installs the program and the application, which says lines for so many seconds.
fn install(place: &Place, seconds: u64) -> Installed<'_> {
    place.write("pace.py", include_str!("data/pace.py"));
    fs::create_dir(place.path("notes")).unwrap();
    fs::set_permissions(place.path("notes"), Permissions::from_mode(0o777)).unwrap();
    let systemd = Installed::boot(place, CONFIGURATION);
    let lines = format!("Environment=LINES={}\n", seconds * LINES_PER_SECOND);
    systemd.write_inside("/etc/systemd/system/app@.service", &format!("{APP}{lines}"));
    systemd.send_output_of("app@.service");
    systemd.systemctl(&["daemon-reload"]);
    systemd
}

/// What the application has noted at its end: how many lines were taken, and how that went.
fn note(place: &Place, instance: usize) -> Value {
    let note = fs::read(place.path(&format!("notes/{instance}"))).unwrap();
    serde_json::from_slice(&note).unwrap()
}

fn taken(place: &Place) -> Vec<Sent> {
    let sent = |instance| {
        let note = note(place, instance);
        eprintln!("app@{instance}: {note}");
        Sent { clients: instance..instance + 1, lines: note["taken"].as_u64().unwrap() }
    };
    (1..=INSTANCES.len()).map(sent).collect()
}

fn have_ended(systemd: &Installed<'_>) -> bool {
    INSTANCES.iter().all(|instance| matches!(&*systemd.state_of(instance), "inactive" | "failed"))
}

/// Does each of these again and again at its own pace, until the application has ended. Returns how
/// often each was done.
fn disturb(systemd: &Installed<'_>, disturbances: &[Disturbance]) -> Vec<u32> {
    let begin = Instant::now();
    let mut times = vec![0; disturbances.len()];
    wait_until("the instances have ended", || {
        for ((every, disturb), times) in disturbances.iter().zip(&mut times) {
            if begin.elapsed() >= *every * (*times + 1) {
                disturb(systemd);
                *times += 1;
            }
        }
        have_ended(systemd)
    });
    times
}

/// How often something is done that the application must not notice, and what.
type Disturbance = (Duration, fn(&Installed<'_>));

const fn milliseconds(short: u64, long: u64) -> (Duration, Duration) {
    (Duration::from_millis(short), Duration::from_millis(long))
}

const ROTATIONS: (Duration, Duration) = milliseconds(1_000, 2_000);
const RESTARTS: (Duration, Duration) = milliseconds(2_000, 5_000);
const KILLS: (Duration, Duration) = milliseconds(2_700, 7_000);

/// How it went, and how many lines were lost.
struct Run {
    lost: u64,
    told: u64,
    disturbed: Vec<u32>,
}

/// Four instances say their lines while logrotate rotates and the agent is disturbed.
fn run_disturbed(place: &Place, disturbances: &[Disturbance]) -> Run {
    let seconds = scale(8, 60);
    let systemd = install(place, seconds);
    let agent = systemd.start_agent();
    systemd.rotate_every(scale(ROTATIONS.0, ROTATIONS.1));
    systemd.systemctl(&[&["start"][..], &INSTANCES].concat());
    let disturbed = disturb(&systemd, disturbances);
    systemd.finish(&agent, &["units"]);

    let sent = taken(place);
    let all: u64 = sent.iter().map(|sent| sent.lines).sum();
    assert_eq!(all, 4 * seconds * LINES_PER_SECOND, "an instance was kept from writing");
    let files = systemd.files_of("app");
    let fragments = systemd.journal("logagent.service").matches("ended inside a line").count();
    let marked = Marked::read(&files, fragments);
    let (lost, told) = (marked.lost(&sent), marked.gaps.lines);
    eprintln!(
        "{all} lines in {} files, disturbed {disturbed:?} times: {lost} lost, {told} told, \
         {fragments} fragments",
        files.len()
    );
    // It rotates, and is disturbed, as often as it should be, but for what a busy machine delays.
    assert!(files.len() as u64 > seconds / 4, "{files:?}");
    Run { lost, told, disturbed }
}

#[test]
fn four_instances_at_full_pace_lose_nothing_while_logrotate_rotates_and_the_agent_is_restarted() {
    let _machine = whole_machine();
    let place = Place::new();
    let restarts = scale(RESTARTS.0, RESTARTS.1);
    let run = run_disturbed(&place, &[(restarts, |systemd| systemd.restart_agent())]);
    assert!(run.disturbed[0] > 1);
    assert_eq!((run.lost, run.told), (0, 0), "lost, and told as lost");
}

#[test]
fn killed_besides_the_agent_loses_only_the_lines_that_it_tells() {
    let _machine = whole_machine();
    let place = Place::new();
    let (restarts, kills) = (scale(RESTARTS.0, RESTARTS.1), scale(KILLS.0, KILLS.1));
    let run = run_disturbed(
        &place,
        &[(restarts, |systemd| systemd.restart_agent()), (kills, |systemd| systemd.crash_agent())],
    );
    assert!(run.disturbed.iter().all(|times| *times > 1));
    assert!(run.lost <= run.told, "{} lines are lost, {} are told", run.lost, run.told);
}

/// Waits until so many lines of each instance are in the log, whatever agent has written them.
#[track_caller]
fn wait_for_lines(systemd: &Installed<'_>, lines: u64) {
    let log = systemd.path("/var/log/logagent/app.log");
    wait_until("every line is written", || {
        fs::read(&log).is_ok_and(|log| memchr::memchr_iter(b'\n', &log).count() as u64 == lines)
    });
}

#[test]
fn a_unit_starts_while_the_agent_is_stopped_or_cannot_start_and_its_lines_arrive() {
    let place = Place::new();
    let systemd = install(&place, 1);
    // The socket alone is there. Whoever connects has the agent started.
    systemd.systemctl(&["start", "logagent.socket"]);
    assert_eq!(systemd.state_of("logagent.service"), "inactive");
    systemd.systemctl(&["start", "app@1"]);
    wait_for_lines(&systemd, LINES_PER_SECOND);
    assert_eq!(systemd.state_of("logagent.service"), "active");

    systemd.stop_agent();
    systemd.write_inside(
        "/etc/logagent/logagent.toml",
        &CONFIGURATION.replace("stream =", "streem ="),
    );
    systemd.systemctl(&["start", "app@2"]);
    wait_until("it is tried again", || {
        systemd.journal("logagent.service").matches("streem").count() > 1
    });
    // It waits for its lines to be taken, and nothing else.
    assert_eq!(systemd.state_of("app@2"), "active");
    systemd.write_inside("/etc/logagent/logagent.toml", CONFIGURATION);
    wait_for_lines(&systemd, 2 * LINES_PER_SECOND);
    let agent = systemd.agent();
    systemd.finish(&agent, &["units"]);
    let sent = [Sent { clients: 1..3, lines: LINES_PER_SECOND }];
    assert_eq!(Marked::read(&systemd.files_of("app"), 0).lost(&sent), 0);
}

/// What a socket holds of such lines at most: by default Linux lets a sender be so far ahead, and counts
/// some hundred bytes more for each.
const LINES_IN_A_SOCKET: u64 = 400;

#[test]
fn a_stop_under_load_ends_the_connections_of_units_and_loses_at_most_what_their_sockets_hold() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = install(&place, 60);
    let agent = systemd.start_agent();
    systemd.systemctl(&[&["start"][..], &INSTANCES].concat());
    wait_until("lines come in", || {
        let status = agent.status();
        status["streams"]["app"]["lines_in"].as_u64() > Some(4 * LINES_PER_SECOND)
    });
    systemd.stop_agent();
    wait_until("the instances have ended", || have_ended(&systemd));
    let sent = taken(&place);
    for instance in 1..=INSTANCES.len() {
        assert_eq!(note(&place, instance)["error"], "Broken pipe");
    }
    let marked = Marked::read(&systemd.files_of("app"), 0);
    let lost = marked.lost(&sent);
    eprintln!("{lost} lines are lost that were sent between the last look and the end");
    assert!(lost <= 4 * LINES_IN_A_SOCKET, "{lost} lines are lost");
    marked.assert_no_gap();

    // Units that are started again have the agent started again, too.
    systemd.systemctl(&["start", "app@1"]);
    systemd.agent();
    wait_until("lines come in", || {
        let log = fs::read(systemd.path("/var/log/logagent/app.log")).unwrap();
        memchr::memmem::find_iter(&log, b"1 00001 000000000 ").count() == 2
    });
}

/// Says some more when it is stopped.
const TALKATIVE: &str = "
[Service]
ExecStart=sh /place/talkative.sh
KillMode=mixed
";

const TALKATIVE_SCRIPT: &str = "
trap 'for n in $(seq 100); do echo last $n; sleep 0.01; done; exit' TERM
echo up
while :; do sleep 0.02; done
";

#[test]
fn what_units_say_while_the_system_goes_down_is_written() {
    let place = Place::new();
    place.write("talkative.sh", TALKATIVE_SCRIPT);
    let systemd = Installed::boot(&place, &CONFIGURATION.replace("app@*", "*"));
    systemd.write_inside("/etc/systemd/system/app.service", TALKATIVE);
    systemd.send_output_of("app.service");
    systemd.systemctl(&["daemon-reload"]);
    systemd.systemctl(&["start", "app.service"]);
    systemd.agent().wait_for_lines("app", 1);
    // It is powered off.
    drop(systemd);
    let log = fs::read_to_string(place.log("app")).unwrap();
    let said: Vec<&str> = log.lines().collect();
    let expected: Vec<String> =
        ["- up".to_owned()].into_iter().chain((1..=100).map(|n| format!("- last {n}"))).collect();
    assert_eq!(said, expected);
}
