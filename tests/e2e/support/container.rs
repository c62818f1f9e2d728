//! Containers: a real podman with runc, and a store of its own in the test's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use super::tools::{output_of, run};
use super::{Place, Rest, deadline, wait_until};

/// As little as this machine may allow: no systemd, no network, no right to raise limits. Locks in
/// the store, since those in shared memory belong to the machine's other containers.
const CONFIGURATION: &str = r#"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "none"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
"#;

/// An app's image to build upon, with a shell.
const BUSYBOX: &str = "\
FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"/bin\"]
RUN mkdir -p /usr/bin /tmp
";

/// The program without any library beside it: the one that tests/all has built, or one built now.
static STATIC: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(built) = std::env::var_os("LOGAGENT_STATIC") {
        return built.into();
    }
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let built = run(Command::new(packaging("static")).arg(profile)).stdout;
    PathBuf::from(String::from_utf8(built).unwrap().trim_end())
});

/// A file of `packaging`.
pub fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// The static binary.
pub fn static_binary() -> &'static Path {
    &STATIC
}

/// Makes a program of podman with that configuration and store.
fn program(place: &Place) -> PathBuf {
    place.write("pods/containers.conf", CONFIGURATION);
    let seconds = deadline().as_secs();
    // Whatever calls podman finds this one first, which must not find itself.
    let real = run(Command::new("sh").args(["-c", "command -v podman"])).stdout;
    let real = String::from_utf8(real).unwrap();
    let podman = format!(
        "#!/bin/sh\nCONTAINERS_CONF=@/pods/containers.conf TMPDIR=@/pods/build \
         exec timeout {seconds} {} \
         --root @/pods/root --runroot @/pods/run --tmpdir @/pods/tmp \
         --volumepath @/pods/volumes \"$@\"\n",
        real.trim_end()
    );
    // By another process: had this one it open for writing, a fork could keep it busy.
    let podman = place.write("pods/podman.text", &podman);
    let program = place.path("pods/podman");
    run(Command::new("install").args(["-m", "755"]).args([&podman, &program]));
    program
}

/// podman with the images `logagent`, `busybox` and `app`, which is built upon `busybox` as
/// `packaging/container/app.Containerfile` has it. Its containers end with it.
pub struct Pods<'a> {
    place: &'a Place,
    podman: PathBuf,
    /// What ends them.
    rest: Rest,
}

impl Pods<'_> {
    #[track_caller]
    pub fn new(place: &Place) -> Pods<'_> {
        assert!(nix::unistd::geteuid().is_root(), "this test must run as root, as tests/all does");
        for directory in ["pods", "pods/tmp", "pods/build", "busybox"] {
            fs::create_dir(place.path(directory)).unwrap();
        }
        let pods = Pods { place, podman: program(place), rest: Rest::of(place, REST, &[]) };
        pods.build_images();
        pods
    }

    #[track_caller]
    fn build_images(&self) {
        run(self.build_logagent().arg(static_binary()).arg("logagent:latest"));
        run(Command::new("sh")
            .args(["-c", "cp \"$(command -v busybox)\" \"$0\""])
            .arg(self.place.path("busybox/busybox")));
        self.place.write("busybox/Containerfile", BUSYBOX);
        let build = ["build", "--quiet", "--network=none"];
        self.told(&[&build[..], &["--tag=busybox", "@/busybox"]].concat());
        let file = format!("--file={}", packaging("container/app.Containerfile").display());
        let of = ["--build-arg=BASE=busybox", "--build-arg=LOGAGENT=logagent:latest", &file];
        self.told(&[&build[..], &of, &["--tag=app", "@/busybox"]].concat());
    }

    /// `packaging/container/build`, which wants to know what to build.
    pub fn build_logagent(&self) -> Command {
        let mut command = Command::new(packaging("container/build"));
        command.env("PODMAN", &self.podman);
        command
    }

    /// A program that stands for podman, and is named so.
    pub fn program(&self) -> &Path {
        &self.podman
    }

    /// A podman command; in its words, `@/` stands for the place.
    pub fn podman<W: AsRef<str>>(&self, words: &[W]) -> Command {
        let mut command = Command::new(&self.podman);
        command.args(words.iter().map(|word| self.place.text(word.as_ref())));
        command.current_dir(self.place.path("")).stdin(Stdio::null());
        command
    }

    /// What a podman command prints, which must succeed.
    #[track_caller]
    pub fn told<W: AsRef<str>>(&self, words: &[W]) -> String {
        String::from_utf8(run(&mut self.podman(words)).stdout).unwrap().trim_end().to_owned()
    }

    /// A container that runs to its end.
    #[track_caller]
    pub fn output_of(&self, words: &[&str]) -> Output {
        output_of(&mut self.podman(&[&["run", "--rm"], words].concat()))
    }

    /// A container in the background.
    #[track_caller]
    pub fn start(&self, name: &str, words: &[&str]) -> Container<'_> {
        self.told(&[&["run", "--detach", "--name", name], words].concat());
        self.container(name)
    }

    /// The container of this name.
    pub fn container(&self, name: &str) -> Container<'_> {
        Container { pods: self, name: name.to_owned() }
    }

    /// What is done where the test is killed.
    pub fn test_is_killed(&mut self) {
        self.rest.test_is_killed();
    }

    /// A directory of the place, for a volume, that belongs to this user and group.
    pub fn directory(&self, name: &str, owner: u32) -> PathBuf {
        let path = self.place.path(name);
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
        path
    }
}

/// Ends all containers: podman's own live on. A store is a mount of its own, which would keep its files.
const REST: &str = r#"
    "$0/pods/podman" pod rm --all --force -t0 >/dev/null &&
        "$0/pods/podman" rm --all --force -t0 >/dev/null
    status=$?
    tac /proc/self/mounts | while read -r _ at _; do
        case $at in "$0"/pods/*) umount --lazy "$at" ;; esac
    done
    (exit $status)
"#;

/// A container that has been started.
pub struct Container<'a> {
    pods: &'a Pods<'a>,
    name: String,
}

impl Container<'_> {
    /// A command in it.
    pub fn command(&self, words: &[&str]) -> Command {
        self.pods.podman(&[&["exec", &self.name], words].concat())
    }

    /// What a command in it prints, which must succeed.
    #[track_caller]
    pub fn told(&self, words: &[&str]) -> String {
        String::from_utf8(run(&mut self.command(words)).stdout).unwrap()
    }

    /// Waits until `/logagent`, or `logagent`, answers in it.
    #[track_caller]
    pub fn wait_for_agent(&self, program: &str) {
        wait_until("the agent in the container answers", || {
            assert!(self.is_running(), "it has ended:\n{}", self.said());
            output_of(&mut self.command(&[program, "status"])).status.success()
        });
    }

    #[track_caller]
    pub fn signal(&self, signal: &str) {
        self.pods.told(&["kill", "--signal", signal, &self.name]);
    }

    /// One value of what podman knows of it, such as `State.Status`.
    #[track_caller]
    pub fn shown(&self, field: &str) -> String {
        let field = format!("--format={{{{.{field}}}}}");
        self.pods.told(&["container", "inspect", &field, &self.name])
    }

    #[track_caller]
    pub fn is_running(&self) -> bool {
        self.shown("State.Status") == "running"
    }

    /// Waits for its end; its exit status.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        self.pods.told(&["wait", &self.name]).parse().unwrap()
    }

    /// What its processes have printed so far: output and errors.
    #[track_caller]
    pub fn logs(&self) -> Output {
        run(&mut self.pods.podman(&["logs", &self.name]))
    }

    /// The same as text.
    pub fn said(&self) -> String {
        let logs = self.logs();
        String::from_utf8_lossy(&[logs.stdout, logs.stderr].concat()).into_owned()
    }

    /// Its processes, the first one first: number (as this machine counts), state, command.
    #[track_caller]
    pub fn processes(&self) -> Vec<String> {
        let listed = self.pods.told(&["top", &self.name, "hpid", "state", "args"]);
        listed.lines().skip(1).map(str::to_owned).collect()
    }
}
