//! Every figure of every run, for programs.

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::measure::Figures;
use crate::series::{Row, Series};
use crate::statistics::{Median, coverage};
use crate::table::{cpu, per_thousand, wall};

pub(crate) fn document(machine: &Machine, pairs: usize, all: &[Series]) -> Value {
    json!({
        "machine": machine.document(),
        "pairs": pairs,
        "interval": "order statistics of the median",
        "interval_coverage": coverage(pairs),
        "scenarios": all.iter().map(scenario).collect::<Vec<_>>(),
    })
}

fn scenario(series: &Series) -> Value {
    let load = &series.scenario;
    json!({
        "transport": load.transport.name(),
        "clients": load.clients,
        "lines_per_write": load.lines_per_write,
        "line_bytes": load.line_bytes,
        "lines": load.lines(),
        "bytes": load.bytes(),
        "yardstick": series.rows[0].contestant.name,
        "contestants": series.rows.iter().map(|row| contestant(row, series)).collect::<Vec<_>>(),
    })
}

fn contestant(row: &Row, series: &Series) -> Value {
    let head = json!({ "name": row.contestant.name, "version": row.version });
    let figures = match &row.pairs {
        Err(why) => json!({ "did_not_run": why }),
        Ok(pairs) => json!({
            "cpu_us_per_1000_lines": interval(row.median(|run| per_thousand(run.cpu, series))),
            "wall_seconds": interval(row.median(wall)),
            "cpu_ratio": interval(row.ratio(cpu)),
            "wall_ratio": interval(row.ratio(wall)),
            "faultless": pairs.iter().all(|pair| pair.own.faults.none()),
            "pairs": pairs
                .iter()
                .map(|pair| json!({ "own": run(&pair.own), "yardstick": run(&pair.yardstick) }))
                .collect::<Vec<_>>(),
        }),
    };
    merged(head, figures)
}

fn interval(median: Option<Median>) -> Value {
    median.map_or(
        Value::Null,
        |Median { value, low, high }| json!({ "median": value, "low": low, "high": high }),
    )
}

fn run(figures: &Figures) -> Value {
    json!({
        "wall_seconds": figures.wall.as_secs_f64(),
        "cpu_seconds": figures.cpu.as_secs_f64(),
        "start_cpu_seconds": figures.start_cpu.as_secs_f64(),
        "load_cpu_seconds": figures.load_cpu.as_secs_f64(),
        "anonymous_kib": figures.memory.anonymous_kib,
        "file_kib": figures.memory.file_kib,
        "peak_kib": figures.memory.peak_kib,
        "lost": figures.faults.lost,
        "doubled": figures.faults.doubled,
        "torn": figures.faults.torn,
        "disordered": figures.faults.disordered,
        "killed": figures.stubborn,
    })
}

fn merged(mut head: Value, mut tail: Value) -> Value {
    if let (Some(head), Some(tail)) = (head.as_object_mut(), tail.as_object_mut()) {
        head.append(tail);
    }
    head
}
