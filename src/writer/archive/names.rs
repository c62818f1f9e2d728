//! What archives are called: `web.log-20261121T060000Z`, then `-2` if that is taken, then `.zst` or
//! `.gz` if it is compressed, then `.tmp` while it is being made.
//!
//! Only a name that is exactly of this form, of exactly this file, is ever touched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Compress;

const TEMPORARY: &str = ".tmp";
const COMPRESSED: [Compress; 2] = [Compress::Gzip, Compress::Zstd];
/// The last second that four digits of a year can name.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Which archive of a file it is; the order is that in which they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When it was rotated: seconds since 1970, in UTC.
    seconds: u64,
    /// Which one of that second: from 1, which is not written.
    number: u32,
}

impl Stamp {
    /// The stamp of a file that is rotated at `now`. Behind the `newest` one, even where the clock
    /// has stepped back: what is written later sorts later, and nothing has its name yet.
    pub fn next(newest: Option<Stamp>, now: SystemTime) -> Stamp {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = Stamp { seconds: since_epoch.as_secs().min(SECONDS_MAX), number: 1 };
        match newest {
            Some(newest) if newest >= next => match newest.number.checked_add(1) {
                Some(number) => Stamp { number, ..newest },
                None => Stamp { seconds: newest.seconds + 1, number: 1 },
            },
            _ => next,
        }
    }

    /// `20261121T060000Z`, `20261121T060000Z-2`
    fn text(self) -> String {
        let time = UNIX_EPOCH + Duration::from_secs(self.seconds.min(SECONDS_MAX));
        let time = humantime::format_rfc3339_seconds(time).to_string();
        let time: String = time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        match self.number {
            1 => time,
            number => format!("{time}-{number}"),
        }
    }

    fn parse(text: &str) -> Option<Stamp> {
        let (time, number) = match text.split_once('Z')? {
            (time, "") => (time, 1),
            (time, number) => (time, number.strip_prefix("-")?.parse().ok().filter(|n| *n > 1)?),
        };
        let (day, hours) = time.split_at_checked("20261121".len())?;
        let at = |text: &'_ str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
        let time = format!(
            "{}-{}-{}T{}:{}:{}Z",
            at(day, 0, 4)?,
            at(day, 4, 6)?,
            at(day, 6, 8)?,
            at(hours, 1, 3)?,
            at(hours, 3, 5)?,
            at(hours, 5, 7)?,
        );
        let time = humantime::parse_rfc3339(&time).ok()?;
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let stamp = Stamp { seconds, number };
        // Whatever else can be read as the same is no name of ours.
        (stamp.text() == text).then_some(stamp)
    }
}

/// The name of an archive, without that of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName {
    /// Which one it is.
    pub stamp: Stamp,
    /// Whether it is compressed.
    pub compress: Compress,
}

/// What a name of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// An archive, whole.
    Archive(ArchiveName),
    /// The beginning of a compressed one.
    Unfinished(ArchiveName),
}

impl ArchiveName {
    /// The archive of the file called `file`, as it is called.
    pub fn of(self, file: &OsStr) -> OsString {
        let mut name = file.to_owned();
        name.push("-");
        name.push(self.stamp.text());
        name.push(self.compress.suffix());
        name
    }

    /// The same while it is being made.
    pub fn unfinished_of(self, file: &OsStr) -> OsString {
        let mut name = self.of(file);
        name.push(TEMPORARY);
        name
    }
}

/// What `name` is to the file called `file`, if it is anything.
pub fn parse(name: &OsStr, file: &OsStr) -> Option<Named> {
    if file.is_empty() {
        return None;
    }
    let rest = name.as_bytes().strip_prefix(file.as_bytes())?.strip_prefix(b"-")?;
    let rest = std::str::from_utf8(rest).ok()?;
    let (rest, is_unfinished) = match rest.strip_suffix(TEMPORARY) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let compressed = COMPRESSED
        .iter()
        .find_map(|compress| Some((rest.strip_suffix(compress.suffix())?, *compress)));
    let (stamp, compress) = compressed.unwrap_or((rest, Compress::None));
    let name = ArchiveName { stamp: Stamp::parse(stamp)?, compress };
    match (is_unfinished, compress) {
        (false, _) => Some(Named::Archive(name)),
        // Nobody makes it.
        (true, Compress::None) => None,
        (true, _) => Some(Named::Unfinished(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, file: &str) -> String {
        match parse(name.as_ref(), file.as_ref()) {
            None => "-".to_owned(),
            Some(Named::Archive(ArchiveName { stamp, compress })) => {
                format!("{} {} {compress:?}", stamp.seconds, stamp.number)
            }
            Some(Named::Unfinished(ArchiveName { stamp, compress })) => {
                format!("{} {} {compress:?} unfinished", stamp.seconds, stamp.number)
            }
        }
    }

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(shown(name, "web.log"), expected, "{name}");
    }

    #[test]
    fn a_name_of_ours_says_which_archive_it_is() {
        check("web.log-20261121T060000Z", "1795240800 1 None");
        check("web.log-20261121T060000Z.gz", "1795240800 1 Gzip");
        check("web.log-20261121T060000Z.zst", "1795240800 1 Zstd");
        check("web.log-20261121T060000Z-2", "1795240800 2 None");
        check("web.log-20261121T060000Z-2.zst", "1795240800 2 Zstd");
        check("web.log-20261121T060000Z-4294967295.gz", "1795240800 4294967295 Gzip");
        check("web.log-20261121T060000Z.zst.tmp", "1795240800 1 Zstd unfinished");
        check("web.log-20261121T060000Z-17.gz.tmp", "1795240800 17 Gzip unfinished");
        check("web.log-19700101T000000Z", "0 1 None");
        check("web.log-20240229T235959Z", "1709251199 1 None");
        check("web.log-99991231T235959Z", "253402300799 1 None");
    }

    #[test]
    fn nothing_else_is_one() {
        for name in [
            "",
            "web.log",
            "web.log-",
            "web.log-20261121T060000",
            "web.log.20261121T060000Z",
            "web.log-20261121T060000z",
            "web.log-20261121t060000Z",
            "web.log-20261121 060000Z",
            "web.log-20261121T0600Z",
            "web.log-20261121T060000ZZ",
            "web.log-20261121T060000Z.",
            "web.log-20261121T060000Z.bz2",
            "web.log-20261121T060000Z.ZST",
            "web.log-20261121T060000Z.zst.gz",
            "web.log-20261121T060000Z.zst~",
            "web.log-20261121T060000Z.tmp",
            "web.log-20261121T060000Z.zst.tmp.tmp",
            "web.log-20261121T060000Z-",
            "web.log-20261121T060000Z-0",
            "web.log-20261121T060000Z-1",
            "web.log-20261121T060000Z-02",
            "web.log-20261121T060000Z-+2",
            "web.log-20261121T060000Z--2",
            "web.log-20261121T060000Z-2-3",
            "web.log-20261121T060000Z-4294967296",
            "web.log-20261121T060000Z-20261121T060000Z",
            "web.log-20261121T060000Z.log",
            "web.log-20261121T060000Z.1",
            "web.log-20261321T060000Z",
            "web.log-20260230T060000Z",
            "web.log-20250229T060000Z",
            "web.log-20261121T240000Z",
            "web.log-20261121T066000Z",
            "web.log-20261121T060060Z",
            "web.log-00000101T000000Z",
            "web.log-19691231T235959Z",
            "web.log-+2026121T060000Z",
            "web.log-2026112\u{e9}T060000Z",
            "web.log--20261121T060000Z",
            "xweb.log-20261121T060000Z",
            "web.logx-20261121T060000Z",
            "Web.log-20261121T060000Z",
        ] {
            check(name, "-");
        }
    }

    #[test]
    fn a_file_that_is_called_like_an_archive_has_archives_of_its_own() {
        let file = "web.log-20261121T060000Z";
        assert_eq!(shown("web.log-20261121T060000Z", file), "-");
        assert_eq!(shown("web.log-20261121T060000Z-2", file), "-");
        assert_eq!(shown("web.log-20261121T060000Z.zst", file), "-");
        assert_eq!(
            shown("web.log-20261121T060000Z-20261121T060000Z.gz", file),
            "1795240800 1 Gzip"
        );
        assert_eq!(shown("-20261121T060000Z", ""), "-");
        assert_eq!(shown("web.log-20261121T060000Z.log-19700101T000000Z", "web.log"), "-");
    }

    #[test]
    fn names_are_not_utf_8_where_the_file_is_not() {
        let file = OsStr::from_bytes(b"\xff.log");
        let stamp = Stamp { seconds: 0, number: 3 };
        let name = ArchiveName { stamp, compress: Compress::Zstd };
        assert_eq!(name.of(file).as_bytes(), b"\xff.log-19700101T000000Z-3.zst");
        assert_eq!(parse(&name.of(file), file), Some(Named::Archive(name)));
        let unfinished = name.unfinished_of(file);
        assert_eq!(parse(&unfinished, file), Some(Named::Unfinished(name)));
        assert_eq!(parse(OsStr::from_bytes(b"\xff.log-1970\xff"), file), None);
    }

    #[test]
    fn stamps_follow_the_clock_but_never_step_back() {
        let at = |seconds| UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 999);
        let stamp = |seconds, number| Stamp { seconds, number };
        assert_eq!(Stamp::next(None, at(5)), stamp(5, 1));
        assert_eq!(Stamp::next(Some(stamp(4, 9)), at(5)), stamp(5, 1));
        assert_eq!(Stamp::next(Some(stamp(5, 1)), at(5)), stamp(5, 2));
        assert_eq!(Stamp::next(Some(stamp(5, 2)), at(5)), stamp(5, 3));
        assert_eq!(Stamp::next(Some(stamp(9, 1)), at(5)), stamp(9, 2));
        assert_eq!(Stamp::next(Some(stamp(9, u32::MAX)), at(5)), stamp(10, 1));
        assert_eq!(Stamp::next(None, UNIX_EPOCH - Duration::from_secs(1)), stamp(0, 1));
        assert_eq!(Stamp::next(None, at(SECONDS_MAX + 1)), stamp(SECONDS_MAX, 1));
    }

    #[test]
    fn names_sort_as_they_were_written() {
        let mut newest = None;
        let mut names = Vec::new();
        for seconds in [100, 100, 100, 50, 7_000_000, 7_000_000, 1] {
            let stamp = Stamp::next(newest, UNIX_EPOCH + Duration::from_secs(seconds));
            newest = Some(stamp);
            names.push(stamp);
        }
        assert!(names.is_sorted_by(|one, two| one < two), "{names:?}");
    }
}
