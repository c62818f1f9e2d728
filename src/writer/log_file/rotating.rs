//! Rotation of a file: how much of what is pending it still takes, and how it becomes an archive.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::{Left, LogFile};
use crate::writer::archive::names::{ArchiveName, Stamp};
use crate::writer::disk::{AppendFile, Disk, Identity, Missing, OpenError};

/// What came of a rotation.
#[derive(Debug)]
#[must_use]
pub enum Rotated {
    /// The file is an archive, and another one is open.
    Done {
        /// The one before.
        old: Left,
        /// The new file, which somebody else made, ends in a fragment, which will get its newline.
        unterminated: bool,
    },
    /// There is nothing in the file, or no file.
    Empty,
    /// Somebody has moved the file away; what is at the path is none of our making.
    Elsewhere,
    /// The file goes on.
    Kept(OpenError),
    /// The file is an archive, or is left where somebody else has put it; the path could not be
    /// opened: there is no file now.
    Closed {
        /// Why.
        error: OpenError,
        /// The one before.
        old: Option<Left>,
    },
}

impl<D: Disk> LogFile<D> {
    /// No file becomes larger than this, from now on, unless a single line is.
    pub fn set_bytes_max(&mut self, bytes_max: Option<u64>) {
        self.bytes_max = bytes_max;
    }

    /// The size of the open file, as far as we know.
    pub fn size(&self) -> u64 {
        self.file.as_ref().map_or(0, |open| open.size)
    }

    /// When the open file was last written to before it was opened, if it had anything.
    pub fn modified_at(&self) -> Option<SystemTime> {
        self.file.as_ref().and_then(|open| open.modified_at)
    }

    /// Whether the file ends with the end of a line, so that it may be rotated.
    pub fn ends_with_a_line(&self) -> bool {
        !self.is_torn()
    }

    /// Up to where the block may be appended to the open file: everything, whole lines of it, or
    /// nothing. A line that has begun is finished, and an empty file takes one line of any length.
    #[inline]
    pub(super) fn end_that_fits(&mut self) -> io::Result<usize> {
        match self.bytes_max {
            None => Ok(self.block.len()),
            Some(bytes_max) => self.end_within(bytes_max),
        }
    }

    fn end_within(&mut self, bytes_max: u64) -> io::Result<usize> {
        let all = self.block.len();
        let Some(open) = &mut self.file else { return Ok(all) };
        let pending = (all - self.appended) as u64;
        if open.size.saturating_add(pending) <= bytes_max {
            return Ok(all);
        }
        // Somebody may have truncated it; and a character device never has a size.
        let size = open.file.size()?;
        let room = bytes_max.saturating_sub(size).min(pending);
        let (is_empty, torn) = (size == 0, self.is_torn());
        let room_end = self.appended + usize::try_from(room).unwrap_or(usize::MAX);
        let whole = self.block.line_start(room_end);
        if whole > self.appended {
            return Ok(whole);
        }
        let takes_one = is_empty || torn;
        Ok(if takes_one { self.block.line_end(self.appended) } else { self.appended })
    }

    /// The stamp of the newest archive. One that is our file under a second name, as a crash may
    /// leave it where files cannot be renamed without replacing others, loses that name.
    pub fn newest_archive(&mut self) -> io::Result<Option<Stamp>> {
        let ours = self.identity();
        while let Some((name, identity)) = self.disk.newest_archive(&self.place.path)? {
            if Some(identity) != ours {
                return Ok(Some(name.stamp));
            }
            let archive = self.place.path.with_file_name(name.of(self.file_name()));
            self.disk.unlink(&archive)?;
        }
        Ok(None)
    }

    fn file_name(&self) -> &std::ffi::OsStr {
        self.place.path.file_name().unwrap_or_default()
    }

    /// Where the archive of that name is.
    pub fn archive_path(&self, name: ArchiveName) -> std::path::PathBuf {
        self.place.path.with_file_name(name.of(self.file_name()))
    }

    /// Gives the file the name `archive`, and goes on in a new one. What is pending stays pending;
    /// the file must end with a line. `sync` forces the old file to the disk.
    pub fn rotate(&mut self, archive: &Path, sync: bool) -> Rotated {
        assert!(self.ends_with_a_line(), "a file is rotated inside a line");
        let ours = match self.begin_rotation() {
            Ok(Some(ours)) => ours,
            Ok(None) => return Rotated::Empty,
            Err(error) => return Rotated::Kept(error.into()),
        };
        match self.disk.identity_at(&self.place.path) {
            Ok(found) if found == Some(ours) => {}
            Ok(_) => return Rotated::Elsewhere,
            Err(error) => return Rotated::Kept(error.into()),
        }
        if let Err(error) = self.disk.rename_new(&self.place.path, archive) {
            return Rotated::Kept(error.into());
        }
        match self.disk.open_append(&self.place, Missing::Create) {
            Ok(opened) => {
                let unterminated = opened.unterminated;
                let Some(old) = self.leave(sync) else { return Rotated::Empty };
                self.go_on_in(opened);
                Rotated::Done { old, unterminated }
            }
            Err(error) => {
                // The old file goes on, if it gets its name back.
                match self.disk.rename_new(archive, &self.place.path) {
                    Ok(()) if self.path_names_our_file() => Rotated::Kept(error),
                    _ => Rotated::Closed { error, old: self.leave(sync) },
                }
            }
        }
    }

    /// Which file it is, complete, unless there is nothing in it.
    fn begin_rotation(&mut self) -> io::Result<Option<Identity>> {
        let Some(open) = &mut self.file else { return Ok(None) };
        open.end_fragment()?;
        Ok((open.file.size()? > 0).then_some(open.identity))
    }
}
