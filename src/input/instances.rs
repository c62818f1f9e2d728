//! `fifo`: a named pipe, and one for each instance of a program, as PM2 numbers its log files. Each is
//! read by itself into the one stream, so that no instance's line mixes with another's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::fifo::{self, Fifo, Made, Part};
use super::holders::Holders;
use super::intake::Intake;
use super::{Input, InputKind, InputSettings, MaybeAlive, OpenError, Opening};
use crate::counters::InputCounters;
use crate::limits::INSTANCES_LOOK_EVERY;
use crate::place::Place;
use crate::report::{FifoLeft, InstanceBeyond, report};
use crate::writer::stream::Stream;

pub(super) struct Fifos {
    place: Place,
    intake: Arc<Intake>,
    alive: MaybeAlive,
    /// By the numbers of their instances; the one at the path itself has none.
    parts: BTreeMap<Number, Fifo>,
    /// Whose instances a reload has taken away, while they are read to their end.
    closing: Vec<Fifo>,
    /// For whoever looks for further instances.
    instances: watch::Sender<usize>,
}

type Number = Option<usize>;

/// Opens the FIFO at `place`, and so many others, and makes those that are missing.
pub(super) fn open(
    place: &Place,
    instances: usize,
    opening: Opening<'_>,
) -> Result<Fifos, OpenError> {
    let (intake, alive) = (opening.intake.clone(), opening.alive.downgrade());
    let (tell, told) = watch::channel(instances);
    let (parts, closing) = (BTreeMap::new(), Vec::new());
    let mut fifos = Fifos { place: place.clone(), intake, alive, parts, closing, instances: tell };
    fifos.add(numbers(instances), instances, &opening).inspect_err(|_| fifos.close())?;
    tokio::spawn(look_beyond(opening.name.to_owned(), place.clone(), told));
    Ok(fifos)
}

fn numbers(instances: usize) -> impl Iterator<Item = Number> {
    std::iter::once(None).chain((0..instances).map(Some))
}

impl Fifos {
    /// Nothing is read before everything is open.
    fn add(
        &mut self,
        numbers: impl Iterator<Item = Number>,
        instances: usize,
        opening: &Opening<'_>,
    ) -> Result<(), OpenError> {
        let store = &self.intake.commons.store;
        let made = |number: Number| {
            let place = number.map_or(self.place.clone(), |number| self.place.of_instance(number));
            Ok((number, fifo::open(&place, store)?))
        };
        let made: Vec<(Number, Made)> = numbers.map(made).collect::<Result<_, OpenError>>()?;
        for (number, made) in made {
            let part = Part { instances, is_own: number.is_none() };
            let part = fifo::read_ours(made, part, opening.clone())?;
            self.parts.insert(number, part);
        }
        Ok(())
    }

    /// Ends the parts that there are to be no more. Whoever opens such a path next would wait for a
    /// reader for ever, so it is removed.
    fn remove_from(&mut self, instances: usize) {
        let removed = self.parts.split_off(&Some(instances));
        for (_, mut part) in removed {
            part.close();
            let is_fifo = |path: &&Path| {
                path.symlink_metadata().is_ok_and(|found| found.file_type().is_fifo())
            };
            if let Some(path) = part.path().filter(is_fifo) {
                // It stays where somebody has put it into a directory that we may not write to.
                fs::remove_file(path).unwrap_or_default();
            }
            self.closing.push(part);
        }
        self.closing.retain(|part| !part.has_ended());
    }

    fn all(&self) -> impl Iterator<Item = &Fifo> {
        self.parts.values().chain(&self.closing)
    }

    /// Whoever writes does not know yet that nobody will read.
    fn tell_writers(&self) {
        let left = self.parts.values().filter(|part| !part.outlives_agent() && !part.has_ended());
        let paths: Vec<PathBuf> = left.filter_map(|part| Some(part.path()?.to_owned())).collect();
        let holders = if paths.is_empty() { Holders::default() } else { Holders::of(&paths) };
        if !holders.is_empty() {
            let (input, path) = (&self.intake.input, self.place.path.display());
            report(&FifoLeft { input, path: &path, held_by: &holders.list() });
        }
    }
}

impl Input for Fifos {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError> {
        let InputKind::Fifo { instances, .. } = settings.kind else { return Ok(()) };
        self.parts.values_mut().try_for_each(|part| part.set(settings, stream.clone()))?;
        self.remove_from(instances);
        let new: Vec<_> = numbers(instances).filter(|it| !self.parts.contains_key(it)).collect();
        if let (Some(alive), false) = (self.alive.upgrade(), new.is_empty()) {
            let (name, intake) = (self.intake.input.clone(), self.intake.clone());
            let opening = Opening { name: &name, settings, intake, stream, alive };
            self.add(new.into_iter(), instances, &opening)?;
        }
        self.instances.send_replace(instances);
        Ok(())
    }

    fn take_back(&mut self, settings: &InputSettings, stream: Option<&Arc<Stream>>) -> bool {
        let taken = self.parts.values_mut().all(|part| part.take_back(settings, stream));
        let taken = taken && self.set(settings, stream.cloned()).is_ok();
        if !taken {
            self.close();
        }
        taken
    }

    fn close(&mut self) {
        self.parts.values_mut().for_each(Fifo::close);
    }

    fn drain(&mut self) {
        self.tell_writers();
        self.parts.values_mut().chain(&mut self.closing).for_each(Fifo::drain);
    }

    fn unread_bytes(&self) -> u64 {
        self.all().map(Fifo::unread_bytes).sum()
    }
}

/// Tells, as long as there is somebody to, of regular files with the numbers of further instances.
async fn look_beyond(input: String, place: Place, mut told: watch::Receiver<usize>) {
    let mut known = BTreeSet::new();
    loop {
        let instances = *told.borrow_and_update();
        if instances > 0 {
            let at = place.clone();
            let found = tokio::task::spawn_blocking(move || files_beyond(&at, instances)).await;
            for (number, path) in found.unwrap_or_default() {
                if known.insert(path.clone()) {
                    let (path, write) = (path.display(), number + 1);
                    let (path, instances, write) = (&path, &instances, &write);
                    report(&InstanceBeyond { input: &input, path, instances, write });
                }
            }
        }
        tokio::select! {
            changed = told.changed() => match changed {
                Ok(()) => known.clear(),
                Err(_) => return,
            },
            () = tokio::time::sleep(INSTANCES_LOOK_EVERY), if instances > 0 => {}
        }
    }
}

/// Those that an instance has made which has no FIFO.
fn files_beyond(place: &Place, instances: usize) -> BTreeMap<usize, PathBuf> {
    let directory = place.path.parent().and_then(|directory| fs::read_dir(directory).ok());
    let beyond = directory.into_iter().flatten().flatten().filter_map(|entry| {
        let number = place.instance_named(&entry.file_name()).filter(|it| *it >= instances)?;
        entry.file_type().is_ok_and(|it| it.is_file()).then(|| (number, entry.path()))
    });
    beyond.collect()
}
