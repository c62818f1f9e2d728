//! Compares log collectors: logagent, its peers, and yardsticks that say what is possible.
//!
//! `cargo bench --bench compare -- --help` tells the options. A run starts a collector, sends it
//! numbered lines from a process of its own, waits until all of them are in the file, ends the
//! collector, takes its CPU time, and checks the file line by line. Every run of a contestant is
//! paired with a run of the yardstick: `cat >> file` on a pipe, a bare epoll loop on a Unix stream or
//! seqpacket socket, a bare recvmmsg loop on a Unix datagram socket.
//!
//! Where to look: `contestants/` to whom lines are sent; `measure` one run; `series` many runs;
//! `table`, `json`, `markdown` and `chart` what is shown of them; `load_only` whether the load is what limits
//! them; `../common` what the benchmarks share.

// It is a program of its own: it prints, reads the clock, and writes files that are no logs.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod chart;
#[path = "../common/mod.rs"]
mod common;
mod contestants;
mod debian;
mod json;
mod load_only;
mod markdown;
mod measure;
mod options;
mod series;
mod table;

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use common::{
    bare_datagrams, bare_loop, bare_seqpackets, check, columns, interrupt, load, machine, problem,
    process, scenario, statistics, watch, work,
};

use crate::contestants::{Contestant, Standing};
use crate::debian::Programs;
use crate::machine::Machine;
use crate::measure::Course;
use crate::options::{HELP, Options, Purpose};
use crate::problem::{Outcome, While};
use crate::scenario::Transport;
use crate::work::Work;

const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // The roles in which this program starts itself.
    let role = match arguments.first().map(String::as_str) {
        Some(load::ROLE) => Some(load::main(&arguments[1..])),
        Some(bare_loop::ROLE) => Some(bare_loop::main(&arguments[1..])),
        Some(bare_datagrams::ROLE) => Some(bare_datagrams::main(&arguments[1..])),
        Some(bare_seqpackets::ROLE) => Some(bare_seqpackets::main(&arguments[1..])),
        _ => None,
    };
    if let Some(outcome) = role {
        return exit_code(outcome.map(|()| true));
    }
    match Options::parse(arguments) {
        Ok(options) => exit_code(benchmark(&options)),
        Err(wrong) => {
            eprintln!("compare: {wrong}; --help tells more");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// True: all that was promised was kept.
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
    if options.purpose == Purpose::Help {
        print!("{HELP}");
        return Ok(true);
    }
    interrupt::prepare()?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let programs = Programs {
        logagent: options.logagent.clone().unwrap_or(env!("CARGO_BIN_EXE_logagent").into()),
        cache: options.cache.clone().unwrap_or(target.join("packages")),
        install: options.install,
    };
    let work = Work::new(options.dir.as_deref().unwrap_or(target), "compare")?;
    let course = Course { dir: work.0.clone(), load_threads: options.load_threads };
    match options.purpose {
        Purpose::ShowConfigurations => show_configurations(options, &programs, &course),
        Purpose::LoadOnly => load_only(options, &course),
        _ => compare(options, &programs, &course),
    }
}

fn compare(options: &Options, programs: &Programs, course: &Course) -> Outcome<bool> {
    let machine = machine(options, course);
    print!("{}", table::header(&machine, options.pairs()));
    let mut all = Vec::new();
    for scenario in options.scenarios()? {
        let contestants = selected(scenario.transport, &options.contestants)?;
        let title = scenario.title();
        let tell = |what: &str| progress(&format!("{title}: {what}"));
        let series = series::run(course, programs, &contestants, &scenario, options.pairs(), tell)?;
        progress("");
        print!("{}", table::table(&series));
        all.push(series);
    }
    print!("{}", table::versions(&all));
    if let Some(path) = &options.json {
        let document = json::document(&machine, options.pairs(), &all);
        fs::write(path, format!("{document:#}\n")).while_(format!("write {}", path.display()))?;
    }
    if let Some(path) = &options.markdown {
        let document = markdown::document(&machine, options.pairs(), &all);
        fs::write(path, document).while_(format!("write {}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        let chart = chart::chart(&machine, &all);
        fs::write(path, chart).while_(format!("write {}", path.display()))?;
    }
    Ok(!all.iter().flat_map(|series| &series.rows).any(|row| row.broke_promise()))
}

fn machine(options: &Options, course: &Course) -> Machine {
    let machine = Machine::of(&course.dir);
    if options.transports.contains(&Transport::UnixDatagram) {
        return machine.with_datagrams();
    }
    machine
}

fn show_configurations(options: &Options, programs: &Programs, course: &Course) -> Outcome<bool> {
    for transport in &options.transports {
        let Some(scenario) =
            options.scenarios()?.into_iter().find(|scenario| scenario.transport == *transport)
        else {
            continue;
        };
        for contestant in selected(*transport, &options.contestants)? {
            let text = programs
                .find(contestant.program)
                .and_then(|installed| course.show(contestant, &installed, &scenario))
                .unwrap_or_else(|why| format!("{why}\n"));
            println!("# {}, {}\n{text}", transport.name(), contestant.name);
        }
    }
    Ok(true)
}

fn load_only(options: &Options, course: &Course) -> Outcome<bool> {
    println!("{}", machine(options, course).description());
    for scenario in options.scenarios()? {
        println!("{}", load_only::measure(course, &scenario, options.pairs())?);
    }
    Ok(true)
}

/// The yardstick, and those who were asked for, or all.
fn selected(transport: Transport, names: &[String]) -> Outcome<Vec<&'static Contestant>> {
    let known = Transport::ALL.into_iter().flat_map(contestants::on);
    for name in names {
        if !known.clone().any(|contestant| contestant.name == name) {
            let mut all: Vec<&str> = known.map(|contestant| contestant.name).collect();
            all.sort_unstable();
            all.dedup();
            return Err(format!("no contestant {name}; there are {}", all.join(", ")).into());
        }
    }
    let wanted = |contestant: &&Contestant| {
        contestant.standing == Standing::Yardstick
            || names.is_empty()
            || names.iter().any(|name| name == contestant.name)
    };
    Ok(contestants::on(transport).iter().filter(wanted).collect())
}

/// One line that is written over, for somebody who looks.
fn progress(what: &str) {
    if io::stderr().is_terminal() {
        // A terminal that is gone is no reason to stop.
        drop(write!(io::stderr(), "\r\x1b[K{what}"));
    }
}
