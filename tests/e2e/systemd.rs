//! Units of a real systemd: who sends is known from the kernel, and sockets that systemd holds lose
//! nothing while the agent is away.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::SockType;

use crate::support::{
    Checker, Clients, Gate, LINE_BYTES, Packets, Place, Sent, SystemdBox, Writes, numbered_lines,
    scale, wait_until, whole_machine,
};

/// One socket for every unit; each line is marked with what is known of its sender.
const UNITS: &str = "
    [input.units.unix-stream]
    path = \"@/units.sock\"
    stream = \"{unit.prefix}\"
";

/// `UNITS`, with only the instances of one template let in.
const ALLOWED: &str = "
    [defaults]
    format = \"stamped\"
    prefix = \"{unit.instance} \"
    [input.units.unix-stream]
    path = \"@/units.sock\"
    stream = \"{unit.prefix}\"
    allow = { unit = [\"app@*.service\"] }
";

/// Its first command is gone at once; its second says lines on both its outputs, in turn.
const APP: &str = "
    [Unit]
    After=agent.service
    [Service]
    Type=oneshot
    User=nobody
    StandardOutput=file:@/units.sock
    StandardError=inherit
    ExecStartPre=echo prepared %i
    ExecStart=sh @/app.sh %i
";

const APP_SCRIPT: &str = r#"
    cd /place
    cat "lines-$1"
    while IFS= read -r line; do
        echo "$line"
        IFS= read -r line
        echo "$line" >&2
    done <"more-$1"
"#;

/// Says lines until it cannot.
const OTHER: &str = "
    [Service]
    Type=oneshot
    StandardOutput=file:@/units.sock
    ExecStart=sh -c 'while echo not for you; do sleep 0.01; done'
";

/// Every line of a file must be marked with the instance that said it, and be there once, in order:
/// `lines` of each. Returns of how many the first command's line is there, too.
#[track_caller]
fn check_marks(file: &Path, instances: Range<usize>, lines: u64) -> u64 {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap().split_inclusive('\n') {
        let (mark, line) = line.split_once(' ').unwrap_or_else(|| panic!("no mark: {line:?}"));
        said.entry(mark.to_owned()).or_default().push_str(line);
    }
    assert_eq!(said.len(), instances.len(), "marks: {:?}", said.keys());
    let mut first_lines = 0;
    for instance in instances {
        let said = &said[&instance.to_string()];
        let prepared = format!("prepared {instance}\n");
        let times = said.matches(&prepared).count();
        assert!(times <= 1, "{times} times {prepared}");
        first_lines += times as u64;
        let mut checker = Checker::new();
        checker.read_bytes(file, said.replace(&prepared, "").as_bytes());
        checker.assert_exactly(&[Sent { clients: instance..instance + 1, lines }]);
    }
    first_lines
}

#[test]
fn lines_of_a_template_are_marked_with_their_instance_and_other_units_are_refused() {
    let place = Place::new();
    place.write("app.sh", APP_SCRIPT);
    let (at_once, in_turn) = (scale(3_000, 100_000), scale(300, 10_000));
    let lines = at_once + in_turn;
    for instance in 1..=4 {
        let all = numbered_lines(instance, 0..lines);
        let (lines, more) = all.split_at(usize::try_from(at_once).unwrap() * LINE_BYTES);
        fs::write(place.path(&format!("lines-{instance}")), lines).unwrap();
        fs::write(place.path(&format!("more-{instance}")), more).unwrap();
    }
    let systemd = SystemdBox::boot(&place, &[("app@.service", APP), ("other.service", OTHER)]);
    let agent = systemd.start_agent(ALLOWED);
    let refused = || agent.count("/inputs/units/refused");
    systemd.output_of(&["systemctl", "start", "other.service"]);
    systemd.wait_for_message(&["refused", "other.service"]);
    assert_eq!(refused(), 1);
    // A client outside: its unit cannot be known.
    let mut outside = UnixStream::connect(place.path("units.sock")).unwrap();
    assert_eq!(outside.read(&mut [0]).unwrap(), 0);
    wait_until("it is refused", || refused() == 2);

    systemd.systemctl(&["start", "app@1", "app@2", "app@3", "app@4"]);
    // An older kernel does not tell who a client was that is gone already: it is not let in.
    let written = || agent.count("/streams/app/lines_written");
    wait_until("every line", || written() + refused() - 2 == 4 * (1 + lines));
    let gone_too_soon = refused() - 2;
    systemd.systemctl(&["stop", "agent.service"]);
    assert_eq!(place.files("log"), ["app.log"]);
    let first_lines = check_marks(&place.log("app"), 1..5, lines);
    assert_eq!(first_lines + gone_too_soon, 4, "lines of first commands");
}

/// Lets the agent look at each unit's first command only when that is gone, one soon after another.
const PAUSING: &str = r#"
    agent=$(systemctl show --property=MainPID --value agent.service)
    for instance in 1 2 3 4 5 6 7 8 9 10 11 12; do
        kill -STOP "$agent"
        systemctl start --no-block "brief@$instance"
        sleep 0.02
        kill -CONT "$agent"
    done
"#;

/// Whether the kernel tells which cgroup a process was in that is gone (PIDFD_GET_INFO).
fn kernel_remembers_cgroups() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(13))
}

#[test]
fn a_first_command_that_is_gone_at_once_is_known_by_its_cgroup() {
    let place = Place::new();
    place.write("pausing.sh", PAUSING);
    let brief = "
        [Service]
        StandardOutput=file:@/units.sock
        ExecStartPre=echo prepared %i
        ExecStart=sleep infinity
    ";
    let systemd = SystemdBox::boot(&place, &[("brief@.service", brief)]);
    let agent = systemd.start_agent(&ALLOWED.replace("app@", "brief@"));
    let said = systemd.output_of(&["sh", "-eu", "/place/pausing.sh"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let first_lines = || {
        let text = fs::read_to_string(place.log("brief")).unwrap_or_default();
        text.lines().count() as u64
    };
    let refused = || agent.count("/inputs/units/refused");
    wait_until("every first command is taken or refused", || first_lines() + refused() == 12);
    if kernel_remembers_cgroups() {
        assert_eq!(refused(), 0, "{}", systemd.messages());
    }
    systemd.systemctl(&["stop", "agent.service"]);
    for line in fs::read_to_string(place.log("brief")).unwrap_or_default().lines() {
        let (mark, said) = line.split_once(' ').unwrap();
        assert_eq!(said, format!("prepared {mark}"));
    }
}

#[test]
fn of_a_burst_of_short_lived_units_none_is_taken_for_another() {
    let _machine = whole_machine();
    let place = Place::new();
    let burst = "
        [Service]
        Type=oneshot
        StandardOutput=file:@/units.sock
        ExecStart=echo burst@%i.service %i
    ";
    let systemd = SystemdBox::boot(&place, &[("burst@.service", burst)]);
    let marked = "[defaults]\nformat = \"stamped\"\nprefix = \"{unit} {unit.instance} \"\n";
    let agent = systemd.start_agent(&format!("{marked}{UNITS}"));
    let starts: u64 = scale(300, 3_000);
    let units: Vec<_> = (0..starts).map(|instance| format!("burst@{instance}.service")).collect();
    let mut start = vec!["start", "--no-block"];
    start.extend(units.iter().map(String::as_str));
    systemd.systemctl(&start);
    let written = |stream: &str| {
        let status = agent.status();
        status
            .pointer(&format!("/streams/{stream}/lines_written"))
            .map_or(0, |n| n.as_u64().unwrap())
    };
    wait_until("every unit's line", || written("burst") + written("unknown") == starts);
    let unknown = agent.count("/inputs/units/unknown");
    systemd.systemctl(&["stop", "agent.service"]);

    // A line says itself whose it is: its mark must say the same, or nothing.
    let known = fs::read_to_string(place.log("burst")).unwrap();
    let unmarked = fs::read_to_string(place.log("unknown")).unwrap_or_default();
    let mut said = Vec::new();
    for line in known.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[..2], words[2..], "taken for another: {line}");
        said.push(words[2].to_owned());
    }
    for line in unmarked.lines() {
        said.push(line.strip_prefix("- - ").unwrap().split(' ').next().unwrap().to_owned());
    }
    assert_eq!(unmarked.lines().count() as u64, unknown, "counted as unknown");
    eprintln!("{unknown} of {starts} units were gone too soon to be known");
    let mut units = units;
    units.sort();
    said.sort();
    assert_eq!(said, units);
}

/// Connects to each socket from cgroups of its own that are named like another unit, and stays until
/// the agent has looked: until it hangs up, or the line is in the file.
const PRETEND: &str = r#"
    own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
    for name in app@1.service app.slice/app@1.service; do
        mkdir -p "$own/$name"
        echo $$ >"$own/$name/cgroup.procs"
        grep -q "$name$" /proc/self/cgroup
        socat -u UNIX-CONNECT:/place/units.sock STDOUT
        {
            echo "as $name"
            until grep -qs "as $name" /place/log/*.log; do sleep 0.01; done
        } | socat -u STDIN UNIX-CONNECT:/place/any.sock
    done
"#;

#[test]
fn a_unit_with_a_delegated_cgroup_cannot_pretend_to_be_another() {
    let place = Place::new();
    place.write("pretend.sh", PRETEND);
    let outer = "
        [Service]
        Type=oneshot
        Delegate=yes
        ExecStart=sh -eu @/pretend.sh
    ";
    let systemd = SystemdBox::boot(&place, &[("outer.service", outer)]);
    let any = UNITS.replace("units", "any");
    let agent = systemd.start_agent(&format!("{ALLOWED}{any}"));
    systemd.systemctl(&["start", "--no-block", "outer.service"]);
    agent.wait_for_lines("outer", 2);
    assert_eq!(agent.count("/inputs/units/refused"), 2);
    systemd.systemctl(&["stop", "agent.service"]);
    assert_eq!(place.files("log"), ["outer.log"]);
    let text = fs::read_to_string(place.log("outer")).unwrap();
    assert_eq!(text, "- as app@1.service\n- as app.slice/app@1.service\n");
}

#[test]
fn a_unit_that_starts_before_the_agent_loses_nothing() {
    let place = Place::new();
    let early = "
        [Service]
        Type=oneshot
        StandardOutput=file:@/early.sock
        ExecStart=echo started
    ";
    let systemd = SystemdBox::boot(&place, &[("early.service", early)]);
    systemd.systemctl(&["start", "early.service"]);
    // systemd makes a regular file where it finds no socket.
    assert!(fs::metadata(place.path("early.sock")).unwrap().is_file());
    let agent = systemd.start_agent("[input.early.unix-stream]\npath = \"@/early.sock\"\n");
    agent.wait_for_lines("early", 1);
    systemd.systemctl(&["start", "early.service"]);
    agent.wait_for_lines("early", 2);
    systemd.systemctl(&["stop", "agent.service"]);
    assert_eq!(fs::read_to_string(place.log("early")).unwrap(), "started\nstarted\n");
}

/// Everything that systemd can listen on, under one name.
const EVERY_KIND: &str = "
    [Socket]
    TriggerLimitIntervalSec=0
    ListenStream=@/x.stream
    ListenDatagram=@/x.dgram
    ListenSequentialPacket=@/x.seqpacket
    ListenFIFO=@/x.fifo
    FileDescriptorName=x
    Service=agent.service
";

const ANOTHER: &str = "
    [Socket]
    ListenStream=@/y.stream
    FileDescriptorName=y
    Service=agent.service
";

/// Clients of one of those; what takes packets gets a line in each.
fn clients(
    place: &Place,
    name: &str,
    numbers: Range<usize>,
    lines: u64,
    gate: &Arc<Gate>,
) -> Clients {
    let path = place.path(name);
    let packets = |kind| {
        let open = |_| Packets::connect(kind, &path, "");
        Clients::start(numbers.clone(), lines, Writes::OneLine, gate, open)
    };
    match name.rsplit_once('.').unwrap().1 {
        "stream" => Clients::connect(&path, numbers, lines, Writes::CutAnywhere, gate),
        "dgram" => packets(SockType::Datagram),
        "seqpacket" => packets(SockType::SeqPacket),
        _ => {
            let open = |_| OpenOptions::new().write(true).open(&path).unwrap();
            Clients::start(numbers, lines, Writes::WholeLines, gate, open)
        }
    }
}

#[test]
fn every_kind_of_socket_that_systemd_holds_starts_the_agent_and_is_read() {
    let place = Place::new();
    let sockets = [("all.socket", EVERY_KIND), ("another.socket", ANOTHER)];
    let systemd = SystemdBox::boot(&place, &sockets);
    systemd.configure("[input.x.systemd]\n[input.web.systemd]\nname = \"y\"\n");
    systemd.systemctl(&["start", "all.socket", "another.socket"]);
    assert_eq!(systemd.state_of("agent.service"), "inactive");

    let lines = scale(1_000, 20_000);
    let gate = Gate::open();
    let clients = [
        clients(&place, "x.stream", 0..2, lines, &gate),
        clients(&place, "x.dgram", 2..4, lines, &gate),
        clients(&place, "x.seqpacket", 4..6, lines, &gate),
        clients(&place, "x.fifo", 6..8, lines, &gate),
        clients(&place, "y.stream", 8..10, lines, &gate),
    ];
    let sent = clients.map(Clients::finish);
    let agent = systemd.agent();
    agent.wait_for_lines("x", 8 * lines);
    agent.wait_for_lines("web", 2 * lines);
    assert_eq!(agent.status_of("/inputs/x/kind"), "systemd");
    systemd.systemctl(&["stop", "all.socket", "another.socket", "agent.service"]);
    Checker::of(&[place.log("x")]).assert_exactly(&sent[..4]);
    Checker::of(&[place.log("web")]).assert_exactly(&sent[4..]);
}

#[test]
fn a_restart_loses_nothing_that_is_sent_to_sockets_which_systemd_holds() {
    let _machine = whole_machine();
    let place = Place::new();
    let systemd = SystemdBox::boot(&place, &[("all.socket", EVERY_KIND)]);
    systemd.configure("[input.x.systemd]\n");
    systemd.systemctl(&["start", "all.socket"]);
    let gate = Gate::closed();
    // These keep on sending all the time, or wait where they may send no more.
    let always = [
        clients(&place, "x.dgram", 0..2, u64::MAX, &gate),
        clients(&place, "x.fifo", 2..4, u64::MAX, &gate),
    ];
    let restarts = scale(3, 30);
    let mut sent = Vec::new();
    gate.trickle_during(2, || {
        for restart in 0..restarts {
            let agent = systemd.agent();
            let before = agent.count("/inputs/x/lines_in");
            wait_until("lines come in", || agent.count("/inputs/x/lines_in") > before);
            fs::write(place.path("hold"), "").unwrap();
            systemd.systemctl(&["restart", "--no-block", "agent.service"]);
            wait_until("the agent is gone", || agent.try_status().is_none());
            sent.extend(while_nobody_listens(&place, 10 + 10 * restart));
            fs::remove_file(place.path("hold")).unwrap();
        }
        systemd.agent();
    });
    sent.extend(always.map(Clients::finish));
    let lines: u64 = sent.iter().map(|sent| sent.clients.len() as u64 * sent.lines).sum();
    let written = || fs::metadata(place.log("x")).unwrap().len() / LINE_BYTES as u64;
    wait_until("every line is written", || written() >= lines);
    systemd.systemctl(&["stop", "all.socket", "agent.service"]);
    Checker::of(&[place.log("x")]).assert_exactly(&sent);
}

/// Clients that connect, send what a socket holds, and go.
fn while_nobody_listens(place: &Place, first: usize) -> [Sent; 2] {
    let gate = Gate::open();
    [("x.stream", first..first + 3), ("x.seqpacket", first + 3..first + 6)]
        .map(|(name, numbers)| clients(place, name, numbers, 50, &gate).finish())
}
