//! What a section has found: a table, targets, and the check of every line.

use std::fs;

use serde_json::{Map, Value, json};

use crate::check::Faults;
use crate::columns::columns;
use crate::machine::Machine;
use crate::statistics::{Median, coverage};

pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) notes: Vec<String>,
    pub(crate) targets: Vec<Target>,
    /// Of all runs together.
    pub(crate) faults: Faults,
    /// Zero where a section sends none.
    pub(crate) lines: usize,
}

pub(crate) enum Cell {
    Text(String),
    /// With so many decimals.
    Number(f64, usize),
    Median(Median),
}

pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) at_most: f64,
    pub(crate) unit: &'static str,
    pub(crate) measured: Median,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>, head: impl Into<Vec<&'static str>>) -> Self {
        Self {
            title: title.into(),
            head: head.into(),
            rows: Vec::new(),
            notes: Vec::new(),
            targets: Vec::new(),
            faults: Faults::default(),
            lines: 0,
        }
    }

    /// Takes the check of a run into account.
    pub(crate) fn checked(&mut self, lines: usize, faults: Faults) {
        self.lines += lines;
        self.faults.lost += faults.lost;
        self.faults.doubled += faults.doubled;
        self.faults.torn += faults.torn;
        self.faults.disordered += faults.disordered;
    }

    pub(crate) fn target(
        &mut self,
        what: impl Into<String>,
        at_most: f64,
        unit: &'static str,
        measured: Median,
    ) {
        self.targets.push(Target { what: what.into(), at_most, unit, measured });
    }

    pub(crate) fn text(&self) -> String {
        let head = self.head.iter().map(ToString::to_string).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::text).collect());
        let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
        let mut text = format!("\n{}\n{}", self.title, columns(&rows));
        for note in &self.notes {
            text += &format!("  {note}\n");
        }
        for target in &self.targets {
            text += &target.text();
        }
        if self.lines > 0 {
            let Faults { lost, doubled, torn, disordered } = self.faults;
            let verdict = if self.faults.none() { "checked" } else { "FAILED" };
            text += &format!(
                "  {verdict}: {} lines: {lost} lost, {doubled} doubled, {torn} torn, {disordered} \
                 disordered\n",
                self.lines
            );
        }
        text
    }

    fn document(&self) -> Value {
        let row = |row: &Vec<Cell>| -> Map<String, Value> {
            let keys = self.head.iter().map(ToString::to_string);
            keys.zip(row.iter().map(Cell::value)).collect()
        };
        json!({
            "title": self.title,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "notes": self.notes,
            "targets": self.targets.iter().map(Target::value).collect::<Vec<_>>(),
            "lines_checked": self.lines,
            "lost": self.faults.lost,
            "doubled": self.faults.doubled,
            "torn": self.faults.torn,
            "disordered": self.faults.disordered,
        })
    }
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number, decimals) => format!("{number:.decimals$}"),
            Self::Median(median) => with_interval(*median, ""),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number, _) => json!(number),
            Self::Median(median) => interval(*median),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Number(count as f64, 0)
    }
}

impl Target {
    fn met(&self) -> bool {
        self.measured.low <= self.at_most
    }

    fn text(&self) -> String {
        // Few rounds make a wide interval, which reaches far: that is to be seen.
        let verdict = match (self.met(), self.measured.value <= self.at_most) {
            (true, true) => "met",
            (true, false) => "met by the interval's end only",
            (false, _) => "NOT met",
        };
        let Self { what, at_most, unit, measured } = self;
        let measured = with_interval(*measured, unit);
        format!("  {verdict}: {what}: {measured}, target <= {at_most}{unit}\n")
    }

    fn value(&self) -> Value {
        json!({
            "what": self.what,
            "at_most": self.at_most,
            "unit": self.unit.trim(),
            "measured": interval(self.measured),
            "met": self.met(),
        })
    }
}

fn interval(Median { value, low, high }: Median) -> Value {
    json!({ "median": value, "low": low, "high": high })
}

/// The median, and its interval where there is more than one value.
fn with_interval(Median { value, low, high }: Median, unit: &str) -> String {
    let interval = if low < high { format!(" [{low:.2}, {high:.2}]") } else { String::new() };
    format!("{value:.2}{unit}{interval}")
}

/// What the figures were measured on, and how to read them.
pub(crate) fn header(machine: &Machine, pairs: usize) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{}; load average before: {load}\n{pairs} round{}; medians [order-statistic interval, {:.1} % \
         coverage]; CPU: the collector's, user and system\n",
        machine.description(),
        if pairs == 1 { "" } else { "s" },
        100.0 * coverage(pairs)
    )
}

/// Every figure, for programs.
pub(crate) fn document(machine: &Machine, pairs: usize, reports: &[Report]) -> Value {
    json!({
        "machine": machine.document(),
        "pairs": pairs,
        "interval": "order statistics of the median",
        "interval_coverage": coverage(pairs),
        "sections": reports.iter().map(Report::document).collect::<Vec<_>>(),
    })
}
