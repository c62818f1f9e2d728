//! What is shown of the runs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::machine::Machine;
use crate::options::Options;
use crate::rows::{Row, YARDSTICK};
use crate::run::{PACE, Run, WORKERS};
use crate::statistics::Median;
use crate::support::{Place, node_modules, run};
use crate::tally::Tally;

/// What it was measured on, and with.
pub(crate) fn conditions(place: &Place, options: &Options) -> String {
    let machine = Machine::of(&place.path("")).description();
    let version = |package: &str| {
        let path = node_modules().join(package).join("package.json");
        let text: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        format!("{package} {}", text["version"].as_str().unwrap())
    };
    let packages = ["pm2", "log4js", "pino", "winston"].map(version).join(", ");
    let said = |program: &str| {
        let output = run(Command::new(program).arg("--version"));
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let programs =
        format!("Node.js {}, {}, {}", said("node"), said("logrotate"), said("systemctl"));
    let (runs, lines) = (options.runs, options.lines);
    format!(
        "{machine}  \n{programs}; {packages}  \n{runs} runs of each row, one row after another; {WORKERS} \
         workers, {lines} lines of each, at {PACE} a second; load average before: {}\n",
        load(),
    )
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// One line for somebody who waits.
pub(crate) fn progress(number: usize, row: &Row, run: &Run) -> String {
    let Tally { lost, doubled, torn, disordered, foreign, .. } = &run.tally;
    let Run { rotations, restarts, cost, .. } = run;
    let (rate, cpu) = (rate(run), cpu(run));
    format!(
        "run {number}, {}: lost {lost}, doubled {doubled}, torn {torn}, out of order {disordered}, \
         foreign {foreign}; {rotations} rotations, {restarts} restarts; unpaced: lost {}, torn {}, \
         {rate:.0} lines/s, {cpu:.2} s CPU a million",
        row.name, cost.lost, cost.torn,
    )
}

pub(crate) fn document(conditions: &str, options: &Options, all: &[(&Row, Vec<Run>)]) -> String {
    let heads = |first: &[&str], numbers: &[&str]| {
        let all = [first, numbers].concat().join(" | ");
        format!("| {all} |\n|{}{}\n", "---|".repeat(first.len()), "---:|".repeat(numbers.len()))
    };
    let sent = options.lines * WORKERS as u64;
    let lost = format!("lost of {}", grouped(sent));
    let numbers = [
        &lost,
        "doubled",
        "torn",
        "out of order",
        "foreign",
        "lines/s",
        "x yardstick",
        "CPU",
        "x yardstick",
    ];
    let mut text =
        format!("# Node.js: lines lost\n\n{conditions}Load average after: {}\n\n", load());
    text += &heads(&["way"], &numbers);
    let yardstick = all.iter().find(|(row, _)| row.name == YARDSTICK);
    let yardstick = yardstick.map(|(_, runs)| (median(runs, rate), median(runs, cpu)));
    for (row, runs) in all {
        text += &format!("| {} |\n", cells(row, runs, yardstick).join(" | "));
    }
    text += "\n## Each run\n\n";
    let numbers = [
        "rotations",
        "restarts",
        &lost,
        "doubled",
        "torn",
        "out of order",
        "foreign",
        "unpaced: lost",
        "torn",
        "lines/s",
        "CPU s a million",
    ];
    text += &heads(&["way", "run"], &numbers);
    for (row, runs) in all {
        for (index, run) in runs.iter().enumerate() {
            let Tally { lost, doubled, torn, disordered, foreign, .. } = &run.tally;
            let (rate, cpu) = (rate(run), cpu(run));
            let Run { rotations, restarts, .. } = run;
            text += &format!(
                "| {} | {} | {rotations} | {restarts} | {lost} | {doubled} | {torn} | {disordered} | \
                 {foreign} | {} | {} | {rate:.0} | {cpu:.2} |\n",
                row.name,
                index + 1,
                run.cost.lost,
                run.cost.torn,
            );
        }
    }
    text
}

fn cells(row: &Row, runs: &[Run], yardstick: Option<(f64, f64)>) -> Vec<String> {
    let count = |of: fn(&Tally) -> u64| {
        let counts = runs.iter().map(|run| of(&run.tally));
        let (least, most) = (counts.clone().min().unwrap(), counts.max().unwrap());
        if least == most {
            grouped(least)
        } else {
            format!("{} to {}", grouped(least), grouped(most))
        }
    };
    let (rate, cpu) = (median(runs, rate), median(runs, cpu));
    let ratios = yardstick.map(|yardstick| [rate / yardstick.0, cpu / yardstick.1]);
    let [rate_ratio, cpu_ratio] = match ratios {
        Some(ratios) => ratios.map(|ratio| format!("{ratio:.2}")),
        None => ["–".to_owned(), "–".to_owned()],
    };
    vec![
        row.title.to_owned(),
        count(|tally| tally.lost),
        count(|tally| tally.doubled),
        count(|tally| tally.torn),
        count(|tally| tally.disordered),
        count(|tally| tally.foreign),
        format!("{rate:.0}"),
        rate_ratio,
        format!("{cpu:.2}"),
        cpu_ratio,
    ]
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    Median::of(runs.iter().map(of)).value
}

fn reached(run: &Run) -> u64 {
    run.cost.lines - run.cost.lost
}

/// Lines that reach a file, a second.
fn rate(run: &Run) -> f64 {
    reached(run) as f64 / run.cost.wall.as_secs_f64()
}

/// Seconds of processor time for a million lines, whether or not they reach a file.
fn cpu(run: &Run) -> f64 {
    run.cost.cpu * 1e6 / run.cost.lines as f64
}

/// 40,000.
fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}
