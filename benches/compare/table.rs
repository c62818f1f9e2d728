//! The figures as aligned text.

use crate::columns::columns;
use crate::contestants::Standing;
use crate::machine::Machine;
use crate::measure::Figures;
use crate::series::{Row, Series};
use crate::statistics::{Median, coverage};

/// What the figures were measured on, and how to read them.
pub(crate) fn header(machine: &Machine, pairs: usize) -> String {
    format!(
        "{}\n{pairs} pairs; ratios: median of the pairs [order-statistic interval, {:.1} % coverage]\n",
        machine.description(),
        100.0 * coverage(pairs)
    )
}

/// One scenario's rows, the head first.
pub(crate) fn rows(series: &Series) -> Vec<Vec<String>> {
    let yardstick = series.rows[0].contestant.name;
    let head = [
        "contestant".to_owned(),
        "wall s".to_owned(),
        "lines/s".to_owned(),
        "MB/s".to_owned(),
        "CPU us/1000".to_owned(),
        "load us/1000".to_owned(),
        "anon KiB".to_owned(),
        "file KiB".to_owned(),
        format!("CPU x {yardstick}"),
        format!("wall x {yardstick}"),
        "lost".to_owned(),
        "doubled".to_owned(),
        "torn".to_owned(),
        "disordered".to_owned(),
    ];
    let ran = series.rows.iter().filter_map(|row| cells(row, series));
    [head.to_vec()].into_iter().chain(ran).collect()
}

/// What is sent in one scenario.
pub(crate) fn title(series: &Series) -> String {
    let scenario = &series.scenario;
    let megabytes = scenario.bytes() as f64 / 1e6;
    format!("{}: {} lines, {megabytes:.0} MB", scenario.title(), scenario.lines())
}

/// One scenario's table, and what is to be said of it.
pub(crate) fn table(series: &Series) -> String {
    let mut text = format!("\n{}\n{}", title(series), columns(&rows(series)));
    for row in &series.rows {
        text.push_str(&remarks(row));
    }
    text
}

/// None for a contestant that did not run.
fn cells(row: &Row, series: &Series) -> Option<Vec<String>> {
    let lines = series.scenario.lines() as f64;
    let wall = row.median(wall)?.value;
    let name = row.contestant.name;
    Some(vec![
        match row.contestant.standing {
            Standing::Yardstick => format!("{name} (A/A)"),
            Standing::Ours | Standing::Peer => name.to_owned(),
        },
        format!("{wall:.3}"),
        format!("{:.0}", lines / wall),
        format!("{:.0}", series.scenario.bytes() as f64 / 1e6 / wall),
        format!("{:.0}", row.median(|run| per_thousand(run.cpu, series))?.value),
        format!("{:.0}", row.median(|run| per_thousand(run.load_cpu, series))?.value),
        format!("{:.0}", row.median(|run| run.memory.anonymous_kib as f64)?.value),
        format!("{:.0}", row.median(|run| run.memory.file_kib as f64)?.value),
        ratio(row.ratio(cpu)?),
        ratio(row.ratio(self::wall)?),
        row.sum(|run| run.faults.lost).to_string(),
        row.sum(|run| run.faults.doubled).to_string(),
        row.sum(|run| run.faults.torn).to_string(),
        row.sum(|run| run.faults.disordered).to_string(),
    ])
}

pub(crate) fn wall(run: &Figures) -> f64 {
    run.wall.as_secs_f64()
}

pub(crate) fn cpu(run: &Figures) -> f64 {
    run.cpu.as_secs_f64()
}

/// Microseconds for a thousand lines.
pub(crate) fn per_thousand(time: std::time::Duration, series: &Series) -> f64 {
    time.as_secs_f64() * 1e9 / series.scenario.lines() as f64
}

fn ratio(Median { value, low, high }: Median) -> String {
    format!("{value:.2} [{low:.2}, {high:.2}]")
}

/// What is to be said of a row beyond its figures.
pub(crate) fn remarks(row: &Row) -> String {
    let name = row.contestant.name;
    match &row.pairs {
        Err(why) => format!("  {name}: did not run: {why}\n"),
        Ok(pairs) if pairs.iter().any(|pair| pair.own.stubborn) => {
            format!("  {name}: was killed: SIGTERM did not end it\n")
        }
        Ok(_) if row.broke_promise() => format!("  {name}: FAILED: lines are not as sent\n"),
        Ok(_) => String::new(),
    }
}

/// One line for each program.
pub(crate) fn versions(series: &[Series]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for row in series.iter().flat_map(|series| &series.rows).filter(|row| row.pairs.is_ok()) {
        let line = format!("  {}: {}\n", row.contestant.name, row.version);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    format!("\nversions\n{}", lines.concat())
}
