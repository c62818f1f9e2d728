//! Containers: the image, a program piped into logagent, the agent beside other containers.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use logagent::writer::archive::files::list;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{
    Checker, Clients, Container, Gate, Place, Pods, Writes, output_of, run, scale, static_binary,
    wait_until,
};

/// The user of the examples.
pub const USER: u32 = 10001;

/// A FIFO in the place's directory `in`, which containers have as `/in`.
pub fn fifo(place: &Place, name: &str) -> PathBuf {
    fs::create_dir_all(place.path("in")).unwrap();
    let path = place.path(&format!("in/{name}"));
    mkfifo(&path, Mode::from_bits_truncate(0o666)).unwrap();
    path
}

/// Clients that write whole lines to a FIFO, once somebody reads it.
pub fn write_to(
    fifo: &Path,
    clients: std::ops::Range<usize>,
    lines: u64,
    gate: &Arc<Gate>,
) -> Clients {
    let open = |_| OpenOptions::new().write(true).open(fifo).unwrap();
    Clients::start(clients, lines, Writes::WholeLines, gate, open)
}

/// The archives of a file, the oldest first, and the file.
fn with_archives(log: &Path) -> Vec<PathBuf> {
    let mut found = list(log).unwrap();
    found.sort_by_key(|one| one.name);
    let archives = found.into_iter().map(|one| one.path);
    archives.chain([log.to_owned()]).collect()
}

#[test]
fn the_image_holds_the_static_binary_and_nothing_else() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let root = pods.told(&["image", "mount", "logagent"]);
    let found = run(Command::new("find").args([&root, "-mindepth", "1", "-printf", "%P %y %m\n"]));
    assert_eq!(String::from_utf8_lossy(&found.stdout), "logagent f 755\n");
    let binary = static_binary();
    run(Command::new("cmp").arg(binary).arg(Path::new(&root).join("logagent")));
    pods.told(&["image", "unmount", "logagent"]);
    let version = format!("logagent {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(pods.told(&["run", "--rm", "logagent", "--version"]), version);

    // An archive is the same image, and whoever wants the binary's is told what is wrong with it.
    let archive = place.path("logagent.oci.tar");
    let before = pods.told(&["image", "inspect", "--format={{.Id}}", "logagent"]);
    run(pods.build_logagent().arg("--archive").arg(&archive).args([binary, Path::new("again")]));
    pods.told(&["image", "rm", "--force", "again", "logagent"]);
    pods.told(&["load", "--input", "@/logagent.oci.tar"]);
    let after = pods.told(&["image", "inspect", "--format={{.Id}}", "localhost/again"]);
    assert_eq!(before, after);
    let refused = output_of(pods.build_logagent().arg("/bin/sh"));
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("packaging/static"), "{refused:?}");
}

#[test]
fn of_a_test_that_is_killed_no_container_no_mount_and_no_file_is_left() {
    let place = Place::new();
    let mut pods = Pods::new(&place);
    let shell = ["--entrypoint=sh", "app", "-c", "exec sleep infinity"];
    let first = pods.start("app", &shell).shown("State.Pid");
    pods.test_is_killed();
    let process = format!("/proc/{first}/root/bin/busybox");
    wait_until("the container has ended", || !Path::new(&process).exists());
    let place = place.path("");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(place.to_str().unwrap()), "{mounts}");
    assert!(!place.exists(), "its files are left");
}

#[test]
fn a_program_piped_into_logagent_in_a_container_loses_nothing() {
    let (place, lines) = (Place::new(), scale(2_000, 50_000));
    let pods = Pods::new(&place);
    let app = fifo(&place, "app");
    let volumes = ["--volume=@/in:/in", "--volume=@/log:/logs", "--user=0"];
    let pipe = "cat /in/app | logagent -o /logs/app.log --tee=wait";
    let shell = ["--entrypoint=sh", "app", "-c", pipe];
    let container = pods.start("piped", &[&volumes[..], &shell].concat());
    let gate = Gate::closed();
    let clients = write_to(&app, 0..4, lines, &gate);
    gate.open_to(lines);
    let sent = clients.finish();
    assert_eq!(container.wait(), 0);
    Checker::of(&[place.log("app")]).assert_exactly(std::slice::from_ref(&sent));
    // What people look at.
    let mut shown = Checker::new();
    shown.read_bytes(Path::new("logs"), &container.logs().stdout);
    shown.assert_exactly(&[sent]);
}

/// An agent as a container's first process, with a socket that this machine reaches too.
fn agent<'a>(place: &Place, pods: &'a Pods<'_>, options: &[&str]) -> Container<'a> {
    fs::create_dir(place.path("run")).unwrap();
    let volumes = ["--volume=@/run:/run/logagent", "--volume=@/log:/logs"];
    let control = ["--env=LOGAGENT_CONTROL=/run/logagent/control.sock", "logagent"];
    let paths = ["-o", "/logs/app.log", "-l", "/run/logagent/app.sock"];
    let container = pods.start("agent", &[&volumes[..], &control, &paths, options].concat());
    container.wait_for_agent("/logagent");
    container
}

#[test]
fn reopening_from_outside_a_container_loses_nothing() {
    let (place, rounds) = (Place::new(), scale(10, 100));
    let pods = Pods::new(&place);
    let container = agent(&place, &pods, &[]);
    let log = place.log("app");
    let gate = Gate::closed();
    let socket = place.path("run/app.sock");
    let clients = Clients::connect(&socket, 0..20, u64::MAX, Writes::CutAnywhere, &gate);
    let mut files = Vec::new();
    gate.trickle_during(2, || {
        for round in 0..rounds {
            let old = place.log(&format!("app.{round}"));
            fs::rename(&log, &old).unwrap();
            if round % 2 == 0 {
                container.told(&["/logagent", "reopen", "--quiet"]);
                // It is complete: nobody writes there any more.
                run(Command::new("gzip").arg(&old));
                files.push(old.with_extension("log.gz"));
            } else {
                container.signal("USR2");
                wait_until("there is a new file", || log.exists());
                files.push(old);
            }
        }
    });
    let sent = clients.finish();
    pods.told(&["stop", "agent"]);
    assert_eq!(container.shown("State.ExitCode"), "0", "{}", container.said());
    files.push(log);
    Checker::of(&files).assert_exactly(&[sent]);
}

#[test]
fn own_rotation_in_a_container_loses_nothing_and_keeps_what_it_should() {
    for (keep, lines) in [(1000, scale(500, 20_000)), (3, 500)] {
        let place = Place::new();
        let pods = Pods::new(&place);
        let number = keep.to_string();
        let rotation = ["--rotate-size", "64KiB", "--rotate-keep", &number];
        let container = agent(&place, &pods, &rotation);
        let socket = place.path("run/app.sock");
        let sent =
            Clients::connect(&socket, 0..10, lines, Writes::CutAnywhere, &Gate::open()).finish();
        pods.told(&["stop", "agent"]);
        assert_eq!(container.shown("State.ExitCode"), "0", "{}", container.said());
        let files = with_archives(&place.log("app"));
        assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 64 << 10), "{files:?}");
        if keep == 3 {
            assert_eq!(files.len(), 4, "{files:?}");
            Checker::of(&files).assert_no_line_harmed();
        } else {
            assert!(files.len() > 5, "{files:?}");
            Checker::of(&files).assert_exactly(&[sent]);
        }
    }
}

#[test]
fn with_nothing_to_write_to_but_its_volumes_and_no_rights_it_works_as_any_user() {
    let place = Place::new();
    let pods = Pods::new(&place);
    pods.directory("logs", USER);
    let app = fifo(&place, "app");
    let container = pods.start(
        "restricted",
        &[
            "--read-only",
            "--read-only-tmpfs=false",
            "--user=10001:10001",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--tmpfs=/run/logagent:mode=1777",
            "--volume=@/logs:/logs",
            "--volume=@/in:/in",
            "--entrypoint=sh",
            "app",
            "-c",
            "logagent -o /logs/app.log --rotate-size 64KiB </in/app",
        ],
    );
    let gate = Gate::closed();
    let clients = write_to(&app, 0..2, 1_000, &gate);
    gate.open_to(500);
    container.wait_for_agent("logagent");
    assert!(container.told(&["logagent", "reopen"]).contains("app"));
    gate.open_to(1_000);
    let sent = clients.finish();
    assert_eq!(container.wait(), 0, "{}", container.said());
    assert_eq!(container.said(), "", "something to complain of");
    Checker::of(&with_archives(&place.path("logs/app.log"))).assert_exactly(&[sent]);
}

#[track_caller]
fn check_told(pods: &Pods<'_>, volumes: &[&str], options: &[&str], status: i32, words: &[&str]) {
    let ended = pods.output_of(&[volumes, &["logagent"], options].concat());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(status), "{said}");
    let told = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(said.lines().any(told), "no line with {words:?}:\n{said}");
}

#[test]
fn a_volume_that_belongs_to_somebody_else_is_told_with_its_owner() {
    let place = Place::new();
    let pods = Pods::new(&place);
    pods.directory("of-root", 0);
    let check = |volume, options: &[&str], words: &[&str]| {
        check_told(&pods, &["--user=10001:10001", volume], options, 78, words);
    };
    let ours = ["user 10001", "/logs belongs to user 0", "mode 0755"];
    let options = ["-o", "/logs/app.log", "-l", "/dev/shm/app.sock"];
    check("--volume=@/of-root:/logs", &options, &ours);
    // The same where a socket is to be.
    let ours = ["/run/app.sock", "user 10001", "/run belongs to user 0"];
    check("--volume=@/of-root:/run", &["-o", "/dev/null", "-l", "/run/app.sock"], &ours);
}

#[test]
fn what_people_forget_is_told() {
    let place = Place::new();
    let pods = Pods::new(&place);
    // No volume, and a root that nobody can write to: the disk may come back.
    let words = ["/logs/app.log", "Read-only file system", "volume"];
    let listening = ["-o", "/logs/app.log", "-l", "/dev/shm/app.sock"];
    let container =
        pods.start("forgotten", &[&["--read-only", "logagent"], &listening[..]].concat());
    wait_until("it is told", || {
        container.said().lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
    // No place for a socket.
    let words = ["/sockets", "Read-only file system", "volume"];
    check_told(
        &pods,
        &["--read-only"],
        &["-o", "/dev/null", "-l", "/sockets/app.sock"],
        71,
        &words,
    );
    // Neither an input nor --interactive.
    let words = ["nothing to read", "/dev/null", "-l", "--interactive"];
    check_told(&pods, &[], &["-o", "/app.log"], 0, &words);
    // No configuration.
    check_told(&pods, &[], &[], 78, &["/etc/logagent/logagent.toml", "No such file"]);
}

/// The agent of the examples in one container, whose sockets are in the volume `run`.
fn sidecar<'a>(place: &Place, pods: &'a Pods<'_>, configuration: &str) -> Container<'a> {
    fs::create_dir(place.path("run")).unwrap();
    place.write("logagent.toml", configuration);
    let volumes = ["--volume=@/run:/run/logagent", "--volume=@/log:/logs"];
    let file = "--volume=@/logagent.toml:/etc/logagent/logagent.toml:ro";
    let container = pods.start("agent", &[&volumes[..], &[file, "logagent"]].concat());
    container.wait_for_agent("/logagent");
    container
}

#[test]
fn an_agent_in_its_own_container_is_restarted_and_no_line_is_lost() {
    let (place, rounds) = (Place::new(), scale(3, 20));
    let pods = Pods::new(&place);
    let configuration = include_str!("../../packaging/container/logagent.toml");
    let agent = sidecar(&place, &pods, configuration);
    let (printing, sending) = (fifo(&place, "printing"), fifo(&place, "sending"));
    let volumes = ["--volume=@/run:/run/logagent", "--volume=@/in:/in", "--entrypoint=sh", "app"];
    // As the examples do: one holds its FIFO open for reading too, the other sends.
    let to_fifo = "exec \"$0\" \"$@\" 1<>/run/logagent/app.fifo 2>&1";
    let cat = ["-c", to_fifo, "cat", "/in/printing"];
    let prints = pods.start("prints", &[&volumes[..], &cat].concat());
    let job = ["-c", "logagent send --stream job </in/sending"];
    let sends = pods.start("sends", &[&volumes[..], &job].concat());

    let gate = Gate::closed();
    let printed = write_to(&printing, 0..4, u64::MAX, &gate);
    let handed = write_to(&sending, 4..8, u64::MAX, &gate);
    gate.trickle_during(1, || {
        for _ in 0..rounds {
            let before = printed.lines_sent() + handed.lines_sent();
            pods.told(&["restart", "--time=20", "agent"]);
            agent.wait_for_agent("/logagent");
            // They go on with it.
            wait_until("lines are sent", || {
                printed.lines_sent() + handed.lines_sent() > before + 800
            });
        }
    });
    let (printed, handed) = (printed.finish(), handed.finish());
    for container in [prints, sends] {
        assert_eq!(container.wait(), 0, "{}", container.said());
    }
    pods.told(&["stop", "--time=20", "agent"]);
    assert_eq!(agent.shown("State.ExitCode"), "0", "{}", agent.said());
    Checker::of(&[place.log("app")]).assert_exactly(&[printed]);
    Checker::of(&[place.log("job")]).assert_exactly(&[handed]);
}

/// What the agent knows of whoever is in another container.
const STRANGERS: &str = "
    [defaults]
    dir = \"/logs\"
    [input.user.unix-stream]
    path = \"/run/logagent/user.sock\"
    mode = \"0666\"
    stream = \"user-{uid}\"
    [input.allowed.unix-stream]
    path = \"/run/logagent/allowed.sock\"
    mode = \"0666\"
    allow = { uid = 10001 }
    [input.unit.unix-stream]
    path = \"/run/logagent/unit.sock\"
    mode = \"0666\"
    stream = \"{unit.prefix}\"
    [input.name.unix-stream]
    path = \"/run/logagent/name.sock\"
    mode = \"0666\"
    stream = \"{comm}\"
    [input.told.unix-stream]
    path = \"/run/logagent/told.sock\"
    mode = \"0666\"
    [stream.told]
    format = \"stamped\"
    prefix = \"{pid} {uid} {comm} {unit} \"
";

#[test]
fn of_a_client_in_another_container_the_user_is_known_and_the_rest_is_unknown() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let agent = sidecar(&place, &pods, STRANGERS);
    let send = "for s in user allowed unit name told; do echo $s | logagent send -s /run/logagent/$s.sock \
                || exit; done";
    let sending = ["--volume=@/run:/run/logagent", "--entrypoint=sh", "app", "-c", send];
    let sent = pods.output_of(&sending);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    pods.told(&["stop", "--time=20", "agent"]);
    assert_eq!(agent.shown("State.ExitCode"), "0", "{}", agent.said());
    for (stream, lines) in [
        ("user-10001", "user\n"),
        ("allowed", "allowed\n"),
        ("unknown", "unit\nname\n"),
        ("told", "- 10001 - - told\n"),
    ] {
        assert_eq!(fs::read_to_string(place.log(stream)).unwrap(), lines, "{stream}");
    }
    let said = agent.said();
    assert!(said.contains("the client's unit.prefix is not known"), "{said}");
}
