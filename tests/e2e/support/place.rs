//! A directory of its own for every test.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::tools::run;
use super::{Agent, wait_until};

/// The user and group that own nothing else.
pub const NOBODY: u32 = 65534;

/// Where one test works: its configuration, sockets and logs, and the agent's program.
///
/// In every text that is given to it, `@/` stands for this directory.
pub struct Place {
    directory: TempDir,
    user: User,
    messages: Cell<u32>,
}

#[derive(PartialEq)]
enum User {
    Own,
    Nobody,
}

impl Place {
    pub fn new() -> Place {
        Place::owned_by(User::Own)
    }

    /// A place that belongs to nobody, as whom its agents run. Only root can arrange that.
    pub fn of_nobody() -> Place {
        assert!(nix::unistd::geteuid().is_root(), "this test must run as root, as tests/all does");
        Place::owned_by(User::Nobody)
    }

    fn owned_by(user: User) -> Place {
        let directory = tempfile::Builder::new().prefix("logagent-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place { directory, user, messages: Cell::new(0) };
        fs::create_dir(place.path("log")).unwrap();
        if place.user == User::Nobody {
            // Where the project is built may be closed to nobody. A copy by another process: had
            // this one the file open for writing, a fork in another thread could keep it busy.
            run(Command::new("cp").arg(env!("CARGO_BIN_EXE_logagent")).arg(place.program()));
            place.give_to_nobody("");
            place.give_to_nobody("log");
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.directory.path().into()
        } else {
            self.directory.path().join(name)
        }
    }

    /// The file of a stream that says nothing else.
    pub fn log(&self, stream: &str) -> PathBuf {
        self.path(&format!("log/{stream}.log"))
    }

    pub fn text(&self, text: &str) -> String {
        text.replace("@/", &format!("{}/", self.directory.path().display()))
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, self.text(text)).unwrap();
        path
    }

    /// The names of what is in a directory.
    pub fn files(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn give_to_nobody(&self, name: &str) {
        chown(self.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }

    /// Writes the configuration: `body`, with the pid file, the control socket and the log
    /// directory in this place. What stands in `body` before its first table belongs to `[agent]`.
    pub fn configure(&self, body: &str) -> PathBuf {
        self.write("agent.toml", &configuration("pid-file = \"@/agent.pid\"\n", body))
    }

    /// Starts the daemon with this configuration, and waits until it listens.
    #[track_caller]
    pub fn start(&self, body: &str) -> Agent {
        self.configure(body);
        self.start_again()
    }

    /// Starts the daemon with the configuration that is there, and waits until it listens.
    #[track_caller]
    pub fn start_again(&self) -> Agent {
        self.spawn_ready(self.daemon())
    }

    /// Starts the program, and waits for the pid file.
    #[track_caller]
    pub fn spawn_ready(&self, command: Command) -> Agent {
        let mut agent = self.spawn(command);
        let pid = agent.pid().to_string();
        wait_until("the agent is up", || {
            assert_eq!(agent.end_so_far(), None, "the agent ended:\n{}", agent.messages());
            fs::read_to_string(self.path("agent.pid")).is_ok_and(|text| text.trim() == pid)
        });
        agent
    }

    /// Starts the program; what it says goes to a file.
    #[track_caller]
    pub fn spawn(&self, mut command: Command) -> Agent {
        self.messages.set(self.messages.get() + 1);
        let messages = self.path(&format!("messages-{}", self.messages.get()));
        command.stderr(fs::File::create(&messages).unwrap());
        Agent::spawn(command, messages, self.path("control.sock"))
    }

    /// The daemon's command.
    pub fn daemon(&self) -> Command {
        let mut command = self.command();
        command.arg("-c").arg(self.path("agent.toml"));
        command
    }

    /// The program, without arguments and input, as this place's user.
    pub fn command(&self) -> Command {
        self.command_under(&[])
    }

    /// The same, started by another program that sets a limit first.
    pub fn command_under(&self, wrapper: &[&str]) -> Command {
        let mut words = wrapper.iter().map(PathBuf::from).chain([self.program()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.directory.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOGAGENT_") {
                command.env_remove(name);
            }
        }
        command.env("LOGAGENT_LOG", "info");
        if self.user == User::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn program(&self) -> PathBuf {
        match self.user {
            User::Own => Path::new(env!("CARGO_BIN_EXE_logagent")).into(),
            User::Nobody => self.path("logagent"),
        }
    }
}

/// Inputs of every kind that feed one stream, `web`.
pub const EVERY_KIND: &str = "
    [input.s.unix-stream]
    path = \"@/web.stream\"
    stream = \"web\"
    [input.d.unix-datagram]
    path = \"@/web.dgram\"
    stream = \"web\"
    [input.q.unix-seqpacket]
    path = \"@/web.seqpacket\"
    stream = \"web\"
    [input.f.fifo]
    path = \"@/web.fifo\"
    stream = \"web\"
";

/// A configuration: `body`, with the control socket and the log directory in the place. What
/// `agent` says belongs to `[agent]`, as does what stands in `body` before its first table.
pub fn configuration(agent: &str, body: &str) -> String {
    let agent = format!("[agent]\ncontrol = \"@/control.sock\"\n{agent}");
    let defaults = "[defaults]\ndir = \"@/log\"\n";
    if body.contains("[defaults]\n") {
        format!("{agent}{}", body.replacen("[defaults]\n", defaults, 1))
    } else {
        format!("{agent}{body}\n{defaults}")
    }
}
