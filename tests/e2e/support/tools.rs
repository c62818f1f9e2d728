//! Other programs.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use super::Place;

/// Runs a program to its end, which must be a good one. A program that is not there fails the test:
/// a promise that was not looked at is not kept.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = output_of(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a program to whatever end.
#[track_caller]
pub fn output_of(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| cannot_run(command, &error))
}

/// Starts a program.
#[track_caller]
pub fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| cannot_run(command, &error))
}

#[track_caller]
fn cannot_run(command: &Command, error: &io::Error) -> ! {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "; tests/all installs what the tests need",
        _ => "",
    };
    panic!("cannot run {command:?}: {error}{hint}")
}

/// The real logrotate, with one configuration.
pub struct Logrotate {
    configuration: PathBuf,
    state: PathBuf,
}

impl Logrotate {
    /// `text` as [`Place::text`] has it.
    pub fn configured(place: &Place, text: &str) -> Logrotate {
        let configuration = place.write("logrotate.conf", text);
        Logrotate { configuration, state: place.path("logrotate.state") }
    }

    /// Rotates now. It must have nothing to complain of.
    #[track_caller]
    pub fn rotate(&self) {
        let mut command = Command::new("logrotate");
        command.arg("--force").arg("--state").arg(&self.state).arg(&self.configuration);
        let said = run(&mut command).stderr;
        assert!(said.is_empty(), "logrotate: {}", String::from_utf8_lossy(&said));
    }
}

/// A small file system of its own, which a test can fill.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// A tmpfs of `bytes`. Only root can mount one.
    pub fn mount(at: PathBuf, bytes: usize) -> SmallDisk {
        fs::create_dir_all(&at).unwrap();
        let options = format!("size={bytes},mode=755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "logagent-test"]).arg(&at));
        SmallDisk { at }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Fills all but `bytes` of it with a file that can be removed again.
    pub fn fill_but(&self, bytes: usize) -> PathBuf {
        let filler = self.path("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
        let full = file.metadata().unwrap().len();
        file.set_len(full - bytes as u64).unwrap();
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever holds it open ends with this test.
        output_of(Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

/// The files that logrotate has made of `log`, the oldest first, and `log` itself at the end.
pub fn rotated(log: &Path) -> Vec<PathBuf> {
    let name = format!("{}.", log.file_name().unwrap().to_str().unwrap());
    let number = |path: &PathBuf| -> Option<u32> {
        let rest = path.file_name()?.to_str()?.strip_prefix(&name)?;
        rest.split('.').next()?.parse().ok()
    };
    let entries = fs::read_dir(log.parent().unwrap()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| number(path).is_some());
    files.sort_by_key(|path| std::cmp::Reverse(number(path)));
    files.push(log.into());
    files
}
