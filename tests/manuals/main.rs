//! The manual pages, completions and picture: that they are well made, and say what the program does.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]
#![allow(clippy::disallowed_methods, reason = "the program's rules: these tests wait themselves")]

mod completions;
mod examples;
#[path = "../../packaging/manuals/manual/mod.rs"]
mod manual;
mod pages;
#[path = "../../packaging/manuals/picture.rs"]
mod picture;
mod program;

use std::process::{Command, Output};

/// All pages, as of a day.
fn pages() -> Vec<manual::Page> {
    manual::pages("2026-11-21").unwrap()
}

/// The text of a page, as its author has written it.
#[track_caller]
fn source(file: &str) -> &'static str {
    let found = manual::TEXTS.iter().find(|(known, _)| *known == file);
    found.unwrap_or_else(|| panic!("no page {file}")).1
}

/// Runs a program to its end, which must be a good one.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error}; tests/all installs what the tests need")
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    output
}

#[test]
fn the_picture_is_made_from_its_text() {
    let committed = include_str!("../../packaging/manuals/data-path.svg");
    let remedy = "cargo run --example manuals -- --picture packaging/manuals/data-path.svg";
    assert!(picture::picture(picture::TEXT).unwrap() == committed, "write it anew: {remedy}");
    assert_eq!(picture::picture("").unwrap_err(), "packaging/manuals/data-path.txt: no size");
    let wrong = picture::picture("size 1 1\nbox 1 2 | x\n").unwrap_err();
    assert_eq!(wrong, "packaging/manuals/data-path.txt:2: box 1 2 | x");
}
