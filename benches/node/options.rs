//! The command line.

use std::path::PathBuf;

use crate::rows::{ROWS, Row};

pub(crate) const HELP: &str = "\
Counts the lines of four Node.js workers that are lost, doubled, torn or out of order on their way to
a file, in every way that people have, beside logagent; and what each way costs.

usage: cargo bench --bench node -- [OPTION]...

Options
  --runs N         runs of each row (5)
  --row NAME       this row; again for more of them (all)
  --lines N        lines of each worker (10000)
  --markdown FILE  writes the tables there, too
  --list           the names of the rows
  --help

Run it as root on Debian, after tests/all has installed what it needs: it boots a real systemd in a
container, with PM2, log4js, logrotate and the agent in it. Nothing is left of it.

Exit status: 0; 1 when a line was not as sent in a row of logagent; 64 usage.
";

pub(crate) struct Options {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) runs: usize,
    pub(crate) lines: u64,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) purpose: Purpose,
}

#[derive(PartialEq)]
pub(crate) enum Purpose {
    Measure,
    List,
    Help,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        // No argument at all: that is `cargo test --all-targets`, which must not take long.
        let quick = arguments.is_empty();
        let mut options = Self {
            rows: Vec::new(),
            runs: if quick { 1 } else { 5 },
            lines: if quick { 1_000 } else { 10_000 },
            markdown: None,
            purpose: Purpose::Measure,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // cargo bench says what it is to every benchmark.
                "--bench" => {}
                "--runs" => options.runs = number(&value()?)?,
                "--row" => options.rows.push(row(&value()?)?),
                "--lines" => options.lines = number(&value()?)? as u64,
                "--markdown" => options.markdown = Some(value()?.into()),
                "--list" => options.purpose = Purpose::List,
                "--help" | "-h" => options.purpose = Purpose::Help,
                _ => return Err(format!("unknown option {argument}")),
            }
        }
        if options.rows.is_empty() {
            options.rows = ROWS.iter().collect();
        }
        Ok(options)
    }
}

fn row(name: &str) -> Result<&'static Row, String> {
    ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
        let all: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        format!("no row {name}; there are {}", all.join(", "))
    })
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is not a number above 0")),
    }
}
