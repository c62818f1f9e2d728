//! Which unit a cgroup belongs to, by its id: all that the kernel tells of a peer that has gone.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Unit;
use crate::clock;
use crate::limits::{CGROUPS_LIST_EVERY, CGROUPS_LIST_SHARE, CGROUPS_LISTED_MAX};

/// Where the hierarchy of version 2 is mounted: alone, or beside those of version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// What only a hierarchy of version 2 has in its root.
const MARK: &str = "cgroup.controllers";

/// The units of cgroups, as far as they were needed. An id is never used again.
#[derive(Debug)]
pub struct Cgroups {
    root: Option<PathBuf>,
    known: Mutex<HashMap<u64, Unit>>,
    /// Held by the one that looks through all of them, for those that wait too.
    listed: tokio::sync::Mutex<Option<Listed>>,
}

/// When all cgroups were looked through.
#[derive(Clone, Copy, Debug)]
struct Listed {
    begun: Instant,
    /// When that may be done again.
    again_at: Instant,
}

impl Cgroups {
    /// Those of this machine.
    pub fn new() -> Cgroups {
        Cgroups::below(MOUNTS.into_iter().map(PathBuf::from).find(|root| root.join(MARK).exists()))
    }

    fn below(root: Option<PathBuf>) -> Cgroups {
        Cgroups { root, known: Mutex::default(), listed: tokio::sync::Mutex::default() }
    }

    /// Remembers that the cgroup `id` is of `unit`.
    pub fn learn(&self, id: u64, unit: &Unit) {
        let mut known = self.known();
        if known.len() < CGROUPS_LISTED_MAX {
            known.entry(id).or_insert_with(|| unit.clone());
        }
    }

    /// The unit of the cgroup `id`; none where there is no such cgroup any more, or it is of none.
    ///
    /// What is not known is looked for, on a thread of its own: nobody else waits for that.
    pub async fn unit(&self, id: u64) -> Option<Unit> {
        let asked = clock::instant();
        if let Some(unit) = self.known().get(&id) {
            return Some(unit.clone());
        }
        let root = self.root.clone()?;
        let mut listed = self.listed.lock().await;
        if listed.is_none_or(|listed| listed.begun < asked) {
            if let Some(Listed { again_at, .. }) = *listed {
                tokio::time::sleep_until(again_at.into()).await;
            }
            let begun = clock::instant();
            let found = tokio::task::spawn_blocking(move || list(&root)).await.unwrap_or_default();
            self.learn_all(found);
            let ended = clock::instant();
            let pause = CGROUPS_LIST_EVERY.max(CGROUPS_LIST_SHARE * (ended - begun));
            *listed = Some(Listed { begun, again_at: ended + pause });
        }
        self.known().get(&id).cloned()
    }

    /// Those that are gone are kept while there is room: their processes may be told of later.
    fn learn_all(&self, found: HashMap<u64, Unit>) {
        let mut known = self.known();
        if known.len() + found.len() > CGROUPS_LISTED_MAX {
            known.clear();
        }
        known.extend(found);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Unit>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Cgroups {
    fn default() -> Cgroups {
        Cgroups::new()
    }
}

/// Every cgroup below `root` that is of a unit.
fn list(root: &Path) -> HashMap<u64, Unit> {
    let mut units = HashMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            let below = path.strip_prefix(root).unwrap_or(&path).to_str();
            if let Some(unit) = below.and_then(Unit::of_cgroup_path) {
                units.insert(entry.ino(), unit);
            }
            if units.len() + directories.len() >= CGROUPS_LISTED_MAX {
                return units;
            }
            directories.push(path);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn a_cgroup_is_found_by_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("system.slice/web.service/inner.service");
        fs::create_dir_all(&path).unwrap();
        let id = |path: &Path| path.metadata().unwrap().ino();
        let cgroups = Cgroups::below(Some(dir.path().to_owned()));
        let found = cgroups.unit(id(&path)).await;
        assert_eq!(found.as_ref().map(Unit::name), Some("web.service"));
        assert_eq!(cgroups.unit(id(path.parent().unwrap())).await, found);
        assert_eq!(cgroups.unit(id(dir.path())).await, None);
        let other = Unit::named("other.service").unwrap();
        cgroups.learn(u64::MAX, &other);
        assert_eq!(cgroups.unit(u64::MAX).await, Some(other));
    }

    #[tokio::test]
    async fn one_that_was_made_since_the_last_look_is_found_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let cgroups = Cgroups::below(Some(dir.path().to_owned()));
        for name in ["one.service", "two.service", "three.service"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            let id = path.metadata().unwrap().ino();
            let found = [cgroups.unit(id), cgroups.unit(id)];
            for found in found {
                assert_eq!(found.await.as_ref().map(Unit::name), Some(name));
            }
        }
    }
}
