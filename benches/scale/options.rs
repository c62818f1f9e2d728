//! The command line.

use std::path::PathBuf;

use crate::sections::{SECTIONS, Section};

pub(crate) const HELP: &str = "\
Measures how logagent grows, and what it takes to start, reopen and idle.

usage: cargo bench --bench scale -- [OPTION]... [SECTION]...

Sections (all)
  connections      CPU per line with 10 to 10000 connections
  streams          CPU per line with 1 to 1000 streams
  file             CPU per line while one file grows to 10 GiB, or as far as leaves 10 GiB free
  reopen           1000 streams under load: renamed files, USR2, until each has its new file
  start            from exec until it listens
  latency          from a client's write until the line is in the file, at 10000 lines/s
  idle             wake-ups of an idle agent
  memory           anonymous resident memory
  stalled          what a producer's write takes while its file takes nothing, for each on-full

Options
  --quick          small and few: a test, no measurement; under a minute
  --pairs N        runs of each, in pairs where there is a yardstick (7; 21 to publish)
  --logagent PATH  the program that is measured (the one built with this benchmark)
  --dir DIR        where lines are written (the target directory)
  --json FILE      every figure
  --help

A target is met when what was measured, or the lower end of its interval, reaches it.

Exit status: 0; 1 when a line was lost, doubled, torn or out of order, or the benchmark failed; 64
usage. A target that is not met is told, and no failure.
";

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) sections: Vec<&'static Section>,
    pub(crate) quick: bool,
    pub(crate) pairs: Option<usize>,
    pub(crate) logagent: Option<PathBuf>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        // No argument at all: that is `cargo test --all-targets`, which must not take an hour.
        let mut options = Self { quick: arguments.is_empty(), ..Self::default() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // cargo bench says what it is to every benchmark.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--pairs" => options.pairs = Some(number(&value()?)?),
                "--logagent" => options.logagent = Some(value()?.into()),
                "--dir" => options.dir = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                "--help" | "-h" => options.help = true,
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                name => options.sections.push(section(name)?),
            }
        }
        if options.sections.is_empty() {
            options.sections = SECTIONS.iter().collect();
        }
        Ok(options)
    }

    pub(crate) fn pairs(&self) -> usize {
        self.pairs.unwrap_or(if self.quick { 1 } else { 7 })
    }
}

fn section(name: &str) -> Result<&'static Section, String> {
    SECTIONS.iter().find(|section| section.name == name).ok_or_else(|| {
        let all: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        format!("no section {name}; there are {}", all.join(", "))
    })
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is not a number above 0")),
    }
}
