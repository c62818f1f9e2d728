//! Watching directories (inotify(7)): whoever changes a name in one is noticed at once.
//!
//! It is a hint and nothing more: it orders a writer to look at its file, or has the configuration
//! read. One watch serves all files of a directory. Where the system has none left, writers look by
//! themselves before they write, which only an idle stream can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::clock;
use crate::limits::{CONFIGURATION_SETTLES, CONFIGURATION_SETTLES_MAX, WRITER_STACK_BYTES};
use crate::report::{Complaint, NotWatched, report};
use crate::writer::disk::Identity;
use crate::writer::order::Order;
use crate::writer::stream_writer::{DirectoryWatch, WriterQueue};

/// Watches for everybody.
#[derive(Debug)]
pub struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do for the thread that puts watches on directories, which may hang as
    /// long as a file system does.
    work: Condvar,
    configuration_touched: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By their names without the directory: one may be known by several paths.
    files: BTreeMap<OsString, Vec<LogFile>>,
    directories: BTreeMap<PathBuf, Directory>,
    /// The main file.
    configuration: Option<PathBuf>,
    /// Directories that may have to be watched, or no longer.
    to_check: BTreeSet<PathBuf>,
    last_id: u64,
    /// When it is told that the configuration's files were touched: editors take several steps.
    touched: Option<Touched>,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Touched {
    since: Instant,
    tell_at: Instant,
}

#[derive(Debug)]
struct LogFile {
    id: u64,
    directory: PathBuf,
    queue: Arc<WriterQueue>,
}

/// A directory with files in it that matter.
#[derive(Debug, Default)]
struct Directory {
    users: usize,
    /// Which one is watched, as far as that is known.
    watched: Option<Identity>,
}

impl Watch {
    /// Begins, with nothing to watch.
    pub fn start() -> Arc<Watch> {
        let shared = Arc::<Shared>::default();
        let works = shared.clone();
        let thread = std::thread::Builder::new().name("watch".into());
        let started = thread.stack_size(WRITER_STACK_BYTES).spawn(move || Works::new(works).run());
        if let Err(error) = started {
            report(&NotWatched { directory: &"any", error: &error });
        }
        Arc::new(Watch(shared))
    }

    /// Has `queue`'s writer look when something happens at `path`, once that says that it has opened
    /// it, for as long as the returned value lives.
    pub fn file(self: &Arc<Watch>, path: &Path, queue: Arc<WriterQueue>) -> WatchedFile {
        let name = path.file_name().unwrap_or_default().to_owned();
        let directory = directory_of(path);
        let mut state = self.0.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.add_user(&directory);
        let file = LogFile { id, directory, queue };
        state.files.entry(name.clone()).or_default().push(file);
        WatchedFile { shared: self.0.clone(), name, id }
    }

    /// From now on [`Watch::configuration_touched`] tells of this file and of `conf.d` beside it; or
    /// of none.
    pub fn set_configuration(&self, main: Option<&Path>) {
        let main = main.and_then(|main| std::path::absolute(main).ok());
        let mut state = self.0.lock();
        if state.configuration == main {
            return;
        }
        let before = std::mem::replace(&mut state.configuration, main.clone());
        for directory in before.iter().flat_map(|main| configuration_directories(main)) {
            state.remove_user(&directory);
        }
        for directory in main.iter().flat_map(|main| configuration_directories(main)) {
            state.add_user(&directory);
            state.to_check.insert(directory);
        }
        self.0.work.notify_one();
    }

    /// Waits until somebody has done something to the configuration's files, and left them alone since.
    /// Dropping the future loses nothing.
    pub async fn configuration_touched(&self) {
        self.0.configuration_touched.notified().await;
    }
}

impl DirectoryWatch for Watch {
    fn opened(&self, path: &Path) {
        let directory = directory_of(path);
        let mut state = self.0.lock();
        if state.directories.contains_key(&directory) {
            state.to_check.insert(directory);
            self.0.work.notify_one();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.work.notify_one();
    }
}

/// A log file that is watched while this lives.
#[derive(Debug)]
pub struct WatchedFile {
    shared: Arc<Shared>,
    name: OsString,
    id: u64,
}

impl Drop for WatchedFile {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let Some(files) = state.files.get_mut(&self.name) else { return };
        let Some(at) = files.iter().position(|file| file.id == self.id) else { return };
        let file = files.swap_remove(at);
        if files.is_empty() {
            state.files.remove(&self.name);
        }
        state.remove_user(&file.directory);
        self.shared.work.notify_one();
    }
}

impl State {
    fn add_user(&mut self, directory: &Path) {
        self.directories.entry(directory.to_owned()).or_default().users += 1;
    }

    fn remove_user(&mut self, directory: &Path) {
        let Some(used) = self.directories.get_mut(directory) else { return };
        used.users -= 1;
        if used.users == 0 {
            self.directories.remove(directory);
            self.to_check.insert(directory.to_owned());
        }
    }

    /// Every file in `directory`, or everywhere, is worth a look.
    fn look_at_all(&self, directory: Option<&Path>) {
        for file in self.files.values().flatten() {
            if directory.is_none_or(|directory| directory == file.directory) {
                file.queue.order(Order::Look);
            }
        }
    }

    fn is_of_configuration(&self, path: &Path) -> bool {
        let Some(main) = &self.configuration else { return false };
        let [directory, conf_d] = configuration_directories(main);
        let name = path.file_name().unwrap_or_default();
        match path.parent() {
            // An orchestrator exchanges the whole directory through a link whose name begins so.
            Some(parent) if parent == directory => {
                path == main || path == conf_d || name.as_bytes().starts_with(b"..")
            }
            Some(parent) if parent == conf_d => name.as_bytes().ends_with(b".toml"),
            _ => false,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel has told something. Runs on the watcher's own thread, and never waits.
    fn noticed(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            // Something was missed.
            Ok(_) | Err(_) => return self.anything_may_have_changed(),
        };
        if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both)) {
            // Each of the two names has been told by itself.
            return;
        }
        let mut state = self.lock();
        for path in &event.paths {
            if state.is_of_configuration(path) {
                self.touched(&mut state);
            }
            // Closing a file changes no name.
            if !matches!(event.kind, EventKind::Access(_)) {
                self.name_changed(path, &mut state);
            }
        }
    }

    fn name_changed(&self, path: &Path, state: &mut State) {
        for file in path.file_name().and_then(|name| state.files.get(name)).into_iter().flatten() {
            file.queue.order(Order::Look);
        }
        if let Some(directory) = state.directories.get_mut(path) {
            directory.watched = None;
            state.look_at_all(Some(path));
            state.to_check.insert(path.to_owned());
            self.work.notify_one();
        }
    }

    fn touched(&self, state: &mut State) {
        let now = clock::instant();
        let since = state.touched.map_or(now, |touched| touched.since);
        let latest = since + CONFIGURATION_SETTLES_MAX;
        let tell_at = latest.min(now + CONFIGURATION_SETTLES);
        state.touched = Some(Touched { since, tell_at });
        self.work.notify_one();
    }

    /// Waits until there is something to do about directories; none at the end.
    fn next_work(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let now = clock::instant();
            if state.touched.is_some_and(|touched| touched.tell_at <= now) {
                state.touched = None;
                self.configuration_touched.notify_one();
            }
            if !state.to_check.is_empty() {
                return Some(state);
            }
            state = match state.touched {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(touched) => {
                    let waited = self.work.wait_timeout(state, touched.tell_at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn anything_may_have_changed(&self) {
        let mut state = self.lock();
        state.look_at_all(None);
        let directories: Vec<PathBuf> = state.directories.keys().cloned().collect();
        state.to_check.extend(directories);
        self.touched(&mut state);
    }
}

/// The thread that puts watches on directories.
struct Works {
    shared: Arc<Shared>,
    watcher: Option<(RecommendedWatcher, EventKindMask)>,
    complaint: Complaint,
}

impl Works {
    fn new(shared: Arc<Shared>) -> Works {
        Works { shared, watcher: None, complaint: Complaint::default() }
    }

    fn run(mut self) {
        let shared = self.shared.clone();
        while let Some(mut state) = shared.next_work() {
            let to_check = std::mem::take(&mut state.to_check);
            let mask = mask(&state);
            drop(state);
            let to_check = if self.has_watcher(mask) { to_check } else { self.begin(mask) };
            for directory in to_check {
                self.check(&directory);
            }
        }
    }

    fn has_watcher(&self, mask: EventKindMask) -> bool {
        self.watcher.as_ref().is_some_and(|(_, have)| *have == mask)
    }

    /// Begins anew. Returns what is to be watched then: everything.
    fn begin(&mut self, mask: EventKindMask) -> BTreeSet<PathBuf> {
        self.watcher = None;
        let shared = self.shared.clone();
        let config = notify::Config::default().with_event_kinds(mask);
        match RecommendedWatcher::new(move |event| shared.noticed(event), config) {
            Ok(watcher) => self.watcher = Some((watcher, mask)),
            Err(error) => self.complain(Path::new("any"), &error),
        }
        let mut state = self.shared.lock();
        state.directories.values_mut().for_each(|directory| directory.watched = None);
        state.directories.keys().cloned().collect()
    }

    /// Sees to it that `directory`, as it is now, is watched; or no longer.
    fn check(&mut self, directory: &Path) {
        let Some((watcher, _)) = &mut self.watcher else { return };
        let now = directory.metadata().ok();
        let now = now.map(|found| Identity { device: found.dev(), inode: found.ino() });
        let known = self.shared.lock().directories.get(directory).map(|known| known.watched);
        match known {
            Some(watched) if watched.is_some() && watched == now => return,
            Some(_) => {}
            None => return watcher.unwatch(directory).unwrap_or_default(),
        }
        // It holds on to the directory that it had by this path.
        watcher.unwatch(directory).unwrap_or_default();
        let watched = now.map(|_| watcher.watch(directory, RecursiveMode::NonRecursive));
        let is_watched = matches!(watched, Some(Ok(())));
        let mut state = self.shared.lock();
        if let Some(known) = state.directories.get_mut(directory) {
            known.watched = now.filter(|_| is_watched);
        }
        if is_watched {
            // Whatever happened before nobody has told.
            state.look_at_all(Some(directory));
            let main = state.configuration.as_deref();
            let directories = main.map(configuration_directories);
            if directories.is_some_and(|known| known.iter().any(|known| known == directory)) {
                self.shared.touched(&mut state);
            }
        }
        drop(state);
        if let Some(Err(error)) = watched {
            self.complain(directory, &error);
        }
    }

    fn complain(&mut self, directory: &Path, error: &notify::Error) {
        let is_gone = matches!(error.kind, notify::ErrorKind::PathNotFound);
        if !is_gone && self.complaint.is_due(clock::instant()) {
            report(&NotWatched { directory: &directory.display(), error });
        }
    }
}

/// Never modifications: each write of ours would be one. A file that is edited in place changes no
/// name.
fn mask(state: &State) -> EventKindMask {
    let names = EventKindMask::CREATE | EventKindMask::REMOVE | EventKindMask::MODIFY_NAME;
    match state.configuration {
        Some(_) => names | EventKindMask::ACCESS_CLOSE,
        None => names,
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Where the main file is, and `conf.d` beside it.
fn configuration_directories(main: &Path) -> [PathBuf; 2] {
    [directory_of(main), main.with_file_name("conf.d")]
}
