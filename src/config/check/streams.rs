//! `[defaults]` and `[stream.NAME]`: how every stream is written, and where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::defaults::DIR;
use super::super::mistake::{At, Mistakes};
use super::super::nearest::nearest;
use super::super::value::{AbsolutePath, Setting};
use super::super::written::{Defaults, Stream, Table};
use super::Named;
use super::inputs::Feeds;
use super::keys::Keys;
use super::paths::{PathUse, What};
use crate::stream_name::StreamName;
use crate::writer::StreamSettings;

/// Takes either table apart: the setting of the key that is its own, and those of the shared ones.
/// Whole, so that no key can be forgotten.
#[rustfmt::skip]
macro_rules! take_apart {
    ($table:ident { $own:ident } = $written:expr, $file:expr, $mistakes:ident) => {{
        let $table {
            $own, mode, owner, group, format, prefix, max_line, over_long, queue, on_full, sync,
        } = $written;
        let keys = Keys {
            mode: $mistakes.setting($file, mode),
            owner: $mistakes.setting($file, owner),
            group: $mistakes.setting($file, group),
            format: $mistakes.setting($file, format),
            prefix: $mistakes.setting($file, prefix),
            max_line: $mistakes.setting($file, max_line),
            over_long: $mistakes.setting($file, over_long),
            queue: $mistakes.setting($file, queue),
            on_full: $mistakes.setting($file, on_full),
            sync: $mistakes.setting($file, sync),
        };
        ($mistakes.setting($file, $own), keys)
    }};
}

/// Checks the streams of all files, and makes those that inputs feed.
pub(super) fn settings(
    defaults: Option<Spanned<Table<Defaults>>>,
    written: Vec<Named<Table<Stream>>>,
    feeds: &Feeds,
    paths: &mut Vec<PathUse>,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<StreamName, StreamSettings> {
    let Table(defaults) = defaults.map(Spanned::into_inner).unwrap_or_default();
    let (dir, defaults) = take_apart!(Defaults { dir } = defaults, 0, mistakes);
    defaults.check_as_defaults(mistakes);
    let dir = match dir {
        Setting::Absent => Some(PathBuf::from(DIR)),
        Setting::Wrong => None,
        Setting::Right(AbsolutePath(dir), _) => Some(dir),
    };

    let fed = feeds.streams.iter();
    let mut all: BTreeMap<StreamName, (At, Setting<AbsolutePath>, Keys)> =
        fed.map(|(name, at)| (name.clone(), (*at, Setting::Absent, Keys::default()))).collect();
    for Named { name, at, table } in written {
        let (file, keys) = take_apart!(Stream { file } = table.into_inner().0, at.file, mistakes);
        keys.check_as_stream(&defaults, mistakes);
        if let Some(name) = stream_name(&name, at, feeds, mistakes) {
            all.insert(name, (at, file, keys));
        }
    }
    let settings = all.into_iter().map(|(name, (at, file, keys))| {
        let path = file_path(&name, at, file, dir.as_deref(), paths);
        (name, keys.or(&defaults).settings(path))
    });
    settings.collect()
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
    if feeds.unknown || feeds.streams.contains_key(&stream) || feeds.cut_out.contains(name) {
        return Some(stream);
    }
    let text = match nearest(name, feeds.streams.keys().map(StreamName::as_str)) {
        Some(near) => format!("no input feeds stream \"{name}\", did you mean [stream.{near}]?"),
        None => format!(
            "no input feeds stream \"{name}\": write stream = \"{name}\" in an input, or remove \
             this table"
        ),
    };
    mistakes.tell(at, text);
    Some(stream)
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
