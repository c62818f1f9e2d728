//! The archivist: one thread for the archives of all streams, which takes no time from anybody who
//! has something better to do.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::Archives;
use super::files::{ArchiveFiles, OnDisk};
use super::keeping::{Step, step};
use crate::clock;
use crate::limits::{
    ARCHIVE_CLOSING, ARCHIVE_RETRY_MAX, ARCHIVE_RETRY_MIN, ARCHIVIST_STACK_BYTES, LAST_MOMENT,
};
use crate::report::{ArchivesFailed, Complaint, report};
use crate::system;

/// Whoever looks after archives; all copies are the same one. Its thread begins with the first file
/// that has some.
#[derive(Clone, Debug, Default)]
pub struct Archivist(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    thread: Thread,
    /// By file, so that a file that is named twice is looked at once.
    files: BTreeMap<PathBuf, ToDo>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Thread {
    #[default]
    NotStarted,
    Runs,
    /// It is to end: what does not take long is done, and nothing else.
    Stops,
    Ended,
}

#[derive(Debug)]
struct ToDo {
    archives: Archives,
    due_at: Instant,
    /// It was named since the last look began.
    is_named: bool,
    /// The last pause after a failure.
    pause: Option<Duration>,
    complaint: Complaint,
}

impl Archivist {
    /// Looks at the archives of a file as soon as it can: they have changed, or it does not know
    /// them yet. Never waits.
    pub fn look_after(&self, archives: Archives) {
        let now = clock::instant();
        let mut work = self.lock();
        match work.files.get_mut(&archives.file) {
            Some(known) => {
                known.is_named = true;
                known.archives = archives;
                // What has just failed has its pause.
                if known.pause.is_none() {
                    known.due_at = now;
                }
            }
            None => {
                let (pause, complaint) = (None, Complaint::default());
                let to_do = ToDo { archives, due_at: now, is_named: true, pause, complaint };
                work.files.insert(to_do.archives.file.clone(), to_do);
            }
        }
        if work.thread == Thread::NotStarted {
            work.thread = self.start();
        }
        self.0.changed.notify_all();
    }

    fn start(&self) -> Thread {
        let archivist = self.clone();
        let thread = thread::Builder::new().name("archivist".to_owned());
        match thread.stack_size(ARCHIVIST_STACK_BYTES).spawn(move || archivist.run(&mut OnDisk)) {
            Ok(_) => Thread::Runs,
            // The next one who wants it tries again.
            Err(_) => Thread::NotStarted,
        }
    }

    /// Ends the thread: archives beyond `keep` are still removed, but none is compressed; what it is
    /// at is given up, and done again at the next start. Waits for a moment at most.
    pub fn stop(&self) {
        let mut work = self.lock();
        if work.thread != Thread::Runs {
            return;
        }
        work.thread = Thread::Stops;
        self.0.changed.notify_all();
        let runs = |work: &mut Work| work.thread != Thread::Ended;
        let waited = self.0.changed.wait_timeout_while(work, LAST_MOMENT, runs);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn run(&self, files: &mut impl ArchiveFiles) {
        system::lower_priority();
        let is_stopped = || self.lock().thread == Thread::Stops;
        while let Some(archives) = self.next() {
            let stepped = catch_unwind(AssertUnwindSafe(|| step(files, &archives, &is_stopped)));
            // The panic itself has been told.
            let failed = || Err(io::Error::other("a fault in logagent"));
            self.note(&archives, stepped.unwrap_or_else(|_| failed()));
        }
        self.lock().thread = Thread::Ended;
        self.0.changed.notify_all();
    }

    /// Waits for a file whose archives are to be looked at; none if the thread is to end.
    fn next(&self) -> Option<Archives> {
        let mut work = self.lock();
        loop {
            let stops = work.thread == Thread::Stops;
            // Whoever has waited longest: files take turns.
            let first = work.files.values().min_by_key(|to_do| to_do.due_at);
            let Some((due_at, archives)) = first.map(|it| (it.due_at, it.archives.clone())) else {
                if stops {
                    return None;
                }
                work = self.0.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = clock::instant();
            if due_at <= now {
                // Whoever names the file from here on wants another look.
                if let Some(to_do) = work.files.get_mut(&archives.file) {
                    to_do.is_named = false;
                }
                return Some(archives);
            }
            if stops {
                return None;
            }
            let waited = self.0.changed.wait_timeout(work, due_at - now);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes what came of a look.
    fn note(&self, archives: &Archives, stepped: io::Result<Step>) {
        let mut work = self.lock();
        match stepped {
            // Nothing more is begun.
            Ok(_) if work.thread == Thread::Stops => again(&mut work, &archives.file, Step::Done),
            Ok(step) => again(&mut work, &archives.file, step),
            Err(error) => failed(&mut work, archives, &error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn again(work: &mut Work, file: &Path, step: Step) {
    let now = clock::instant();
    let Some(to_do) = work.files.get_mut(file) else { return };
    to_do.pause = None;
    match step {
        Step::Done if !to_do.is_named => drop(work.files.remove(file)),
        Step::Done | Step::More => to_do.due_at = now,
        Step::Waits => to_do.due_at = now + ARCHIVE_CLOSING,
    }
}

fn failed(work: &mut Work, archives: &Archives, error: &io::Error) {
    let now = clock::instant();
    let Some(to_do) = work.files.get_mut(&archives.file) else { return };
    let pause = to_do.pause.map_or(ARCHIVE_RETRY_MIN, |pause| (2 * pause).min(ARCHIVE_RETRY_MAX));
    to_do.pause = Some(pause);
    to_do.due_at = now + pause;
    let status = &archives.status;
    status.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error.to_string());
    if to_do.complaint.is_due(now) {
        let retry_in = humantime::format_duration(pause);
        report(&ArchivesFailed { stream: &archives.stream, error, retry_in: &retry_in });
    }
}
