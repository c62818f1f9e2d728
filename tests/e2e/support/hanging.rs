//! A file system that hangs: whoever writes to it waits until it goes on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tools::{output_of, spawn};
use super::{Place, wait_until};

/// A directory of a place, served by a process that can be stopped.
pub struct HangingDisk {
    at: PathBuf,
    server: Child,
}

impl HangingDisk {
    /// Only root can mount one.
    pub fn mount(place: &Place, name: &str) -> HangingDisk {
        let (beneath, at) = (place.path(&format!("{name}.beneath")), place.path(name));
        fs::create_dir(&beneath).unwrap();
        fs::create_dir(&at).unwrap();
        let server = spawn(Command::new("bindfs").arg("-f").arg(&beneath).arg(&at));
        let disk = HangingDisk { at, server };
        let device = fs::metadata(&beneath).unwrap().dev();
        wait_until("it is mounted", || fs::metadata(&disk.at).is_ok_and(|it| it.dev() != device));
        // The first close of a file tells the kernel that later ones need not be asked for: a process
        // that ends while the disk hangs would have to wait for it.
        fs::write(disk.at.join("first"), "").unwrap();
        disk
    }

    /// From now on nothing that is asked of it comes to an end.
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.server.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        self.go_on();
        // It ends with its mount, whoever still holds files there.
        output_of(Command::new("umount").arg("--lazy").arg(&self.at));
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}
