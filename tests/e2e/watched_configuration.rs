//! `[agent] watch = true`: a changed configuration is noticed, and applied if it is right.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::support::{Agent, Place, wait_until};

const WATCHED: &str = "watch = true\n[input.web.unix-stream]\npath = \"@/web.sock\"\n";

/// An input at `@/NAME.sock`.
fn input(name: &str) -> String {
    format!("[input.{name}.unix-stream]\npath = \"@/{name}.sock\"\n")
}

/// A line to the input of this name arrives, as soon as there is one.
#[track_caller]
fn check_arrives(place: &Place, agent: &Agent, name: &str) {
    let socket = place.path(&format!("{name}.sock"));
    let mut client = None;
    wait_until(&format!("{name} listens"), || {
        client = UnixStream::connect(&socket).ok();
        client.is_some()
    });
    client.unwrap().write_all(b"line\n").unwrap();
    wait_until("the line arrives", || agent.status_of(&format!("/streams/{name}/lines_in")) == 1);
}

fn times_said(agent: &Agent, words: &str) -> usize {
    agent.messages().lines().filter(|line| line.contains(words)).count()
}

const APPLIED: &str = "configuration read again and applied";

#[test]
fn a_changed_file_is_applied_without_a_reopen_however_it_was_written() {
    let place = Place::new();
    let agent = place.start(WATCHED);
    // In place.
    place.configure(&format!("{WATCHED}{}", input("one")));
    check_arrives(&place, &agent, "one");
    // By a rename, after other steps, as editors do it.
    let text = fs::read_to_string(place.path("agent.toml")).unwrap();
    place.write("agent.toml~", &text);
    place.write(".agent.toml.swp", "");
    place.write("agent.toml.new", &(text + &input("two")));
    fs::rename(place.path("agent.toml.new"), place.path("agent.toml")).unwrap();
    fs::remove_file(place.path(".agent.toml.swp")).unwrap();
    check_arrives(&place, &agent, "two");
    assert_eq!(times_said(&agent, APPLIED), 2, "{}", agent.messages());
    assert_eq!(times_said(&agent, "reopening"), 0, "{}", agent.messages());
    agent.stop();
}

#[test]
fn what_packages_drop_in_conf_d_is_applied_and_what_they_take_away() {
    let place = Place::new();
    let agent = place.start(WATCHED);
    fs::create_dir(place.path("conf.d")).unwrap();
    place.write("conf.d/one.toml", &input("one"));
    check_arrives(&place, &agent, "one");
    place.write("conf.d/two.toml.dpkg-new", &input("two"));
    fs::rename(place.path("conf.d/two.toml.dpkg-new"), place.path("conf.d/two.toml")).unwrap();
    check_arrives(&place, &agent, "two");
    fs::remove_file(place.path("conf.d/one.toml")).unwrap();
    wait_until("one is gone", || UnixStream::connect(place.path("one.sock")).is_err());
    fs::rename(place.path("conf.d"), place.path("conf.d.away")).unwrap();
    wait_until("two is gone", || UnixStream::connect(place.path("two.sock")).is_err());
    fs::rename(place.path("conf.d.away"), place.path("conf.d")).unwrap();
    wait_until("two listens", || UnixStream::connect(place.path("two.sock")).is_ok());
    // The directory that came back is watched.
    place.write("conf.d/three.toml", &input("three"));
    check_arrives(&place, &agent, "three");
    agent.stop();
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told_with_all_its_mistakes() {
    let place = Place::new();
    let agent = place.start(WATCHED);
    place.configure(&format!("{WATCHED}paht = 1\n{}framing = \"words\"\n", input("one")));
    agent.wait_for_message(&["agent.toml:", "paht"]);
    agent.wait_for_message(&["agent.toml:", "words"]);
    agent.wait_for_message(&["configuration not applied"]);
    check_arrives(&place, &agent, "web");
    assert!(!place.path("one.sock").exists());
    assert_eq!(times_said(&agent, APPLIED), 0);
    place.configure(&format!("{WATCHED}{}", input("one")));
    check_arrives(&place, &agent, "one");
    agent.stop();
}

#[test]
fn watching_begins_and_ends_with_its_setting() {
    let place = Place::new();
    let unwatched = input("web");
    let agent = place.start(&unwatched);
    place.configure(WATCHED);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_message(&[APPLIED]);
    place.configure(&format!("{WATCHED}{}", input("one")));
    check_arrives(&place, &agent, "one");
    // The last change that is noticed is that none will be.
    place.configure(&format!("{unwatched}{}", input("two")));
    check_arrives(&place, &agent, "two");
    let watches = || -> usize {
        let infos = fs::read_dir(format!("/proc/{}/fdinfo", agent.pid())).unwrap().flatten();
        let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
        texts.map(|text| text.matches("inotify wd:").count()).sum()
    };
    wait_until("only the log directory is watched", || watches() == 1);
    assert_eq!(times_said(&agent, "need a restart"), 0, "{}", agent.messages());
    agent.stop();
}
