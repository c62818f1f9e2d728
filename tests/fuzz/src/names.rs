//! Names in a log directory, whoever has given them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use logagent::writer::archive::Compress;
use logagent::writer::archive::names::{ArchiveName, Named, Stamp, parse};

/// A file's name and another one, with a slash between, as no name has it; the file's is `web.log`
/// where there is none.
pub fn archive_names(data: &[u8]) {
    let (file, name) = match data.iter().position(|byte| *byte == b'/') {
        Some(slash) => (&data[..slash], &data[slash + 1..]),
        None => (&b"web.log"[..], data),
    };
    let (file, name) = (OsStr::from_bytes(file), OsStr::from_bytes(name));
    let Some(named) = parse(name, file) else { return };
    // A name says one thing, and is the only one to say it.
    let (archive, again) = match named {
        Named::Archive(archive) => (archive, archive.of(file)),
        Named::Unfinished(archive) => (archive, archive.unfinished_of(file)),
    };
    assert_eq!(again, name);
    assert!(archive.compress != Compress::None || named == Named::Archive(archive));
    assert_ne!(name, file);
    // Nobody's archive is another archive's.
    assert_eq!(parse(name, name), None);
    let longer = ArchiveName { compress: Compress::None, ..archive }.of(name);
    assert_eq!(parse(&longer, file), None);
    // The next one has another name, and comes later.
    let next = Stamp::next(Some(archive.stamp), SystemTime::UNIX_EPOCH + Duration::from_secs(9));
    assert!(next > archive.stamp);
}
