//! A bar chart, written as SVG text: the collector's CPU time for a thousand lines.
//!
//! It brings its own background and both colour schemes, so it can be read wherever it is shown.

use crate::contestants::Standing;
use crate::machine::Machine;
use crate::series::{Row, Series};
use crate::table::per_thousand;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const NAMES_WIDTH: f64 = 130.0;
/// Room for a bar's figures to its right.
const FIGURES_WIDTH: f64 = 130.0;
const BAR_HEIGHT: f64 = 14.0;
const ROW_HEIGHT: f64 = 20.0;
const TITLE_HEIGHT: f64 = 34.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.ground { fill: #ffffff }
.Yardstick { fill: #9198a1 }
.Ours { fill: #0969da }
.Peer { fill: #bf8700 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .Ours { fill: #4493f8 }
  .Peer { fill: #d29922 }
}
";

pub(crate) fn chart(machine: &Machine, all: &[Series]) -> String {
    let mut body = String::new();
    let mut y = MARGIN;
    y = text(
        &mut body,
        y,
        "title",
        "CPU time of the collector for a thousand lines (shorter is better)",
    );
    y = text(&mut body, y, "small", &machine.description());
    for series in charted(all) {
        y = self::series(&mut body, y + TITLE_HEIGHT / 2.0, series);
    }
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">\n\
         <style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n{body}</svg>\n"
    )
}

/// Enough for an overview: the shortest lines, and of several numbers of clients the middle one.
fn charted(all: &[Series]) -> impl Iterator<Item = &Series> {
    let shortest = all.iter().map(|series| series.scenario.line_bytes).min();
    let clients = |transport| {
        let of_transport = all.iter().filter(|series| series.scenario.transport == transport);
        let mut clients: Vec<usize> = of_transport.map(|series| series.scenario.clients).collect();
        clients.sort_unstable();
        clients[clients.len() / 2]
    };
    all.iter().filter(move |series| {
        let scenario = &series.scenario;
        Some(scenario.line_bytes) == shortest && scenario.clients == clients(scenario.transport)
    })
}

/// A line of text across; what is below it begins at the returned height.
fn text(body: &mut String, y: f64, class: &str, words: &str) -> f64 {
    let words = escaped(words);
    let baseline = y + BAR_HEIGHT - 2.0;
    *body +=
        &format!("<text class=\"{class}\" x=\"{MARGIN}\" y=\"{baseline:.1}\">{words}</text>\n");
    y + ROW_HEIGHT
}

fn series(body: &mut String, y: f64, series: &Series) -> f64 {
    let micros = |row: &Row| Some(row.median(|run| per_thousand(run.cpu, series))?.value);
    let longest = series.rows.iter().filter_map(micros).fold(0.0, f64::max);
    let mut y = text(body, y, "title", &series.scenario.title());
    for row in &series.rows {
        let Some(micros) = micros(row) else { continue };
        let own = row.contestant;
        let share = micros / longest;
        let width = share * (WIDTH - 2.0 * MARGIN - NAMES_WIDTH - FIGURES_WIDTH);
        let ratio = match (own.standing, row.ratio(crate::table::cpu)) {
            (Standing::Yardstick, _) | (_, None) => String::new(),
            (_, Some(ratio)) => {
                format!(" ({:.2} × {})", ratio.value, series.rows[0].contestant.name)
            }
        };
        let (left, baseline) = (MARGIN + NAMES_WIDTH, y + BAR_HEIGHT - 3.0);
        *body += &format!(
            "<text x=\"{MARGIN}\" y=\"{baseline:.1}\">{name}</text>\
             <rect class=\"{class:?}\" x=\"{left}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{BAR_HEIGHT}\" rx=\"2\"/>\
             <text class=\"small\" x=\"{end:.1}\" y=\"{baseline:.1}\">{micros:.0} µs{ratio}</text>\n",
            name = escaped(own.name),
            class = own.standing,
            end = left + width + 6.0,
        );
        y += ROW_HEIGHT;
    }
    y
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
