//! The status as tables, for people.

use std::fmt::Write;

use serde_json::Value;

use super::rates::LinesPerSecond;

/// What is shown of each stream: the column's title, and the key in the status.
const STREAM_COLUMNS: &[(&str, &str)] = &[
    ("STATE", "state"),
    ("LINES", "lines_written"),
    ("PENDING", "pending_lines"),
    ("DROPPED", "lines_dropped"),
    ("REOPENS", "reopens"),
    ("FILE", "file"),
];

const INPUT_COLUMNS: &[(&str, &str)] = &[
    ("KIND", "kind"),
    ("LINES", "lines_in"),
    ("CONNECTIONS", "connections"),
    ("TOTAL", "connections_total"),
    ("REFUSED", "refused"),
    ("PATH", "path"),
];

/// One row a stream and one row an input, and the last errors. With `rates` also how many lines come
/// in a second.
pub(super) fn tables(status: &Value, rates: Option<&LinesPerSecond>) -> String {
    let mut shown = format!(
        "logagent {}, pid {}, {}, up {}\n\n",
        text(&status["version"]),
        text(&status["pid"]),
        text(&status["phase"]),
        uptime(status)
    );
    let mut streams = rows("STREAM", STREAM_COLUMNS, &status["streams"]);
    if let Some(rates) = rates {
        for row in &mut streams {
            let rate = match rates.get(&row[0]) {
                Some(rate) => format!("{rate:.0}"),
                None if row[0] == "STREAM" => "LINES/S".to_owned(),
                None => "-".to_owned(),
            };
            row.insert(3, rate);
        }
    }
    shown += &table(&streams);
    let inputs = rows("INPUT", INPUT_COLUMNS, &status["inputs"]);
    if inputs.len() > 1 {
        shown.push('\n');
        shown += &table(&inputs);
    }
    let mut errors = String::new();
    for (name, stream) in status["streams"].as_object().into_iter().flatten() {
        if let Value::String(error) = &stream["last_error"] {
            writeln!(errors, "{name}: last error: {error}").unwrap_or_default();
        }
    }
    if !errors.is_empty() {
        shown.push('\n');
        shown += &errors;
    }
    shown
}

fn uptime(status: &Value) -> String {
    let seconds = status["uptime_seconds"].as_f64().unwrap_or_default();
    let seconds = std::time::Duration::try_from_secs_f64(seconds.floor()).unwrap_or_default();
    humantime::format_duration(seconds).to_string()
}

fn rows(of: &str, columns: &[(&str, &str)], table: &Value) -> Vec<Vec<String>> {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned());
    let mut rows = vec![std::iter::once(of.to_owned()).chain(titles).collect::<Vec<_>>()];
    for (name, values) in table.as_object().into_iter().flatten() {
        let cells = columns.iter().map(|(_, key)| text(&values[key]));
        rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    rows
}

/// A value in a cell: of counts by reason, their sum.
pub(in crate::cli) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Object(counts) => counts.values().filter_map(Value::as_u64).sum::<u64>().to_string(),
        other => other.to_string(),
    }
}

fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_is_a_row_for_each_stream_and_each_input() {
        let stream = json!({"state": "idle", "lines_written": 7, "pending_lines": 0,
            "lines_dropped": {"over_long": 2, "queue_full": 1}, "reopens": 1,
            "file": "/var/log/web.log", "last_error": "No space left"});
        let input = json!({"kind": "stdin", "path": null, "connections": 1,
            "connections_total": 1, "lines_in": 7, "refused": 0});
        let status = json!({"version": "1", "pid": 3, "phase": "running", "uptime_seconds": 61.5,
            "streams": {"web": stream}, "inputs": {"stdin": input}});
        assert_eq!(
            tables(&status, None),
            "logagent 1, pid 3, running, up 1m 1s\n\
             \n\
             STREAM  STATE  LINES  PENDING  DROPPED  REOPENS  FILE\n\
             web     idle   7      0        3        1        /var/log/web.log\n\
             \n\
             INPUT  KIND   LINES  CONNECTIONS  TOTAL  REFUSED  PATH\n\
             stdin  stdin  7      1            1      0        -\n\
             \n\
             web: last error: No space left\n"
        );
        let rates = [("web".to_owned(), 12.4)].into();
        let table = tables(&status, Some(&rates));
        assert!(table.contains("STREAM  STATE  LINES  LINES/S  PENDING"), "{table}");
        assert!(table.contains("web     idle   7      12       0"), "{table}");
    }
}
