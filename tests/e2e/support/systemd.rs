//! A real systemd: PID 1 of a throw-away container whose files are this machine's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::configuration;
use super::tools::{output_of, spawn};
use super::{Control, Place, Rest, wait_until};

/// Where a box has its place: in texts that are given to it, `@/` stands for this.
const PLACE: &str = "/place";

/// Boots no more than units need: no timers, no sockets, no other services of this machine.
const TARGET: &str = "
    [Unit]
    Requires=sysinit.target
    After=sysinit.target
";

/// The agent as a unit. What it says goes to the file `messages` of its place.
const AGENT: &str = "
    [Unit]
    StartLimitIntervalSec=0
    [Service]
    Type=exec
    RuntimeDirectory=logagent
    Environment=LOGAGENT_LOG=info
    ExecStartPre=sh -c 'while [ -e @/hold ]; do sleep 0.01; done'
    ExecStart=logagent -c @/agent.toml
    StandardError=append:@/messages
    TimeoutStopSec=20
";

/// The unit file that comes with the program.
const SHIPPED: &str = include_str!("../../../systemd/logagent.service");

/// The agent as its own unit file has it, but for paths, for who it is, for how long it rests before
/// it is started again, and for how many descriptors systemd keeps.
pub fn shipped_agent(descriptors: usize) -> String {
    let told = "[Service]\nEnvironment=LOGAGENT_LOG=info\nStandardError=append:@/messages\n";
    let descriptors = descriptors.to_string();
    let mut unit = SHIPPED.to_owned();
    for (shipped, here) in [
        ("/usr/bin/logagent ", "logagent "),
        ("/etc/logagent/logagent.toml", "@/agent.toml"),
        ("Requires=logagent.socket\nAfter=logagent.socket\n", ""),
        ("User=logagent\nGroup=logagent\n", ""),
        ("ReadWritePaths=", "ReadWritePaths=@/ "),
        ("[Service]\n", told),
        ("RestartSec=500ms", "RestartSec=20ms"),
        ("10200", &descriptors),
    ] {
        assert!(unit.contains(shipped), "the unit file has no {shipped:?}");
        unit = unit.replace(shipped, here);
    }
    unit
}

/// systemd-nspawn refuses `/` itself: it gets a mount of it that only this process sees and nobody
/// can write to, so that nothing that goes wrong reaches the files of this machine.
const BOOT: &str = r#"
    for cgroup in $cgroups; do echo $$ >"$cgroup/cgroup.procs"; done
    mount --bind / "$root"
    mount -o remount,bind,ro "$root"
    exec systemd-nspawn "$@"
"#;

/// Cgroups go with those in them, once the last process has left them.
const REMOVE_CGROUPS: &str = r#"
    for cgroup; do
        for try in $(seq 600); do
            [ ! -e "$cgroup" ] && continue 2
            find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
        exit 1
    done
"#;

/// A booted system. Its `/` is this machine's with memory laid over it: what it changes there is
/// gone with it. Its `/tmp` and `/run` are its own.
pub struct SystemdBox<'a> {
    place: &'a Place,
    nspawn: Child,
    /// Its PID 1, as this machine counts.
    leader: String,
    _rest: Rest,
}

impl SystemdBox<'_> {
    /// Boots a system with these unit files and `agent.service`, which is not started yet.
    #[track_caller]
    pub fn boot<'a>(place: &'a Place, units: &[(&str, &str)]) -> SystemdBox<'a> {
        SystemdBox::boot_with(place, units, &[])
    }

    /// The same, with more options of systemd-nspawn's.
    #[track_caller]
    pub fn boot_with<'a>(
        place: &'a Place,
        units: &[(&str, &str)],
        options: &[&str],
    ) -> SystemdBox<'a> {
        assert!(nix::unistd::geteuid().is_root(), "this test must run as root, as tests/all does");
        for directory in ["units", "root"] {
            fs::create_dir(place.path(directory)).unwrap();
        }
        for (name, text) in [("box.target", TARGET), ("agent.service", AGENT)].iter().chain(units) {
            place.write(&format!("units/{name}"), &inside(text));
        }
        let name = place.path("").file_name().unwrap().to_str().unwrap().to_owned();
        let cgroups = own_cgroups(&name);
        let words: Vec<_> = cgroups.iter().map(|cgroup| cgroup.to_str().unwrap()).collect();
        let rest = Rest::of(place, REMOVE_CGROUPS, &words);
        let nspawn =
            spawn(nspawn(place, &name, &cgroups).args(options).arg("systemd.unit=box.target"));
        let mut booted = SystemdBox { place, nspawn, leader: String::new(), _rest: rest };
        wait_until("systemd is up", || booted.is_up());
        booted
    }

    fn is_up(&mut self) -> bool {
        let console = || fs::read_to_string(self.place.path("console")).unwrap();
        assert_eq!(self.nspawn.try_wait().unwrap(), None, "no boot:\n{}", console());
        let nspawn = self.nspawn.id();
        let children = format!("/proc/{nspawn}/task/{nspawn}/children");
        let children = fs::read_to_string(children).unwrap();
        // Until systemd listens, a command entering would find this machine's files.
        let listens = |leader: &str| {
            Path::new(&format!("/proc/{leader}/root/run/systemd/private")).exists()
                && fs::read_to_string(format!("/proc/{leader}/comm"))
                    .is_ok_and(|it| it == "systemd\n")
        };
        let Some(leader) = children.split_whitespace().find(|child| listens(child)) else {
            return false;
        };
        self.leader = leader.to_owned();
        let state = self.output_of(&["systemctl", "is-system-running"]).stdout;
        matches!(state.trim_ascii(), b"running" | b"degraded")
    }

    /// Runs a command in it, in no unit, to whatever end.
    #[track_caller]
    pub fn output_of(&self, words: &[&str]) -> Output {
        output_of(Command::new("nsenter").args(["--all", "--target", &self.leader]).args(words))
    }

    /// A command with this machine's files, and the network of the system.
    pub fn in_its_network(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.leader, program]);
        command
    }

    /// Where it has a file, as this machine sees it.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.leader))
    }

    /// What systemctl prints. It must have nothing to complain of.
    #[track_caller]
    pub fn systemctl(&self, words: &[&str]) -> String {
        let output = self.output_of(&[&["systemctl"], words].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "systemctl {words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes the configuration of its agent: `body`, with the control socket and the log directory
    /// in its place.
    pub fn configure(&self, body: &str) {
        self.place.write("agent.toml", &inside(&configuration("", body)));
    }

    /// Starts the agent with this configuration, and waits until it is up.
    #[track_caller]
    pub fn start_agent(&self, body: &str) -> Control {
        self.configure(body);
        self.systemctl(&["start", "agent.service"]);
        self.agent()
    }

    /// The agent, when it is up.
    #[track_caller]
    pub fn agent(&self) -> Control {
        let control = Control::at(self.place.path("control.sock"));
        wait_until("the agent answers", || {
            assert_ne!(self.state_of("agent.service"), "failed", "{}", self.messages());
            control.try_status().is_some()
        });
        control
    }

    /// A unit's state: `active`, `inactive`, `activating`, `failed`, …
    pub fn state_of(&self, unit: &str) -> String {
        self.systemctl(&["show", "--property=ActiveState", "--value", unit]).trim_end().to_owned()
    }

    /// What its agent has said so far on its standard error.
    pub fn messages(&self) -> String {
        fs::read(self.place.path("messages"))
            .map_or(String::new(), |said| String::from_utf8_lossy(&said).into_owned())
    }

    /// Waits until its agent has said so.
    #[track_caller]
    pub fn wait_for_message(&self, words: &[&str]) {
        wait_until(&format!("a message with {words:?}"), || {
            self.messages().lines().any(|line| words.iter().all(|word| line.contains(word)))
        });
    }
}

/// A text as it stands in a box.
fn inside(text: &str) -> String {
    text.replace("@/", &format!("{PLACE}/"))
}

/// A cgroup for one box, in every hierarchy that systemd may use; all boxes would share one else.
fn own_cgroups(name: &str) -> Vec<PathBuf> {
    let hierarchies = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
    let found = hierarchies.map(Path::new).into_iter().filter(|h| h.join("cgroup.procs").exists());
    let cgroups: Vec<_> = found.map(|hierarchy| hierarchy.join(name)).collect();
    for cgroup in &cgroups {
        fs::create_dir(cgroup).unwrap();
    }
    cgroups
}

fn nspawn(place: &Place, name: &str, cgroups: &[PathBuf]) -> Command {
    // A box does not outlive the test, however that ends.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]);
    command.args(["sh", "-euc", BOOT, "sh"]);
    command.args(["--quiet", "--boot", "--volatile=overlay", "--console=read-only"]);
    // Without a systemd on this machine there is nobody to register it with or to get a unit from.
    command.args(["--register=no", "--keep-unit", "--link-journal=no"]);
    let bind = |command: &mut Command, option: &str, from: &Path, to: &str| {
        command.arg(format!("--{option}={}:{to}", from.display()));
    };
    command.arg(format!("--machine={name}"));
    command.arg(format!("--directory={}", place.path("root").display()));
    bind(&mut command, "bind", &place.path(""), PLACE);
    bind(&mut command, "bind-ro", &place.path("units"), "/usr/local/lib/systemd/system");
    let program = Path::new(env!("CARGO_BIN_EXE_logagent"));
    bind(&mut command, "bind-ro", program, "/usr/local/bin/logagent");
    command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");

    let cgroups: Vec<_> = cgroups.iter().map(|cgroup| cgroup.to_str().unwrap()).collect();
    command.env("cgroups", cgroups.join(" ")).env("root", place.path("root"));
    let console = fs::File::create(place.path("console")).unwrap();
    command.stdin(Stdio::null()).stdout(console.try_clone().unwrap()).stderr(console);
    command
}

impl Drop for SystemdBox<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the agent said:\n{}", self.messages());
            let journal = self.output_of(&["journalctl", "--quiet", "--boot", "--priority=5"]);
            eprintln!("the journal:\n{}", String::from_utf8_lossy(&journal.stdout));
        }
        if self.nspawn.try_wait().unwrap().is_none() {
            // It asks its systemd to stop everything, and ends after it.
            kill(Pid::from_raw(self.nspawn.id().cast_signed()), Signal::SIGTERM).unwrap();
        }
        self.nspawn.wait().unwrap();
    }
}
