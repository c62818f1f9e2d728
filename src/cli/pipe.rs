//! Pipe mode: the options of `-o` become a configuration.

use std::fs::Metadata;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};

use super::options::Arguments;
use crate::config::{AgentSettings, Choice, Config, FileBytes, LineBytes, defaults};
use crate::framing::{FRAMINGS, Multiline};
use crate::input::{InputKind, InputSettings};
use crate::limits::{QUEUE_LINES_MIN, SOCKET_PATH_BYTES_MAX};
use crate::routing::Routing;
use crate::stream_name::StreamName;
use crate::writer::{Rotation, StreamSettings};

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
    let input = |kind| InputSettings {
        kind,
        framing: &FRAMINGS[0],
        multiline: Multiline::default(),
        routing: Routing::to(name.clone()),
    };
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
        let kind = InputKind::UnixStream(defaults::listener(path));
        if config.inputs.insert(shown, input(kind)).is_some() {
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
    distinct(arguments, &file)?;
    config.streams.insert(name, stream(arguments, file));
    Ok(config)
}

fn stream(arguments: &Arguments, file: PathBuf) -> StreamSettings {
    let mut settings = defaults::stream(file);
    if let Some(Choice(format)) = arguments.format {
        settings.lines.format = defaults::format(format, None);
    }
    if let Some(Choice(on_full)) = arguments.on_full {
        settings.on_full = on_full;
    }
    if let Some(LineBytes(line_bytes_max)) = arguments.max_line {
        settings.lines.line_bytes_max = line_bytes_max;
        settings.queue_bytes_max = settings.queue_bytes_max.max(QUEUE_LINES_MIN * line_bytes_max);
    }
    if arguments.rotate_size.is_some() || arguments.rotate_keep.is_some() {
        settings.writer.rotate = Some(Rotation {
            bytes_max: arguments.rotate_size.map(|FileBytes(bytes)| bytes),
            keep_max: arguments.rotate_keep,
            ..Rotation::default()
        });
    }
    settings
}

/// Each path is made into something else, and none of them may be what is read.
fn distinct(arguments: &Arguments, output: &Path) -> Result<(), String> {
    let mut paths = vec![("--output", output.to_owned())];
    let others = [("--pid-file", &arguments.pid_file), ("--control", &arguments.control)];
    let others = others.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
    let listens = arguments.listen.iter().map(|path| ("--listen", path));
    for (name, path) in others.chain(listens) {
        let path = absolute(path).map_err(|error| format!("{name}: {error}"))?;
        if let Some((other, _)) = paths.iter().find(|(_, known)| *known == path) {
            return Err(format!("{name} and {other} are the same path, {}", path.display()));
        }
        paths.push((name, path));
    }
    let same = |found: FileStat, output: Metadata| {
        output.is_file() && (found.st_dev, found.st_ino) == (output.dev(), output.ino())
    };
    if let (Ok(input), Ok(found)) = (fstat(io::stdin()), output.metadata())
        && same(input, found)
    {
        return Err(format!("{}: the standard input is the output file", output.display()));
    }
    Ok(())
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
