//! The keys that `[defaults]` and `[stream.NAME]` share, and what they demand of each other.

use std::path::PathBuf;

use super::super::defaults;
use super::super::mistake::{At, Mistakes};
use super::super::value::{Choice, FormatName, Group, LineBytes, Mode, Named, Setting, Size, User};
use crate::formatting::Format;
use crate::limits::{LINE_BYTES_MAX_DEFAULT, QUEUE_BYTES_MAX_DEFAULT, QUEUE_LINES_MIN};
use crate::pipeline::OverLong;
use crate::template::{Placeholder, Template};
use crate::writer::{OnFull, Rotation, StreamSettings, SyncPolicy};

/// The keys of one table, or those of a stream together with the defaults.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) mode: Setting<Mode>,
    pub(super) owner: Setting<User>,
    pub(super) group: Setting<Group>,
    pub(super) format: Setting<Choice<FormatName>>,
    pub(super) prefix: Setting<Template>,
    pub(super) fields: Setting<Vec<Placeholder>>,
    pub(super) max_line: Setting<LineBytes>,
    pub(super) over_long: Setting<Choice<OverLong>>,
    pub(super) queue: Setting<Size>,
    pub(super) on_full: Setting<Choice<OnFull>>,
    pub(super) sync: Setting<SyncPolicy>,
    pub(super) rotate: Setting<Rotation>,
}

impl Keys {
    /// These keys, and the defaults' where one is absent.
    pub(super) fn or(self, defaults: &Keys) -> Keys {
        let defaults = defaults.clone();
        Keys {
            mode: self.mode.or(defaults.mode),
            owner: self.owner.or(defaults.owner),
            group: self.group.or(defaults.group),
            format: self.format.or(defaults.format),
            prefix: self.prefix.or(defaults.prefix),
            fields: self.fields.or(defaults.fields),
            max_line: self.max_line.or(defaults.max_line),
            over_long: self.over_long.or(defaults.over_long),
            queue: self.queue.or(defaults.queue),
            on_full: self.on_full.or(defaults.on_full),
            sync: self.sync.or(defaults.sync),
            // As a whole: an empty table takes the defaults' back.
            rotate: self.rotate.or(defaults.rotate),
        }
    }

    /// Tells a contradiction in `[defaults]` itself.
    pub(super) fn check_as_defaults(&self, mistakes: &mut Mistakes<'_>) {
        if let Setting::Right(Choice(format), _) = self.format {
            self.check_format(format, mistakes);
        }
        self.check_queue(mistakes);
    }

    /// Tells a contradiction in `[stream.NAME]`, or between it and the defaults.
    pub(super) fn check_as_stream(&self, defaults: &Keys, mistakes: &mut Mistakes<'_>) {
        let all = self.clone().or(defaults);
        match all.format {
            Setting::Absent => self.check_format(FormatName::Raw, mistakes),
            Setting::Wrong => {}
            Setting::Right(Choice(format), _) => self.check_format(format, mistakes),
        }
        all.check_queue(mistakes);
    }

    /// A key that the format does not use would be ignored in silence.
    fn check_format(&self, format: FormatName, mistakes: &mut Mistakes<'_>) {
        let keys = [
            ("prefix", self.prefix.place(), FormatName::Stamped),
            ("fields", self.fields.place(), FormatName::Json),
        ];
        for (key, at, used_by) in keys {
            let Some(at) = at.filter(|_| format != used_by) else { continue };
            let (format, used_by) = (format.name(), used_by.name());
            let text = format!(
                "the format {format} has no {key}: write format = \"{used_by}\", or remove {key}"
            );
            mistakes.tell(at, text);
        }
    }

    /// A queue takes the longest line while another one is written.
    fn check_queue(&self, mistakes: &mut Mistakes<'_>) {
        if self.queue.is_wrong() || self.max_line.is_wrong() {
            return;
        }
        let (queue, line) = (self.queue_bytes_max(), self.line_bytes_max());
        let least = line * QUEUE_LINES_MIN;
        let at = match (&self.queue, &self.max_line) {
            (Setting::Right(_, at), _) | (_, Setting::Right(_, at)) => *at,
            // The defaults go together.
            _ => return,
        };
        if queue < least {
            let (queue, line, least) = (Size(queue), Size(line), Size(least));
            let text = format!(
                "a queue of {queue} is too small for lines of {line}, it must hold two: \
                 write queue = \"{least}\" or more"
            );
            mistakes.tell(at, text);
        }
    }

    fn queue_bytes_max(&self) -> usize {
        self.queue.as_ref().right().map_or(QUEUE_BYTES_MAX_DEFAULT, |size| size.0)
    }

    fn line_bytes_max(&self) -> usize {
        self.max_line.as_ref().right().map_or(LINE_BYTES_MAX_DEFAULT, |line| line.0)
    }

    /// The settings of a stream with these keys and its file at `path`.
    pub(super) fn settings(self, path: PathBuf) -> StreamSettings {
        let mut settings = defaults::stream(path);
        settings.queue_bytes_max = self.queue_bytes_max();
        settings.lines.line_bytes_max = self.line_bytes_max();
        if let Some(Mode(mode)) = self.mode.right() {
            settings.writer.file.mode = mode;
        }
        settings.writer.file.owner = self.owner.right().map(|User(owner)| owner);
        settings.writer.file.group = self.group.right().map(|Group(group)| group);
        if let Some(Choice(format)) = self.format.right() {
            let mut format = defaults::format(format, self.prefix.right());
            if let (Format::Json { fields }, Some(own)) = (&mut format, self.fields.right()) {
                *fields = own;
            }
            settings.lines.format = format;
        }
        if let Some(Choice(over_long)) = self.over_long.right() {
            settings.lines.over_long = over_long;
        }
        if let Some(Choice(on_full)) = self.on_full.right() {
            settings.on_full = on_full;
        }
        if let Some(sync) = self.sync.right() {
            settings.writer.sync = sync;
        }
        settings.writer.rotate = self.rotate.right();
        settings
    }
}

/// The fields, each of which may stand once.
pub(super) fn fields(
    written: Setting<Vec<(Placeholder, At)>>,
    mistakes: &mut Mistakes<'_>,
) -> Setting<Vec<Placeholder>> {
    let (written, at) = match written {
        Setting::Absent => return Setting::Absent,
        Setting::Wrong => return Setting::Wrong,
        Setting::Right(written, at) => (written, at),
    };
    let mut fields = Vec::new();
    for (field, at) in written {
        if fields.contains(&field) {
            let text = format!("the field {} stands here already: remove it", field.name());
            mistakes.tell(at, text);
        } else {
            fields.push(field);
        }
    }
    Setting::Right(fields, at)
}
