//! logagent, or the bare loop, on a number of sockets, each with a stream and its file.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bare_loop;
use crate::load::Target;
use crate::problem::{Outcome, While};
use crate::process::Process;
use crate::sections::Course;
use crate::work::{self, Scratch};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Logagent,
    /// The yardstick.
    BareLoop,
}

/// A collector that listens; ended, and its files removed, when it is dropped.
pub(crate) struct Collector {
    // Before the directory, so that nobody writes there any more when it is removed.
    pub(crate) process: Process,
    pub(crate) place: Place,
}

/// Where a collector of `streams` streams has its files.
pub(crate) struct Place {
    dir: Scratch,
    pub(crate) streams: usize,
    /// What the configuration says besides.
    settings: String,
}

impl Place {
    pub(crate) fn new(course: &Course, streams: usize) -> Outcome<Self> {
        let settings = String::new();
        let place = Self { dir: Scratch::new(&course.dir)?, streams, settings };
        work::socket(&place.dir.0, &socket_name(streams))?;
        Ok(place)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir.0
    }

    pub(crate) fn socket(&self, stream: usize) -> PathBuf {
        self.dir().join(socket_name(stream))
    }

    pub(crate) fn log(&self, stream: usize) -> PathBuf {
        self.dir().join(format!("s{stream}.log"))
    }

    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        (0..self.streams).map(|stream| self.log(stream)).collect()
    }

    /// In all logs together.
    pub(crate) fn bytes(&self) -> u64 {
        (0..self.streams).map(|stream| bytes(&self.log(stream))).sum()
    }

    /// Clients of all streams, whose connections stay open.
    pub(crate) fn target(&self) -> Target {
        Target::Sockets(self.dir().join("{}.sock"), self.streams)
    }

    pub(crate) fn command(&self, program: Program, course: &Course) -> Outcome<Command> {
        let mut command = match program {
            Program::Logagent => {
                let file = self.dir().join("logagent.toml");
                fs::write(&file, self.configuration()).while_("write the configuration")?;
                let mut command = Command::new(&course.logagent);
                command.arg("-c").arg(file);
                command
            }
            Program::BareLoop => {
                let this = std::env::current_exe().while_("find this program")?;
                let mut command = Command::new(this);
                command.arg(bare_loop::ROLE);
                for stream in 0..self.streams {
                    command.arg(self.socket(stream)).arg(self.log(stream));
                }
                command
            }
        };
        let complaints = fs::File::create(self.complaints()).while_("create a file")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        Ok(command)
    }

    fn configuration(&self) -> String {
        let dir = self.dir().display();
        let mut text = format!(
            "[agent]\npid-file = \"{dir}/logagent.pid\"\ncontrol = \"{dir}/control.sock\"\n\n\
             [defaults]\ndir = \"{dir}\"\n"
        );
        for stream in 0..self.streams {
            let socket = self.socket(stream);
            let socket = socket.display();
            // Writing to a String cannot fail.
            write!(text, "\n[input.s{stream}.unix-stream]\npath = \"{socket}\"\n").ok();
        }
        text + &self.settings
    }

    fn complaints(&self) -> PathBuf {
        self.dir().join("stderr")
    }

    /// The end of what the collector has said.
    pub(crate) fn last_words(&self) -> String {
        let said = fs::read_to_string(self.complaints()).unwrap_or_default();
        said.lines().rev().take(3).collect::<Vec<_>>().join("; ")
    }
}

impl Collector {
    /// Started, listening on all sockets, and done with starting.
    pub(crate) fn start(program: Program, streams: usize, course: &Course) -> Outcome<Self> {
        Self::start_with(program, streams, course, "")
    }

    /// The same; logagent's configuration says this besides.
    pub(crate) fn start_with(
        program: Program,
        streams: usize,
        course: &Course,
        settings: &str,
    ) -> Outcome<Self> {
        let place = Place { settings: settings.to_owned(), ..Place::new(course, streams)? };
        let process = Process::start(place.command(program, course)?)?;
        let collector = Self { process, place };
        for stream in 0..streams {
            let socket = collector.place.socket(stream);
            let listens = collector.process.wait_until_it_listens(&socket);
            listens.map_err(|why| format!("{why}: {}", collector.place.last_words()))?;
        }
        collector.process.settle()?;
        Ok(collector)
    }

    /// Ends it, so that its files are complete.
    pub(crate) fn end(self) -> Outcome<Place> {
        if !self.process.terminate()? {
            return Err(format!("SIGTERM did not end it: {}", self.place.last_words()).into());
        }
        self.process.reap()?;
        Ok(self.place)
    }
}

fn socket_name(stream: usize) -> String {
    format!("{stream}.sock")
}

/// Zero where there is no file.
pub(crate) fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// The file's number; none where there is no file.
pub(crate) fn inode(path: &Path) -> Outcome<Option<u64>> {
    use std::os::unix::fs::MetadataExt;
    match fs::metadata(path) {
        Ok(file) => Ok(Some(file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).while_(format!("look at {}", path.display())),
    }
}
