//! Other programs.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use super::Place;

/// Runs a program to its end, which must be a good one. A program that is not there fails the test:
/// a promise that was not looked at is not kept.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = output_of(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a program to whatever end.
#[track_caller]
pub fn output_of(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| cannot_run(command, &error))
}

/// Starts a program.
#[track_caller]
pub fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| cannot_run(command, &error))
}

#[track_caller]
fn cannot_run(command: &Command, error: &io::Error) -> ! {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "; tests/all installs what the tests need",
        _ => "",
    };
    panic!("cannot run {command:?}: {error}{hint}")
}

/// What stands in a file, a compressed one if it is named so.
#[track_caller]
pub fn contents(file: &Path) -> Vec<u8> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => run(Command::new("gzip").arg("-dc").arg(file)).stdout,
        Some("zst") => run(Command::new("zstd").arg("-dcq").arg(file)).stdout,
        _ => fs::read(file).unwrap_or_else(|error| panic!("cannot read {file:?}: {error}")),
    }
}

/// The real logrotate, with one configuration.
pub struct Logrotate {
    configuration: PathBuf,
    state: PathBuf,
}

impl Logrotate {
    /// `text` as [`Place::text`] has it.
    pub fn configured(place: &Place, text: &str) -> Logrotate {
        let configuration = place.write("logrotate.conf", text);
        Logrotate { configuration, state: place.path("logrotate.state") }
    }

    /// Rotates now. It must have nothing to complain of.
    #[track_caller]
    pub fn rotate(&self) {
        let mut command = Command::new("logrotate");
        command.arg("--force").arg("--state").arg(&self.state).arg(&self.configuration);
        let said = run(&mut command).stderr;
        assert!(said.is_empty(), "logrotate: {}", String::from_utf8_lossy(&said));
    }
}

/// A small file system of its own, which a test can fill.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// A tmpfs of `bytes`. Only root can mount one.
    pub fn mount(at: PathBuf, bytes: usize) -> SmallDisk {
        fs::create_dir_all(&at).unwrap();
        let options = format!("size={bytes},mode=755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "logagent-test"]).arg(&at));
        SmallDisk { at }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Fills all but `bytes` of it with a file that can be removed again.
    pub fn fill_but(&self, bytes: usize) -> PathBuf {
        let filler = self.path("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
        let full = file.metadata().unwrap().len();
        file.set_len(full - bytes as u64).unwrap();
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever holds it open ends with this test.
        output_of(Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

/// An ext4 file system on a loop device, which can fail. What is beneath it takes nothing.
pub struct LoopDisk {
    image: PathBuf,
    at: PathBuf,
    _beneath: SmallDisk,
}

impl LoopDisk {
    /// Only root can make one.
    pub fn mount(place: &Place, options: &str) -> LoopDisk {
        let (image, at) = (place.path("image"), place.path("beneath/disk"));
        let beneath = SmallDisk::mount(place.path("beneath"), 1 << 20);
        fs::create_dir(&at).unwrap();
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(place.path("beneath")));
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let disk = LoopDisk { image, at, _beneath: beneath };
        disk.mount_again(options);
        disk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    pub fn mount_again(&self, options: &str) {
        let options = format!("loop,{options}");
        run(Command::new("mount").args(["-o", &options]).arg(&self.image).arg(&self.at));
    }

    pub fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.at));
    }

    /// Everything that was written is on the device.
    pub fn sync(&self) {
        run(Command::new("sync").arg("--file-system").arg(&self.at));
    }

    /// From now on every operation on it fails with EIO.
    pub fn shut_down(&self) {
        self.go_down("0");
    }

    /// The same, and what is not on the device yet never comes there.
    pub fn cut_power(&self) {
        self.go_down("2");
    }

    fn go_down(&self, how: &str) {
        const GO_DOWN: &str = "open(D, '<', $ARGV[0]) or die; $how = pack('I', $ARGV[1]); \
                               ioctl(D, 0x8004587d, $how) or die $!";
        run(Command::new("perl").args(["-e", GO_DOWN]).arg(&self.at).arg(how));
    }

    /// The file system finds itself damaged, and takes nothing any more.
    pub fn damage(&self) {
        let source = run(Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.at)).stdout;
        let device = String::from_utf8(source).unwrap();
        let device = Path::new(device.trim()).file_name().unwrap().to_owned();
        fs::write(Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error"), "1").unwrap();
    }

    /// Unmounts it, if nobody has a file open there.
    pub fn try_unmount(&self) -> bool {
        output_of(Command::new("umount").arg(&self.at)).status.success()
    }

    /// What an administrator does before mounting it again.
    pub fn repair(&self) {
        let status = output_of(Command::new("e2fsck").arg("-fy").arg(&self.image)).status;
        assert!(status.code().is_some_and(|code| code <= 1), "e2fsck: {status}");
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        output_of(Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

/// The files that logrotate has made of `log`, the oldest first, and `log` itself at the end.
pub fn rotated(log: &Path) -> Vec<PathBuf> {
    let name = format!("{}.", log.file_name().unwrap().to_str().unwrap());
    let number = |path: &PathBuf| -> Option<u32> {
        let rest = path.file_name()?.to_str()?.strip_prefix(&name)?;
        rest.split('.').next()?.parse().ok()
    };
    let entries = fs::read_dir(log.parent().unwrap()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| number(path).is_some());
    files.sort_by_key(|path| std::cmp::Reverse(number(path)));
    files.push(log.into());
    files
}
