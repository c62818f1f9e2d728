//! Pipe mode: the options of `-o` become a configuration.

use std::io::{self, IsTerminal};
use std::path::{Path, absolute};

use nix::sys::stat::{SFlag, fstat, major, minor};

use super::options::Arguments;
use crate::config::{AgentSettings, Choice, Config, FormatName, LineBytes};
use crate::formatting::{Format, Template};
use crate::framing::FRAMINGS;
use crate::input::{InputKind, InputSettings};
use crate::limits::{
    FILE_MODE_DEFAULT, LINE_BYTES_MAX_DEFAULT, QUEUE_BYTES_MAX_DEFAULT, QUEUE_LINES_MIN,
    SOCKET_MODE_DEFAULT, SOCKET_PATH_BYTES_MAX,
};
use crate::pipeline::{LineSettings, OverLong};
use crate::place::Place;
use crate::stream_name::StreamName;
use crate::writer::{StreamSettings, SyncPolicy};

/// The input that the standard input is.
pub(super) const STDIN: &str = "stdin";

/// What the standard input is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StandardInput {
    /// A pipe, a file, a socket.
    Lines,
    /// Somebody's keyboard.
    Terminal,
    /// Closed, or /dev/null, which is what a closed one becomes.
    Nothing,
}

/// The configuration that the options of pipe mode stand for.
pub(super) fn config(arguments: &Arguments, output: &Path) -> Result<Config, String> {
    let file = absolute(output).map_err(|error| format!("--output: {error}"))?;
    let name = match &arguments.stream {
        Some(name) => name.clone(),
        None => StreamName::nearest(&file.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let mut config = Config {
        agent: AgentSettings {
            pid_file: arguments.pid_file.clone(),
            control: arguments.control.clone(),
            ..AgentSettings::default()
        },
        ..Config::default()
    };
    let input = |kind| InputSettings { kind, framing: &FRAMINGS[0], stream: name.clone() };
    for socket in &arguments.listen {
        let path = absolute(socket).map_err(|error| format!("--listen: {error}"))?;
        let bytes = path.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(format!(
                "--listen {}: the path has {bytes} bytes, a socket's may have \
                 {SOCKET_PATH_BYTES_MAX}",
                path.display()
            ));
        }
        let shown = path.display().to_string();
        let place = Place { path, mode: SOCKET_MODE_DEFAULT, owner: None, group: None };
        if config.inputs.insert(shown, input(InputKind::UnixStream(place))).is_some() {
            return Err(format!("--listen {}: given twice", socket.display()));
        }
    }
    match (standard_input(), config.inputs.is_empty()) {
        (StandardInput::Lines, _) | (StandardInput::Nothing, true) => {
            config.inputs.insert(STDIN.to_owned(), input(InputKind::Stdin));
        }
        (StandardInput::Terminal, true) => {
            return Err("nothing to read: the standard input is a terminal. Pipe a program into \
                        it, `app | logagent -o FILE`, or give it a socket with -l"
                .to_owned());
        }
        (StandardInput::Terminal | StandardInput::Nothing, false) => {}
    }
    config.streams.insert(name, stream(arguments, file));
    Ok(config)
}

fn stream(arguments: &Arguments, path: std::path::PathBuf) -> StreamSettings {
    let LineBytes(line_bytes_max) = arguments.max_line.unwrap_or(LineBytes(LINE_BYTES_MAX_DEFAULT));
    let format = match arguments.format {
        None | Some(Choice(FormatName::Raw)) => Format::Raw,
        Some(Choice(FormatName::Stamped)) => Format::Stamped { prefix: Template::default() },
    };
    StreamSettings {
        file: Place { path, mode: FILE_MODE_DEFAULT, owner: None, group: None },
        sync: SyncPolicy::Never,
        queue_bytes_max: QUEUE_BYTES_MAX_DEFAULT.max(QUEUE_LINES_MIN * line_bytes_max),
        lines: LineSettings { format, line_bytes_max, over_long: OverLong::Split },
    }
}

fn standard_input() -> StandardInput {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return StandardInput::Terminal;
    }
    let Ok(found) = fstat(&stdin) else { return StandardInput::Nothing };
    let is_device = SFlag::from_bits_truncate(found.st_mode).contains(SFlag::S_IFCHR);
    let device = (major(found.st_rdev), minor(found.st_rdev));
    // /dev/null is 1:3 on every Linux.
    if is_device && device == (1, 3) { StandardInput::Nothing } else { StandardInput::Lines }
}
