//! `[defaults]` and `[stream.NAME]`: how every stream is written, and where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::defaults::DIR;
use super::super::mistake::{At, Mistakes};
use super::super::nearest::nearest;
use super::super::used::OnDemand;
use super::super::value::{AbsolutePath, Setting};
use super::super::written::{Defaults, Stream, Table};
use super::Named;
use super::feeds::Feeds;
use super::keys::{self, Keys};
use super::paths::{PathUse, What};
use super::rotate;
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;

/// Takes either table apart: the setting of the key that is its own, and those of the shared ones.
/// Whole, so that no key can be forgotten.
#[rustfmt::skip]
macro_rules! take_apart {
    ($table:ident { $own:ident } = $written:expr, $file:expr, $mistakes:ident) => {{
        let $table {
            $own, mode, owner, group, format, prefix, fields, max_line, over_long, queue, on_full,
            sync, rotate,
        } = $written;
        let keys = Keys {
            mode: $mistakes.setting($file, mode),
            owner: $mistakes.setting($file, owner),
            group: $mistakes.setting($file, group),
            format: $mistakes.setting($file, format),
            prefix: $mistakes.setting($file, prefix),
            fields: keys::fields($mistakes.list($file, fields), $mistakes),
            max_line: $mistakes.setting($file, max_line),
            over_long: $mistakes.setting($file, over_long),
            queue: $mistakes.setting($file, queue),
            on_full: $mistakes.setting($file, on_full),
            sync: $mistakes.setting($file, sync),
            rotate: rotate::rotate($file, rotate, $mistakes),
        };
        ($mistakes.setting($file, $own), keys)
    }};
}

/// All streams, as far as they are without mistakes.
pub(super) struct Streams {
    /// Those that inputs feed by name.
    pub(super) streams: BTreeMap<StreamName, StreamSettings>,
    pub(super) on_demand: OnDemand,
}

/// One stream on its way into its settings.
struct One {
    at: At,
    file: Setting<AbsolutePath>,
    keys: Keys,
}

/// Checks the streams of all files, and makes those that inputs feed or may make.
pub(super) fn settings(
    defaults: Option<Spanned<Table<Defaults>>>,
    written: Vec<Named<Table<Stream>>>,
    feeds: &Feeds,
    paths: &mut Vec<PathUse>,
    mistakes: &mut Mistakes<'_>,
) -> Streams {
    let Table(defaults) = defaults.map(Spanned::into_inner).unwrap_or_default();
    let (dir, defaults) = take_apart!(Defaults { dir } = defaults, 0, mistakes);
    defaults.check_as_defaults(mistakes);
    let dir_at = dir.place();
    let dir = match dir {
        Setting::Absent => Some(PathBuf::from(DIR)),
        Setting::Wrong => None,
        Setting::Right(AbsolutePath(dir), _) => Some(dir),
    };
    if let (Some(dir), Some((_, maker_at))) = (&dir, feeds.makers.first()) {
        let at = dir_at.unwrap_or(*maker_at);
        paths.push(PathUse { path: dir.clone(), what: What::Dir, at });
    }

    let fed = feeds.streams.iter();
    let mut all: BTreeMap<StreamName, One> = fed
        .map(|(name, at)| {
            let one = One { at: *at, file: Setting::Absent, keys: Keys::default() };
            (name.clone(), one)
        })
        .collect();
    for Named { name, at, table } in written {
        let (file, keys) = take_apart!(Stream { file } = table.into_inner().0, at.file, mistakes);
        keys.check_as_stream(&defaults, mistakes);
        if let Some(name) = stream_name(&name, at, feeds, mistakes) {
            all.insert(name, One { at, file, keys });
        }
    }
    if let Some(dir) = &dir {
        check_files(&all, dir, feeds, mistakes);
    }
    let (mut streams, mut tables) = (BTreeMap::new(), BTreeMap::new());
    for (name, One { at, file, keys }) in all {
        let path = file_path(&name, at, file, dir.as_deref(), paths);
        let settings = keys.or(&defaults).settings(path);
        let is_fed = feeds.streams.contains_key(&name);
        if is_fed { &mut streams } else { &mut tables }.insert(name, settings);
    }
    let (dir, defaults) = (dir.unwrap_or_default(), defaults.settings(PathBuf::new()));
    Streams { streams, on_demand: OnDemand { dir, defaults, tables } }
}

/// The name, if it is one; told if nothing feeds the stream.
fn stream_name(
    name: &str,
    at: At,
    feeds: &Feeds,
    mistakes: &mut Mistakes<'_>,
) -> Option<StreamName> {
    let stream = match name.parse::<StreamName>() {
        Ok(stream) => stream,
        Err(error) => {
            mistakes.tell(at, error.to_string());
            return None;
        }
    };
    let is_fed = feeds.streams.contains_key(&stream) || feeds.makes(&stream);
    if is_fed || feeds.unknown || feeds.cut_out.contains(name) {
        return Some(stream);
    }
    let nobody = match feeds.makers.is_empty() {
        true => format!("no input feeds stream \"{name}\""),
        false => format!("no input feeds stream \"{name}\", nor can a template make that name"),
    };
    let text = match nearest(name, feeds.streams.keys().map(StreamName::as_str)) {
        Some(near) => format!("{nobody}, did you mean [stream.{near}]?"),
        None => {
            format!("{nobody}: write stream = \"{name}\" in an input, or remove this table")
        }
    };
    mistakes.tell(at, text);
    Some(stream)
}

/// Tells a file that a stream without a table would have, once a client makes it.
fn check_files(
    all: &BTreeMap<StreamName, One>,
    dir: &Path,
    feeds: &Feeds,
    mistakes: &mut Mistakes<'_>,
) {
    for (name, One { file, .. }) in all {
        let Setting::Right(AbsolutePath(path), at) = file else { continue };
        if path.parent() != Some(dir) || path.extension() != Some("log".as_ref()) {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let Some(Ok(other)) = stem.map(str::parse::<StreamName>) else { continue };
        if !all.contains_key(&other) && feeds.makes(&other) {
            let path = path.display();
            let text = format!(
                "{path} would be the file of stream \"{other}\", which a client may make: give \
                 stream \"{name}\" another one"
            );
            mistakes.tell(*at, text);
        }
    }
}

/// Where the stream's file is; noted unless that is unknown.
fn file_path(
    name: &StreamName,
    table: At,
    file: Setting<AbsolutePath>,
    dir: Option<&Path>,
    paths: &mut Vec<PathUse>,
) -> PathBuf {
    let (path, at) = match (file, dir) {
        (Setting::Right(AbsolutePath(path), at), _) => (path, at),
        (Setting::Absent, Some(dir)) => (dir.join(format!("{name}.log")), table),
        (Setting::Wrong, _) | (Setting::Absent, None) => return PathBuf::new(),
    };
    paths.push(PathUse { path: path.clone(), what: What::Log(name.clone()), at });
    path
}
