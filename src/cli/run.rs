//! `run`: a command's output becomes the input, its end ours.

use std::path::{Path, absolute};

use super::agent::{Plan, run_plan};
use super::exit::{self, Exit};
use super::options::{Arguments, RunOptions};
use super::{handed_over, pipe};
use crate::agent::{Copies, Failure};
use crate::config::Config;
use crate::control::Mode;
use crate::control::child::{Outputs, Prepared};
use crate::control::signals::{Meant, Signals};
use crate::formatting::Format;
use crate::input::{ChildOutput, InputKind};
use crate::limits::STREAM_NAME_BYTES_MAX;
use crate::stream_name::StreamName;

pub(super) fn run(wanted: &RunOptions, arguments: &Arguments, signals: Signals) -> Exit {
    let descriptors = match handed_over::take() {
        Ok(descriptors) => descriptors,
        Err(failure) => return exit::failed(&failure),
    };
    let (config, to_stderr) = match config(wanted, arguments, &handed_over::names(&descriptors)) {
        Ok(config) => config,
        Err(text) => return exit::usage(&text),
    };
    let outputs = match (wanted.tty, &to_stderr) {
        (true, _) => Outputs::Terminal,
        (false, None) => Outputs::Together,
        (false, Some(_)) => Outputs::Apart,
    };
    let command = match Prepared::new(wanted.command.clone(), outputs, &signals) {
        Ok(command) => command,
        Err(error) => {
            let what = if wanted.tty { "terminal" } else { "pipe" };
            return exit::failed(&Failure::system(format!("cannot make a {what}: {error}")));
        }
    };
    let plan = Plan {
        config,
        mode: Mode::default(),
        copies: wanted.pipe.tee.map(|policy| Copies { policy, to_stderr }),
        signals_are: if wanted.forward_usr2 { Meant::ForCommandAll } else { Meant::ForCommand },
        command: Some(command),
    };
    run_plan(plan, arguments.log_level, descriptors, signals)
}

/// The configuration that the options stand for, and the stream of the standard error, where that
/// has one of its own.
fn config(
    wanted: &RunOptions,
    arguments: &Arguments,
    handed_over: &[String],
) -> Result<(Config, Option<StreamName>), String> {
    let RunOptions { pipe: options, stderr, .. } = wanted;
    if arguments.config.is_some() {
        return Err("run takes no configuration: give it a file to write to with -o FILE".into());
    }
    if let Some(option) = given_before(arguments) {
        return Err(format!("{option} stands before `run`: write it behind"));
    }
    let Some(output) = options.output.as_deref() else {
        return Err("run needs a file to write to: logagent run -o FILE -- CMD".into());
    };
    let (stderr, control) = (stderr.as_deref(), arguments.control.as_deref());
    if wanted.tty && stderr.is_some() {
        // What the environment says of one of them clap does not see.
        return Err(
            "with --tty (LOGAGENT_TTY) the standard error is the terminal, as the standard \
                    output is: it has no file of its own (--stderr, LOGAGENT_STDERR)"
                .into(),
        );
    }
    let (mut config, stdout_name) =
        pipe::sockets_and_stream(&pipe::Wanted { options, output, stderr, control, handed_over })?;
    let mut read = |output: ChildOutput, stream: &StreamName| {
        let mut name = output.name().to_owned();
        // What systemd hands over has the name that a unit gives it.
        while config.inputs.contains_key(&name) {
            name.insert_str(0, "command-");
        }
        config.inputs.insert(name, pipe::input(InputKind::Child(output), stream));
    };
    let Some(stderr) = stderr else {
        read(ChildOutput::Both, &stdout_name);
        return Ok((config, None));
    };
    let stderr = absolute(stderr).map_err(|error| format!("--stderr: {error}"))?;
    let name = name_of_stderr(&stderr, &stdout_name, options.stream.is_some());
    read(ChildOutput::Stdout, &stdout_name);
    read(ChildOutput::Stderr, &name);
    let mut stream = pipe::stream(options, stderr);
    if stream.lines.format == Format::Cri {
        stream.lines.format = Format::CriStderr;
    }
    config.streams.insert(name.clone(), stream);
    Ok((config, Some(name)))
}

/// From its file, unless that, or a name that was given, is the other stream's.
fn name_of_stderr(file: &Path, stdout: &StreamName, given: bool) -> StreamName {
    let of_file = pipe::name_of(file);
    if of_file != *stdout && !given {
        return of_file;
    }
    // However long that one is: one of them is another name.
    let of_stdout = |end: &str| {
        let chars = stdout.as_str().chars().take(STREAM_NAME_BYTES_MAX - end.len());
        StreamName::nearest(&(chars.collect::<String>() + end))
    };
    match of_stdout("-stderr") {
        name if name != *stdout => name,
        _ => of_stdout("-stderr-2"),
    }
}

/// The first option that belongs to `run`, and was given to what stands before it.
fn given_before(arguments: &Arguments) -> Option<&'static str> {
    let output = arguments.pipe.output.as_ref().map(|_| "--output");
    output.or_else(|| arguments.pipe.first_given())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_another_stream_however_long_the_name_is() {
        for name in ["app", "app-stderr", &"a".repeat(128), &("a".repeat(121) + "-stderr")] {
            let stdout = StreamName::nearest(name);
            for (file, given) in [(name, false), ("other", true), ("other", false)] {
                let stderr =
                    name_of_stderr(Path::new(&format!("/logs/{file}.log")), &stdout, given);
                assert_ne!(stderr, stdout, "{file} {given}");
            }
        }
    }
}
