//! What the files say of a service: the lines of each life of its instances, and HAProxy's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::support::contents;

/// What is known of one life of an instance on its standard output: a request was answered after this
/// line had been written.
#[derive(Debug)]
pub struct Answer {
    pub instance: String,
    pub life: String,
    pub line: u64,
}

/// What an instance has said in one life on one output.
#[derive(Default)]
struct Said {
    numbers: Vec<u64>,
    /// How many lines there must be, as far as is known.
    at_least: u64,
}

/// What the service's files say.
#[derive(Default)]
pub struct Log {
    /// By life and output.
    said: BTreeMap<(String, String), Said>,
    pub ended: usize,
    pub reloaded: usize,
    /// Lines that gap records tell of.
    pub told: u64,
    /// What else stands there.
    pub others: Vec<String>,
}

impl Log {
    #[track_caller]
    pub fn read(files: &[PathBuf]) -> Log {
        let mut log = Log::default();
        for line in lines_of(files) {
            if let Some(lines) = lines_in_gap(&line) {
                log.told += lines;
            } else if log.add(&line).is_none() {
                // Not what it says: beginnings of lines, and what Node says where it is aborted.
                log.others.push(line);
            }
        }
        log
    }

    /// Nothing where it is not whole.
    fn add(&mut self, line: &str) -> Option<()> {
        let words: Vec<_> = line.split(' ').collect();
        let [mark, instance, life, output, number, ref text @ ..] = words[..] else { return None };
        if life.len() != 32 {
            return None;
        }
        assert_eq!(mark, instance, "{line:?}");
        self.of(life, output).numbers.push(number.parse().ok()?);
        match text {
            ["request", _] | ["listens"] => {}
            ["reloaded"] => self.reloaded += 1,
            ["ends", "after", out, "and", err, "lines"] => {
                self.ended += 1;
                for (output, lines) in [("out", out), ("err", err)] {
                    self.of(life, output).at_least = lines.parse().ok()?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn of(&mut self, life: &str, output: &str) -> &mut Said {
        self.said.entry((life.to_owned(), output.to_owned())).or_default()
    }

    /// Every answer stands for a line.
    pub fn expect(&mut self, answers: &[Answer]) {
        for answer in answers {
            let said = self.of(&answer.life, "out");
            said.at_least = said.at_least.max(answer.line + 1);
        }
    }

    /// No line is there twice or out of order. Returns how many are in no file.
    #[track_caller]
    pub fn lost(&self) -> u64 {
        let lost = |((life, output), said): (&(String, String), &Said)| {
            let ascends = said.numbers.is_sorted_by(|one, next| one < next);
            assert!(ascends, "{output} of {life}: {:?}", said.numbers);
            let last = said.numbers.last().map_or(0, |last| last + 1);
            said.at_least.max(last) - said.numbers.len() as u64
        };
        self.said.iter().map(lost).sum()
    }

    /// How many lives there were.
    pub fn lives(&self) -> u64 {
        let lives: BTreeSet<_> = self.said.keys().map(|(life, _)| life).collect();
        lives.len() as u64
    }
}

#[track_caller]
fn lines_of(files: &[PathBuf]) -> Vec<String> {
    let read = |file: &PathBuf| {
        let text = String::from_utf8(contents(file)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{file:?} ends inside a line");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    files.iter().flat_map(read).collect()
}

/// How many lines a gap record tells of, if it is one.
fn lines_in_gap(line: &str) -> Option<u64> {
    let (_, said) = line.split_once("logagent: gap: ")?;
    said.split(' ').next()?.parse().ok()
}

/// HAProxy's line of every request is there once. Returns how many are in no file, and how many gap
/// records tell of.
#[track_caller]
pub fn check_haproxy(files: &[PathBuf], requests: u64) -> (u64, u64) {
    let (mut seen, mut told) = (vec![0; usize::try_from(requests).unwrap()], 0);
    for line in lines_of(files) {
        let number = line.strip_prefix("request /").and_then(|rest| rest.split(' ').next());
        if let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) {
            seen[number] += 1;
        }
        told += lines_in_gap(&line).unwrap_or(0);
    }
    assert!(seen.iter().all(|times| *times <= 1), "a line of HAProxy's is there twice");
    (seen.iter().filter(|times| **times == 0).count() as u64, told)
}
