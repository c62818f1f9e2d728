//! The disk of a process that ends before one of its steps, as if it were killed.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use logagent::place::Place;
use logagent::writer::archive::Compress;
use logagent::writer::archive::files::{ArchiveFiles, Found, OnDisk};
use logagent::writer::archive::names::ArchiveName;
use logagent::writer::disk::{
    AppendFile, Condition, Disk, FileSystem, Identity, Missing, OpenError, Opened,
};

/// The exit status of a process that was killed.
pub const KILLED: i32 = 9;

/// Counts steps, and ends the process before one of them.
#[derive(Clone, Debug)]
pub struct Life {
    pub steps: Arc<AtomicU64>,
    killed_at: u64,
    /// Where every byte is noted that a file took.
    pub appended: Arc<Mutex<File>>,
    /// The file system cannot rename without replacing.
    links: bool,
}

impl Life {
    pub fn until(killed_at: u64, links: bool, appended: &Path) -> Life {
        let appended = File::options().append(true).create(true).open(appended).unwrap();
        let appended = Arc::new(Mutex::new(appended));
        Life { steps: Arc::default(), killed_at, appended, links }
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step();
        if !self.links {
            return OnDisk.rename_new(from, to);
        }
        fs::hard_link(from, to)?;
        self.step();
        fs::remove_file(from)
    }

    fn step(&self) {
        if self.is_last() {
            std::process::exit(KILLED);
        }
        self.steps.fetch_add(1, Relaxed);
    }

    fn is_last(&self) -> bool {
        self.steps.load(Relaxed) == self.killed_at
    }
}

/// The writer's disk, in such a life.
pub struct MortalDisk(pub Life);

pub struct MortalFile(Life, File);

impl Disk for MortalDisk {
    type File = MortalFile;

    fn open_append(
        &mut self,
        place: &Place,
        missing: Missing,
    ) -> Result<Opened<MortalFile>, OpenError> {
        self.0.step();
        let Opened { file, identity, unterminated, size, modified_at } =
            FileSystem.open_append(place, missing)?;
        let file = MortalFile(self.0.clone(), file);
        Ok(Opened { file, identity, unterminated, size, modified_at })
    }

    fn identity_at(&mut self, path: &Path) -> io::Result<Option<Identity>> {
        FileSystem.identity_at(path)
    }

    fn newest_archive(&mut self, path: &Path) -> io::Result<Option<(ArchiveName, Identity)>> {
        FileSystem.newest_archive(path)
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.0.step();
        FileSystem.unlink(path)
    }
}

impl AppendFile for MortalFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The last write may be cut anywhere.
        let bytes = if self.0.is_last() { &bytes[..bytes.len() / 2] } else { bytes };
        let appended = self.1.append(bytes)?;
        io::copy(&mut &bytes[..appended], &mut *self.0.appended.lock().unwrap())?;
        self.0.step();
        Ok(appended)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.step();
        self.1.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.1.size()
    }

    fn condition(&self) -> io::Result<Condition> {
        self.1.condition()
    }

    fn close(self) -> io::Result<()> {
        self.0.step();
        self.1.close()
    }
}

/// The archivist's files, in such a life.
pub struct MortalFiles(pub Life);

impl ArchiveFiles for MortalFiles {
    fn list(&mut self, path: &Path) -> io::Result<Vec<Found>> {
        OnDisk.list(path)
    }

    fn open(&mut self, path: &Path) -> io::Result<Option<File>> {
        OnDisk.open(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        self.0.step();
        OnDisk.create(path)
    }

    fn compress(
        &mut self,
        from: &mut File,
        to: &mut File,
        how: Compress,
        is_stopped: &dyn Fn() -> bool,
    ) -> io::Result<u64> {
        if self.0.is_last() {
            io::copy(&mut &b"the beginning of something compressed"[..], to)?;
        }
        self.0.step();
        OnDisk.compress(from, to, how, is_stopped)
    }

    fn give(&mut self, from: &File, to: &File) -> io::Result<()> {
        self.0.step();
        OnDisk.give(from, to)
    }

    fn sync(&mut self, _: &File) -> io::Result<()> {
        // A kill of the process takes nothing from the page cache, and this takes its time.
        self.0.step();
        Ok(())
    }

    fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn sync_directory(&mut self, _: &Path) -> io::Result<()> {
        self.0.step();
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.0.step();
        OnDisk.remove(path)
    }
}
