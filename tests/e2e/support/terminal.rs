//! A real terminal, at which the test sits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};

use super::tools::run;
use super::wait_until;

pub struct Terminal {
    ours: File,
    end: File,
    path: PathBuf,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub fn new() -> Terminal {
        // Neither end for what other tests start at the same time.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
        let ours = posix_openpt(flags | OFlag::O_CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = PathBuf::from(ptsname_r(&ours).unwrap());
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let end = options.open(&path).unwrap();
        let ours = File::from(OwnedFd::from(ours));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut read, kept) = (ours.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // To the error that tells that nobody has it open any more.
            while let Ok(count @ 1..) = read.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { ours, end, path, shown }
    }

    /// For a command's standard input, output or error.
    pub fn end(&self) -> Stdio {
        self.end.try_clone().unwrap().into()
    }

    /// Has the command run at this terminal, as the first of a session: whatever these tests were
    /// started from, keys mean something.
    pub fn put(&self, command: &Command) -> Command {
        let mut first = Command::new("setsid");
        first.args(["--ctty", "env", "--default-signal"]);
        first.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => first.env(name, value),
                None => first.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            first.current_dir(directory);
        }
        first.stdin(self.end()).stdout(self.end()).stderr(self.end());
        first
    }

    pub fn press(&self, keys: &str) {
        (&self.ours).write_all(keys.as_bytes()).unwrap();
    }

    /// What has been printed there.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(&format!("the terminal shows {text:?}"), || self.shown().contains(text));
    }

    pub fn settings(&self) -> Termios {
        tcgetattr(&self.end).unwrap()
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        let (rows, columns) = (rows.to_string(), columns.to_string());
        run(Command::new("stty")
            .arg("-F")
            .arg(&self.path)
            .args(["rows", &rows, "columns", &columns]));
    }
}
