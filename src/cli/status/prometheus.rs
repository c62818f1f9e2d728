//! The status in Prometheus' text exposition format, version 0.0.4: the same numbers, under the same
//! names.

use std::fmt::Write;

use serde_json::{Map, Value};

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It goes up until the agent is started again.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Numbers that are no counters, in the status of a stream or an input; an inode is a name.
const GAUGES: &[&str] = &["pending_lines", "pending_bytes", "connections"];
const NO_NUMBERS: &[&str] = &["inode"];

/// What the numbers mean; one that is not here shows with its name alone.
const HELP: &[(&str, &str)] = &[
    ("logagent_stream_lines_in_total", "Lines accepted, after splitting; gap records apart."),
    ("logagent_stream_bytes_in_total", "Bytes read for this stream."),
    ("logagent_stream_lines_written_total", "Whole lines that the file has taken."),
    ("logagent_stream_bytes_written_total", "Bytes of those lines as they stand in the file."),
    ("logagent_stream_lines_dropped_total", "Lines left out on purpose, by reason."),
    ("logagent_stream_lines_split_total", "Over-long lines that were split."),
    ("logagent_stream_lines_truncated_total", "Over-long lines that were truncated."),
    ("logagent_stream_gap_records_total", "Gap records put in the stream."),
    ("logagent_stream_torn_left_total", "Files left behind that end inside a line."),
    ("logagent_stream_moved_lines_total", "Lines that one file could not take and the next got."),
    ("logagent_stream_reopens_total", "Reopens done."),
    ("logagent_stream_rotations_total", "Files made into archives by our own rotation."),
    ("logagent_stream_fragments_total", "Fragments that a crash left, which got their newline."),
    ("logagent_stream_found_total", "What others did to the file without a signal or a command."),
    ("logagent_stream_pending_lines", "Lines accepted and not yet written."),
    ("logagent_stream_pending_bytes", "Bytes of those lines, and of gap records."),
    ("logagent_stream_state", "1 for the state that the stream is in."),
    ("logagent_input_connections", "Connections open now."),
    ("logagent_input_connections_total", "Connections ever accepted."),
    ("logagent_input_lines_in_total", "Lines accepted."),
    ("logagent_input_bytes_in_total", "Bytes read."),
    ("logagent_input_refused_total", "Connections refused."),
    ("logagent_input_unknown_total", "Connections whose stream could not be found out."),
    ("logagent_input_framing_errors_total", "Places where the framing made no sense."),
    ("logagent_input_packets_cut_total", "Packets too large to be read whole."),
];

/// Metrics of the agent itself.
const GENERAL_HELP: &[(&str, &str)] = &[
    ("logagent_info", "The agent's version."),
    ("logagent_uptime_seconds", "Seconds since the agent was started."),
    ("logagent_phase", "1 for what the agent is doing."),
];

/// Every metric with what it means, for manual pages.
pub fn metrics() -> impl Iterator<Item = (&'static str, &'static str)> {
    GENERAL_HELP.iter().chain(HELP).copied()
}

const STATES: &[&str] = &["idle", "writing", "stalled"];
const PHASES: &[&str] = &["starting", "running", "draining"];

/// Metrics in the order of their first sample, each with all its samples together.
#[derive(Default)]
struct Exposition {
    metrics: Vec<(String, Kind, String)>,
}

impl Exposition {
    fn add(&mut self, name: &str, kind: Kind, labels: &[(&str, &str)], value: &str) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match labels.join(",") {
            none if none.is_empty() => none,
            some => format!("{{{some}}}"),
        };
        let sample = format!("{name}{labels} {value}\n");
        match self.metrics.iter_mut().find(|(known, _, _)| known == name) {
            Some((_, _, samples)) => samples.push_str(&sample),
            None => self.metrics.push((name.to_owned(), kind, sample)),
        }
    }

    /// Every number of `values`, which belong to what `label` names.
    fn add_all(&mut self, of: &str, label: (&str, &str), values: &Map<String, Value>) {
        for (key, value) in values {
            let kind = if GAUGES.contains(&key.as_str()) { Kind::Gauge } else { Kind::Counter };
            let name = match kind {
                Kind::Counter if !key.ends_with("_total") => format!("logagent_{of}_{key}_total"),
                _ => format!("logagent_{of}_{key}"),
            };
            match value {
                Value::Number(number) if !NO_NUMBERS.contains(&key.as_str()) => {
                    self.add(&name, kind, &[label], &number.to_string());
                }
                Value::Object(by_reason) => {
                    for (reason, count) in by_reason.iter().filter(|(_, count)| count.is_number()) {
                        self.add(&name, kind, &[label, ("reason", reason)], &count.to_string());
                    }
                }
                _ => {}
            }
        }
    }

    /// 1 for what it is, 0 for what else it could be.
    fn add_one_of(
        &mut self,
        name: &str,
        label: &[(&str, &str)],
        key: &str,
        all: &[&str],
        is: &str,
    ) {
        for one in all {
            let labels = [label, &[(key, one)]].concat();
            self.add(name, Kind::Gauge, &labels, if *one == is { "1" } else { "0" });
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, kind, samples) in &self.metrics {
            let help = metrics().find(|(known, _)| known == name).map(|(_, help)| help);
            if let Some(help) = help.or_else(|| general_help(name)) {
                writeln!(text, "# HELP {name} {help}").unwrap_or_default();
            }
            let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
            writeln!(text, "# TYPE {name} {kind}").unwrap_or_default();
            text.push_str(samples);
        }
        text
    }
}

fn general_help(name: &str) -> Option<&'static str> {
    match name {
        name if name.starts_with("logagent_stream_") => Some("See the stream in logagent status."),
        name if name.starts_with("logagent_input_") => Some("See the input in logagent status."),
        _ => None,
    }
}

pub(super) fn text(status: &Value) -> String {
    let mut exposition = Exposition::default();
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    exposition.add("logagent_info", Kind::Gauge, &[("version", text("version"))], "1");
    let uptime = status["uptime_seconds"].as_f64().unwrap_or_default().to_string();
    exposition.add("logagent_uptime_seconds", Kind::Gauge, &[], &uptime);
    exposition.add_one_of("logagent_phase", &[], "phase", PHASES, text("phase"));
    for (name, stream) in status["streams"].as_object().into_iter().flatten() {
        let Some(values) = stream.as_object() else { continue };
        exposition.add_all("stream", ("stream", name), values);
        let state = stream["state"].as_str().unwrap_or_default();
        let label = [("stream", name.as_str())];
        exposition.add_one_of("logagent_stream_state", &label, "state", STATES, state);
    }
    for (name, input) in status["inputs"].as_object().into_iter().flatten() {
        let Some(values) = input.as_object() else { continue };
        exposition.add_all("input", ("input", name), values);
    }
    exposition.text()
}

/// A label's value: an input is named after its socket's path in pipe mode.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::counters::StreamCounters;

    #[test]
    fn counters_and_gauges_have_their_types_and_labels() {
        let stream = json!({"state": "stalled", "file": "/l", "inode": 7, "lines_in": 3,
            "lines_dropped": {"queue_full": 2}, "pending_bytes": 9, "last_error": null});
        let input = json!({"kind": "stdin", "connections": 1, "connections_total": 4});
        let status = json!({"version": "1.0", "pid": 3, "phase": "running", "uptime_seconds": 1.5,
            "streams": {"web": stream}, "inputs": {"/a\"\\\n": input}});
        let text = text(&status);
        for expected in [
            "logagent_info{version=\"1.0\"} 1\n",
            "# TYPE logagent_uptime_seconds gauge\nlogagent_uptime_seconds 1.5\n",
            "logagent_phase{phase=\"running\"} 1\n",
            "# TYPE logagent_stream_lines_in_total counter\n\
             logagent_stream_lines_in_total{stream=\"web\"} 3\n",
            "logagent_stream_lines_dropped_total{stream=\"web\",reason=\"queue_full\"} 2\n",
            "# TYPE logagent_stream_pending_bytes gauge\n",
            "logagent_stream_state{stream=\"web\",state=\"stalled\"} 1\n",
            "logagent_stream_state{stream=\"web\",state=\"idle\"} 0\n",
            "# TYPE logagent_input_connections gauge\n\
             logagent_input_connections{input=\"/a\\\"\\\\\\n\"} 1\n",
            "# TYPE logagent_input_connections_total counter\n",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
        assert!(!text.contains("inode"), "{text}");
    }

    #[test]
    fn every_counter_of_a_stream_has_its_help() {
        let counters = serde_json::to_value(StreamCounters::default()).unwrap();
        for key in counters.as_object().unwrap().keys() {
            let name = format!("logagent_stream_{key}_total");
            assert!(HELP.iter().any(|(known, _)| *known == name), "no help for {name}");
        }
    }
}
