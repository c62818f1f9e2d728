//! The writer's whole IO surface, and the only file that opens log files.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;

use super::archive;
use super::archive::names::ArchiveName;
use crate::place::Place;

/// Which file it is: device and inode (stat(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
}

/// What to do where there is no file yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// [`OpenError::Missing`]: somebody may be about to make it.
    Leave,
    /// Make it, and its directories.
    Create,
}

/// Why a log file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none, and it is not to be made now.
    #[error("it does not exist")]
    Missing,
    /// Only regular files and character devices can be appended to safely.
    #[error("it is {0}; a log file is a regular file or a character device")]
    Kind(&'static str),
    /// Another process, or another stream, holds its lock.
    #[error("another agent or stream is writing it")]
    Locked,
    /// The system's reason.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file that was opened.
#[derive(Debug)]
pub struct Opened<F> {
    /// The file.
    pub file: F,
    /// Which one it is.
    pub identity: Identity,
    /// Whether its last byte is no newline: a crash cut the last line.
    pub unterminated: bool,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written to.
    pub modified_at: SystemTime,
}

/// Where log files are.
pub trait Disk: Send {
    /// A file opened for appending.
    type File: AppendFile;

    /// Opens a log file for appending and locks it.
    fn open_append(
        &mut self,
        place: &Place,
        missing: Missing,
    ) -> Result<Opened<Self::File>, OpenError>;

    /// Which file is at `path` now, if any; a symbolic link is not followed.
    fn identity_at(&mut self, path: &Path) -> io::Result<Option<Identity>>;

    /// The newest archive of the file at `path`, if there is one, and which file it is.
    fn newest_archive(&mut self, path: &Path) -> io::Result<Option<(ArchiveName, Identity)>>;

    /// Gives the file at `from` the name `to`, which nothing may have yet.
    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes the name `path` from its file, which has another one.
    fn unlink(&mut self, path: &Path) -> io::Result<()>;
}

/// A log file, open for appending.
pub trait AppendFile: Send {
    /// One write(2): how many of `bytes` the file took.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Forces what was appended to the disk (fsync(2)).
    fn sync(&mut self) -> io::Result<()>;

    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// What others can change of it (fstat(2)).
    fn condition(&self) -> io::Result<Condition>;

    /// Opens the same file once more, for reading only: another open file with a position and locks
    /// of its own.
    fn open_to_read(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Closes the file; network file systems tell of lost writes only here.
    fn close(self) -> io::Result<()>;
}

/// What others can change of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether it has a name, this path's or another. What is written to a file without is lost.
    pub is_named: bool,
    /// Its size in bytes; a device has none.
    pub size: Option<u64>,
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    type File = File;

    fn open_append(&mut self, place: &Place, missing: Missing) -> Result<Opened<File>, OpenError> {
        let path = place.path.as_path();
        let mut file = match open_existing(path) {
            Err(OpenError::Missing) if missing == Missing::Create => create(place)?,
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_char_device() {
            return Err(OpenError::Kind(kind_name(kind)));
        }
        let mut unterminated = false;
        if kind.is_file() {
            lock(&file)?;
            unterminated = metadata.len() > 0 && last_byte(&mut file)?.is_some_and(|b| b != b'\n');
        }
        let identity = Identity { device: metadata.dev(), inode: metadata.ino() };
        let modified_at = metadata.modified()?;
        Ok(Opened { file, identity, unterminated, size: metadata.len(), modified_at })
    }

    fn identity_at(&mut self, path: &Path) -> io::Result<Option<Identity>> {
        match path.symlink_metadata() {
            Ok(found) => Ok(Some(Identity { device: found.dev(), inode: found.ino() })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn newest_archive(&mut self, path: &Path) -> io::Result<Option<(ArchiveName, Identity)>> {
        let found = archive::files::list(path)?.into_iter();
        Ok(found
            .filter(|one| !one.is_unfinished)
            .map(|one| (one.name, one.identity))
            .max_by_key(|one| one.0))
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        archive::files::rename_new(from, to)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.sync_all() {
            // A character device has nothing to sync.
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
            synced => synced,
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn condition(&self) -> io::Result<Condition> {
        let metadata = self.metadata()?;
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Condition { is_named: metadata.nlink() > 0, size })
    }

    fn open_to_read(&self) -> io::Result<File> {
        // Not its path: that may name another file by now.
        let path = format!("/proc/self/fd/{}", self.as_raw_fd());
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path)
    }

    fn close(self) -> io::Result<()> {
        Ok(nix::unistd::close(self.into_raw_fd())?)
    }
}

/// Flags of every open: append only, not inherited, never through a symbolic link, and never
/// waiting for a FIFO's reader.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    options.append(true).custom_flags(flags.bits());
    options
}

fn open_existing(path: &Path) -> Result<File, OpenError> {
    // Reading is for the last byte only: a file that we may write but not read does too.
    let opened = match options().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options().open(path),
        opened => opened,
    };
    opened.map_err(|error| {
        if is_missing(&error) {
            return OpenError::Missing;
        }
        match path.symlink_metadata() {
            Ok(found) if !found.is_file() && !found.file_type().is_char_device() => {
                OpenError::Kind(kind_name(found.file_type()))
            }
            _ => OpenError::Io(error),
        }
    })
}

fn create(place: &Place) -> Result<File, OpenError> {
    let path = place.path.as_path();
    // Until it has its owner and mode nobody else may open it.
    let create_new = || options().read(true).create_new(true).mode(0o600).open(path);
    let created = match create_new() {
        Err(error) if is_missing(&error) => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
            create_new()
        }
        created => created,
    };
    match created {
        Ok(file) => match place.give(&file) {
            Ok(()) => Ok(file),
            Err(error) => {
                // The next attempt is not to find a file that is nobody's.
                std::fs::remove_file(path).unwrap_or_default();
                Err(OpenError::Io(error))
            }
        },
        // Somebody else made it just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_existing(path),
        Err(error) => Err(OpenError::Io(error)),
    }
}

fn lock(file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
        // Some network file systems have no locks; writing there is better than refusing to.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// The last byte, or none where the file may be written but not read.
fn last_byte(file: &mut File) -> io::Result<Option<u8>> {
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    match file.read(&mut byte) {
        Ok(1) => Ok(Some(byte[0])),
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::libc::EBADF) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound)
}

/// What a file is, in words.
pub fn kind_name(kind: std::fs::FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() => "a block device",
        () if kind.is_char_device() => "a character device",
        () => "a regular file",
    }
}
