//! What is done to the archives of a file: whatever was begun is finished or undone, the oldest are
//! removed, one is compressed.
//!
//! Every step begins with a look at what is there, and keeps nothing in mind: after a kill between
//! any two operations the next step goes on from what that has left.

use std::fs::File;
use std::io;

use super::files::{ArchiveFiles, Found};
use super::names::ArchiveName;
use super::{Archives, Compress};
use crate::limits::ARCHIVE_LOOK_BYTES;
use crate::report::{ArchiveCompressed, ArchiveFinished, ArchiveRemoved, report};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is left to do.
    Done,
    /// There may be more.
    More,
    /// There will be more, once the writer has closed an archive.
    Waits,
}

/// Does at most one thing that takes long. An archive that is not compressed when `is_stopped` says so stays
/// as it was.
pub fn step(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<Step> {
    let mut found = files.list(&archives.file)?;
    found.sort_by_key(|one| one.name);
    found = remove_unfinished(files, archives, found)?;
    found = remove_doubled(files, archives, found)?;
    found = remove_oldest(files, archives, found)?;
    let how = archives.rotation.compress;
    if how == Compress::None || is_stopped() {
        return Ok(Step::Done);
    }
    // A name that is taken, by somebody else, leaves the archive as it is.
    let is_taken = |one: &Found| {
        let of_same = found.iter().filter(|other| other.name.stamp == one.name.stamp);
        of_same.count() > 1
    };
    let plain = found.iter().filter(|one| one.name.compress == Compress::None && !is_taken(one));
    compress_oldest(files, archives, plain, is_stopped)
}

/// Compresses archives that their writer has closed, the oldest first: one large, or some small
/// ones, so that each of these does not cost a look at all of them.
fn compress_oldest<'a>(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    plain: impl Iterator<Item = &'a Found>,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<Step> {
    let (mut left, mut bytes) = (Step::Done, 0);
    for one in plain {
        match files.open(&one.path) {
            Ok(Some(archive)) => {
                compress(files, archives, one, archive, is_stopped)?;
                (left, bytes) = (Step::More, bytes + one.bytes);
            }
            Ok(None) if left == Step::Done => left = Step::Waits,
            Ok(None) => {}
            // A rotation that failed takes the name away again; so may anybody.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if bytes >= ARCHIVE_LOOK_BYTES || is_stopped() {
            break;
        }
    }
    Ok(left)
}

/// The beginnings of compressed archives that a kill has left.
fn remove_unfinished(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    found: Vec<Found>,
) -> io::Result<Vec<Found>> {
    let (unfinished, whole) = found.into_iter().partition(|one| one.is_unfinished);
    let unfinished: Vec<Found> = unfinished;
    for one in unfinished {
        remove(files, &one)?;
        finished(archives, &one, "removed the beginning of a compressed one");
    }
    Ok(whole)
}

/// Of an archive that is there as it was written and compressed, the compressed one is whole: it
/// has got its name after it was on the disk.
fn remove_doubled(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    found: Vec<Found>,
) -> io::Result<Vec<Found>> {
    let is_doubled = |one: &Found| {
        // A compressed one has the time of what it was made of; anything else is another one.
        let is_of = |other: &Found| {
            other.name.stamp == one.name.stamp
                && other.name.compress != Compress::None
                && other.modified_at == one.modified_at
        };
        one.name.compress == Compress::None && found.iter().any(is_of)
    };
    let (doubled, mut rest): (Vec<Found>, Vec<Found>) =
        found.iter().cloned().partition(|one| is_doubled(one));
    for one in doubled {
        match files.open(&one.path)? {
            Some(_locked) => {
                files.sync_directory(&one.path)?;
                remove(files, &one)?;
                finished(archives, &one, "removed what had been compressed");
            }
            None => rest.push(one),
        }
    }
    rest.sort_by_key(|one| one.name);
    Ok(rest)
}

/// What is beyond `keep` and `keep-size`; the newest one always stays.
fn remove_oldest(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    mut found: Vec<Found>,
) -> io::Result<Vec<Found>> {
    for one in found.drain(..beyond(&archives.rotation, &found)) {
        remove(files, &one)?;
        report(&ArchiveRemoved { stream: &archives.stream, archive: &one.path.display() });
    }
    Ok(found)
}

/// How many of the oldest are too many.
fn beyond(rotation: &super::Rotation, found: &[Found]) -> usize {
    let count_max = rotation.keep_max.unwrap_or(usize::MAX);
    let bytes_max = rotation.keep_bytes_max.unwrap_or(u64::MAX);
    let mut bytes = 0_u64;
    for (index, one) in found.iter().rev().enumerate() {
        let is_newest = index == 0;
        // The newest one is about to be compressed; were it counted whole, others that can stay
        // would have to go.
        let shrinks = one.name.compress == Compress::None && rotation.compress != Compress::None;
        if !(is_newest && shrinks) {
            bytes = bytes.saturating_add(one.bytes);
        }
        if !is_newest && (index >= count_max || bytes > bytes_max) {
            return found.len() - index;
        }
    }
    0
}

/// Makes the compressed one, and removes the other only when that is on the disk.
fn compress(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    one: &Found,
    mut archive: File,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<()> {
    let name = ArchiveName { compress: archives.rotation.compress, ..one.name };
    let file = archives.file.file_name().unwrap_or_default();
    let whole = one.path.with_file_name(name.of(file));
    let unfinished = one.path.with_file_name(name.unfinished_of(file));
    let made = make(files, archives, &mut archive, &unfinished, is_stopped);
    let made = made.and_then(|is_whole| match is_whole {
        true => files.rename_new(&unfinished, &whole).map(|()| true),
        false => Ok(false),
    });
    if !matches!(made, Ok(true)) {
        // Else the next step does it.
        files.remove(&unfinished).unwrap_or_default();
    }
    if !made? {
        return Ok(());
    }
    files.sync_directory(&whole)?;
    files.remove(&one.path)?;
    let (stream, archive) = (&archives.stream, whole.display());
    report(&ArchiveCompressed { stream, archive: &archive, bytes: &one.bytes });
    Ok(())
}

/// Makes the file `unfinished`; whether it has become whole.
fn make(
    files: &mut impl ArchiveFiles,
    archives: &Archives,
    archive: &mut File,
    unfinished: &std::path::Path,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let mut to = files.create(unfinished)?;
    let bytes = files.compress(archive, &mut to, archives.rotation.compress, is_stopped)?;
    if is_stopped() {
        return Ok(false);
    }
    // Then it is not taken away.
    if bytes != archive.metadata()?.len() {
        return Err(io::Error::other("somebody still writes to the archive"));
    }
    files.give(archive, &to)?;
    files.sync(&to)?;
    Ok(true)
}

/// Removes a file, which somebody else may have done already.
fn remove(files: &mut impl ArchiveFiles, one: &Found) -> io::Result<()> {
    match files.remove(&one.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn finished(archives: &Archives, one: &Found, what: &str) {
    let (stream, archive) = (&archives.stream, one.path.display());
    report(&ArchiveFinished { stream, archive: &archive, what: &what });
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::Rotation;
    use super::super::names::Stamp;
    use super::*;
    use crate::writer::disk::Identity;

    /// Checks how many of the oldest go; archives as their bytes, those that are compressed with a
    /// `z` behind them, the newest last.
    #[track_caller]
    fn check(rotation: &Rotation, archives: &str, expected: usize) {
        let archives = archives.split_whitespace().enumerate().map(|(at, bytes)| {
            let digits = bytes.trim_end_matches('z');
            let compress = if digits == bytes { Compress::None } else { Compress::Zstd };
            let modified_at = UNIX_EPOCH + Duration::from_secs(at as u64);
            Found {
                name: ArchiveName { stamp: Stamp::next(None, modified_at), compress },
                is_unfinished: false,
                path: PathBuf::new(),
                identity: Identity { device: 0, inode: 0 },
                bytes: digits.parse().unwrap(),
                modified_at,
            }
        });
        assert_eq!(beyond(rotation, &archives.collect::<Vec<_>>()), expected);
    }

    #[test]
    fn the_oldest_beyond_keep_go_and_the_newest_stays() {
        let keep = |keep_max| Rotation { keep_max: Some(keep_max), ..Rotation::default() };
        check(&Rotation::default(), "1 1 1 1", 0);
        check(&keep(2), "", 0);
        check(&keep(2), "1 1", 0);
        check(&keep(2), "1 1 1", 1);
        check(&keep(2), "1 1z 1z 1 1", 3);
        check(&keep(0), "1 1", 1);
    }

    #[test]
    fn the_oldest_beyond_keep_size_go_and_the_newest_stays() {
        let keep = |bytes, compress| Rotation {
            keep_bytes_max: Some(bytes),
            compress,
            ..Rotation::default()
        };
        check(&keep(10, Compress::None), "5 5", 0);
        check(&keep(10, Compress::None), "1 5 5", 1);
        check(&keep(10, Compress::None), "1 1 11", 2);
        check(&keep(10, Compress::None), "11", 0);
        // The newest one will be smaller soon.
        check(&keep(10, Compress::Zstd), "5z 5z 100", 0);
        check(&keep(10, Compress::Zstd), "5z 5z 5z", 1);
        // But not all that wait for that are: there may be more and more of them.
        check(&keep(10, Compress::Zstd), "5z 5z 100 100", 3);
        let both = Rotation { keep_max: Some(2), ..keep(10, Compress::None) };
        check(&both, "1 1 1", 1);
        check(&both, "1 11 1", 2);
    }
}
