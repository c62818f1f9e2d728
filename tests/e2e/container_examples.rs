//! The compose file, the Kubernetes manifest and the configuration in `packaging/container`: valid,
//! and running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, Pods, output_of, packaging, run, wait_until};

const LINES: u32 = 100_000;

fn example(name: &str) -> String {
    fs::read_to_string(packaging("container").join(name)).unwrap()
}

/// The example with these replacements, each of which must be one.
#[track_caller]
fn changed(name: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = example(name);
    for (old, new) in replacements {
        assert!(text.contains(old), "{name} has no {old:?}");
        text = text.replace(old, new);
    }
    text
}

/// A program that tests/all has installed.
fn reader(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin").join(name))
}

/// The file passes as it is, and not with a mistake in it.
#[track_caller]
fn check(reader: impl Fn() -> Command, name: &str, mistake: (&str, &str)) {
    let place = Place::new();
    let good = place.write("good.yaml", &example(name));
    let bad = place.write("bad.yaml", &changed(name, &[mistake]));
    run(reader().arg(good));
    assert!(!output_of(reader().arg(bad)).status.success(), "{name} with {mistake:?} passes");
}

#[test]
fn the_examples_are_as_compose_and_kubernetes_specify() {
    let compose = || {
        let mut command = reader("check-jsonschema");
        command.args(["--builtin-schema", "vendor.compose-spec"]);
        command
    };
    check(compose, "compose.yaml", ("cap_drop:", "cap_drops:"));
    let kubernetes = || {
        let mut command = reader("kubernetes-validate");
        command.arg("--strict");
        command
    };
    check(kubernetes, "kubernetes.yaml", ("readOnlyRootFilesystem", "readonlyRootFilesystem"));
    check(kubernetes, "kubernetes.yaml", ("restartPolicy: Always", "restartPolicy: [Always]"));
}

#[test]
fn the_examples_have_one_configuration_and_this_version() {
    let file = packaging("container/logagent.toml");
    run(Command::new(env!("CARGO_BIN_EXE_logagent")).arg("check").arg(&file));
    let keys = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    };
    let manifest = example("kubernetes.yaml");
    let (_, rest) = manifest.split_once("logagent.toml: |\n").unwrap();
    let (inside, _) = rest.split_once("---\n").unwrap();
    assert_eq!(keys(inside), keys(&example("logagent.toml")));
    let version = concat!("logagent:", env!("CARGO_PKG_VERSION"));
    for name in ["app.Containerfile", "compose.yaml", "kubernetes.yaml"] {
        let text = example(name);
        let images = text.matches("logagent:0").count();
        assert!(images > 0, "{name} names no image of logagent");
        assert_eq!(text.matches(version).count(), images, "{name}");
    }
}

/// What an app prints, as it is in its file.
fn wait_for_output(file: &Path) {
    let all: String = (1..=LINES).map(|number| format!("{number}\n")).collect();
    let bytes = all.len() as u64;
    wait_until("the app's output is in its file", || {
        fs::metadata(file).is_ok_and(|found| found.len() >= bytes)
    });
    assert!(fs::read_to_string(file).unwrap() == all, "{file:?} is not what the app has printed");
}

/// Where podman keeps a volume.
fn volume(pods: &Pods<'_>, name: &str) -> PathBuf {
    pods.told(&["volume", "inspect", "--format={{.Mountpoint}}", name]).into()
}

/// What the app of the examples does.
const APP: &str = "while date; do sleep 1; done";

fn printing() -> String {
    format!("seq {LINES}; while sleep 1; do :; done")
}

#[test]
fn the_kubernetes_example_runs_in_a_pod() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let version = concat!("example.org/logagent:", env!("CARGO_PKG_VERSION"));
    pods.told(&["tag", "logagent", version]);
    pods.told(&["tag", "app", "example.org/app:1"]);
    // This podman does not know sidecars: it would wait for the agent's end. So both are containers
    // like others, the agent the first.
    let together = [
        ("      containers:\n", ""),
        ("      initContainers:\n", "      containers:\n"),
        ("          restartPolicy: Always\n", ""),
        (APP, &printing()),
    ];
    place.write("pod.yaml", &changed("kubernetes.yaml", &together));
    pods.told(&["kube", "play", "--network=none", "@/pod.yaml"]);
    let agent = pods.container("app-pod-0-logagent");
    agent.wait_for_agent("/logagent");
    wait_for_output(&volume(&pods, "logs").join("app.log"));
    // As the manifest's own words have it.
    assert!(agent.told(&["/logagent", "tail", "app"]).ends_with(&format!("{LINES}\n")));
    let user = "10001:10001";
    assert_eq!(agent.shown("Config.User"), user);
    assert_eq!(agent.shown("HostConfig.ReadonlyRootfs"), "true");
    pods.told(&["kube", "down", "@/pod.yaml"]);
}

/// podman for a machine that may have no networks.
const WITHOUT_NETWORKS: &str = r#"#!/bin/bash
[ "$1" != network ] || exit 0
words=()
while [ $# -gt 0 ]; do
    case $1 in
    --net | --network-alias) shift ;;
    *) words+=("$1") ;;
    esac
    shift
done
exec PODMAN "${words[@]}"
"#;

#[test]
fn the_compose_example_comes_up() {
    let place = Place::new();
    let pods = Pods::new(&place);
    let version = concat!("logagent:", env!("CARGO_PKG_VERSION"));
    pods.told(&["tag", "logagent", version]);
    fs::create_dir(place.path("compose")).unwrap();
    place.write("compose/logagent.toml", &example("logagent.toml"));
    place.write("compose/compose.yaml", &changed("compose.yaml", &[(APP, &printing())]));
    let text = WITHOUT_NETWORKS.replace("PODMAN", pods.program().to_str().unwrap());
    let text = place.write("podman.text", &text);
    let podman = place.path("podman");
    run(Command::new("install").args(["-m", "755"]).args([&text, &podman]));
    let mut compose = Command::new("podman-compose");
    compose.arg("--podman-path").arg(&podman).args(["--project-name", "example", "up", "--detach"]);
    let said = run(compose.current_dir(place.path("compose")));
    let agent = pods.container("example_logagent_1");
    let exists = output_of(&mut pods.podman(&["container", "exists", "example_logagent_1"]));
    assert!(exists.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    agent.wait_for_agent("/logagent");
    wait_for_output(&volume(&pods, "example_logs").join("app.log"));
    pods.told(&["stop", "--time=20", "example_logagent_1"]);
    assert_eq!(agent.shown("State.ExitCode"), "0", "{}", agent.said());
}
