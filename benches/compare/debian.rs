//! Where the contestants' programs come from: this package, the system, or Debian packages.
//!
//! Two of the peers' packages conflict, so these are unpacked beside each other, with the libraries
//! that the system lacks, and never installed. Nothing is fetched unless it is asked for.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::problem::{Outcome, While};

/// Whose program it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// This benchmark itself, in one of its roles.
    ThisOne,
    Logagent,
    /// Of a package that every Debian has, or that `apt-get install` adds.
    Package {
        package: &'static str,
        program: &'static str,
    },
    /// Of a package that is unpacked under the cache directory.
    Unpacked {
        package: &'static str,
        program: &'static str,
    },
}

/// A program that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
    /// The root under which its package was unpacked, if it was.
    pub(crate) root: Option<PathBuf>,
}

/// Finds programs, and installs them where that is wanted.
pub(crate) struct Programs {
    pub(crate) logagent: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) install: bool,
}

impl Programs {
    /// The program, or what to do to have it.
    pub(crate) fn find(&self, program: Program) -> Outcome<Installed> {
        match program {
            Program::ThisOne => {
                let path = env::current_exe().while_("find this program")?;
                Ok(Installed { path, version: "part of this benchmark".to_owned(), root: None })
            }
            Program::Logagent => {
                let path = self.logagent.clone();
                if !path.exists() {
                    return Err(format!("no {}", path.display()).into());
                }
                let version = first_line(Command::new(&path).arg("--version"));
                Ok(Installed { path, version: version.unwrap_or_default(), root: None })
            }
            Program::Package { package, program } => self.package(package, program),
            Program::Unpacked { package, program } => self.unpacked(package, program),
        }
    }

    fn package(&self, package: &str, program: &str) -> Outcome<Installed> {
        if on_path(program).is_none() && self.install {
            succeed(Command::new("apt-get").args(["install", "--yes", package]))?;
        }
        let Some(path) = on_path(program) else {
            return Err(format!("missing: apt-get install {package} (or --install)").into());
        };
        let query = ["--show", "--showformat=${Package} ${Version}", package];
        let version = first_line(Command::new("dpkg-query").args(query));
        Ok(Installed { path, version: version.unwrap_or_default(), root: None })
    }

    fn unpacked(&self, package: &str, program: &str) -> Outcome<Installed> {
        let root = self.cache.join(package);
        let path = root.join(program);
        if !path.exists() && self.install {
            unpack(package, &root)?;
        }
        if !path.exists() {
            return Err(format!("missing: --install unpacks {package} under the cache").into());
        }
        let version = fs::read_to_string(root.join(VERSION)).while_("read a package's version")?;
        Ok(Installed { path, version: format!("{package} {version}"), root: Some(root) })
    }
}

impl Installed {
    /// The directory of one of the package's modules.
    pub(crate) fn directory_of(&self, module: &str) -> Outcome<PathBuf> {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        libraries(root)
            .into_iter()
            .find(|dir| dir.join(module).exists())
            .ok_or_else(|| format!("no {module} under {}", root.display()).into())
    }

    /// The command, with its own libraries found first.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(root) = &self.root {
            command.env("LD_LIBRARY_PATH", env::join_paths(libraries(root)).unwrap_or_default());
        }
        command
    }
}

const VERSION: &str = "version";

/// Downloads a package and those of its dependencies that the system lacks, and unpacks them.
fn unpack(package: &str, root: &Path) -> Outcome<()> {
    let packages = root.join("packages");
    fs::create_dir_all(&packages).while_(format!("create {}", packages.display()))?;
    // A simulation names what is lacking; what it would remove, because of a conflict, stays.
    let options = ["install", "--simulate", "--no-install-recommends", package];
    let plan = output(Command::new("apt-get").args(options))?;
    let mut wanted: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .collect();
    if !wanted.contains(&package) {
        wanted.push(package);
    }
    succeed(Command::new("apt-get").arg("download").args(wanted).current_dir(&packages))?;
    let own = format!("{package}_");
    for file in fs::read_dir(&packages).while_("list the packages")?.flatten() {
        let path = file.path();
        succeed(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
        if file.file_name().to_string_lossy().starts_with(&own) {
            let field = output(Command::new("dpkg-deb").arg("--field").arg(&path).arg("Version"))?;
            fs::write(root.join(VERSION), field.trim()).while_("note a package's version")?;
        }
    }
    fs::remove_dir_all(&packages).while_(format!("remove {}", packages.display()))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        // An ordinary user's path does not have them, where daemons are.
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Everywhere below a root where a package may have put libraries and modules.
fn libraries(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("usr/lib"), root.join("lib")];
    let mut next = 0;
    while let Some(dir) = found.get(next) {
        found.extend(directories(dir));
        next += 1;
    }
    found
}

fn succeed(command: &mut Command) -> Outcome<()> {
    output(command).map(drop)
}

fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().while_(format!("run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} failed: {}", said.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn first_line(command: &mut Command) -> Option<String> {
    output(command).ok()?.lines().next().map(str::to_owned)
}
