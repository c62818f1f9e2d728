//! What a writer tells of its file: always in the status, and in messages as far as somebody can
//! read them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use super::disk::{Identity, OpenError};
use super::file_status::{FileStatus, SharedFileStatus};
use super::log_file::Found;
use super::order::OldFile;
use super::queue::Snapshot;
use super::stall::hint;
use crate::clock;
use crate::report::{
    Complaint, FileLost, FileRemoved, FileRenamed, FileReplaced, FileTruncated, FragmentEnded,
    LeftWithError, ReopenKept, Reopened, Rotated, RotationFailed, StreamResumed, StreamStalled,
    SyncFailed, WriterFell, report,
};
use crate::stream_name::StreamName;

#[derive(Debug)]
pub(super) struct Telling {
    stream: StreamName,
    status: SharedFileStatus,
    complaint: Complaint,
    rotation_complaint: Complaint,
    /// The last stall was told, so its end will be.
    stall_was_told: bool,
}

impl Telling {
    pub(super) fn new(stream: StreamName, path: PathBuf) -> Telling {
        let status = Arc::new(Mutex::new(FileStatus { path, ..FileStatus::default() }));
        let (complaint, rotation_complaint) = (Complaint::default(), Complaint::default());
        Telling { stream, status, complaint, rotation_complaint, stall_was_told: false }
    }

    pub(super) fn stream(&self) -> &StreamName {
        &self.stream
    }

    pub(super) fn status(&self) -> SharedFileStatus {
        self.status.clone()
    }

    pub(super) fn set_path(&self, path: PathBuf) {
        self.lock().path = path;
    }

    pub(super) fn set_inode(&self, inode: Option<u64>) {
        self.lock().inode = inode;
    }

    pub(super) fn fragment_ended(&self) {
        report(&FragmentEnded { stream: &self.stream, path: &self.path() });
    }

    pub(super) fn reopened(&self, from: u64, to: u64) {
        // What a file before said has been told; the end of the program is about this one.
        self.lock().not_stored = false;
        let path = self.path();
        report(&Reopened { stream: &self.stream, path: &path, from: &from, to: &to });
    }

    /// What others did to the file.
    pub(super) fn found(&self, file: Option<Identity>, found: Found) {
        let (stream, path) = (&self.stream, &self.path());
        let inode = &file.map_or(0, |file| file.inode);
        match found {
            Found::Renamed => report(&FileRenamed { stream, path, inode }),
            Found::Removed => report(&FileRemoved { stream, path, inode }),
            Found::Replaced { by, .. } => report(&FileReplaced { stream, path, inode, by: &by }),
            Found::Truncated { from, to } => {
                report(&FileTruncated { stream, path, inode, from: &from, to: &to });
            }
            Found::Same => {}
        }
    }

    /// The file has become an archive; another one is open.
    pub(super) fn rotated(&self, archive: &Path, old: &OldFile) {
        self.lock().not_stored = false;
        report(&Rotated {
            stream: &self.stream,
            path: &self.path(),
            archive: &archive.display(),
            lines: &old.lines,
            bytes: &old.bytes,
        });
    }

    /// The file could not become an archive, and goes on; it is tried again after `pause`.
    pub(super) fn rotation_failed(&mut self, error: &dyn fmt::Display, pause: Duration) {
        self.set_last_error(error);
        if self.rotation_complaint.is_due(clock::instant()) {
            let (stream, path) = (&self.stream, self.path());
            let retry_in = humantime::format_duration(pause);
            report(&RotationFailed { stream, path: &path, error, retry_in: &retry_in });
        }
    }

    pub(super) fn kept(&self, error: &OpenError) {
        self.set_last_error(error);
        report(&ReopenKept { stream: &self.stream, path: &self.path(), error });
    }

    pub(super) fn left_with_error(&self, inode: u64, error: &io::Error) {
        self.lock().not_stored = true;
        self.set_last_error(error);
        report(&LeftWithError { stream: &self.stream, inode: &inode, error });
    }

    pub(super) fn sync_failed(&self, error: &io::Error) {
        self.lock().not_stored = true;
        self.set_last_error(error);
        report(&SyncFailed { stream: &self.stream, error });
    }

    /// The file takes bytes; returns whether it did not before.
    pub(super) fn resumed(&mut self) -> bool {
        let was_stalled = std::mem::take(&mut self.lock().stalled);
        if was_stalled && std::mem::take(&mut self.stall_was_told) {
            report(&StreamResumed { stream: &self.stream, path: &self.path() });
        }
        was_stalled
    }

    /// The file takes nothing; it is tried again after `pause`.
    pub(super) fn stalled(&mut self, error: &io::Error, pending: &Snapshot, pause: Duration) {
        if self.stall_is_to_be_told(error) {
            report(&StreamStalled {
                stream: &self.stream,
                path: &self.path(),
                error,
                pending_lines: &pending.pending_lines,
                pending_bytes: &pending.pending_bytes,
                retry_in: &humantime::format_duration(pause),
                hint: &hint(error),
            });
        }
    }

    /// There is no file; opening it is tried again after `pause`.
    pub(super) fn lost(&mut self, error: &OpenError, pause: Duration) {
        if self.stall_is_to_be_told(error) {
            report(&FileLost {
                stream: &self.stream,
                path: &self.path(),
                error,
                retry_in: &humantime::format_duration(pause),
                hint: &if let OpenError::Io(error) = error { hint(error) } else { "" },
            });
        }
    }

    /// A fault of ours; writing is tried again after `pause`.
    pub(super) fn fell(&mut self, pending: &Snapshot, pause: Duration) {
        self.set_last_error(&"a fault in logagent");
        self.lock().stalled = true;
        self.stall_was_told = true;
        report(&WriterFell {
            stream: &self.stream,
            path: &self.path(),
            pending_lines: &pending.pending_lines,
            retry_in: &humantime::format_duration(pause),
        });
    }

    fn stall_is_to_be_told(&mut self, error: &dyn fmt::Display) -> bool {
        self.set_last_error(error);
        self.lock().stalled = true;
        let is_due = self.complaint.is_due(clock::instant());
        self.stall_was_told |= is_due;
        is_due
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    fn set_last_error(&self, error: &dyn fmt::Display) {
        self.lock().last_error = Some(error.to_string());
    }

    fn path(&self) -> String {
        self.lock().path.display().to_string()
    }

    fn lock(&self) -> MutexGuard<'_, FileStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
