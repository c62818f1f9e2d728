//! Rules of the source that no other tool keeps: floors, headers, lengths.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::{Path, PathBuf};

/// A module uses only modules of lower floors.
const FLOORS: &[(&str, u32)] = &[
    ("limits", 0),
    ("accounts", 0),
    ("clock", 0),
    ("descriptor", 0),
    ("line", 0),
    ("log4js", 0),
    ("place", 0),
    ("stream_name", 0),
    ("counters", 0),
    ("report", 0),
    ("syslog", 0),
    ("system", 0),
    ("template", 0),
    ("block", 1),
    ("framing", 1),
    ("origin", 1),
    ("formatting", 2),
    ("routing", 2),
    ("pipeline", 3),
    ("store", 4),
    ("writer", 4),
    ("input", 5),
    ("watch", 5),
    ("config", 6),
    ("agent", 7),
    ("control", 8),
    ("cli", 9),
];

/// Modules of floor 0 that may be used by others of floor 0.
const GROUND: &[&str] = &["limits", "clock", "descriptor"];

const FILE_LINES_MAX: usize = 500;
/// rustfmt keeps code at 100; texts and attributes it does not break.
const LINE_CHARACTERS_MAX: usize = 110;

fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut directories = vec![root.join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

/// The top-level module that a file in src belongs to.
fn module(path: &Path) -> Option<&str> {
    let name = path.iter().nth(1)?.to_str()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| !matches!(*name, "main" | "lib"))
}

fn floor(module: &str) -> u32 {
    let known = FLOORS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("module {module} has no floor: add it to the table")).1
}

/// The modules named in `crate::NAME` and `crate::{NAME::…, NAME::…}`.
fn used_modules(text: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(0);
        if end > 0 {
            used.push(&rest[..end]);
        }
    }
    used
}

#[test]
fn a_module_uses_only_lower_floors() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(user) = module(&path) else { continue };
        assert!(!text.contains("crate::{"), "{path:?}: one `use crate::…` a module, please");
        for used in used_modules(&text) {
            let neighbours = floor(user) == 0 && GROUND.contains(&used);
            if used != user && floor(used) >= floor(user) && !neighbours {
                wrong.push(format!("{}: {user} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "upward uses:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut wrong = Vec::new();
    for directory in ["src", "tests", "benches"] {
        for (path, text) in sources(directory) {
            let path = path.display();
            if !text.starts_with("//! ") && !text.starts_with("#![doc = ") {
                wrong.push(format!("{path}: no `//!` header"));
            }
            let lines = text.lines().count();
            if lines > FILE_LINES_MAX {
                wrong.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
            }
            let long = text.lines().position(|line| line.chars().count() > LINE_CHARACTERS_MAX);
            if let Some(at) = long {
                wrong.push(format!("{path}:{}: over {LINE_CHARACTERS_MAX} characters", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What only one file may do, as far as clippy cannot tell files apart.
#[test]
fn what_one_file_does_no_other_does() {
    let only = [
        ("Instant::now", "src/clock.rs"),
        ("SystemTime::now", "src/clock.rs"),
        ("tracing::", "src/report"),
        ("unsafe {", "src/system.rs"),
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        for (what, owner) in only {
            if text.contains(what) && !path.starts_with(owner) {
                wrong.push(format!("{}: {what} belongs in {owner}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_readme_refers_to_is_there() {
    let readme = include_str!("../README.md");
    let has = |text: &str, title: &str| {
        text.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']).trim_start_matches(".SH ");
            line.trim_start_matches(".SS ").eq_ignore_ascii_case(title)
        })
    };
    let manual = include_str!("../packaging/manuals/pages/logagent.1");
    let words = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut seen = 0;
    for (before, text) in [("see *", readme), ("See *", readme), ("section *", manual)] {
        for reference in words.split(before).skip(1) {
            let (title, _) = reference.split_once('*').unwrap();
            assert!(has(text, title), "README.md refers to {title:?}, which is not there");
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path| fs::read_to_string(root.join(path)).unwrap();
    let tests: String = sources("tests").into_iter().map(|(_, text)| text).collect();
    let (short, all) = (text("README.md"), text("tests/README.md"));
    let short = short.split("## Promises").nth(1).unwrap().split("###").next().unwrap();
    let all = all.split("## Running").next().unwrap();
    for (place, promises, count_min) in [("README.md", short, 10), ("tests/README.md", all, 50)] {
        let words = promises.split('`').skip(1).step_by(2);
        let names: Vec<&str> = words.filter(|it| it.matches('_').count() > 1).collect();
        assert!(names.len() >= count_min, "{place} has no promises");
        for name in names {
            assert!(tests.contains(&format!("fn {name}()")), "{place}: {name} is no test");
        }
    }
}

#[test]
fn every_figure_of_speed_is_one_that_a_benchmark_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path| fs::read_to_string(root.join(path)).unwrap();
    let grown = text("benches/results-scale.txt") + &text("benches/results-stalled.txt");
    let compared = text("benches/results.md") + &text("benches/results-packets.md");
    let shown = text("README.md") + &text("benches/README.md");
    let sections = shown.split("# How fast").skip(1).map(|it| it.split("\n## ").next().unwrap());
    let mut figures = 0;
    for row in sections.flat_map(str::lines).filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let is_shown = |printed: &str| {
            let figures = cells.iter().skip(1).filter(|cell| cell.starts_with(char::is_numeric));
            figures.into_iter().all(|figure| printed.contains(figure))
        };
        // A scenario and a contestant, in one of the runs; or a line about growth.
        let mut tables = compared.split("\n## ").filter(|it| it.starts_with(cells[0])).peekable();
        let printed = match tables.peek() {
            Some(_) => tables.any(|table| {
                let start = format!("| {} ", cells[1]);
                table.lines().any(|line| line.starts_with(&start) && is_shown(line))
            }),
            None => is_shown(&grown),
        };
        assert!(printed, "no benchmark printed these figures: {row}");
        figures += cells.iter().filter(|cell| cell.starts_with(char::is_numeric)).count();
    }
    assert!(figures > 50, "the tables of figures were not found");
}

#[test]
fn every_row_about_node_is_one_that_the_benchmark_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path| fs::read_to_string(root.join(path)).unwrap();
    let printed = text("benches/results-node.md");
    let head = printed.lines().find(|line| line.starts_with("| way |")).unwrap();
    let mut rows = 0;
    for place in ["README.md", "benches/README.md"] {
        for table in text(place).split(head).skip(1) {
            for row in table.lines().skip(2).take_while(|line| line.starts_with("| ")) {
                let was_printed = printed.lines().any(|line| line == row);
                assert!(was_printed, "{place}: the benchmark has not printed: {row}");
                rows += 1;
            }
        }
    }
    assert!(rows > 10, "the table was not found");
}
