//! The README, as a newcomer would follow it: every file that it shows is written, every command
//! is run, in its order, in a system of its own where the package is installed.
//!
//! A block whose first line is `# /path`, or `// /path`, is that file; `sh` is run; `text` is what the
//! commands before it print, where `…` stands for anything; of `dockerfile` every line is in the
//! example. There are no other blocks. Where something else is printed, the last command, which only
//! looks, is run again: lines are on their way for a moment.

use std::fs;
use std::process::{Command, Output};

use crate::machine::{Machine, Release, package};
use crate::support::{Place, Pods, output_of, run, static_binary, wait_until};

const README: &str = include_str!("../../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const DOCKERFILE: &str = include_str!("../../packaging/container/app.Containerfile");

/// What runs these tests does itself.
const TESTS: &str = include_str!("../all");

/// What stands between two fences.
#[derive(Debug)]
struct Block<'a> {
    chapter: &'a str,
    /// In the README, counted from 1.
    line: usize,
    what: What<'a>,
}

#[derive(Debug, PartialEq)]
enum What<'a> {
    File { path: &'a str, text: String },
    Commands(String),
    Prints(String),
    Dockerfile(String),
}

fn blocks(readme: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut chapter = "";
    let mut lines = readme.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            chapter = title;
        }
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let text = body.join("\n") + "\n";
        let path = body
            .first()
            .and_then(|first| first.strip_prefix("# ").or_else(|| first.strip_prefix("// ")));
        let what = match (language, path.filter(|path| path.starts_with('/'))) {
            ("sh", _) => What::Commands(text),
            ("text", _) => What::Prints(text),
            ("dockerfile", _) => What::Dockerfile(text),
            (_, Some(path)) => What::File { path, text },
            _ => panic!("README.md:{}: neither a file nor commands nor what they print", at + 1),
        };
        blocks.push(Block { chapter, line: at + 1, what });
    }
    blocks
}

/// Whether a text is as it was shown, `…` standing for anything within a line.
fn is_as_shown(shown: &str, text: &str) -> bool {
    let (shown, text): (Vec<_>, Vec<_>) = (shown.lines().collect(), text.lines().collect());
    shown.len() == text.len() && shown.iter().zip(text).all(|(shown, line)| fits(shown, line))
}

fn fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn what_is_shown_fits_what_is_printed() {
    for (shown, line, expected) in [
        ("a b", "a b", true),
        ("a b", "a bc", false),
        ("a …", "a b", true),
        ("… b", "a b", true),
        ("a…c…e", "abcde", true),
        ("a…c…e", "abde", false),
        ("ab…ba", "aba", false),
    ] {
        assert_eq!(fits(shown, line), expected, "{shown:?} and {line:?}");
    }
    assert!(!is_as_shown("a\n", "a\nb\n"));
}

/// Where commands are typed, and files are.
enum Where<'a> {
    /// A machine on which the package can be installed; with the checkout in it.
    Machine(&'a Machine<'a>),
    /// A place with a podman.
    Directory(&'a Place),
}

impl Where<'_> {
    fn write(&self, path: &str, text: &str) {
        match self {
            Where::Machine(machine) => {
                // What is a system's, or comes with the package, is there already.
                let directory = machine.path(path).parent().unwrap().is_dir();
                assert!(directory || !path.starts_with("/etc/"), "{path} has no directory");
                machine.write_inside(path, text);
            }
            Where::Directory(_) => panic!("{path} is not for a test to write"),
        }
    }

    /// Runs commands that stand at this line, which must end well.
    fn run(&self, commands: &str, line: usize) -> String {
        let script = format!("set -eu\n{commands}");
        let Output { status, stdout, stderr } = match self {
            Where::Machine(machine) => machine.output_of(&[
                "sh",
                "-c",
                &format!("unset CARGO_TARGET_DIR\ncd {ROOT}\n{script}"),
            ]),
            Where::Directory(place) => {
                let path = std::env::var("PATH").unwrap();
                let path = format!("{}:{path}", place.path("pods").display());
                let mut command = Command::new("sh");
                output_of(
                    command.args(["-c", &script]).current_dir(place.path("")).env("PATH", path),
                )
            }
        };
        let (printed, told) =
            (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "README.md:{line}: {status}\n{printed}{told}");
        printed
    }
}

/// Follows some chapters, in order.
#[track_caller]
fn follow(chapters: &[&str], at: &Where<'_>) {
    let (mut printed, mut last) = (String::new(), String::new());
    let mut followed = Vec::new();
    for Block { chapter, line, what } in blocks(README) {
        if !chapters.contains(&chapter) {
            continue;
        }
        followed.push(chapter);
        match what {
            What::File { path, text } => at.write(path, &text),
            What::Prints(shown) => {
                wait_until(&format!("README.md:{line}: after\n{printed}"), || {
                    is_as_shown(&shown, &printed) || {
                        printed = at.run(&last, line);
                        false
                    }
                });
            }
            What::Dockerfile(lines) => {
                let words = |text: &str| {
                    text.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
                };
                for shown in lines.lines() {
                    assert!(words(DOCKERFILE).contains(&words(shown)), "README.md:{line}: {shown}");
                }
            }
            What::Commands(commands) if is_done_already(&commands) => {}
            What::Commands(commands) => {
                printed = at.run(&commands, line);
                last = commands.lines().last().unwrap_or_default().to_owned();
            }
        }
    }
    followed.dedup();
    assert_eq!(followed, chapters);
}

/// Whether this has been run before the tests.
fn is_done_already(commands: &str) -> bool {
    match commands.trim_end() {
        "tests/all" => true,
        "packaging/build" => {
            assert!(TESTS.lines().any(|line| line.starts_with("step packaging/build")));
            true
        }
        _ => false,
    }
}

#[test]
fn every_chapter_of_the_readme_that_has_commands_or_files_is_followed() {
    let mut chapters: Vec<_> = blocks(README).iter().map(|block| block.chapter).collect();
    chapters.dedup();
    let followed: Vec<_> = ON_A_MACHINE.iter().chain(IN_A_DIRECTORY).copied().collect();
    assert!(chapters.iter().all(|chapter| followed.contains(chapter)), "{chapters:?}");
}

const ON_A_MACHINE: &[&str] = &[
    "Try it",
    "Install",
    "With systemd",
    "With logrotate",
    "In a shell, from cron, from syslog senders",
    "From Node.js: PM2, log4js, cluster",
    "Is it working?",
];
const IN_A_DIRECTORY: &[&str] = &["In containers"];

#[test]
fn whoever_follows_the_readme_on_a_machine_gets_what_it_says() {
    let place = Place::new();
    // The checkout, in which files appear that are gone afterwards; and a network of its own.
    let checkout = format!("--overlay={ROOT}::{ROOT}");
    let machine = Machine::boot_with(&place, &["--private-network", &checkout]);
    // As packaging/build leaves it, wherever that is.
    let file = package(Release::First, "deb").file_name().unwrap().to_str().unwrap().to_owned();
    let packages = format!("{ROOT}/target/packages");
    machine.succeeds(&["mkdir", "-p", &packages]);
    machine.succeeds(&["cp", "/place/first.deb", &format!("{packages}/{file}")]);
    let npm = package(Release::First, "tgz");
    let file = npm.file_name().unwrap().to_str().unwrap();
    fs::copy(&npm, place.path(file)).unwrap();
    machine.succeeds(&["cp", &format!("/place/{file}"), &packages]);
    // Whoever comes from Node.js has an app there, and PM2.
    let app = format!("{ROOT}/target/node");
    machine.succeeds(&["cp", "--archive", &app, "/srv/shop"]);
    machine.succeeds(&["ln", "-s", "/srv/shop/node_modules/.bin/pm2", "/usr/local/bin/"]);
    follow(ON_A_MACHINE, &Where::Machine(&machine));
    // The machine would wait for it when it is shut down.
    machine.succeeds(&["pm2", "kill"]);
}

#[test]
fn whoever_follows_the_readme_in_containers_gets_what_it_says() {
    let place = Place::new();
    let pods = Pods::new(&place);
    // As packaging/build leaves it.
    let archive = concat!("target/packages/logagent-", env!("CARGO_PKG_VERSION"), "-image.tar");
    let archive = place.path(archive);
    fs::create_dir_all(archive.parent().unwrap()).unwrap();
    let image = concat!("logagent:", env!("CARGO_PKG_VERSION"));
    run(pods.build_logagent().arg("--archive").arg(archive).arg(static_binary()).arg(image));
    pods.told(&["image", "rm", "--force", image]);
    // Nobody is asked for an image: the one that the app's is built upon is this one here.
    pods.told(&["tag", "busybox", "debian:12-slim"]);
    std::os::unix::fs::symlink(format!("{ROOT}/packaging"), place.path("packaging")).unwrap();
    follow(IN_A_DIRECTORY, &Where::Directory(&place));
}
