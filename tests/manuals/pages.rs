//! Pages are well made, complete, and name only what there is.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::manual::{self, page_date};
use super::{pages, run, source};

#[test]
fn man_and_mandoc_have_nothing_to_say_of_any_page() {
    let directory = tempfile::tempdir().unwrap();
    for page in pages() {
        let path = directory.path().join(&page.file);
        fs::write(&path, &page.text).unwrap();
        let man = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"];
        let environment = [("LC_ALL", "C.UTF-8"), ("MANWIDTH", "80")];
        let shown = run(Command::new("man").args(man).arg(&path).envs(environment));
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{}", page.file);
        run(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path));
        // What apropos(1) finds.
        let found = run(Command::new("lexgrog").arg(&path));
        let name = page.file.rsplit_once('.').unwrap().0;
        let found = String::from_utf8(found.stdout).unwrap();
        assert!(found.contains(&format!("\"{name} - ")), "{found}");
    }
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    for page in pages() {
        let path = directory.path().join(&page.file);
        fs::write(&path, &page.text).unwrap();
        let shown = run(Command::new("mandoc").args(["-T", "ascii", "-O", "width=80"]).arg(&path));
        // Bold and underlined letters are written twice.
        let shown = String::from_utf8(shown.stdout).unwrap();
        for line in shown.lines() {
            let letters = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(letters <= 80, "{}: {line}", page.file);
        }
    }
}

#[test]
fn every_page_that_is_named_exists_and_every_page_is_named() {
    let pages = pages();
    let named = |text: &str| -> BTreeSet<String> {
        let bare = text.replace("\\fB", "").replace("\\fR", "").replace("\\%", "");
        let bare = bare.replace("\\-", "-");
        let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && !"-._()".contains(c));
        let named = words.filter_map(|word| {
            let (name, section) = word.split_once('(')?;
            let section = section.split_once(')')?.0;
            Some(format!("{name}.{section}")).filter(|file| file.starts_with("logagent"))
        });
        named.collect()
    };
    let files: BTreeSet<String> = pages.iter().map(|page| page.file.clone()).collect();
    for page in &pages {
        let missing: Vec<String> = named(&page.text).difference(&files).cloned().collect();
        assert!(missing.is_empty(), "{} names {missing:?}", page.file);
        assert!(page.text.contains("\n.SH NAME\n"), "{}", page.file);
    }
    let root = pages.iter().find(|page| page.file == "logagent.1").unwrap();
    let named = named(&root.text);
    let unnamed: Vec<&String> = files.difference(&named).collect();
    assert_eq!(unnamed, ["logagent.1"]);
}

#[test]
fn every_command_has_a_text_of_its_own() {
    let texts: Vec<&str> = manual::TEXTS.iter().map(|(file, _)| *file).collect();
    let without: Vec<String> =
        pages().into_iter().map(|it| it.file).filter(|file| !texts.contains(&&**file)).collect();
    assert!(without.is_empty(), "add packaging/manuals/pages/{without:?}");
}

#[test]
fn what_a_page_leaves_out_or_makes_up_is_an_error() {
    let toml = source("logagent.toml.5");
    let filled = |text: &str| manual::page("logagent.toml.5", text, "");
    filled(toml).unwrap();
    let error = |text: &str| filled(text).err().unwrap();
    let without = |line: &str| error(&toml.replace(&format!("{line}\n"), ""));
    assert!(without("%key agent grace duration").ends_with(": no entry for key agent grace"));
    assert!(without("%key allow gid list nobody").ends_with(": no entry for key allow gid"));
    assert!(without("%framing nul").ends_with(": no entry for framing nul"));
    assert!(without("%placeholder tag").ends_with(": no entry for placeholder tag"));
    assert!(without("%on-full wait").ends_with(": no entry for on-full wait"));
    for (wrong, expected) in [
        ("%key agent wait size", "1: there is no key agent wait, or it has its entry already"),
        ("%format xml", "1: there is no format xml, or it has its entry already"),
        ("at most @lines@", "1: there is no value @lines@"),
        ("%exit 12", "1: there is no exit status 12"),
        ("%environment verbose", "1: --verbose has no variable"),
        ("%name", "1: there is no command logagent.toml"),
        ("%fnord x", "1: nothing is known of fnord"),
    ] {
        assert_eq!(error(wrong), expected);
    }
}

#[test]
fn a_page_is_of_the_day_of_its_sources() {
    let changelog =
        "# Changelog\n\n## Unreleased\n\n## 1.1.0 - 2026-12-01\n\n## 1.0.0 - 2026-11-21\n";
    assert_eq!(page_date(Some("1795240800"), changelog), "2026-11-21");
    assert_eq!(page_date(None, changelog), "2026-12-01");
    assert_eq!(page_date(None, "## Unreleased\n"), "");
}
