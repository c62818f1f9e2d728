//! A place in the file system where the agent makes something: a log file, a socket, a FIFO.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

/// A path, and whose what is made there becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute, or relative to the working directory.
    pub path: PathBuf,
    /// Permission bits, whatever the umask.
    pub mode: u32,
    /// User id; the agent's own if none.
    pub owner: Option<u32>,
    /// Group id; the agent's own if none.
    pub group: Option<u32>,
}

impl Place {
    /// The same for one instance of a program: its number stands before the extension, in place of a
    /// number that is there already, as PM2 numbers its log files.
    pub fn of_instance(&self, number: usize) -> Place {
        let (stem, extension) = stem_and_extension(&self.path);
        let mut name = stem;
        name.push(format!("-{number}"));
        name.push(extension);
        Place { path: self.path.with_file_name(name), ..self.clone() }
    }

    /// The number of the instance whose place this `name` in its directory is.
    pub fn instance_named(&self, name: &OsStr) -> Option<usize> {
        let (stem, extension) = stem_and_extension(&self.path);
        let number = name.as_bytes().strip_prefix(stem.as_bytes())?.strip_prefix(b"-")?;
        let number = number.strip_suffix(extension.as_bytes())?;
        let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
        // "+1" and "01" are nobody's numbers.
        (self.of_instance(number).path.file_name() == Some(name)).then_some(number)
    }

    /// Gives what was just made its owner, group and mode, through its descriptor.
    pub fn give(&self, made: impl AsFd) -> io::Result<()> {
        if self.owner.is_some() || self.group.is_some() {
            let (owner, group) = (self.owner.map(Uid::from_raw), self.group.map(Gid::from_raw));
            fchown(made.as_fd(), owner, group).map_err(not_given)?;
        }
        // After the owner: chown clears the set-id bits.
        fchmod(made.as_fd(), Mode::from_bits_truncate(self.mode))?;
        Ok(())
    }
}

/// What chown(2) has refused, with what helps: only root gives something to another user, others to
/// the groups that they are in.
pub fn not_given(error: Errno) -> io::Error {
    match error {
        Errno::EPERM => io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it may not be given to this owner or group: the agent must be root, or its user in the \
             group (`logagent print systemd` says what its unit needs)",
        ),
        error => error.into(),
    }
}

/// A path's name without the number of an instance and without its extension, and `.` with that.
fn stem_and_extension(path: &Path) -> (OsString, OsString) {
    let mut extension = OsString::new();
    if let Some(end) = path.extension() {
        extension.push(".");
        extension.push(end);
    }
    let stem = path.file_stem().unwrap_or_default();
    let digits = stem.as_bytes().iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (bare, number) = stem.as_bytes().split_at(stem.len() - digits);
    let stem = match bare.strip_suffix(b"-") {
        Some(bare) if !number.is_empty() => OsStr::from_bytes(bare),
        _ => stem,
    };
    (stem.to_owned(), extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, number: usize, expected: &str) {
        let place = Place { path: path.into(), mode: 0o600, owner: None, group: None };
        let of_instance = place.of_instance(number).path;
        assert_eq!(of_instance, Path::new(expected));
        assert_eq!(place.instance_named(of_instance.file_name().unwrap()), Some(number));
    }

    #[test]
    fn an_instance_has_its_number_before_the_extension() {
        check("/run/web-out.log", 0, "/run/web-out-0.log");
        check("/run/web-out.fifo", 12, "/run/web-out-12.fifo");
        check("/run/web.out.log", 3, "/run/web.out-3.log");
        check("/run/web", 1, "/run/web-1");
        check("/run/.web", 1, "/run/.web-1");
    }

    #[test]
    fn a_number_that_is_there_gives_way() {
        check("/run/web-7.log", 0, "/run/web-0.log");
        check("/run/web7.log", 0, "/run/web7-0.log");
        check("/run/web-.log", 0, "/run/web--0.log");
        check("/run/7.log", 0, "/run/7-0.log");
    }

    #[test]
    fn only_an_instances_own_name_is_known() {
        let place = Place { path: "/x/a-out.log".into(), mode: 0, owner: None, group: None };
        for name in ["a-out.log", "a-out-.log", "a-out-01.log", "a-out-+1.log", "b-1.log"] {
            assert_eq!(place.instance_named(name.as_ref()), None, "{name}");
        }
        assert_eq!(place.instance_named("a-out-1.log.found-20261121T060000Z".as_ref()), None);
    }
}
