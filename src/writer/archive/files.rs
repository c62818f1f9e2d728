//! The IO of archives, and the only file that does any to them but the writer's renaming.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};

use super::Compress;
use super::compressing::compress;
use super::names::{ArchiveName, Named, parse};
use crate::writer::disk::Identity;

/// A file whose name is one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What its name says.
    pub name: ArchiveName,
    /// It is the beginning of one.
    pub is_unfinished: bool,
    /// Where it is.
    pub path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last written to.
    pub modified_at: SystemTime,
}

/// What can be done to archives. Each call is one step, between any two of which the agent may be
/// killed.
pub trait ArchiveFiles {
    /// The archives of the file at `path`, the unfinished ones too.
    fn list(&mut self, path: &Path) -> io::Result<Vec<Found>>;

    /// Opens an archive for reading and locks it; none while it is still written to.
    fn open(&mut self, path: &Path) -> io::Result<Option<File>>;

    /// Makes a file, which is nobody else's to read yet.
    fn create(&mut self, path: &Path) -> io::Result<File>;

    /// Compresses one into the other. Says how many bytes it has read; less than there are if
    /// `is_stopped` says so.
    fn compress(
        &mut self,
        from: &mut File,
        to: &mut File,
        how: Compress,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<u64>;

    /// Gives a file the owner, group, mode and time of another.
    fn give(&mut self, from: &File, to: &File) -> io::Result<()>;

    /// Forces a file to the disk.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Gives the file at `from` the name `to`, which nothing may have yet.
    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Forces the names in the directory of `path` to the disk.
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The real ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnDisk;

impl ArchiveFiles for OnDisk {
    fn list(&mut self, path: &Path) -> io::Result<Vec<Found>> {
        list(path)
    }

    fn open(&mut self, path: &Path) -> io::Result<Option<File>> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
    }

    fn compress(
        &mut self,
        from: &mut File,
        to: &mut File,
        how: Compress,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<u64> {
        compress(from, to, how, is_stopped)
    }

    fn give(&mut self, from: &File, to: &File) -> io::Result<()> {
        let (wanted, has) = (from.metadata()?, to.metadata()?);
        if (wanted.uid(), wanted.gid()) != (has.uid(), has.gid()) {
            fchown(to, Some(wanted.uid()), Some(wanted.gid()))?;
        }
        // After the owner: chown clears the set-id bits.
        to.set_permissions(fs::Permissions::from_mode(wanted.mode() & 0o7777))?;
        to.set_modified(wanted.modified()?)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        rename_new(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        match File::open(directory(path))?.sync_all() {
            // Not every file system can.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
            synced => synced,
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The archives of the file at `path`, the unfinished ones too, in any order. Only regular files
/// are.
pub fn list(path: &Path) -> io::Result<Vec<Found>> {
    let file = path.file_name().unwrap_or_default();
    let mut all = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        let (name, is_unfinished) = match parse(&entry.file_name(), file) {
            None => continue,
            Some(Named::Archive(name)) => (name, false),
            Some(Named::Unfinished(name)) => (name, true),
        };
        // Of the name itself, were it a symbolic link; it may have gone meanwhile.
        let Ok(found) = entry.metadata() else { continue };
        if !found.is_file() {
            continue;
        }
        all.push(Found {
            name,
            is_unfinished,
            path: entry.path(),
            identity: Identity { device: found.dev(), inode: found.ino() },
            bytes: found.len(),
            modified_at: found.modified()?,
        });
    }
    Ok(all)
}

/// rename(2) that replaces nothing, in one step where the file system can.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system, or a kernel, that cannot.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from).inspect_err(|_| {
                // As it was; where that fails too, the file has two names.
                fs::remove_file(to).unwrap_or_default();
            })
        }
        renamed => Ok(renamed?),
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
