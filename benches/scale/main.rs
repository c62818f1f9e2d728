//! How logagent grows: connections, streams, file size; what it takes to start, reopen and idle; and
//! what producers notice of a file that is stalled.
//!
//! `cargo bench --bench scale -- --help` tells the options. Every section prints a table and, beside
//! what it measured, the target; where lines are sent, all files are checked line by line.
//!
//! Where to look: `sections/` one file a section; `collector` how logagent and the bare loop are
//! started on any number of streams; `run` one load on one of them; `probe` the client that measures
//! latency; `locks` and `switches` what /proc tells; `report` what is shown;
//! `../common` what the benchmarks share.

// It is a program of its own: it prints, reads the clock, and writes files that are no logs.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod collector;
#[path = "../common/mod.rs"]
mod common;
mod locks;
mod options;
mod probe;
mod report;
mod run;
mod sections;
mod switches;

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use common::{
    bare_loop, check, columns, interrupt, load, machine, problem, process, scenario, statistics,
    watch, work,
};

use crate::machine::Machine;
use crate::options::{HELP, Options};
use crate::problem::{Outcome, While};
use crate::report::Report;
use crate::sections::Course;
use crate::work::Work;

const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // The roles in which this program starts itself.
    let role = match arguments.first().map(String::as_str) {
        Some(load::ROLE) => Some(load::main(&arguments[1..])),
        Some(bare_loop::ROLE) => Some(bare_loop::main(&arguments[1..])),
        Some(probe::ROLE) => Some(probe::main(&arguments[1..])),
        _ => None,
    };
    if let Some(outcome) = role {
        return exit_code(outcome.map(|()| true));
    }
    match Options::parse(arguments) {
        Ok(options) => exit_code(benchmark(&options)),
        Err(wrong) => {
            eprintln!("scale: {wrong}; --help tells more");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// True: every line that was sent is where it belongs.
fn exit_code(outcome: Outcome<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn benchmark(options: &Options) -> Outcome<bool> {
    if options.help {
        print!("{HELP}");
        return Ok(true);
    }
    interrupt::prepare()?;
    load::raise_descriptors_max()?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let work = Work::new(options.dir.as_deref().unwrap_or(target), "scale")?;
    let course = Course {
        dir: work.0.clone(),
        logagent: options.logagent.clone().unwrap_or(env!("CARGO_BIN_EXE_logagent").into()),
        quick: options.quick,
        pairs: options.pairs(),
    };
    let machine = Machine::of(&course.dir);
    print!("{}", report::header(&machine, course.pairs));
    let mut reports: Vec<Report> = Vec::new();
    for section in &options.sections {
        let report = (section.run)(&course).map_err(|why| format!("{}: {why}", section.name))?;
        print!("{}", report.text());
        reports.push(report);
    }
    if let Some(path) = &options.json {
        let document = report::document(&machine, course.pairs, &reports);
        fs::write(path, format!("{document:#}\n")).while_(format!("write {}", path.display()))?;
    }
    Ok(reports.iter().all(|report| report.faults.none()))
}
