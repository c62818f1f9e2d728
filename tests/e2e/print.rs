//! What `print` writes is taken by those it is written for: logrotate and systemd.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::support::{Installed, Logrotate, Place, output_of, run, wait_until};

/// What it prints for the configuration of a place.
#[track_caller]
fn printed(place: &Place, words: &[&str]) -> String {
    let mut command = place.command();
    command.arg("print").args(words).arg("-c").arg(place.path("agent.toml"));
    String::from_utf8(run(&mut command).stdout).unwrap()
}

/// Checks that logrotate has nothing to complain of.
#[track_caller]
fn check_stanzas(place: &Place, text: &str) {
    let file = place.write("checked.conf", text);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let state = place.path("checked.state");
    let mut command = Command::new("logrotate");
    let told = run(command.arg("--debug").arg("--state").arg(state).arg(file)).stderr;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("Handling "), "{told}");
    for complaint in ["error", "unknown", "ignoring", "skipping"] {
        let found = told.lines().find(|line| line.contains(complaint));
        assert_eq!(found, None, "{text}");
    }
}

fn send(place: &Place, socket: &str, text: &str) {
    UnixStream::connect(place.path(socket)).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A stream of every sort: by the defaults, elsewhere under another mode and owner, rotated by the
/// agent, made on demand, a device.
const STREAMS: &str = "
    [input.web.unix-stream]
    path = \"@/web.sock\"
    [input.jobs.unix-stream]
    path = \"@/jobs.sock\"
    [input.own.unix-stream]
    path = \"@/own.sock\"
    [input.user.unix-stream]
    path = \"@/user.sock\"
    stream = \"user-{uid}\"
    [input.null.unix-stream]
    path = \"@/null.sock\"
    [stream.jobs]
    file = \"@/a [b] c.log\"
    mode = \"0600\"
    owner = \"daemon\"
    group = \"adm\"
    [stream.own]
    rotate = { keep = 3 }
    [stream.null]
    file = \"/dev/null\"
";

#[test]
fn the_stanzas_of_a_configuration_rotate_its_files_and_no_other() {
    let place = Place::new();
    let agent = place.start(STREAMS);
    let text = printed(&place, &["logrotate"]);
    check_stanzas(&place, &text);
    for (socket, stream) in
        [("web.sock", "web"), ("jobs.sock", "jobs"), ("own.sock", "own"), ("user.sock", "user-0")]
    {
        send(&place, socket, "one\n");
        agent.wait_for_lines(stream, 1);
    }
    // What lies beside is not the agent's.
    place.write("other.log", "other\n");
    Logrotate::configured(&place, &text).rotate();
    assert_eq!(
        place.files("log"),
        ["own.log", "user-0.log", "user-0.log.1.gz", "web.log", "web.log.1.gz"]
    );
    let jobs = place.path("a [b] c.log");
    let shown = run(Command::new("stat").args(["-c", "%U %G %a %s"]).arg(&jobs)).stdout;
    assert_eq!(String::from_utf8(shown).unwrap(), "daemon adm 600 0\n");
    assert!(place.path("a [b] c.log.1.gz").exists());
    assert!(place.path("other.log").exists() && !place.path("other.log.1.gz").exists());
    assert!(text.contains("# Stream own is left out"), "{text}");
    send(&place, "web.sock", "two\n");
    agent.wait_for_lines("web", 2);
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "two\n");
    agent.stop();
}

#[test]
fn the_stanzas_name_what_the_configuration_names() {
    let place = Place::new();
    place.configure("[input.web.unix-stream]\npath = \"@/web.sock\"\n");
    fs::write(place.log("web"), "").unwrap();
    let text = printed(&place, &["logrotate"]);
    check_stanzas(&place, &text);
    let control = place.path("control.sock");
    let hook = format!("reopen --quiet --if-running --control {}\n", control.display());
    assert!(text.contains(&hook), "{text}");
    assert!(!text.contains('*') && !text.contains("delaycompress"), "{text}");

    // A directory of nobody else's user: as whoever rotates there.
    fs::set_permissions(place.path("log"), fs::Permissions::from_mode(0o777)).unwrap();
    let text = printed(&place, &["logrotate"]);
    assert!(text.contains("    su root root\n"), "{text}");
    check_stanzas(&place, &text);

    // Whoever asks need not be who writes.
    let nobody = Place::of_nobody();
    nobody.write("agent.toml", "[input.a.unix-stream]\npath = \"/run/a.sock\"\n");
    assert!(printed(&nobody, &["systemd"]).contains("ReadWritePaths=/run\n"));

    // Nobody to tell: the agent sees it by itself, and compression waits.
    place.write("agent.toml", "[agent]\ncontrol = \"\"\npid-file = \"\"\n[input.a.stdin]\n");
    let text = printed(&place, &["logrotate"]);
    assert!(text.contains("delaycompress") && !text.contains("postrotate"), "{text}");
    place.write("agent.toml", "[agent]\ncontrol = \"\"\n[input.a.stdin]\n");
    let text = printed(&place, &["logrotate"]);
    assert!(text.contains("kill -USR2 $(cat /run/logagent/logagent.pid)"), "{text}");
}

/// As a new user has it: nothing is configured.
#[test]
fn without_a_configuration_it_is_that_of_a_package() {
    let place = Place::new();
    let systemd = Installed::boot(&place, "");
    systemd.succeeds(&["rm", "-r", "/etc/logagent"]);
    let stanzas = systemd.succeeds(&["logagent", "print", "logrotate"]);
    for wanted in ["\n/var/log/logagent/*.log {\n", "\n    su logagent adm\n", "--if-running\n"] {
        assert!(stanzas.contains(wanted), "no {wanted:?} in:\n{stanzas}");
    }
    let agents = systemd.succeeds(&["logagent", "print", "systemd"]);
    assert!(agents.contains("needs nothing more"), "{agents}");
    let units = systemd.succeeds(&["logagent", "print", "systemd", "app@"]);

    systemd.write_inside(
        "/etc/logagent/logagent.toml",
        "[input.units.systemd]\nstream = \"{unit.prefix}\"\n",
    );
    systemd.write_inside("/etc/systemd/system/app@.service", APP);
    systemd.write_inside("/etc/systemd/system/app@.service.d/logagent.conf", &units);
    systemd.systemctl(&["daemon-reload"]);
    let agent = systemd.start_agent();
    systemd.systemctl(&["start", "app@1"]);
    agent.wait_for_lines("app", 1);
    systemd.write_inside("/etc/logrotate.d/logagent", &stanzas);
    let state = ["logrotate", "--force", "--state", "/tmp/state", "/etc/logrotate.d/logagent"];
    assert_eq!(systemd.succeeds(&state), "");
    systemd.systemctl(&["start", "app@2"]);
    agent.wait_for_lines("app", 2);
    let app = fs::read_to_string(systemd.path("/var/log/logagent/app.log")).unwrap();
    assert_eq!(app, "hello 2\n");
    for file in ["app.log", "app.log.1.gz"] {
        let shown = ["stat", "-c", "%U %G %a", &format!("/var/log/logagent/{file}")];
        assert_eq!(systemd.succeeds(&shown), "logagent adm 640\n", "{file}");
    }
}

#[test]
fn a_wrong_configuration_a_unit_that_no_input_takes_and_wrong_words_are_told() {
    let place = Place::new();
    let ends = |words: &[&str]| {
        let mut command = place.command();
        let output =
            output_of(command.arg("print").args(words).arg("-c").arg(place.path("agent.toml")));
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    place.write("agent.toml", "nope = 1\n");
    for what in ["config", "logrotate", "systemd"] {
        let (status, complaint) = ends(&[what]);
        assert!(status == 78 && complaint.contains("agent.toml:1:1: "), "{complaint}");
    }
    place.configure("[input.web.unix-datagram]\npath = \"@/web.sock\"\n");
    let (status, complaint) = ends(&["systemd", "myapp@"]);
    assert!(status == 78 && complaint.contains("[input.web] is a datagram socket"), "{complaint}");
    let (status, complaint) = ends(&["systemd", "my app"]);
    assert!(status == 64 && complaint.contains("myapp.service"), "{complaint}");
    let (status, complaint) = ends(&["logrotate", "myapp@"]);
    assert!(status == 64 && complaint.contains("only `print systemd`"), "{complaint}");
}

/// Files, sockets and groups that the unit file does not know of.
const ELSEWHERE: &str = "
    [defaults]
    dir = \"/srv/more logs\"
    [input.units.systemd]
    stream = \"{unit.prefix}\"
    allow.unit = \"app@*.service\"
    [input.web.unix-stream]
    path = \"/run/web/web.sock\"
    group = \"www-data\"
    [stream.web]
    file = \"/home/web/100%.log\"
    group = \"www-data\"
";

/// Says a line, and stays.
const APP: &str = "[Service]\nExecStart=sh -c 'echo hello %i; exec sleep infinity'\n";

#[test]
fn with_its_drop_ins_the_agent_writes_wherever_it_is_configured_to() {
    let place = Place::new();
    let systemd = Installed::boot(&place, ELSEWHERE);
    systemd.write_inside("/etc/systemd/system/app@.service", APP);
    let agents = systemd.succeeds(&["logagent", "print", "systemd"]);
    systemd.write_inside("/etc/systemd/system/logagent.service.d/paths.conf", &agents);
    let units = systemd.succeeds(&["logagent", "print", "systemd", "app@"]);
    systemd.write_inside("/etc/systemd/system/app@.service.d/logagent.conf", &units);
    // What is to be done before stands in it.
    let (_, rest) = agents.split_once("# Before:\n").unwrap();
    let steps: Vec<_> = rest.lines().map_while(|line| line.strip_prefix("#   ")).collect();
    assert_eq!(steps.len(), 2, "{agents}");
    for step in steps {
        systemd.succeeds(&["sh", "-euc", step]);
    }
    systemd.systemctl(&["daemon-reload"]);
    for unit in ["logagent.service", "app@1.service"] {
        let output = systemd.output_of(&["systemd-analyze", "verify", "--man=no", unit]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{unit}: {told}");
    }

    let agent = systemd.start_agent();
    systemd.systemctl(&["start", "app@1"]);
    agent.wait_for_lines("app", 1);
    let log = fs::read_to_string(systemd.path("/srv/more logs/app.log")).unwrap();
    assert_eq!(log, "hello 1\n");
    assert!(units.contains(" go to /srv/more logs/app.log, "), "{units}");
    let mut client = UnixStream::connect(systemd.path("/run/web/web.sock")).unwrap();
    client.write_all(b"one\n").unwrap();
    agent.wait_for_lines("web", 1);
    let log = systemd.path("/home/web/100%.log");
    wait_until("it is there", || fs::read_to_string(&log).is_ok_and(|text| text == "one\n"));
    for path in ["/home/web/100%.log", "/run/web/web.sock"] {
        let shown = systemd.succeeds(&["stat", "-c", "%U %G", path]);
        assert_eq!(shown, "logagent www-data\n", "{path}");
    }
    // Printed again it says the same, now that the directories are there: at the next boot some are
    // not.
    let again = systemd.succeeds(&["logagent", "print", "systemd"]);
    let said = |text: &str| text.split_once("\n[Unit]").unwrap().1.to_owned();
    assert_eq!(said(&again), said(&agents));
}
