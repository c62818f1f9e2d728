//! The day that a page is of. Not today: the same sources make the same pages.

use std::time::{Duration, UNIX_EPOCH};

/// `SOURCE_DATE_EPOCH` where whoever builds packages sets it, else the last release in the
/// changelog; nothing before the first one.
pub(crate) fn page_date(source_date_epoch: Option<&str>, changelog: &str) -> String {
    let built = source_date_epoch.and_then(|seconds| seconds.parse().ok());
    if let Some(seconds) = built {
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds));
        return time.to_string()[.."2026-11-21".len()].to_owned();
    }
    let releases = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    let mut days = releases.filter_map(|release| release.split_whitespace().last());
    days.find(|day| is_day(day)).unwrap_or_default().to_owned()
}

fn is_day(text: &str) -> bool {
    let fits = |(is, like): (u8, u8)| if like == b'-' { is == b'-' } else { is.is_ascii_digit() };
    text.len() == "2026-11-21".len() && text.bytes().zip(*b"2026-11-21").all(fits)
}
