//! What only the file system can tell: whether the agent could make and open what it is told to.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::check::{PathUse, What};
use super::mistake::Mistakes;

/// Tells every path at which something stands in the way, as the system sees this process: with
/// its effective ids (access(2)).
pub(super) fn check(paths: &[PathUse], mistakes: &mut Mistakes<'_>) {
    for PathUse { path, what, at } in paths {
        if let Some(wrong) = obstacle(path, what) {
            mistakes.tell(*at, wrong);
        }
    }
}

/// What keeps `what` from being at `path`, and what to do.
fn obstacle(path: &Path, what: &What) -> Option<String> {
    let found = match what {
        What::Dir => path.metadata(),
        _ => path.symlink_metadata(),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return no_room(path, what),
        Err(error) => return Some(out_of_reach(path, what, &error)),
    };
    if !suits(what, &found) {
        let (path, kind) = (path.display(), kind(&found));
        let wanted = wanted(what);
        return Some(format!(
            "{path} is {kind}, and {what} is {wanted}: remove it, or give another path"
        ));
    }
    match what {
        What::Log(_) => not_permitted(path, AccessFlags::W_OK, "write to", what),
        What::Fifo(_) if found.is_file() => no_room(path, what),
        What::Fifo(_) => {
            not_permitted(path, AccessFlags::R_OK | AccessFlags::W_OK, "read and write", what)
        }
        What::Dir => {
            let access = AccessFlags::W_OK | AccessFlags::X_OK;
            not_permitted(path, access, "make files in", what)
        }
        What::PidFile | What::Control | What::Socket(_) => no_room(path, what),
    }
}

/// Whether what was found at the path may be there.
fn suits(what: &What, found: &Metadata) -> bool {
    let found = found.file_type();
    match what {
        What::PidFile => found.is_file(),
        What::Control => found.is_socket(),
        // Whoever starts before the agent makes a regular file, which is moved away.
        What::Socket(_) => found.is_socket() || found.is_file(),
        What::Fifo(_) => found.is_fifo() || found.is_file(),
        What::Log(_) => found.is_file() || found.is_char_device(),
        What::Dir => found.is_dir(),
    }
}

fn wanted(what: &What) -> &'static str {
    match what {
        What::PidFile => "a regular file",
        What::Control | What::Socket(_) => "a socket",
        What::Fifo(_) => "a FIFO",
        What::Log(_) => "a regular file or a character device",
        What::Dir => "a directory",
    }
}

fn kind(found: &Metadata) -> &'static str {
    let found = found.file_type();
    if found.is_dir() {
        "a directory"
    } else if found.is_symlink() {
        "a symbolic link"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_file() {
        "a regular file"
    } else {
        "a device"
    }
}

/// Whether something can be made at `path`: in its directory, or in the nearest one above it that
/// exists, where the missing ones would be made.
fn no_room(path: &Path, what: &What) -> Option<String> {
    for directory in path.ancestors().skip(1) {
        match directory.metadata() {
            Ok(found) if found.is_dir() => {
                let access = AccessFlags::W_OK | AccessFlags::X_OK;
                return not_permitted(directory, access, "make files in", what);
            }
            Ok(_) => {
                let directory = directory.display();
                return Some(format!("{directory} is no directory: give {what} another path"));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Some(out_of_reach(directory, what, &error)),
        }
    }
    None
}

/// Why this process may not `doing` `path`.
fn not_permitted(path: &Path, access: AccessFlags, doing: &str, what: &What) -> Option<String> {
    let error = faccessat(AT_FDCWD, path, access, AtFlags::AT_EACCESS).err()?;
    match (error, what) {
        // A stream starts on a read-only file system too: stalled, until that changes.
        (Errno::EROFS, What::Log(_) | What::Dir) => None,
        (Errno::EROFS, _) => {
            let path = path.display();
            Some(format!(
                "{path} is on a read-only file system: give {what} another path, or list it in \
                 the unit's ReadWritePaths="
            ))
        }
        (Errno::EACCES | Errno::EPERM, _) => {
            let (path, user) = (path.display(), geteuid());
            Some(format!(
                "user {user} may not {doing} {path}: change its owner or mode, or give {what} \
                 another path"
            ))
        }
        (error, _) => Some(out_of_reach(path, what, &io::Error::from(error))),
    }
}

fn out_of_reach(path: &Path, what: &What, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => {
            let user = geteuid();
            format!(
                "user {user} may not search the directories of {path}: change their mode, or give \
                 {what} another path"
            )
        }
        ErrorKind::NotADirectory => {
            format!("a part of {path} is no directory: give {what} another path")
        }
        _ => format!("cannot look at {path} ({error}): give {what} another path"),
    }
}
