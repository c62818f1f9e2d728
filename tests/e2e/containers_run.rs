//! `logagent run` as a container's first process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::containers::{USER, fifo, write_to};
use crate::support::{
    Checker, Container, Gate, Place, Pods, Terminal, run, scale, spawn, wait_until,
};

/// What runs in the example's image, its log in the place's directory `logs`.
#[track_caller]
fn start<'a>(pods: &'a Pods<'_>, options: &[&str], command: &[&str]) -> Container<'a> {
    pods.directory("logs", USER);
    pods.start("app", &[&["--volume=@/logs:/logs"], options, &["app"], command].concat())
}

fn log(place: &Place) -> String {
    fs::read_to_string(place.path("logs/app.log")).unwrap_or_default()
}

#[track_caller]
fn wait_for_line(place: &Place, line: &str) {
    wait_until(&format!("the log says {line:?}"), || log(place).lines().any(|it| it == line));
}

#[test]
fn a_stop_waits_for_what_the_command_still_does_and_ends_as_it_does() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let slow = "trap 'sleep 3; echo done; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let container = start(&pods, &[], &["sh", "-c", slow]);
    wait_for_line(&place, "ready");
    pods.told(&["stop", "--time=10", "app"]);
    assert_eq!(container.shown("State.ExitCode"), "7");
    assert_eq!(log(&place), "ready\ndone\n");
    // --tee shows it to whoever asks podman.
    assert_eq!(container.said(), "ready\ndone\n");
}

#[test]
fn a_container_ends_as_its_command_does() {
    let place = Place::new();
    let pods = Pods::new(&place);
    pods.directory("logs", USER);
    for (command, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "kill -9 $$"], 128 + 9),
        (&["sh", "-c", "kill -15 $$"], 128 + 15),
        (&["/logs"], 126),
        (&["no-such-command"], 127),
    ] {
        let ended = pods.output_of(&[&["--volume=@/logs:/logs", "app"], command].concat());
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(status), "{command:?}: {said}");
    }
}

#[test]
fn both_outputs_keep_every_line_in_a_file_each_while_these_are_rotated() {
    let (place, rounds) = (Place::new(), scale(6, 60));
    let pods = Pods::new(&place);
    let (out, err) = (fifo(&place, "out"), fifo(&place, "err"));
    pods.directory("logs", USER);
    let both = "cat /in/err >&2 & cat /in/out; wait";
    let volumes = ["--volume=@/logs:/logs", "--volume=@/in:/in", "--entrypoint=logagent", "app"];
    let files = ["run", "-o", "/logs/out.log", "--stderr", "/logs/err.log"];
    let command = ["--", "sh", "-c", both];
    let container = pods.start("app", &[&volumes[..], &files, &command].concat());
    let gate = Gate::closed();
    let to_out = write_to(&out, 0..4, u64::MAX, &gate);
    let to_err = write_to(&err, 4..8, u64::MAX, &gate);
    let mut rotated: Vec<(PathBuf, PathBuf)> = Vec::new();
    gate.trickle_during(2, || {
        for round in 0..rounds {
            let of = |name: &str| place.path(&format!("logs/{name}"));
            let names = ["out", "err"].map(|name| {
                let old = of(&format!("{name}.{round}"));
                fs::rename(of(&format!("{name}.log")), &old).unwrap();
                old
            });
            if round % 2 == 0 {
                container.told(&["logagent", "reopen", "--quiet"]);
            } else {
                container.signal("USR2");
            }
            wait_until("there are new files", || of("out.log").exists() && of("err.log").exists());
            let [out, err] = names;
            rotated.push((out, err));
        }
    });
    let sent = [to_out.finish(), to_err.finish()];
    assert_eq!(container.wait(), 0, "{}", container.said());
    let (mut out, mut err): (Vec<_>, Vec<_>) = rotated.into_iter().unzip();
    out.push(place.path("logs/out.log"));
    err.push(place.path("logs/err.log"));
    for (files, sent) in [out, err].iter().zip(sent) {
        Checker::of(files).assert_exactly(&[sent]);
    }
}

#[test]
fn a_command_has_a_pipe_and_on_request_a_terminal() {
    let look = "test -t 1 && echo terminal || echo pipe";
    let place = Place::new();
    let pods = Pods::new(&place);
    pods.directory("logs", USER);
    for (options, output) in [(&[][..], "pipe\n"), (&["--tty"], "terminal\n")] {
        let volume = ["--volume=@/logs:/logs", "--entrypoint=logagent", "app"];
        let file = ["run", "-o", "/logs/app.log"];
        let command = ["--", "sh", "-c", look];
        let ended = pods.output_of(&[&volume[..], &file, options, &command].concat());
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(log(&place), output, "with {options:?}");
        fs::remove_file(place.path("logs/app.log")).unwrap();
    }
}

#[test]
fn what_the_command_leaves_behind_is_reaped_and_ends_with_the_container() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let leave = "i=0; while [ $i -lt 100 ]; do (true &); i=$((i + 1)); done; (sleep 1000 &); \
                 echo ready; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let container = start(&pods, &[], &["sh", "-c", leave]);
    wait_for_line(&place, "ready");
    let is_zombie = |process: &String| process.split_whitespace().nth(1) == Some("Z");
    wait_until("no zombie is left", || !container.processes().iter().any(is_zombie));
    let left = container.processes();
    assert!(left.iter().any(|process| process.contains("sleep 1000")), "{left:#?}");
    let numbers = left.iter().map(|process| process.split_whitespace().next().unwrap().to_owned());
    let processes: Vec<PathBuf> = numbers.map(|number| Path::new("/proc").join(number)).collect();
    assert!(processes.len() <= 4, "{left:#?}");
    assert!(processes[0].exists(), "{left:#?}");
    pods.told(&["stop", "--time=10", "app"]);
    assert_eq!(container.shown("State.ExitCode"), "0");
    wait_until("nothing is left", || !processes.iter().any(|process| process.exists()));
}

/// Tells each signal that it gets when it gets it, and ends after TERM.
const SIGNALLED: &str = r#"
    #include <signal.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    static void say(const char *text) { if (write(1, text, strlen(text)) < 0) abort(); }
    static void told(int signal) {
        say(strcat(strcpy((char[32]){0}, sigabbrev_np(signal)), "\n"));
        if (signal == SIGTERM) _exit(5);
    }
    int main(void) {
        for (int signal = 1; signal < 32; signal++) {
            struct sigaction action = {.sa_handler = told};
            sigfillset(&action.sa_mask);
            if (signal != SIGCHLD && signal != SIGTSTP) sigaction(signal, &action, NULL);
        }
        for (say("ready\n");;) pause();
    }
"#;

/// That program, in the place's directory `in`.
fn signalled(place: &Place) {
    fs::create_dir(place.path("in")).unwrap();
    let source = place.write("signalled.c", SIGNALLED);
    let compiler = ["-x", "c", "-D_GNU_SOURCE", "-static", "-o"];
    run(Command::new("gcc").args(compiler).arg(place.path("in/signalled")).arg(source));
}

#[test]
fn every_signal_reaches_the_command_once_but_usr2_which_is_ours() {
    let place = Place::new();
    let pods = Pods::new(&place);
    signalled(&place);
    let container = start(&pods, &["--volume=@/in:/in"], &["/in/signalled"]);
    wait_for_line(&place, "ready");
    let mut all = "ready\n".to_owned();
    for signal in ["HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "HUP", "TERM"] {
        container.signal(signal);
        if signal != "USR2" {
            all.push_str(&format!("{signal}\n"));
        }
        wait_until("the command says so", || log(&place).len() >= all.len());
    }
    assert_eq!(container.wait(), 5);
    assert_eq!(log(&place), all);
}

#[test]
fn ctrl_c_on_a_terminal_arrives_once() {
    let place = Place::new();
    let pods = Pods::new(&place);
    signalled(&place);
    pods.directory("logs", USER);
    let volumes = ["--volume=@/logs:/logs", "--volume=@/in:/in", "app", "/in/signalled"];
    let started = [&["run", "--interactive", "--tty", "--name=app"], &volumes[..]].concat();
    let terminal = Terminal::new();
    let mut podman = spawn(&mut terminal.put(&pods.podman(&started)));
    wait_for_line(&place, "ready");
    let mut all = "ready\n".to_owned();
    for _ in 0..scale(10, 100) {
        terminal.press("\x03");
        all.push_str("INT\n");
        wait_until("the command says so", || log(&place).len() >= all.len());
    }
    pods.container("app").signal("TERM");
    all.push_str("TERM\n");
    assert_eq!(podman.wait().unwrap().code(), Some(5), "{}", terminal.shown());
    assert_eq!(log(&place), all);
}

#[test]
fn the_examples_image_works_with_a_new_volume_and_a_read_only_root() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let options = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all"];
    let volumes = ["--tmpfs=/run/logagent", "--volume=logs:/logs", "app"];
    let count = ["sh", "-c", "seq 1000; echo ready; while :; do sleep 0.1; done"];
    let container = pods.start("app", &[&options[..], &volumes, &count].concat());
    let logs: PathBuf =
        pods.told(&["volume", "inspect", "--format={{.Mountpoint}}", "logs"]).into();
    wait_until("it has printed", || {
        fs::read_to_string(logs.join("app.log")).is_ok_and(|text| text.ends_with("ready\n"))
    });
    fs::rename(logs.join("app.log"), logs.join("app.log.1")).unwrap();
    container.told(&["logagent", "reopen"]);
    assert_eq!(fs::read_to_string(logs.join("app.log")).unwrap(), "");
    assert_eq!(fs::read_to_string(logs.join("app.log.1")).unwrap().lines().count(), 1001);
    assert!(container.told(&["logagent", "status"]).contains("child"));
    // The shell does not mind TERM where it is not the first process.
    pods.told(&["stop", "--time=10", "app"]);
    assert_eq!(container.shown("State.ExitCode"), (128 + 15).to_string());
}
