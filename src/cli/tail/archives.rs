//! What a stream's file was called before: files beside it, as logrotate and our own rotation name
//! them.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::last_lines;

/// The last `lines` lines of the files that `path` named before, as far as there are so many, the
/// oldest first. `current` may be among them under another name already, and is none of them.
pub(super) fn last_lines(
    path: &Path,
    current: Option<&File>,
    lines: u64,
) -> io::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    let mut missing = lines;
    for (archive, packed) in beside(path) {
        if missing == 0 {
            break;
        }
        // Gone, or not to be read: then what is before it is not shown either.
        let Ok(file) = File::open(&archive) else { break };
        if is_same(&file, current)? {
            continue;
        }
        let found = last_lines_of(file, packed, missing)?;
        missing -= found.len() as u64;
        files.push(found);
    }
    Ok(files.into_iter().rev().flatten().collect())
}

fn is_same(file: &File, current: Option<&File>) -> io::Result<bool> {
    let Some(current) = current else { return Ok(false) };
    let (one, two) = (file.metadata()?, current.metadata()?);
    Ok((one.dev(), one.ino()) == (two.dev(), two.ino()))
}

fn last_lines_of(file: File, packed: Packed, lines: u64) -> io::Result<Vec<Vec<u8>>> {
    match packed {
        Packed::Not => {
            let last = last_lines::last_lines(&file, lines)?;
            (&file).seek(SeekFrom::Start(last.offset))?;
            last_of(BufReader::new(file), lines)
        }
        Packed::Gzip => last_of(BufReader::new(MultiGzDecoder::new(BufReader::new(file))), lines),
        Packed::Zstd => last_of(BufReader::new(ZstdDecoder::new(file)?), lines),
    }
}

/// The last lines of a text, which must be read from its beginning.
fn last_of(mut text: impl BufRead, lines: u64) -> io::Result<Vec<Vec<u8>>> {
    let mut last = VecDeque::new();
    loop {
        let mut line = Vec::new();
        text.read_until(b'\n', &mut line)?;
        // Without its newline it stands whole in the next file.
        if !line.ends_with(b"\n") {
            return Ok(last.into());
        }
        last.push_back(line);
        if last.len() as u64 > lines {
            last.pop_front();
        }
    }
}

/// How a file is compressed. While that is being done both are there: the original is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Packed {
    Not,
    Gzip,
    Zstd,
}

/// The files that `path` named before, each once, the newest first.
fn beside(path: &Path) -> Vec<(PathBuf, Packed)> {
    let Some(log) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let directory = path.parent().unwrap_or(Path::new("."));
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let (name, packed) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
            (Some(name), _) => (name, Packed::Gzip),
            (_, Some(name)) => (name, Packed::Zstd),
            _ => (name, Packed::Not),
        };
        Some((Age::of(name, log)?, packed, entry.path()))
    });
    let mut found: Vec<(Age, Packed, PathBuf)> = named.collect();
    found.sort();
    found.dedup_by(|one, two| one.0 == two.0);
    found.into_iter().map(|(_, packed, path)| (path, packed)).collect()
}

/// How old a rotated file is, by its name; the youngest is the least.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Age {
    /// `web.log.1` is younger than `web.log.2`.
    Number(u64),
    /// `web.log-20261121` is older than `web.log-20261122`, and that older than `web.log-20261122-2`.
    Date(String, u64),
}

impl Age {
    fn of(name: &str, log: &str) -> Option<Age> {
        let rest = name.strip_prefix(log)?;
        if let Some(number) = rest.strip_prefix('.') {
            return number.parse().ok().map(Age::Number);
        }
        let rest = rest.strip_prefix('-')?;
        let (date, number) = match rest.split_once('-') {
            // Our own, however many there are of one second.
            Some((date, number)) if date.ends_with('Z') => (date, number.parse().ok()?),
            // Not as dateformat may write it: 2026-11-21.
            Some((_, number)) if number.len() == 1 => {
                (&rest[..rest.len() - 2], number.parse().ok()?)
            }
            _ => (rest, 1),
        };
        let is_date = |c: char| c.is_ascii_digit() || matches!(c, '-' | 'T' | 'Z' | '.' | '_');
        (date.starts_with(|c: char| c.is_ascii_digit()) && date.chars().all(is_date))
            .then(|| Age::Date(date.to_owned(), number))
    }
}

impl Ord for Age {
    fn cmp(&self, other: &Age) -> Ordering {
        match (self, other) {
            (Age::Number(one), Age::Number(two)) => one.cmp(two),
            (Age::Number(_), Age::Date(..)) => Ordering::Less,
            (Age::Date(..), Age::Number(_)) => Ordering::Greater,
            (Age::Date(one, first), Age::Date(two, second)) => (two, second).cmp(&(one, first)),
        }
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Age) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn rotated_files_are_known_by_their_names_the_newest_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "web.log",
            "web.log.10",
            "web.log.2",
            "web.log.1",
            "web.log-20261120",
            "web.log-20261121T060000Z",
            "web.log-20261121T060000Z-2",
            "web.log-20261121T060000Z-11",
            "web.log-20261121T060000Z-100",
            "web.log.old",
            "web.log-x",
            "webb.log.1",
            "web.log.1.tmp",
            "web.log.2.gz",
            "web.log.3.gz",
            "web.log-20261119T060000Z.zst",
            "web.log-20261119T060000Z.zst.tmp",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found: Vec<String> = beside(&directory.path().join("web.log"))
            .into_iter()
            .map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            found,
            [
                "web.log.1",
                "web.log.2",
                "web.log.3.gz",
                "web.log.10",
                "web.log-20261121T060000Z-100",
                "web.log-20261121T060000Z-11",
                "web.log-20261121T060000Z-2",
                "web.log-20261121T060000Z",
                "web.log-20261120",
                "web.log-20261119T060000Z.zst",
            ]
        );
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "into memory")]
    fn lines_are_taken_from_as_many_files_as_it_needs() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("web.log");
        for (name, text) in
            [("web.log.1", "4\n5\nto"), ("web.log.2", "2\n3\n"), ("web.log.3", "1\n")]
        {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let lines = |lines| {
            let found = last_lines(&log, None, lines).unwrap();
            String::from_utf8(found.concat()).unwrap().replace('\n', "")
        };
        assert_eq!(lines(1), "5");
        assert_eq!(lines(3), "345");
        assert_eq!(lines(9), "12345");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"-1\n0\n").unwrap();
        fs::write(directory.path().join("web.log.4.gz"), gzip.finish().unwrap()).unwrap();
        let zstd = zstd::encode_all(b"-3\n-2\n".as_slice(), 0).unwrap();
        fs::write(directory.path().join("web.log.5.zst"), zstd).unwrap();
        assert_eq!(lines(8), "-2-1012345");
        let current = File::open(directory.path().join("web.log.1")).unwrap();
        let found = last_lines(&log, Some(&current), 1).unwrap();
        assert_eq!(found, [b"3\n"]);
    }
}
