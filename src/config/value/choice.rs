//! Values that are one of a few names: formats, framings, policies.

use super::{FromWritten, WrongValue, wrong};
use crate::formatting::FORMATS;
use crate::framing::{FRAMINGS, Framing, Multiline};
use crate::pipeline::OverLong;
use crate::writer::OnFull;
use crate::writer::archive::Compress;

/// Things that are chosen by name.
pub trait Named: Copy + PartialEq + 'static {
    /// The key that chooses among them.
    const KEY: &'static str;
    /// What may be written, for values of another type.
    const EXPECTED: &'static str;

    /// All of them with their names; the first is the default.
    fn names() -> Vec<(&'static str, Self)>;

    /// This one's name.
    fn name(self) -> &'static str {
        let named = Self::names().into_iter().find(|(_, named)| *named == self);
        named.map_or("", |(name, _)| name)
    }
}

/// One of the named things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<T>(pub T);

impl<T: Named> FromWritten for Choice<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Choice<T>, WrongValue> {
        let names = T::names();
        if let Some((_, chosen)) = names.iter().find(|(name, _)| *name == text) {
            return Ok(Choice(*chosen));
        }
        let key = T::KEY;
        let known: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let known = known.join(" or ");
        wrong(format!("unknown {key} \"{text}\": write {known}"))
    }
}

/// A format by its name in [`FORMATS`]; what else it needs stands in other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// `raw`
    Raw,
    /// `stamped`, with `prefix`
    Stamped,
    /// `json`, with `fields`
    Json,
    /// `cri`
    Cri,
}

impl Named for FormatName {
    const KEY: &'static str = "format";
    const EXPECTED: &'static str = "a format such as \"raw\"";

    fn names() -> Vec<(&'static str, FormatName)> {
        let named = |name| match name {
            "raw" => Some((name, FormatName::Raw)),
            "stamped" => Some((name, FormatName::Stamped)),
            "json" => Some((name, FormatName::Json)),
            "cri" => Some((name, FormatName::Cri)),
            _ => None,
        };
        FORMATS.iter().filter_map(|(name, _)| named(name)).collect()
    }
}

impl Named for &'static Framing {
    const KEY: &'static str = "framing";
    const EXPECTED: &'static str = "a framing such as \"newline\"";

    fn names() -> Vec<(&'static str, &'static Framing)> {
        FRAMINGS.iter().map(|framing| (framing.name, framing)).collect()
    }
}

impl Named for Multiline {
    const KEY: &'static str = "multiline";
    const EXPECTED: &'static str = "\"lines\" or \"escape\"";

    fn names() -> Vec<(&'static str, Multiline)> {
        vec![("lines", Multiline::Lines), ("escape", Multiline::Escape)]
    }
}

impl Named for OverLong {
    const KEY: &'static str = "over-long";
    const EXPECTED: &'static str = "\"split\", \"truncate\" or \"drop\"";

    fn names() -> Vec<(&'static str, OverLong)> {
        vec![("split", OverLong::Split), ("truncate", OverLong::Truncate), ("drop", OverLong::Drop)]
    }
}

impl Named for OnFull {
    const KEY: &'static str = "on-full";
    const EXPECTED: &'static str = "\"wait\", \"drop-newest\" or \"drop-oldest\"";

    fn names() -> Vec<(&'static str, OnFull)> {
        vec![
            ("wait", OnFull::Wait),
            ("drop-newest", OnFull::DropNewest),
            ("drop-oldest", OnFull::DropOldest),
        ]
    }
}

impl Named for Compress {
    const KEY: &'static str = "compress";
    const EXPECTED: &'static str = "\"none\", \"gzip\" or \"zstd\"";

    fn names() -> Vec<(&'static str, Compress)> {
        vec![("none", Compress::None), ("gzip", Compress::Gzip), ("zstd", Compress::Zstd)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn names_are_those_of_their_tables() {
        check(
            |Choice(format): Choice<FormatName>| format!("{format:?}"),
            &[
                ("raw", Ok("Raw")),
                ("stamped", Ok("Stamped")),
                ("json", Ok("Json")),
                ("cri", Ok("Cri")),
                (
                    "rww",
                    Err("unknown format \"rww\": write \"raw\" or \"stamped\" or \"json\" or \
                         \"cri\""),
                ),
            ],
        );
        let framings = FRAMINGS.iter().map(|framing| format!("\"{}\"", framing.name));
        let framings = framings.collect::<Vec<_>>().join(" or ");
        check(
            |Choice(framing): Choice<&'static Framing>| framing.name.to_owned(),
            &[
                ("newline", Ok("newline")),
                ("nul", Ok("nul")),
                ("lf", Err(&format!("unknown framing \"lf\": write {framings}"))),
            ],
        );
        assert_eq!(FormatName::names().len(), FORMATS.len(), "a format lacks its name here");
    }

    #[test]
    fn framings_of_syslog_are_known() {
        check(
            |Choice(framing): Choice<&'static Framing>| framing.name.to_owned(),
            &[("octet-counting", Ok("octet-counting")), ("syslog", Ok("syslog"))],
        );
    }

    #[test]
    fn policies_are_known() {
        check(
            |Choice(multiline): Choice<Multiline>| format!("{multiline:?}"),
            &[
                ("lines", Ok("Lines")),
                ("escape", Ok("Escape")),
                ("join", Err("unknown multiline \"join\": write \"lines\" or \"escape\"")),
            ],
        );
        check(
            |Choice(over_long): Choice<OverLong>| format!("{over_long:?}"),
            &[
                ("split", Ok("Split")),
                ("truncate", Ok("Truncate")),
                ("drop", Ok("Drop")),
                (
                    "wrap",
                    Err("unknown over-long \"wrap\": write \"split\" or \"truncate\" or \"drop\""),
                ),
            ],
        );
        check(
            |Choice(on_full): Choice<OnFull>| format!("{on_full:?}"),
            &[
                ("wait", Ok("Wait")),
                ("drop-newest", Ok("DropNewest")),
                ("drop-oldest", Ok("DropOldest")),
                (
                    "block",
                    Err("unknown on-full \"block\": write \"wait\" or \"drop-newest\" or \
                         \"drop-oldest\""),
                ),
            ],
        );
    }

    #[test]
    fn ways_to_compress_are_known() {
        check(
            |Choice(compress): Choice<Compress>| format!("{compress:?}"),
            &[
                ("none", Ok("None")),
                ("gzip", Ok("Gzip")),
                ("zstd", Ok("Zstd")),
                ("xz", Err("unknown compress \"xz\": write \"none\" or \"gzip\" or \"zstd\"")),
            ],
        );
    }
}
