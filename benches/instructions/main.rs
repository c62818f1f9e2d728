//! Counts instructions per line, and holds them against the committed `budget.toml`.
//!
//! `cargo bench --bench instructions -- --help` tells the options. Each workload runs twice under
//! `valgrind --tool=callgrind`, once with twice the lines of the other: the difference is what those
//! lines cost, since all that happens before and after them is the same. Such counts repeat exactly,
//! on a busy machine too, so that a change which makes the way of a line longer is seen at once.
//!
//! Where to look: `workloads` what is counted; `lines` what is sent; `pure` framing and formatting;
//! `path` from the read over the queue to the write; `callgrind` the counting; `budget` the file and
//! the comparison; `toolchain` what budgets depend on; `table` what is shown.

// It is a program of its own: it prints, and writes a file that is no log.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod budget;
mod callgrind;
mod lines;
mod path;
#[path = "../common/problem.rs"]
mod problem;
mod pure;
mod table;
mod toolchain;
mod workloads;

use std::env;
use std::process::ExitCode;

use crate::budget::{Budget, Verdict};
use crate::callgrind::Count;
use crate::problem::Outcome;
use crate::toolchain::Toolchain;
use crate::workloads::Workload;

const HELP: &str = "\
Counts instructions per line under valgrind, and compares them with benches/instructions/budget.toml.

usage: cargo bench --bench instructions [-- [--accept] [NAME]...]

  NAME      only the workloads whose name contains NAME
  --accept  makes what is counted now the budget
  --help

Exit status: 0; 1 when a workload is over its budget, has none, or could not be counted; 64 usage.
A budget is for one compiler, libc and processor: elsewhere the counts are shown, not compared.
";

const EXIT_USAGE: u8 = 64;

struct Options {
    accept: bool,
    names: Vec<String>,
}

fn main() -> ExitCode {
    // cargo bench adds --bench, cargo test does not.
    let (bench, arguments): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|it| it == "--bench");
    let counts = !bench.is_empty() && !cfg!(debug_assertions);
    let outcome = match arguments.first().map(String::as_str) {
        // The role in which this program starts itself.
        Some(callgrind::ROLE) => callgrind::main(&arguments[1..]).map(|()| true),
        _ if arguments.iter().any(|it| it == "--help" || it == "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => match parse(arguments) {
            Ok(options) if counts => count(&options),
            Ok(options) => rehearse(&options),
            Err(wrong) => {
                eprintln!("instructions: {wrong}; --help tells more");
                return ExitCode::from(EXIT_USAGE);
            }
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("instructions: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: Vec<String>) -> Result<Options, String> {
    let (flags, names): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|argument| argument.starts_with('-'));
    if let Some(unknown) = flags.iter().find(|flag| *flag != "--accept") {
        return Err(format!("unknown option {unknown}"));
    }
    let accept = !flags.is_empty();
    if accept && !names.is_empty() {
        return Err("--accept is for all workloads together".into());
    }
    Ok(Options { accept, names })
}

/// In a test (`cargo test --all-targets`) the program is not as it is installed, so that counts say
/// nothing: that the workloads run is all there is to see.
fn rehearse(options: &Options) -> Outcome<bool> {
    if options.accept {
        return Err("only cargo bench counts".into());
    }
    let workloads = selected(options)?;
    for workload in &workloads {
        assert!(workload.run(1) > 0, "{} has no lines", workload.name);
    }
    println!("workloads that run: {}; cargo bench counts their instructions", workloads.len());
    Ok(true)
}

/// True: all is within its budget, or nothing can be compared.
fn count(options: &Options) -> Outcome<bool> {
    let toolchain = Toolchain::here()?;
    let budget = Budget::read()?;
    let workloads = selected(options)?;
    let names: Vec<&str> = workloads.iter().map(|workload| workload.name.as_str()).collect();
    let counts = callgrind::count_all(&names)?;
    let rows: Vec<(&str, Count)> = names.iter().copied().zip(counts).collect();
    print!("{}", table::table(&rows, &budget));
    if options.accept {
        Budget::of(toolchain, &rows).write()?;
        println!("\nThis is the budget now.");
        return Ok(true);
    }
    if budget.toolchain != toolchain {
        println!("{}", not_comparable(&budget.toolchain, &toolchain));
        return Ok(true);
    }
    let verdicts: Vec<(&str, Verdict)> =
        rows.iter().map(|(name, count)| (*name, budget.verdict(name, *count))).collect();
    let gone = if options.names.is_empty() { budget.others(&names) } else { Vec::new() };
    print!("{}", table::verdicts(&verdicts, &gone));
    Ok(gone.is_empty() && verdicts.iter().all(|(_, verdict)| verdict.is_kept()))
}

fn selected(options: &Options) -> Outcome<Vec<Workload>> {
    let mut workloads = workloads::all();
    if !options.names.is_empty() {
        workloads.retain(|workload| options.names.iter().any(|it| workload.name.contains(it)));
    }
    if workloads.is_empty() {
        return Err("no workload has such a name".into());
    }
    Ok(workloads)
}

fn not_comparable(budget: &Toolchain, here: &Toolchain) -> String {
    format!(
        "\nNot compared: the budget was made with\n  {budget}\nand this is\n  {here}\n\
         To make a budget for it: cargo bench --bench instructions -- --accept"
    )
}
