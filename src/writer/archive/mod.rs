//! Archives: what a stream's file becomes when it is rotated without logrotate.
//!
//! [`names`] says what they are called and [`period`] when one is due; the writer makes them.
//! Everything behind that is the [`archivist`]'s, on a thread of its own: [`keeping`] finishes or
//! undoes what is half done, compresses, and removes the oldest; its IO is [`files`].

pub mod archivist;
pub mod compressing;
pub mod files;
pub mod keeping;
pub mod names;
pub mod period;

use std::path::PathBuf;

use super::file_status::SharedFileStatus;
use super::settings::Rotation;
use crate::stream_name::StreamName;

/// How archives are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compress {
    /// They stay as they were written.
    #[default]
    None,
    /// As gzip(1) does it (RFC 1952).
    Gzip,
    /// As zstd(1) does it (RFC 8878).
    Zstd,
}

impl Compress {
    /// What stands behind the name of such an archive.
    pub fn suffix(self) -> &'static str {
        match self {
            Compress::None => "",
            Compress::Gzip => ".gz",
            Compress::Zstd => ".zst",
        }
    }
}

/// The archives of one stream's file, and what is to become of them.
#[derive(Clone, Debug)]
pub struct Archives {
    /// Whose they are.
    pub stream: StreamName,
    /// The file that they were.
    pub file: PathBuf,
    /// How many are kept, and how.
    pub rotation: Rotation,
    /// Where a failure is told.
    pub status: SharedFileStatus,
}
