//! What becomes of the lines of four Node.js workers on their way to a file: through log4js, PM2 and
//! logrotate as people have them, and through logagent; and what each way costs.
//!
//! `cargo bench --bench node -- --help` tells the options. Everything happens in a real systemd in a
//! container, with the real programs: PM2, log4js, pino, winston, logrotate, the agent. In each run the
//! workers say numbered lines at a steady pace while logrotate rotates every second and, in the rows of
//! logagent, the agent is restarted twice: those are counted. Then they say lines as fast as they can,
//! with nothing else going on: what that takes is measured.
//!
//! Where to look: `rows` the ways; `app.js` a worker; `stage` the machine with everything on it; `run`
//! one run; `tally` what has become of the lines; `table` what is shown of them; `../common` and
//! `../../tests/e2e/support` what it shares with other benchmarks and the tests.

// It is a program of its own: it prints, reads the clock, and writes files that are no logs.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::unwrap_used, reason = "what a benchmark cannot go on without may end it")]
#![allow(unreachable_pub, reason = "it shares modules with tests")]

#[path = "../common/mod.rs"]
mod common;
mod options;
mod rows;
mod run;
mod stage;
#[path = "../../tests/e2e/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
mod support;
mod table;
mod tally;

use std::env;
use std::fs;
use std::process::ExitCode;

use common::{machine, statistics};

use crate::options::{HELP, Options, Purpose};
use crate::rows::{ROWS, Row};
use crate::run::Run;
use crate::stage::Stage;
use crate::support::Place;

const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1).collect()) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("node: {wrong}; --help tells more");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match options.purpose {
        Purpose::Help => print!("{HELP}"),
        Purpose::List => ROWS.iter().for_each(|row| println!("{:18} {}", row.name, row.title)),
        Purpose::Measure => return measure(&options),
    }
    ExitCode::SUCCESS
}

fn measure(options: &Options) -> ExitCode {
    let place = Place::new();
    let conditions = table::conditions(&place, options);
    let stage = Stage::boot(&place);
    let mut all: Vec<(&Row, Vec<Run>)> = Vec::new();
    all.extend(options.rows.iter().map(|row| (*row, Vec::new())));
    // All rows one after another, again and again: whatever else the machine does is shared.
    for number in 1..=options.runs {
        for (row, runs) in &mut all {
            let run = run::run(&stage, row, options.lines);
            eprintln!("{}", table::progress(number, row, &run));
            runs.push(run);
        }
    }
    drop(stage);
    let text = table::document(&conditions, options, &all);
    print!("{text}");
    if let Some(path) = &options.markdown {
        fs::write(path, &text).unwrap();
    }
    let kept =
        |(row, runs): &(&Row, Vec<Run>)| !row.is_ours() || runs.iter().all(|run| run.is_clean);
    if all.iter().all(kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
