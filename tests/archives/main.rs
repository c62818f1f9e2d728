//! Rotation, compression and the removal of old archives, killed between any two of their steps, on
//! the real file system; then the next start, which must find nothing lost, doubled or half named.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]
#![allow(clippy::disallowed_methods, reason = "a process that is killed ends where it is")]
#![allow(unreachable_pub, reason = "a test crate has no public interface")]

mod mortal;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use logagent::pipeline::Accepted;
use logagent::place::Place;
use logagent::writer::archive::files::{ArchiveFiles, Found, OnDisk, list};
use logagent::writer::archive::keeping::{Step, step};
use logagent::writer::archive::{Archives, Compress};
use logagent::writer::disk::{FileSystem, Missing};
use logagent::writer::order::Order;
use logagent::writer::stream_writer::{StreamWriter, WriterQueue};
use logagent::writer::{Rotation, WriterSettings};

use crate::mortal::{KILLED, Life, MortalDisk, MortalFiles};

/// A log file in a directory of its own.
struct Logs {
    directory: tempfile::TempDir,
    notes: tempfile::TempDir,
    rotation: Rotation,
    _alone: MutexGuard<'static, ()>,
}

/// A process that is being started has everything open for a moment that this one has, archives of
/// other tests among them, which are left alone then.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Logs {
    fn new(rotation: Rotation) -> Logs {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (directory, notes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Logs { directory, notes, rotation, _alone: alone }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("web.log")
    }

    fn archives(&self) -> Archives {
        Archives {
            stream: "web".parse().unwrap(),
            file: self.file(),
            rotation: self.rotation.clone(),
            status: Arc::default(),
        }
    }

    fn look_after(&self, files: &mut impl ArchiveFiles) {
        while step(files, &self.archives(), &|| false).unwrap() == Step::More {}
    }

    fn appended(&self) -> PathBuf {
        self.notes.path().join("appended")
    }

    /// The same in a process of its own, which is killed before that step; whether it came to that.
    fn live_in_a_process(&self, killed_at: u64, links: bool) -> bool {
        let Rotation { keep_max, keep_bytes_max, compress, .. } = self.rotation;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_life", "--nocapture"]).env("LIFE_IN", self.directory.path());
        command.env("LIFE_NOTES", self.appended()).env("LIFE_COMPRESS", compress.suffix());
        command.env("LIFE_KILLED_AT", killed_at.to_string());
        command.env("LIFE_LINKS", usize::from(links).to_string());
        command.env("LIFE_KEEP", keep_max.unwrap_or(usize::MAX).to_string());
        command.env("LIFE_KEEP_BYTES", keep_bytes_max.unwrap_or(u64::MAX).to_string());
        let output = command.output().unwrap();
        match output.status.code() {
            Some(0) => false,
            Some(KILLED) => true,
            _ => panic!("{output:?}"),
        }
    }

    /// What a start does without a line.
    fn start_again(&self) {
        let queue = Arc::new(WriterQueue::new(1 << 20));
        queue.order(Order::Reopen { missing: Missing::Create });
        let place = Place { path: self.file(), mode: 0o640, owner: None, group: None };
        let rotate = Some(self.rotation.clone());
        let goes_by = WriterSettings { rotate, ..WriterSettings::of(place) };
        StreamWriter::new("web".parse().unwrap(), queue, FileSystem, goes_by).run();
        let notes = self.notes.path().join("afterwards");
        self.look_after(&mut MortalFiles(Life::until(u64::MAX, false, &notes)));
    }

    /// All that is left: the archives, the oldest first, and the file.
    fn content(&self) -> Vec<u8> {
        let mut found = list(&self.file()).unwrap();
        found.sort_by_key(|one| one.name);
        let mut content = Vec::new();
        for one in &found {
            assert!(!one.is_unfinished, "{:?} is half made", one.path);
            assert_eq!(one.name.compress, self.rotation.compress, "{:?}", one.path);
            assert_eq!(fs::metadata(&one.path).unwrap().permissions().mode() & 0o7777, 0o640);
            let bytes = whole(&one.path, one.name.compress);
            assert!(bytes.ends_with(b"\n"), "{:?} is empty or ends inside a line", one.path);
            content.extend(bytes);
        }
        content.extend(fs::read(self.file()).unwrap());
        content
    }
}

/// Opens the file, writes lines to it, and looks after the archives; three times.
fn live(file: PathBuf, rotation: Rotation, life: &Life) {
    let queue = Arc::new(WriterQueue::new(1 << 20));
    let place = Place { path: file.clone(), mode: 0o640, owner: None, group: None };
    let rotate = Some(rotation.clone());
    let goes_by = WriterSettings { rotate, ..WriterSettings::of(place) };
    let disk = MortalDisk(life.clone());
    let mut writer = StreamWriter::new("web".parse().unwrap(), queue.clone(), disk, goes_by);
    for round in 0..3 {
        queue.order(Order::Reopen { missing: Missing::Create });
        for line in 0..6 {
            queue.append(|block| {
                block.append_line(|out| writeln!(out, "round {round} line {line}").unwrap());
                (Accepted { lines: 1, ..Accepted::default() }, ())
            });
        }
        writer.run();
        let stream = "web".parse().unwrap();
        let (file, rotation) = (file.clone(), rotation.clone());
        let archives = Archives { stream, file, rotation, status: Arc::default() };
        let mut files = MortalFiles(life.clone());
        while step(&mut files, &archives, &|| false).unwrap() == Step::More {}
    }
}

/// A life in a process of its own: see [`Logs::live_in_a_process`]. Without what it says to do there
/// it does nothing.
#[test]
fn a_life() {
    let text = |name: &str| std::env::var(format!("LIFE_{name}"));
    let Ok(directory) = text("IN") else { return };
    let number = |name| text(name).unwrap().parse::<u64>().unwrap();
    let suffix = text("COMPRESS").unwrap();
    let kinds = [Compress::None, Compress::Gzip, Compress::Zstd];
    let rotation = Rotation {
        keep_max: Some(number("KEEP") as usize),
        keep_bytes_max: Some(number("KEEP_BYTES")),
        ..rotation(kinds.into_iter().find(|kind| kind.suffix() == suffix).unwrap())
    };
    let notes = text("NOTES").unwrap();
    let life = Life::until(number("KILLED_AT"), number("LINKS") == 1, notes.as_ref());
    live(Path::new(&directory).join("web.log"), rotation, &life);
}

fn whole(path: &Path, compress: Compress) -> Vec<u8> {
    let file = File::open(path).unwrap();
    let mut bytes = Vec::new();
    match compress {
        Compress::None => (&file).read_to_end(&mut bytes),
        Compress::Gzip => flate2::read::GzDecoder::new(file).read_to_end(&mut bytes),
        Compress::Zstd => zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes),
    }
    .unwrap_or_else(|error| panic!("{path:?} is not whole: {error}"));
    bytes
}

fn rotation(compress: Compress) -> Rotation {
    Rotation { bytes_max: Some(40), compress, ..Rotation::default() }
}

/// Kills one life after the other, each a step later, until one lives to its end; looks at what the
/// next start makes of it.
#[track_caller]
fn check_every_kill(
    rotation: &Rotation,
    links: bool,
    steps_min: u64,
    check: impl Fn(&Logs, Vec<u8>, Vec<u8>),
) {
    for killed_at in 0.. {
        let logs = Logs::new(rotation.clone());
        let is_killed = logs.live_in_a_process(killed_at, links);
        logs.start_again();
        let mut written = fs::read(logs.appended()).unwrap_or_default();
        if written.last().is_some_and(|last| *last != b'\n') {
            // The fragment's newline.
            written.push(b'\n');
        }
        check(&logs, logs.content(), written);
        let names: Vec<_> = fs::read_dir(logs.file().parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), list(&logs.file()).unwrap().len() + 1, "{names:?}");
        if !is_killed {
            assert!(killed_at >= steps_min, "only {killed_at} steps");
            return;
        }
    }
}

#[test]
fn a_kill_between_any_two_steps_of_rotation_and_compression_loses_and_doubles_nothing() {
    for (compress, steps_min) in [(Compress::None, 30), (Compress::Gzip, 80), (Compress::Zstd, 80)]
    {
        for links in [false, true] {
            check_every_kill(&rotation(compress), links, steps_min, |_, content, written| {
                assert_eq!(text(&content), text(&written));
            });
        }
    }
}

#[test]
fn a_kill_between_any_two_steps_leaves_as_many_archives_as_are_kept() {
    let kept = Rotation { keep_max: Some(2), ..rotation(Compress::Zstd) };
    check_every_kill(&kept, false, 60, |logs, content, written| {
        let archives = list(&logs.file()).unwrap().len();
        assert!(archives <= 2, "{archives} archives");
        // The newest ones.
        assert!(written.ends_with(&content), "{:?} of {:?}", text(&content), text(&written));
        assert!(archives == 2 || content == written, "fewer than are to be kept");
    });
    let kept = Rotation { keep_bytes_max: Some(100), ..rotation(Compress::None) };
    check_every_kill(&kept, false, 30, |logs, content, written| {
        let bytes: u64 = list(&logs.file()).unwrap().iter().map(|one| one.bytes).sum();
        assert!(bytes <= 100, "{bytes} bytes of archives");
        assert!(written.ends_with(&content), "{:?} of {:?}", text(&content), text(&written));
    });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// --- what is done to archives, by name ---

/// Files in the directory of a log file, with their content, and how the archives are kept.
fn logs(rotation: Rotation, files: &[(&str, &str)]) -> Logs {
    let logs = Logs::new(rotation);
    for (name, content) in files {
        fs::write(logs.directory.path().join(name), content).unwrap();
    }
    logs
}

#[track_caller]
fn check_names(logs: &Logs, expected: &[&str]) {
    let entries = fs::read_dir(logs.directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, expected);
}

const ONE: &str = "web.log-20261121T060000Z";
const TWO: &str = "web.log-20261122T060000Z";
/// Nothing of these is ours.
const OTHERS: &[(&str, &str)] = &[
    ("web.log-20261121", "logrotate's"),
    ("web.log-20261121T060000Z.bak", "somebody's"),
    ("web.log.1", "logrotate's"),
    ("web2.log-20261121T060000Z", "another stream's"),
    ("web2.log-20261121T060000Z.zst.tmp", "another stream's"),
];

#[test]
fn an_archive_keeps_its_owner_mode_and_time_when_it_is_compressed() {
    for compress in [Compress::Gzip, Compress::Zstd] {
        let logs = logs(rotation(compress), &[(ONE, "line\n")]);
        let path = logs.directory.path().join(ONE);
        let modified_at = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_007, 123_456_789);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified_at).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(7), Some(8)).unwrap();
        }
        let before = fs::metadata(&path).unwrap();
        drop(file);
        logs.look_after(&mut OnDisk);
        assert!(!path.exists());
        let path = logs.directory.path().join(format!("{ONE}{}", compress.suffix()));
        let after = fs::metadata(&path).unwrap();
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_eq!(after.mode(), before.mode());
        assert_eq!(after.modified().unwrap(), modified_at);
        assert_eq!(whole(&path, compress), b"line\n");
    }
}

#[test]
fn what_is_not_exactly_an_archive_of_this_file_is_never_touched() {
    let kept = Rotation { keep_max: Some(1), ..rotation(Compress::Zstd) };
    let logs = logs(kept, &[OTHERS, &[(ONE, "one\n"), (TWO, "two\n")]].concat());
    fs::create_dir(logs.directory.path().join("web.log-20261120T060000Z")).unwrap();
    std::os::unix::fs::symlink("web.log.1", logs.directory.path().join("web.log-20261119T060000Z"))
        .unwrap();
    logs.look_after(&mut OnDisk);
    let zst = format!("{TWO}.zst");
    let mut expected = vec!["web.log-20261119T060000Z", "web.log-20261120T060000Z", &zst];
    expected.extend(OTHERS.iter().map(|(name, _)| *name));
    expected.sort_unstable();
    check_names(&logs, &expected);
    for (name, content) in OTHERS {
        assert_eq!(fs::read_to_string(logs.directory.path().join(name)).unwrap(), *content);
    }
}

#[test]
fn an_archive_that_is_still_open_is_left_alone_until_it_is_closed() {
    let logs = logs(rotation(Compress::Zstd), &[(ONE, "one\n"), (TWO, "two\n")]);
    let open = File::open(logs.directory.path().join(ONE)).unwrap();
    open.try_lock().unwrap();
    let archives = logs.archives();
    assert_eq!(step(&mut OnDisk, &archives, &|| false).unwrap(), Step::More);
    assert_eq!(step(&mut OnDisk, &archives, &|| false).unwrap(), Step::Waits);
    check_names(&logs, &[ONE, &format!("{TWO}.zst")]);
    drop(open);
    assert_eq!(step(&mut OnDisk, &archives, &|| false).unwrap(), Step::More);
    assert_eq!(step(&mut OnDisk, &archives, &|| false).unwrap(), Step::Done);
}

#[test]
fn a_compressed_archive_of_the_same_name_that_is_another_one_takes_nothing_away() {
    let zst = format!("{ONE}.zst");
    let logs = logs(rotation(Compress::Zstd), &[(ONE, "one\n"), (&zst, "not ours")]);
    let file = File::options().write(true).open(logs.directory.path().join(&zst)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    logs.look_after(&mut OnDisk);
    check_names(&logs, &[ONE, &zst]);
}

/// A disk that is full as soon as something is compressed.
struct Full;

impl ArchiveFiles for Full {
    fn list(&mut self, path: &Path) -> io::Result<Vec<Found>> {
        OnDisk.list(path)
    }

    fn open(&mut self, path: &Path) -> io::Result<Option<File>> {
        OnDisk.open(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        OnDisk.create(path)
    }

    fn compress(
        &mut self,
        _: &mut File,
        _: &mut File,
        _: Compress,
        _: &dyn Fn() -> bool,
    ) -> io::Result<u64> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn give(&mut self, _: &File, _: &File) -> io::Result<()> {
        unreachable!("it is full");
    }

    fn sync(&mut self, _: &File) -> io::Result<()> {
        unreachable!("it is full");
    }

    fn rename_new(&mut self, _: &Path, _: &Path) -> io::Result<()> {
        unreachable!("it is full");
    }

    fn sync_directory(&mut self, _: &Path) -> io::Result<()> {
        unreachable!("it is full");
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        OnDisk.remove(path)
    }
}

#[test]
fn a_full_disk_leaves_the_archive_as_it_was_and_nothing_half_made() {
    let logs = logs(rotation(Compress::Zstd), &[(ONE, "one\n")]);
    let error = step(&mut Full, &logs.archives(), &|| false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    check_names(&logs, &[ONE]);
    logs.look_after(&mut OnDisk);
    check_names(&logs, &[&format!("{ONE}.zst")]);
}

#[test]
fn a_stop_in_the_middle_leaves_the_archive_as_it_was() {
    let logs = logs(rotation(Compress::Zstd), &[(ONE, "one\n")]);
    let looks = Rc::new(Cell::new(0));
    let is_stopped = || looks.replace(looks.get() + 1) > 0;
    assert_eq!(step(&mut OnDisk, &logs.archives(), &is_stopped).unwrap(), Step::More);
    check_names(&logs, &[ONE]);
    assert_eq!(step(&mut OnDisk, &logs.archives(), &is_stopped).unwrap(), Step::Done);
}

#[test]
fn a_file_that_has_its_archives_name_too_loses_that_and_no_line() {
    // Where files cannot be renamed without replacing others a kill may leave both names.
    let logs = logs(rotation(Compress::None), &[("web.log", "line\n")]);
    fs::hard_link(logs.file(), logs.directory.path().join(ONE)).unwrap();
    logs.start_again();
    check_names(&logs, &["web.log"]);
    assert_eq!(logs.content(), b"line\n");
}
