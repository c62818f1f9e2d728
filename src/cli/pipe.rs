//! Pipe mode: the options of `-o` become a configuration.

use std::fs::Metadata;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};

use super::options::PipeOptions;
use super::tell;
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

/// What the command line says of an agent without a configuration file.
pub(super) struct Wanted<'a> {
    pub(super) options: &'a PipeOptions,
    /// `--output`
    pub(super) output: &'a Path,
    /// `--stderr`
    pub(super) stderr: Option<&'a Path>,
    /// `--control`
    pub(super) control: Option<&'a Path>,
    /// The names of what systemd has handed over.
    pub(super) handed_over: &'a [String],
}

/// The configuration that the options of pipe mode stand for.
pub(super) fn config(wanted: &Wanted<'_>) -> Result<Config, String> {
    let (mut config, name) = sockets_and_stream(wanted)?;
    let standard_input = match config.inputs.contains_key(STDIN) {
        true => StandardInput::Nothing,
        false => standard_input(),
    };
    match (standard_input, config.inputs.is_empty()) {
        (StandardInput::Lines, _) | (StandardInput::Nothing, true) => {
            if standard_input == StandardInput::Nothing {
                tell(
                    "logagent: nothing to read: the standard input is closed or /dev/null. Pipe a \
                     program into it, or give it a socket with -l; in a container --interactive \
                     keeps it open",
                );
            }
            config.inputs.insert(STDIN.to_owned(), input(InputKind::Stdin, &name));
        }
        (StandardInput::Terminal, true) => {
            return Err("nothing to read: the standard input is a terminal. Pipe a program into \
                        it, `app | logagent -o FILE`, or give it a socket with -l"
                .to_owned());
        }
        (StandardInput::Terminal | StandardInput::Nothing, false) => {}
    }
    Ok(config)
}

/// The configuration without what is particular to pipe mode or `run`, and the name of its stream.
pub(super) fn sockets_and_stream(wanted: &Wanted<'_>) -> Result<(Config, StreamName), String> {
    let Wanted { options, output, control, .. } = wanted;
    let file = absolute(output).map_err(|error| format!("--output: {error}"))?;
    let name = options.stream.clone().unwrap_or_else(|| name_of(&file));
    let mut config = Config {
        agent: AgentSettings {
            pid_file: options.pid_file.clone(),
            control: control.map(Path::to_owned),
            ..AgentSettings::default()
        },
        ..Config::default()
    };
    for socket in &options.listen {
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
        if config.inputs.insert(shown, input(kind, &name)).is_some() {
            return Err(format!("--listen {}: given twice", socket.display()));
        }
    }
    for handed_over in wanted.handed_over {
        let kind = InputKind::Systemd(handed_over.clone());
        config.inputs.insert(handed_over.clone(), input(kind, &name));
    }
    distinct(wanted)?;
    config.streams.insert(name.clone(), stream(options, file));
    Ok((config, name))
}

/// An input that feeds one stream.
pub(super) fn input(kind: InputKind, stream: &StreamName) -> InputSettings {
    InputSettings {
        kind,
        framing: &FRAMINGS[0],
        multiline: Multiline::default(),
        routing: Routing::to(stream.clone()),
    }
}

/// The name of the stream that is written to a file.
pub(super) fn name_of(file: &Path) -> StreamName {
    StreamName::nearest(&file.file_stem().unwrap_or_default().to_string_lossy())
}

/// A stream as the options say.
pub(super) fn stream(options: &PipeOptions, file: PathBuf) -> StreamSettings {
    let mut settings = defaults::stream(file);
    if let Some(Choice(format)) = options.format {
        settings.lines.format = defaults::format(format, None);
    }
    if let Some(Choice(on_full)) = options.on_full {
        settings.on_full = on_full;
    }
    if let Some(LineBytes(line_bytes_max)) = options.max_line {
        settings.lines.line_bytes_max = line_bytes_max;
        settings.queue_bytes_max = settings.queue_bytes_max.max(QUEUE_LINES_MIN * line_bytes_max);
    }
    if options.rotate_size.is_some() || options.rotate_keep.is_some() {
        settings.writer.rotate = Some(Rotation {
            bytes_max: options.rotate_size.map(|FileBytes(bytes)| bytes),
            keep_max: options.rotate_keep,
            ..Rotation::default()
        });
    }
    settings
}

/// Each path is made into something else, and none of them may be what is read.
fn distinct(wanted: &Wanted<'_>) -> Result<(), String> {
    let output = wanted.output;
    let mut paths: Vec<(&str, PathBuf)> = Vec::new();
    let others = [
        ("--output", Some(output)),
        ("--stderr", wanted.stderr),
        ("--pid-file", wanted.options.pid_file.as_deref()),
        ("--control", wanted.control),
    ];
    let others = others.into_iter().filter_map(|(name, path)| Some((name, path?)));
    let listens = wanted.options.listen.iter().map(|path| ("--listen", path.as_path()));
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

/// Whether the standard input is closed or /dev/null.
pub(super) fn standard_input_is_nothing() -> bool {
    standard_input() == StandardInput::Nothing
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
