//! `rotate`: when a stream's file becomes an archive, and what becomes of that.

use toml::Spanned;

use super::super::mistake::{At, Mistakes};
use super::super::value::{Choice, Count, FileBytes, Period, Setting};
use super::super::written::{Rotate, Table};
use crate::writer::Rotation;

/// What the table came to. An empty one is for `logagent rotate` alone.
pub(super) fn rotate(
    file: usize,
    written: Option<Spanned<Table<Rotate>>>,
    mistakes: &mut Mistakes<'_>,
) -> Setting<Rotation> {
    let Some(table) = written else { return Setting::Absent };
    let at = At { file, offset: table.span().start };
    let Table(Rotate { size, every, keep, keep_size, compress }) = table.into_inner();
    let rotation = Rotation {
        bytes_max: mistakes.setting(file, size).right().map(|FileBytes(bytes)| bytes),
        every: mistakes.setting(file, every).right().map(|Period(every)| every),
        keep_max: mistakes.setting(file, keep).right().map(|Count(keep)| keep),
        keep_bytes_max: mistakes.setting(file, keep_size).right().map(|FileBytes(bytes)| bytes),
        compress: (mistakes.setting(file, compress).right())
            .map_or_else(Default::default, |Choice(compress)| compress),
    };
    Setting::Right(rotation, at)
}
