//! `logagent run` as the parent of processes: what a command is started with, and what it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{app_log, wrapper};
use crate::support::{Place, run, wait_until};

/// The lines of a `/proc/PID/status` by their names.
fn fields(status: &str) -> BTreeMap<&str, &str> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name, value.trim())).collect()
}

fn signal_set(fields: &BTreeMap<&str, &str>, name: &str) -> u64 {
    u64::from_str_radix(fields[name], 16).unwrap()
}

#[test]
fn a_command_has_our_environment_but_for_what_systemd_tells_us() {
    let place = Place::new();
    let notify = UnixDatagram::bind(place.path("notify.sock")).unwrap();
    let mut command = wrapper(&place, &[], &["env"]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("APP_MODE", "test");
    command.env("NOTIFY_SOCKET", place.path("notify.sock")).env("WATCHDOG_USEC", "60000000");
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
    command.env("LOGAGENT_CONTROL", place.path("control.sock"));
    let mut agent = place.spawn(command);
    assert_eq!(agent.wait(), 0, "{}", agent.messages());
    let log = app_log(&place);
    let names: Vec<_> = log.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(log.contains("APP_MODE=test\n"), "{log}");
    // It may want to ask for a reopen.
    assert!(names.contains(&"LOGAGENT_CONTROL"), "{log}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        assert!(!names.contains(&name), "{log}");
    }
    // We have told systemd ourselves.
    let mut told = [0; 1024];
    let mut all = String::new();
    notify.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    while !all.contains("READY=1") {
        let count = notify.recv(&mut told).expect("nothing was told of READY=1");
        all.push_str(&String::from_utf8_lossy(&told[..count]));
    }
}

#[test]
fn a_command_has_the_limits_and_signals_that_we_were_given() {
    let place = Place::new();
    let hard = getrlimit(Resource::RLIMIT_NOFILE).unwrap().1;
    assert!(hard > 777, "this machine's limit shows nothing");
    const LOOK: &str = "cat /proc/self/status; ulimit -Sn; ulimit -Hn; ls -1 /proc/self/fd";
    let limited = |words: &[&str]| {
        let mut shell = Command::new("sh");
        let script = "ulimit -Sn 777; trap '' HUP PIPE; exec \"$0\" \"$@\"";
        shell.args(["-c", script]).args(words).args(["sh", "-c", LOOK]);
        shell
    };
    let without = String::from_utf8(run(&mut limited(&["env"])).stdout).unwrap();
    let (ours, log) = (place.command(), place.path("app.log"));
    let words = [ours.get_program().to_str().unwrap(), "run", "-o", log.to_str().unwrap(), "--"];
    let mut agent = place.spawn(limited(&words));
    assert_eq!(agent.wait(), 0);
    let with = app_log(&place);
    let (before, after) = (fields(&without), fields(&with));
    // What nohup(1) does stays so, what systemd does (IgnoreSIGPIPE=) too, and nothing else is
    // ignored that was not.
    for signal in [Signal::SIGHUP, Signal::SIGPIPE] {
        assert_ne!(signal_set(&after, "SigIgn") & 1 << (signal as u32 - 1), 0, "{with}");
    }
    // 32 and 33 are the C library's own, which it may have handled.
    let ignored = |fields| signal_set(fields, "SigIgn") & !(0b11 << 31);
    assert_eq!(ignored(&before), ignored(&after));
    let rest = |log: &str| -> Vec<String> {
        log.lines().skip_while(|line| line.contains(':')).map(str::to_owned).collect()
    };
    assert_eq!(rest(&with)[..2], ["777".to_owned(), hard.to_string()]);
    // No descriptor of ours either.
    assert_eq!(rest(&with), rest(&without));
}

#[test]
fn the_end_is_seen_where_a_parent_has_blocked_every_signal() {
    const BLOCKING: &str = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execvp(sys.argv[1], sys.argv[1:])";
    let place = Place::new();
    let ours = wrapper(&place, &[], &["sh", "-c", "exit 3"]);
    let mut blocking = Command::new("python3");
    blocking.args(["-c", BLOCKING]).arg(ours.get_program()).args(ours.get_args());
    let mut agent = place.spawn(blocking);
    assert_eq!(agent.wait(), 3);
}

#[test]
fn a_command_blocks_no_signal() {
    let place = Place::new();
    for options in [&[][..], &["--tty"]] {
        // No shell between, which would begin with none itself.
        let words = ["grep", "-h", "SigBlk", "/proc/self/status"];
        let mut agent = place.spawn(wrapper(&place, options, &words));
        assert_eq!(agent.wait(), 0);
    }
    assert_eq!(app_log(&place), "SigBlk:\t0000000000000000\n".repeat(2));
}

#[test]
fn too_few_descriptors_are_told_and_no_fault_of_the_command() {
    for descriptors in 5..=40 {
        let place = Place::new();
        let ours = wrapper(&place, &[], &["true"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")]);
        limited.arg(ours.get_program()).args(ours.get_args());
        let mut agent = place.spawn(limited);
        match agent.wait() {
            0 => {}
            71 => assert!(agent.messages().contains("Too many open files"), "{descriptors}"),
            other => panic!("{descriptors} descriptors: {other}: {}", agent.messages()),
        }
    }
}

#[test]
fn a_process_that_still_holds_the_pipe_does_not_hold_up_the_end() {
    for script in ["sleep 600 & echo now", "(exec yes) & echo now; sleep 0.2"] {
        let place = Place::new();
        let begin = Instant::now();
        let script = format!("{script}; echo $! > @/left; exit 6");
        let mut agent = place.spawn(wrapper(&place, &[], &["sh", "-c", &script]));
        assert_eq!(agent.wait(), 6);
        assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
        assert_eq!(app_log(&place).lines().filter(|line| *line == "now").count(), 1);
        let left = fs::read_to_string(place.path("left")).unwrap();
        let left = Pid::from_raw(left.trim().parse().unwrap());
        if script.contains("sleep 600") {
            agent.wait_for_message(&["left", &left.to_string()]);
        }
        // It may have ended of SIGPIPE.
        let _whether_it_was_there = kill(left, Signal::SIGKILL);
    }
}

/// Leaves processes to whoever is above: each ends at once, the last one never.
const LEAVING: &str = "
for n in $(seq 30); do sh -c '(sleep 0.0$0 &)' $n; done
(exec -a logagent-left-PLACE sleep 600 &)
echo left; exec sleep 600
";

fn zombies_of(parent: u32) -> usize {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("status")).ok());
    let is_zombie = |status: &String| {
        let fields = fields(status);
        fields["State"].starts_with('Z') && fields["PPid"] == parent.to_string()
    };
    processes.filter(is_zombie).count()
}

/// Those whose first word is this.
fn processes_called(name: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
    let called = |path: std::path::PathBuf| {
        fs::read(path.join("cmdline")).is_ok_and(|words| words.starts_with(name.as_bytes()))
    };
    entries
        .filter(|entry| called(entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn no_zombie_and_no_orphan_is_left_where_we_are_pid_1() {
    let place = Place::new();
    let name = format!("logagent-left-{}", place.path("").file_name().unwrap().display());
    let script = LEAVING.replace("logagent-left-PLACE", &name);
    let ours = wrapper(&place, &["--pid-file", "@/agent.pid"], &["bash", "-c", &script]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(ours.get_program()).args(ours.get_args());
    let mut unshare = place.spawn(command);
    wait_until("it has left processes", || app_log(&place) == "left\n");
    assert_eq!(fs::read_to_string(place.path("agent.pid")).unwrap().trim(), "1");
    let init = fs::read_to_string(format!("/proc/{0}/task/{0}/children", unshare.pid())).unwrap();
    let init: u32 = init.trim().parse().unwrap();
    wait_until("the one that stays is there", || processes_called(&name).len() == 1);
    wait_until("every other one is reaped", || {
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
        children.split_whitespace().count() == 2 && zombies_of(init) == 0
    });
    kill(Pid::from_raw(init.cast_signed()), Signal::SIGTERM).unwrap();
    // unshare tells how its child has ended.
    assert_eq!(unshare.wait(), 143);
    wait_until("no process is left", || processes_called(&name).is_empty());
}

#[test]
fn what_a_command_leaves_is_ours_to_reap_elsewhere_too() {
    let place = Place::new();
    let name = format!("logagent-left-{}", place.path("").file_name().unwrap().display());
    let script = LEAVING.replace("logagent-left-PLACE", &name);
    let mut agent = place.spawn(wrapper(&place, &[], &["bash", "-c", &script]));
    wait_until("it has left processes", || app_log(&place) == "left\n");
    wait_until("the one that stays is there", || processes_called(&name).len() == 1);
    let (stays, pid) = (processes_called(&name)[0], agent.pid());
    wait_until("it is ours, and every other one is reaped", || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children: Vec<_> = children.split_whitespace().collect();
        children.len() == 2 && children.contains(&stays.to_string().as_str())
    });
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(), 143);
    agent.wait_for_message(&["left", &stays.to_string()]);
    // Elsewhere it may stay, as it would without us.
    kill(Pid::from_raw(stays), Signal::SIGKILL).unwrap();
}
