//! `status`: asks a running agent what it is doing.

use std::path::Path;

use serde_json::Value;

use super::exit::Exit;
use crate::control::ask;

pub(super) fn run(control: &Path, json: bool) -> Exit {
    match ask(control, "status") {
        Ok(status) if json => super::answer(&format!("{status:#}\n")),
        Ok(status) => super::answer(&table(&status)),
        Err(error) => {
            super::tell(&format!("logagent: {}", crate::agent::chain(&error)));
            return Exit::System;
        }
    }
    Exit::Clean
}

/// One row a stream, for people.
fn table(status: &Value) -> String {
    let header = ["STREAM", "STATE", "LINES", "PENDING", "DROPPED", "REOPENS", "FILE"];
    let mut rows = vec![header.map(str::to_owned)];
    for (name, stream) in status["streams"].as_object().into_iter().flatten() {
        let dropped = stream["lines_dropped"].as_object().into_iter().flatten();
        let dropped: u64 = dropped.filter_map(|(_, count)| count.as_u64()).sum();
        let text = |key: &str| match &stream[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        rows.push([
            name.clone(),
            text("state"),
            text("lines_written"),
            text("pending_lines"),
            dropped.to_string(),
            text("reopens"),
            text("file"),
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_table_has_a_row_for_each_stream() {
        let stream = json!({"state": "idle", "lines_written": 7, "pending_lines": 0,
            "lines_dropped": {"over_long": 2}, "reopens": 1, "file": "/var/log/web.log"});
        let table = super::table(&json!({"streams": {"web": stream}}));
        assert_eq!(
            table,
            "STREAM  STATE  LINES  PENDING  DROPPED  REOPENS  FILE\n\
             web     idle   7      0        2        1        /var/log/web.log\n"
        );
    }
}
