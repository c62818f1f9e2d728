//! Why a file takes nothing: in the few words of a gap record, and what can be done about it.

use std::io::{self, ErrorKind};

use nix::libc;

use super::disk::OpenError;
use crate::limits::FAILED_WRITES_MAX;

/// Where the file takes lines, but not as fast as they come.
pub const SLOW: &str = "disk too slow";
const OF_DEVICE: &str = "input/output error";
const OTHER: &str = "write error";
const NOT_REGULAR: &str = "not a regular file";
const LOCKED: &str = "file locked";

/// What is said of an error of a file.
struct Stall {
    kind: ErrorKind,
    reason: &'static str,
    hint: &'static str,
}

const fn stall(kind: ErrorKind, reason: &'static str, hint: &'static str) -> Stall {
    Stall { kind, reason, hint }
}

static STALLS: &[Stall] = &[
    stall(ErrorKind::StorageFull, "disk full", "make room on the file system"),
    stall(ErrorKind::QuotaExceeded, "quota exceeded", "make room within the quota"),
    stall(ErrorKind::FileTooLarge, "file too large", "rotate the file, or raise LimitFSIZE="),
    stall(
        ErrorKind::ReadOnlyFilesystem,
        "read-only file system",
        "in a systemd unit the directory belongs into ReadWritePaths=, in a container it is a volume",
    ),
    stall(
        ErrorKind::PermissionDenied,
        "permission denied",
        "the agent's user must be able to write there",
    ),
    stall(ErrorKind::StaleNetworkFileHandle, "stale file handle", ""),
    stall(ErrorKind::NotFound, "file missing", ""),
];

fn of(error: &io::Error) -> Option<&'static Stall> {
    STALLS.iter().find(|stall| stall.kind == error.kind())
}

fn is_input_output_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO)
}

/// Whether the device fails, or has failed: a file system that finds itself damaged lets nobody write.
fn is_of_device(error: &io::Error) -> bool {
    is_input_output_error(error) || error.kind() == ErrorKind::ReadOnlyFilesystem
}

/// Whether the open file is still worth trying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Handle {
    #[default]
    Good,
    /// So many writes in succession found its device failing.
    Failing(u32),
    /// The file server knows it no longer, or its device goes on failing: only the path may help.
    Dead,
}

impl Handle {
    /// After a write that failed.
    pub(super) fn after(self, error: &io::Error) -> Handle {
        match self {
            Handle::Dead => Handle::Dead,
            _ if error.kind() == ErrorKind::StaleNetworkFileHandle => Handle::Dead,
            _ if !is_of_device(error) => Handle::Good,
            Handle::Good => Handle::Failing(1),
            Handle::Failing(writes) if writes + 1 < FAILED_WRITES_MAX => {
                Handle::Failing(writes + 1)
            }
            Handle::Failing(_) => Handle::Dead,
        }
    }
}

/// Every reason that a gap record may have, for manual pages.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    let others = [OF_DEVICE, OTHER, NOT_REGULAR, LOCKED, SLOW];
    STALLS.iter().map(|stall| stall.reason).chain(others)
}

/// For a gap record: why a file took nothing.
pub fn reason(error: &io::Error) -> &'static str {
    match of(error) {
        Some(stall) => stall.reason,
        None if is_input_output_error(error) => OF_DEVICE,
        None => OTHER,
    }
}

/// For a gap record: why there was no file.
pub fn reason_not_open(error: &OpenError) -> &'static str {
    match error {
        OpenError::Missing => "file missing",
        OpenError::Kind(_) => NOT_REGULAR,
        OpenError::Locked => LOCKED,
        OpenError::Io(error) => reason(error),
    }
}

/// What whoever is on call can do about it.
pub(super) fn hint(error: &io::Error) -> &'static str {
    of(error).map_or("", |stall| stall.hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::GAP_REASON_BYTES_MAX;

    #[track_caller]
    fn check(errno: i32, expected: &str) {
        assert_eq!(reason(&io::Error::from_raw_os_error(errno)), expected);
        assert!(expected.len() <= GAP_REASON_BYTES_MAX);
    }

    #[test]
    fn a_gap_record_says_what_the_file_system_said() {
        check(libc::ENOSPC, "disk full");
        check(libc::EDQUOT, "quota exceeded");
        check(libc::EFBIG, "file too large");
        check(libc::EROFS, "read-only file system");
        check(libc::EIO, "input/output error");
        check(libc::ESTALE, "stale file handle");
        check(libc::EACCES, "permission denied");
        check(libc::ENOENT, "file missing");
        check(libc::ENXIO, "write error");
        assert!(SLOW.len() <= GAP_REASON_BYTES_MAX);
    }

    #[test]
    fn a_handle_is_dead_once_it_is_stale_or_its_device_goes_on_failing() {
        let after = |errors: &[i32]| {
            let errors = errors.iter().map(|errno| io::Error::from_raw_os_error(*errno));
            errors.fold(Handle::Good, |handle, error| handle.after(&error))
        };
        assert_eq!(after(&[libc::ESTALE]), Handle::Dead);
        assert_eq!(after(&[libc::EIO; 2]), Handle::Failing(2));
        assert_eq!(after(&[libc::EIO; 3]), Handle::Dead);
        assert_eq!(after(&[libc::EIO, libc::EROFS, libc::EROFS]), Handle::Dead);
        assert_eq!(after(&[libc::EIO, libc::EIO, libc::ENOSPC, libc::EIO]), Handle::Failing(1));
        assert_eq!(after(&[libc::ENOSPC; 9]), Handle::Good);
    }

    #[test]
    fn whoever_is_on_call_is_told_of_read_write_paths() {
        assert!(hint(&io::Error::from_raw_os_error(libc::EROFS)).contains("ReadWritePaths="));
        assert_eq!(hint(&io::Error::from_raw_os_error(libc::EIO)), "");
    }
}
