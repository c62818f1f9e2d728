//! The units that come with the program, as a package installs them, in a real systemd.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::socket::SockType;

use crate::support::{
    Checker, Clients, Control, Gate, Installed, Packets, Place, SystemdBox, Writes, scale,
    wait_until, whole_machine,
};

/// Says a line on both its outputs, and stays.
const APP: &str = "
    [Service]
    User=daemon
    ExecStart=sh -c 'echo out %i; echo err %i >&2; exec sleep infinity'
";

/// What a package's configuration has at least.
const UNITS: &str = "
    [input.units.systemd]
    stream = \"{unit.prefix}\"
";

#[test]
fn a_unit_with_the_drop_in_is_written_whether_or_not_the_agent_runs() {
    let place = Place::new();
    let systemd = Installed::boot(&place, UNITS);
    systemd.write_inside("/etc/systemd/system/app@.service", APP);
    systemd.send_output_of("app@.service");
    systemd.systemctl(&["daemon-reload"]);
    // Its socket comes with it, and the agent with the first connection.
    systemd.systemctl(&["start", "app@1", "app@2"]);
    let agent = systemd.agent();
    agent.wait_for_lines("app", 4);
    // Without an agent what is said waits. Only root may connect.
    assert_eq!(
        systemd.succeeds(&["stat", "-c", "%U %a", "/run/logagent/units.sock"]),
        "root 600\n"
    );
    systemd.output_of(&["systemctl", "stop", "logagent.service"]);
    systemd.systemctl(&["start", "app@3"]);
    systemd.agent().wait_for_lines("app", 2);
    let log = fs::read_to_string(systemd.path("/var/log/logagent/app.log")).unwrap();
    for instance in 1..=3 {
        let end = format!(" {instance}");
        let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(&end)).collect();
        assert_eq!(lines, [format!("out {instance}"), format!("err {instance}")]);
    }
    // Whoever may read logs may read it.
    let shown = systemd.succeeds(&["stat", "-c", "%U %G %a", "/var/log/logagent/app.log"]);
    assert_eq!(shown, "logagent adm 640\n");
}

/// A figure that `systemd-analyze security` gives.
#[track_caller]
fn exposure(systemd: &Installed<'_>, unit: &str) -> f64 {
    let words = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit];
    let told = systemd.succeeds(&words);
    let overall = told.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    overall.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

#[test]
fn systemd_has_nothing_to_complain_of_and_little_is_exposed() {
    let place = Place::new();
    let systemd = Installed::boot(&place, UNITS);
    systemd.write_inside("/etc/systemd/system/app@.service", APP);
    systemd.send_output_of("app@.service");
    for unit in [
        "logagent.service",
        "logagent.socket",
        "logagent@web.service",
        "logagent@web.socket",
        "logagent@.service",
        "logagent@.socket",
        "app@1.service",
    ] {
        // The manual pages are another part of a package.
        let output = systemd.output_of(&["systemd-analyze", "verify", "--man=no", unit]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{unit}: {told}");
    }
    for unit in ["logagent.service", "logagent@web.service"] {
        let path = format!("/usr/lib/systemd/system/{}", unit.replace("web", ""));
        let copy = format!("/tmp/{unit}");
        systemd.succeeds(&["cp", &path, &copy]);
        let figure = exposure(&systemd, &copy);
        assert!(figure <= 2.0, "{unit}: {figure}");
        let text = fs::read_to_string(systemd.path(&path)).unwrap();
        // It would hide who is speaking.
        assert!(!text.lines().any(|line| line.starts_with("ProtectProc=")), "{unit}");
    }
}

#[test]
fn a_socket_that_systemd_holds_is_not_taken_for_another_process() {
    let place = Place::new();
    let systemd =
        Installed::boot(&place, "[input.all.unix-stream]\npath = \"/run/logagent/units.sock\"\n");
    systemd.output_of(&["systemctl", "start", "logagent.service"]);
    let hint = "instead of this input write [input.units.systemd]";
    wait_until("it is told", || systemd.journal("logagent.service").contains(hint));
    // Once that is mended it starts by itself.
    systemd.write_inside("/etc/logagent/logagent.toml", UNITS);
    systemd.agent();
}

#[test]
fn a_reload_returns_when_the_configuration_is_applied_and_the_files_are_reopened() {
    let place = Place::new();
    let web = format!("{UNITS}[input.web.unix-stream]\npath = \"/run/logagent/web.sock\"\n");
    let systemd = Installed::boot(&place, &web);
    systemd.systemctl(&["start", "logagent.service"]);
    let agent = systemd.agent();
    let rounds: u32 = scale(20, 200);
    let log = |name: &str| systemd.path(&format!("/var/log/logagent/{name}"));
    for round in 0..rounds {
        fs::rename(log("web.log"), log(&format!("web.log.{round}"))).unwrap();
        let more = format!(
            "{web}[input.more{round}.unix-stream]\npath = \"/run/logagent/more{round}.sock\"\n"
        );
        systemd.write_inside("/etc/logagent/logagent.toml", &more);
        systemd.systemctl(&["reload", "logagent.service"]);
        assert!(log("web.log").exists(), "round {round}");
        assert!(log(&format!("more{round}.log")).exists(), "round {round}");
        UnixStream::connect(systemd.path(&format!("/run/logagent/more{round}.sock"))).unwrap();
        assert!(agent.status_of(&format!("/inputs/more{round}")).is_object());
    }

    // A wrong one is told, and the files are reopened all the same.
    fs::rename(log("web.log"), log("web.log.last")).unwrap();
    systemd.write_inside("/etc/logagent/logagent.toml", "[input.web.unix-stream]\nptah = \"/x\"\n");
    let output = systemd.output_of(&["systemctl", "reload", "logagent.service"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("Job for logagent.service failed"), "{told}");
    assert!(log("web.log").exists());
    let journal = systemd.journal("logagent.service");
    assert!(journal.contains("logagent.toml:2:1: "), "{journal}");
    assert!(journal.contains("nothing is changed"), "{journal}");
    assert_eq!(systemd.state_of("logagent.service"), "active");
    assert_eq!(systemd.show("logagent.service", "NRestarts"), "0");
}

/// Says a last line when it is stopped.
const LAST: &str = "
    [Service]
    ExecStart=sh -c 'trap \"sleep 0.3; echo last; exit\" TERM; echo first; sleep infinity & wait'
    KillMode=mixed
";

#[test]
fn of_a_unit_that_is_stopped_together_with_the_agent_the_last_line_is_written() {
    let place = Place::new();
    let systemd = Installed::boot(&place, UNITS);
    systemd.write_inside("/etc/systemd/system/app.service", LAST);
    systemd.send_output_of("app.service");
    systemd.systemctl(&["daemon-reload"]);
    let agent = systemd.start_agent();
    systemd.systemctl(&["start", "app"]);
    agent.wait_for_lines("app", 1);
    // As at a shutdown: each waits for those that are ordered behind it.
    systemd.systemctl(&["stop", "app.service", "logagent.socket", "logagent.service"]);
    let log = fs::read_to_string(systemd.path("/var/log/logagent/app.log")).unwrap();
    assert_eq!(log, "first\nlast\n");
}

/// What an instance of the template may have beside its socket.
const EVERY_KIND: &str = "
    [Socket]
    ListenFIFO=/run/logagent/%i.fifo
    ListenDatagram=/run/logagent/%i.dgram
    ListenSequentialPacket=/run/logagent/%i.seqpacket
";

/// Clients of an instance called `web`, of every kind.
fn clients(systemd: &Installed<'_>, gate: &Arc<Gate>) -> [Clients; 4] {
    let path = |name: &str| systemd.path(&format!("/run/logagent/{name}"));
    let packets = |kind, path, numbers| {
        let open = |_| Packets::connect(kind, path, "");
        Clients::start(numbers, u64::MAX, Writes::OneLine, gate, open)
    };
    let open_fifo = |_| OpenOptions::new().write(true).open(path("web.fifo")).unwrap();
    [
        Clients::connect(&path("web.sock"), 0..8, u64::MAX, Writes::CutAnywhere, gate),
        packets(SockType::Datagram, &path("web.dgram"), 8..10),
        packets(SockType::SeqPacket, &path("web.seqpacket"), 10..12),
        Clients::start(12..14, u64::MAX, Writes::WholeLines, gate, open_fifo),
    ]
}

#[test]
fn an_instance_of_the_template_reads_all_its_sockets_and_loses_nothing_when_restarted() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = Installed::boot(&place, "");
    systemd.write_inside("/etc/systemd/system/logagent@web.socket.d/more.conf", EVERY_KIND);
    systemd.systemctl(&["daemon-reload"]);
    systemd.systemctl(&["start", "logagent@web.service"]);
    let agent = systemd.agent_at("/run/logagent/web.control");
    let log = systemd.path("/var/log/logagent/web.log");
    let gate = Gate::closed();
    let clients = clients(&systemd, &gate);
    let rounds = scale(5, 100);
    gate.trickle_during(5, || {
        for round in 0..rounds {
            let before = agent.count("/streams/web/lines_in");
            wait_until("lines come in", || agent.count("/streams/web/lines_in") > before);
            systemd.systemctl(&["restart", "logagent@web.service"]);
            systemd.agent_at("/run/logagent/web.control");
            fs::rename(&log, log.with_extension(format!("log.{round}"))).unwrap();
            systemd.systemctl(&["reload", "logagent@web.service"]);
            assert!(log.exists());
        }
    });
    let sent = clients.map(Clients::finish);
    let lines: u64 = sent.iter().map(|sent| sent.clients.len() as u64 * sent.lines).sum();
    wait_until("every line is written", || agent.count("/streams/web/lines_written") == lines);
    let input = "/inputs/logagent@web.socket";
    // The FIFO and the datagram socket are one each, for every agent.
    let only = 2;
    let connections = agent.count(&format!("{input}/connections_total"));
    assert_eq!(connections, 10 + only * (1 + rounds), "a client connected again");
    wait_until("no connection is left", || agent.count(&format!("{input}/connections")) == only);
    let rotated = (0..rounds).map(|round| log.with_extension(format!("log.{round}")));
    let files: Vec<_> = rotated.chain([log.clone()]).collect();
    Checker::of(&files).assert_exactly(&sent);
    systemd.systemctl(&["stop", "logagent@web.socket"]);
    assert_eq!(systemd.state_of("logagent@web.service"), "inactive");
}

#[test]
fn an_instance_is_configured_by_its_environment_file() {
    let place = Place::new();
    let systemd = Installed::boot(&place, "");
    let environment = "LOGAGENT_OUTPUT=/var/log/logagent/other.log\nLOGAGENT_FORMAT=json\n";
    systemd.write_inside("/etc/logagent/web.env", environment);
    let only = "[Service]\nStandardOutput=file:/run/logagent/web.sock\nExecStart=echo hello\n";
    systemd.write_inside("/etc/systemd/system/app.service", only);
    systemd.systemctl(&["daemon-reload"]);
    systemd.systemctl(&["start", "logagent@web.socket"]);
    systemd.systemctl(&["start", "app.service"]);
    systemd.agent_at("/run/logagent/web.control").wait_for_lines("other", 1);
    let log = fs::read_to_string(systemd.path("/var/log/logagent/other.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["line"], "hello");
}

#[test]
fn an_instance_whose_socket_systemd_has_lost_keeps_its_connections_and_says_what_to_do() {
    let place = Place::new();
    let systemd = Installed::boot(&place, "");
    // systemd 252 does not find a socket with a backslash in its path again.
    let [socket, service] = ["socket", "service"].map(|kind| format!("logagent@a\\x2db.{kind}"));
    systemd.systemctl(&["start", &service]);
    let agent = systemd.agent_at("/run/logagent/a\\x2db.control");
    let mut client = UnixStream::connect(systemd.path("/run/logagent/a\\x2db.sock")).unwrap();
    client.write_all(b"before\n").unwrap();
    agent.wait_for_lines("a_x2db", 1);
    systemd.systemctl(&["daemon-reload"]);
    systemd.output_of(&["systemctl", "restart", &service]);
    wait_until("it is told", || {
        let told = systemd.journal(&service);
        ["hands over no socket", "backslash", "systemctl restart"]
            .iter()
            .all(|it| told.contains(it))
    });
    client.write_all(b"meanwhile\n").unwrap();
    systemd.succeeds(&["systemctl", "restart", &socket]);
    wait_until("the client's line is written", || {
        client.write_all(b"").is_ok()
            && fs::read_to_string(systemd.path("/var/log/logagent/a\\x2db.log"))
                .is_ok_and(|log| log == "before\nmeanwhile\n")
    });
}

/// What a .socket unit has as the standard input of pipe mode.
const FILTER: &str = "
    [Unit]
    Requires=filter.socket
    [Service]
    Type=notify
    StandardInput=socket
    StandardOutput=journal
    ExecStart=logagent -o /var/log/filter.log --control /run/filter.control
";

#[test]
fn a_fifo_or_socket_of_systemds_as_standard_input_never_ends_and_a_stop_does_not_wait_for_it() {
    check_standard_input("[Socket]\nListenFIFO=/run/filter\n");
    check_standard_input("[Socket]\nListenStream=/run/filter\n");
}

#[track_caller]
fn check_standard_input(socket: &str) {
    let place = Place::new();
    let units = [("filter.service", FILTER), ("filter.socket", socket)];
    let systemd = SystemdBox::boot(&place, &units);
    for round in 1..=3 {
        systemd.systemctl(&["start", "filter.socket"]);
        let path = systemd.path("/run/filter");
        let line = format!("line {round}\n");
        let mut client: Box<dyn Write> = match UnixStream::connect(&path) {
            Ok(client) => Box::new(client),
            Err(_) => Box::new(OpenOptions::new().write(true).open(&path).unwrap()),
        };
        client.write_all(line.as_bytes()).unwrap();
        systemd.systemctl(&["start", "filter.service"]);
        let agent = Control::at(systemd.path("/run/filter.control"));
        wait_until("the agent answers", || agent.try_status().is_some());
        agent.wait_for_lines("filter", 1);
        let begin = std::time::Instant::now();
        systemd.output_of(&["systemctl", "stop", "filter.service"]);
        assert!(begin.elapsed().as_secs() < 8, "it waited for an end that never comes");
        let result = systemd.systemctl(&["show", "--property=Result", "--value", "filter.service"]);
        assert_eq!(result, "success\n");
    }
    let log = fs::read_to_string(systemd.path("/var/log/filter.log")).unwrap();
    assert_eq!(log, "line 1\nline 2\nline 3\n");
}
