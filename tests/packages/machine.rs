//! A machine to install packages on.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::{Control, Place, SystemdBox};

/// What is installed first, and what it is upgraded to.
#[derive(Clone, Copy)]
pub enum Release {
    First,
    Newer,
}

/// Where `packaging/build --for-tests` has put a package. It must be as new as what it is made from.
#[track_caller]
pub fn package(release: Release, ending: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_logagent")).ancestors().nth(2).unwrap();
    let directory = match release {
        Release::First => target.join("packages"),
        Release::Newer => target.join("packages/newer"),
    };
    let mut found = files_in(&directory);
    let package = found.find(|path| path.to_string_lossy().ends_with(ending));
    match package {
        Some(package) if changed(&package) >= sources_changed() => package,
        Some(old) => {
            panic!("{}: sources are newer; run packaging/build --for-tests", old.display())
        }
        None => panic!("{}: no {ending}; run packaging/build --for-tests", directory.display()),
    }
}

fn files_in(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path())
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// When something was changed last from which packages are made.
fn sources_changed() -> SystemTime {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = ["Cargo.toml", "Cargo.lock", "src", "packaging", "systemd"];
    let mut pending: Vec<_> = names.iter().map(|name| root.join(name)).collect();
    let mut last = SystemTime::UNIX_EPOCH;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(files_in(&path));
        } else {
            last = last.max(changed(&path));
        }
    }
    last
}

/// A booted Debian with no agent, and the packages to install.
pub struct Machine<'a> {
    systemd: SystemdBox<'a>,
}

impl Machine<'_> {
    #[track_caller]
    pub fn boot(place: &Place) -> Machine<'_> {
        Machine::boot_with(place, &[])
    }

    /// The same, with more options of systemd-nspawn's.
    #[track_caller]
    pub fn boot_with<'a>(place: &'a Place, options: &[&str]) -> Machine<'a> {
        for (release, name) in [(Release::First, "first"), (Release::Newer, "newer")] {
            for ending in ["deb", "rpm"] {
                let copy = place.path(&format!("{name}.{ending}"));
                fs::copy(package(release, ending), copy).unwrap();
            }
        }
        let machine = Machine { systemd: SystemdBox::boot_with(place, &[], options) };
        // Where tests run services may be kept from being started; here they are the point. The
        // index of manual pages takes its time, and is not.
        machine.succeeds(&["umount", "/usr/local/bin/logagent"]);
        machine.succeeds(&["rm", "-f", "/usr/sbin/policy-rc.d", "/usr/local/bin/logagent"]);
        machine.succeeds(&["ln", "-sf", "/bin/true", "/usr/bin/mandb"]);
        machine
    }

    /// Runs dpkg, which must end well. Returns all that was said.
    #[track_caller]
    pub fn dpkg(&self, words: &[&str]) -> String {
        let command = ["sh", "-c", "exec \"$@\" 2>&1 </dev/null", "sh"];
        self.succeeds(&[&command[..], &["dpkg", "--force-confold"], words].concat())
    }

    /// What dpkg thinks of the package: `install ok installed` for example.
    pub fn dpkg_state(&self) -> String {
        self.succeeds(&["dpkg-query", "--show", "--showformat=${Status}", "logagent"])
    }

    /// Runs rpm with a database of its own.
    #[track_caller]
    pub fn rpm(&self, words: &[&str]) -> String {
        let rpm = "exec rpm --force-debian --dbpath /place/rpm \"$@\" 2>&1";
        self.succeeds(&[&["sh", "-c", rpm, "sh"][..], words].concat())
    }

    /// The agent that is installed, when it is up.
    #[track_caller]
    pub fn agent(&self) -> Control {
        self.installed_agent()
    }

    /// One property of a unit.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let shown = self.systemctl(&["show", "--property", property, "--value", unit]);
        shown.trim_end().to_owned()
    }

    pub fn is_enabled(&self, unit: &str) -> String {
        let output = self.output_of(&["systemctl", "is-enabled", unit]);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Mode, owner and group.
    #[track_caller]
    pub fn owner(&self, path: &str) -> String {
        self.succeeds(&["stat", "--format=%a %U %G", path]).trim_end().to_owned()
    }
}

impl<'a> Deref for Machine<'a> {
    type Target = SystemdBox<'a>;

    fn deref(&self) -> &SystemdBox<'a> {
        &self.systemd
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the agent said:\n{}", self.journal("logagent.service"));
        }
    }
}
