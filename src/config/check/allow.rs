//! `allow`: who may connect to an input.

use toml::Spanned;

use super::super::mistake::{At, Mistakes};
use super::super::value::{Group, List, Setting, User};
use super::super::written::{self, Table};
use crate::limits::ALLOWED_MAX;
use crate::routing::Allow;

/// What an empty table or list could mean, and what to write.
const EMPTY: &str = "that names nobody: write who may connect, such as \
                     unit = [\"myapp@*.service\"], or remove it to take everybody";

/// Whom an input takes: without a table everybody. With `lost` some of its keys could not be read.
pub(super) fn allow(
    written: Option<Spanned<Table<written::Allow>>>,
    file: usize,
    lost: bool,
    mistakes: &mut Mistakes<'_>,
) -> Allow {
    let Some(table) = written else { return Allow::default() };
    let at = At { file, offset: table.span().start };
    let Table(written::Allow { unit, uid, gid }) = table.into_inner();
    if unit.is_none() && uid.is_none() && gid.is_none() && !lost {
        mistakes.tell(at, format!("an empty allow {EMPTY}"));
    }
    let allow = Allow {
        units: named(unit, file, mistakes),
        uids: named(uid, file, mistakes)
            .map(|users| users.into_iter().map(|User(uid)| uid).collect()),
        gids: named(gid, file, mistakes)
            .map(|groups| groups.into_iter().map(|Group(gid)| gid).collect()),
    };
    let lengths = [
        allow.units.as_ref().map_or(0, Vec::len),
        allow.uids.as_ref().map_or(0, Vec::len),
        allow.gids.as_ref().map_or(0, Vec::len),
    ];
    let count: usize = lengths.iter().sum();
    if count > ALLOWED_MAX {
        let text = format!(
            "allow names {count} units, users and groups, and may name {ALLOWED_MAX}: write \
             patterns of units, or a group that all of them are in"
        );
        mistakes.tell(at, text);
    }
    allow
}

/// The values of one list, if it is there.
fn named<T>(list: Option<List<T>>, file: usize, mistakes: &mut Mistakes<'_>) -> Option<Vec<T>> {
    let list = mistakes.list(file, list);
    if let Setting::Right(values, at) = &list
        && values.is_empty()
    {
        mistakes.tell(*at, format!("an empty list {EMPTY}"));
    }
    Some(list.right()?.into_iter().map(|(value, _)| value).collect())
}
