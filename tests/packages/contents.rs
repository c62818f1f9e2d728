//! What is in the packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{Release, package};
use crate::support::{Place, run};

fn stdout_of(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// The .deb's files, unpacked.
fn unpacked(place: &Place) -> PathBuf {
    let root = place.path("unpacked");
    run(Command::new("dpkg-deb").arg("--extract").arg(package(Release::First, ".deb")).arg(&root));
    root
}

fn files(listed: &str) -> BTreeSet<String> {
    listed.lines().filter(|path| !path.ends_with('/')).map(str::to_owned).collect()
}

/// Without what has its own place, or no place at all, in each kind of package.
fn shared(files: &BTreeSet<String>) -> BTreeSet<String> {
    let own = |path: &&String| {
        path.contains("lintian")
            || path.contains("changelog")
            || path.contains("README.md")
            || path.ends_with("/LICENSE")
            || path.ends_with("/copyright")
    };
    let zsh = |path: &String| path.replace("vendor-completions", "site-functions");
    files.iter().filter(|path| !own(path)).map(zsh).collect()
}

#[test]
fn the_packages_have_the_same_files() {
    let deb = Command::new("sh")
        .args(["-c", "dpkg-deb --fsys-tarfile \"$0\" | tar --list"])
        .arg(package(Release::First, ".deb"))
        .output()
        .unwrap();
    let deb = files(&String::from_utf8(deb.stdout).unwrap().replace("./", "/"));
    let rpm = ["--query", "--list", "--package"];
    let rpm = files(&stdout_of(Command::new("rpm").args(rpm).arg(package(Release::First, ".rpm"))));
    let tarball = package(Release::First, ".tar.gz");
    let tarball = stdout_of(Command::new("tar").arg("--list").arg("--file").arg(tarball));
    // Without the directory that everything is in.
    let tarball: BTreeSet<_> = files(&tarball)
        .iter()
        .map(|path| path[path.find('/').unwrap()..].to_owned())
        .filter(|path| path != "/INSTALL.md")
        .collect();
    assert_eq!(shared(&deb), shared(&rpm));
    assert_eq!(shared(&deb), shared(&tarball));
    for file in [
        "/usr/bin/logagent",
        "/etc/logagent/logagent.toml",
        "/etc/logrotate.d/logagent",
        "/usr/lib/systemd/system/logagent.service",
        "/usr/lib/systemd/system/logagent@.socket",
        "/usr/lib/sysusers.d/logagent.conf",
        "/usr/lib/tmpfiles.d/logagent.conf",
        "/usr/share/man/man1/logagent-reopen.1.gz",
        "/usr/share/man/man5/logagent.toml.5.gz",
        "/usr/share/man/man7/logagent-protocol.7.gz",
        "/usr/share/bash-completion/completions/logagent",
    ] {
        assert!(deb.contains(file), "no {file} in {deb:#?}");
    }
}

#[test]
fn what_an_administrator_changes_is_kept_by_upgrades() {
    let conffiles = ["--info"];
    let deb = package(Release::First, ".deb");
    let deb = stdout_of(Command::new("dpkg-deb").args(conffiles).arg(deb).arg("conffiles"));
    let rpm = ["--query", "--configfiles", "--package"];
    let rpm = stdout_of(Command::new("rpm").args(rpm).arg(package(Release::First, ".rpm")));
    for found in [deb, rpm] {
        let found: BTreeSet<_> = found.lines().collect();
        let wanted = BTreeSet::from(["/etc/logagent/logagent.toml", "/etc/logrotate.d/logagent"]);
        assert_eq!(found, wanted);
    }
}

#[test]
fn lintian_has_nothing_to_say() {
    let said = stdout_of(
        Command::new("lintian")
            .args(["--allow-root", "--fail-on=error,warning", "--tag-display-limit=0"])
            .arg(package(Release::First, ".deb")),
    );
    assert_eq!(said, "");
}

#[test]
fn its_manual_pages_are_shown_without_a_warning() {
    let place = Place::new();
    let root = unpacked(&place);
    let mut pages = 0;
    for section in ["man1", "man5", "man7"] {
        for page in fs::read_dir(root.join("usr/share/man").join(section)).unwrap() {
            let mut man = Command::new("man");
            man.args(["--warnings", "--encoding=UTF-8", "--local-file", "-Tutf8", "--ditroff"]);
            let page = page.unwrap().path();
            let said = run(man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").arg(&page)).stderr;
            assert!(said.is_empty(), "{}: {}", page.display(), String::from_utf8_lossy(&said));
            pages += 1;
        }
    }
    assert!(pages > 10, "{pages} pages");
}

/// What a shell offers for a line.
#[track_caller]
fn offered(shell: &str, script: &str, completions: &Path) -> String {
    stdout_of(Command::new(shell).args(["-c", script]).arg(completions))
}

#[test]
fn shells_complete_its_commands() {
    let place = Place::new();
    let root = unpacked(&place).join("usr/share");
    let bash = r#"
        source "$0"
        complete -p logagent >/dev/null || exit
        COMP_WORDS=(logagent reo) COMP_CWORD=1 COMP_LINE="logagent reo" COMP_POINT=12
        _logagent logagent reo logagent
        echo "${COMPREPLY[*]}"
    "#;
    let said = offered("bash", bash, &root.join("bash-completion/completions/logagent"));
    assert_eq!(said, "reopen\n");
    let fish = root.join("fish/vendor_completions.d/logagent.fish");
    let said = offered("fish", "source $argv[1]; complete --do-complete 'logagent reo'", &fish);
    assert!(said.starts_with("reopen\t"), "{said:?}");
    // What it offers shows only on a terminal: is it a function that zsh can read?
    let zsh = "fpath=(${0:h} $fpath); autoload -Uz compinit && compinit -u -D; whence _logagent; \
               echo ${_comps[logagent]}";
    let said = offered("zsh", zsh, &root.join("zsh/vendor-completions/_logagent"));
    assert!(said.ends_with("_logagent\n"), "{said:?}");
}
