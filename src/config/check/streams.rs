//! `[defaults]` and `[stream.NAME]`: how every stream is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::mistake::{At, Mistakes};
use super::super::nearest::nearest;
use super::super::value::{
    AbsolutePath, Choice, FormatName, Group, LineBytes, Mode, OnFull, Setting, Size, User,
};
use super::super::written::{Defaults, Stream};
use super::Named;
use super::inputs::Feeds;
use super::paths::{PathUse, What};
use crate::formatting::{Format, Template};
use crate::limits::{LINE_BYTES_MAX_DEFAULT, QUEUE_BYTES_MAX_DEFAULT, QUEUE_LINES_MIN};
use crate::pipeline::{LineSettings, OverLong};
use crate::place::Place;
use crate::stream_name::StreamName;
use crate::writer::{StreamSettings, SyncPolicy};

/// `dir` unless configured.
const DIR_DEFAULT: &str = "/var/log/logagent";
/// `mode` of log files unless configured.
const MODE_DEFAULT: Mode = Mode(0o640);
/// `prefix` unless configured.
const PREFIX_DEFAULT: &str = "{time} ";

/// The keys that `[defaults]` and `[stream.NAME]` share.
#[derive(Clone, Default)]
struct Keys {
    mode: Setting<Mode>,
    owner: Setting<User>,
    group: Setting<Group>,
    format: Setting<Choice<FormatName>>,
    prefix: Setting<Template>,
    max_line: Setting<LineBytes>,
    over_long: Setting<Choice<OverLong>>,
    queue: Setting<Size>,
    on_full: Setting<Choice<OnFull>>,
    sync: Setting<SyncPolicy>,
}

/// Both tables are taken apart whole, so that no key can be forgotten.
macro_rules! keys {
    ($table:ident { $place:ident }, $written:expr, $file:expr, $mistakes:expr) => {{
        let $table {
            $place,
            mode,
            owner,
            group,
            format,
            prefix,
            max_line,
            over_long,
            queue,
            on_full,
            sync,
        } = $written;
        let (file, mistakes) = ($file, $mistakes);
        let keys = Keys {
            mode: mistakes.setting(file, mode),
            owner: mistakes.setting(file, owner),
            group: mistakes.setting(file, group),
            format: mistakes.setting(file, format),
            prefix: mistakes.setting(file, prefix),
            max_line: mistakes.setting(file, max_line),
            over_long: mistakes.setting(file, over_long),
            queue: mistakes.setting(file, queue),
            on_full: mistakes.setting(file, on_full),
            sync: mistakes.setting(file, sync),
        };
        (mistakes.setting(file, $place), keys)
    }};
}

/// Checks the streams of all files, and makes those that inputs feed.
pub(super) fn settings(
    defaults: Option<Spanned<Defaults>>,
    written: Vec<Named<Stream>>,
    feeds: &Feeds,
    paths: &mut Vec<PathUse>,
    mistakes: &mut Mistakes<'_>,
) -> BTreeMap<StreamName, StreamSettings> {
    let defaults = defaults.map(Spanned::into_inner).unwrap_or_default();
    let (dir, defaults) = keys!(Defaults { dir }, defaults, 0, &mut *mistakes);
    let dir = match dir {
        Setting::Absent => Some(PathBuf::from(DIR_DEFAULT)),
        Setting::Wrong => None,
        Setting::Right(AbsolutePath(dir), _) => Some(dir),
    };
    defaults.check_prefix(mistakes);
    defaults.check_queue(mistakes);

    let mut own = BTreeMap::new();
    for Named { name, at, table } in written {
        let (file, keys) = keys!(Stream { file }, table.into_inner(), at.file, &mut *mistakes);
        let Some(name) = stream_name(&name, at, feeds, mistakes) else { continue };
        own.entry(name).or_insert((at, file, keys));
    }
    let fed = feeds.streams.iter().filter(|(name, _)| !own.contains_key(name));
    let fed: Vec<_> =
        fed.map(|(name, at)| (name.clone(), (*at, Setting::Absent, Keys::default()))).collect();
    let all = own.into_iter().chain(fed);
    all.map(|(name, (at, file, keys))| {
        keys.check_prefix_of_stream(&defaults, mistakes);
        let keys = keys.or(&defaults);
        keys.check_queue(mistakes);
        let path = file_path(&name, at, file, dir.as_deref(), paths);
        (name, keys.settings(path))
    })
    .collect()
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
        Some(near) => format!("no input feeds stream {name:?}, did you mean [stream.{near}]?"),
        None => format!(
            "no input feeds stream {name:?}: write stream = {name:?} in an input, or remove this table"
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

impl Keys {
    fn or(self, defaults: &Keys) -> Keys {
        let defaults = defaults.clone();
        Keys {
            mode: self.mode.or(defaults.mode),
            owner: self.owner.or(defaults.owner),
            group: self.group.or(defaults.group),
            format: self.format.or(defaults.format),
            prefix: self.prefix.or(defaults.prefix),
            max_line: self.max_line.or(defaults.max_line),
            over_long: self.over_long.or(defaults.over_long),
            queue: self.queue.or(defaults.queue),
            on_full: self.on_full.or(defaults.on_full),
            sync: self.sync.or(defaults.sync),
        }
    }

    /// A prefix beside `format = "raw"` would be ignored in silence.
    fn check_prefix(&self, mistakes: &mut Mistakes<'_>) {
        if let (Setting::Right(Choice(FormatName::Raw), _), Setting::Right(_, at)) =
            (&self.format, &self.prefix)
        {
            let text = "the format raw has no prefix: write format = \"stamped\", or remove prefix";
            mistakes.tell(*at, text);
        }
    }

    /// So would one in a stream whose format comes from the defaults and is raw.
    fn check_prefix_of_stream(&self, defaults: &Keys, mistakes: &mut Mistakes<'_>) {
        let format = self.format.clone().or(defaults.format.clone());
        let raw = match format {
            Setting::Absent => true,
            Setting::Wrong => false,
            Setting::Right(Choice(format), _) => format == FormatName::Raw,
        };
        if let Setting::Right(_, at) = &self.prefix
            && raw
        {
            let text = "the format raw has no prefix: write format = \"stamped\", or remove prefix";
            mistakes.tell(*at, text);
        }
    }

    /// A queue takes the longest line while another one is written.
    fn check_queue(&self, mistakes: &mut Mistakes<'_>) {
        if self.queue.is_wrong() || self.max_line.is_wrong() {
            return;
        }
        let (queue, line) = (self.queue_bytes_max(), self.line_bytes_max());
        let least = line * QUEUE_LINES_MIN;
        if queue >= least {
            return;
        }
        let (queue, line, least) = (Size(queue), Size(line), Size(least));
        let text = format!(
            "a queue holds twice the longest line, and max-line is {line}: write queue = \"{least}\" or more, not {queue}"
        );
        match (&self.queue, &self.max_line) {
            (Setting::Right(_, at), _) | (_, Setting::Right(_, at)) => mistakes.tell(*at, text),
            _ => unreachable!("the defaults go together"),
        }
    }

    fn queue_bytes_max(&self) -> usize {
        self.queue.as_ref().right().map_or(QUEUE_BYTES_MAX_DEFAULT, |size| size.0)
    }

    fn line_bytes_max(&self) -> usize {
        self.max_line.as_ref().right().map_or(LINE_BYTES_MAX_DEFAULT, |line| line.0)
    }

    fn settings(self, path: PathBuf) -> StreamSettings {
        let (queue_bytes_max, line_bytes_max) = (self.queue_bytes_max(), self.line_bytes_max());
        let format = match self.format.right() {
            None | Some(Choice(FormatName::Raw)) => Format::Raw,
            Some(Choice(FormatName::Stamped)) => {
                Format::Stamped { prefix: self.prefix.right().unwrap_or_else(default_prefix) }
            }
        };
        let Choice(over_long) = self.over_long.right().unwrap_or(Choice(OverLong::default()));
        let Choice(OnFull::Wait) = self.on_full.right().unwrap_or(Choice(OnFull::Wait));
        StreamSettings {
            file: Place {
                path,
                mode: self.mode.right().unwrap_or(MODE_DEFAULT).0,
                owner: self.owner.right().map(|owner| owner.0),
                group: self.group.right().map(|group| group.0),
            },
            sync: self.sync.right().unwrap_or_default(),
            queue_bytes_max,
            lines: LineSettings { format, line_bytes_max, over_long },
        }
    }
}

fn default_prefix() -> Template {
    match PREFIX_DEFAULT.parse() {
        Ok(prefix) => prefix,
        Err(_) => unreachable!("the default prefix is a template"),
    }
}
