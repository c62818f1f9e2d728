//! What holds where nothing is configured, beyond the numbers in `limits.rs`.

use std::path::PathBuf;

use super::value::FormatName;
use crate::formatting::{Format, JSON_FIELDS};
use crate::limits::{LINE_BYTES_MAX_DEFAULT, QUEUE_BYTES_MAX_DEFAULT};
use crate::pipeline::{LineSettings, OverLong};
use crate::place::Place;
use crate::template::Template;
use crate::writer::{OnFull, StreamSettings, WriterSettings};

/// `pid-file` of a configuration file; without one there is none.
pub const PID_FILE: &str = "/run/logagent/logagent.pid";
/// `control` of a configuration file; without one there is none.
pub const CONTROL: &str = "/run/logagent/control.sock";
/// Where `logagent send` sends unless it is told otherwise.
pub const SEND_SOCKET: &str = "/run/logagent/logagent.sock";
/// `dir`
pub const DIR: &str = "/var/log/logagent";
/// `mode` of log files.
pub const LOG_MODE: u32 = 0o640;
/// `mode` of sockets and FIFOs: whoever is in their group may write to them.
pub const LISTENER_MODE: u32 = 0o660;
/// `prefix`
pub const PREFIX: &str = "{time} ";

/// A stream that is configured by nothing but its file.
pub fn stream(file: PathBuf) -> StreamSettings {
    StreamSettings {
        writer: WriterSettings::of(Place { path: file, mode: LOG_MODE, owner: None, group: None }),
        queue_bytes_max: QUEUE_BYTES_MAX_DEFAULT,
        on_full: OnFull::default(),
        lines: LineSettings {
            format: Format::Raw,
            line_bytes_max: LINE_BYTES_MAX_DEFAULT,
            over_long: OverLong::Split,
        },
    }
}

/// A socket or FIFO that is configured by nothing but its path.
pub fn listener(path: PathBuf) -> Place {
    Place { path, mode: LISTENER_MODE, owner: None, group: None }
}

/// The format of that name, with its prefix where it has one, and the default fields.
pub fn format(name: FormatName, prefix: Option<Template>) -> Format {
    match name {
        FormatName::Raw => Format::Raw,
        FormatName::Stamped => Format::Stamped { prefix: prefix.unwrap_or_else(default_prefix) },
        FormatName::Json => Format::Json { fields: JSON_FIELDS.to_vec() },
        FormatName::Cri => Format::Cri,
    }
}

fn default_prefix() -> Template {
    match PREFIX.parse() {
        Ok(prefix) => prefix,
        Err(_) => unreachable!("the default prefix is a template"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Named, check_text};
    use crate::input::InputKind;
    use crate::limits::{LINE_BYTES_MAX_LIMIT, LINE_BYTES_MIN, QUEUE_LINES_MIN};
    use crate::writer::SyncPolicy;

    #[test]
    fn the_first_name_of_a_choice_is_its_default() {
        let lines = stream("/x".into()).lines;
        assert_eq!(format(FormatName::names()[0].1, None), lines.format);
        assert_eq!(OverLong::names()[0].1, lines.over_long);
        assert_eq!(OverLong::default(), lines.over_long);
        assert_eq!(SyncPolicy::default(), stream("/x".into()).writer.sync);
    }

    #[test]
    fn defaults_are_within_the_limits() {
        let StreamSettings { queue_bytes_max, lines, .. } = stream("/x".into());
        assert!((LINE_BYTES_MIN..=LINE_BYTES_MAX_LIMIT).contains(&lines.line_bytes_max));
        assert!(queue_bytes_max >= QUEUE_LINES_MIN * lines.line_bytes_max);
    }

    #[test]
    fn a_file_of_two_lines_has_the_defaults() {
        let text = "[input.a.fifo]\npath = \"/x\"\n";
        let config = check_text(Path::new("c"), text).unwrap();
        let streams: Vec<_> = config.streams.values().cloned().collect();
        assert_eq!(streams, [stream(PathBuf::from(DIR).join("a.log"))]);
        let fifo = InputKind::Fifo { place: listener("/x".into()), instances: 0 };
        assert_eq!(config.inputs["a"].kind, fifo);
        let stamped = format!("{text}[stream.a]\nformat = \"stamped\"\n");
        let config = check_text(Path::new("c"), &stamped).unwrap();
        let formats: Vec<_> = config.streams.values().map(|stream| &stream.lines.format).collect();
        assert_eq!(formats, [&Format::Stamped { prefix: PREFIX.parse().unwrap() }]);
    }
}
