//! The environment forms of the options, for containers. What stands on the command line wins, and
//! an empty variable counts as not set, as compose files write it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::options::{Arguments, Command, PipeOptions, count, from_written, tee_policy};

/// Every variable, with the option that it stands for.
pub static VARIABLES: &[(&str, &str)] = &[
    ("LOGAGENT_CONFIG", "config"),
    ("LOGAGENT_CONTROL", "control"),
    ("LOGAGENT_FORMAT", "format"),
    ("LOGAGENT_FORWARD_USR2", "forward-usr2"),
    ("LOGAGENT_LISTEN", "listen"),
    ("LOGAGENT_LOG", "log-level"),
    ("LOGAGENT_MAX_LINE", "max-line"),
    ("LOGAGENT_ON_FULL", "on-full"),
    ("LOGAGENT_OUTPUT", "output"),
    ("LOGAGENT_PID_FILE", "pid-file"),
    ("LOGAGENT_ROTATE_KEEP", "rotate-keep"),
    ("LOGAGENT_ROTATE_SIZE", "rotate-size"),
    ("LOGAGENT_SOCKET", "socket"),
    ("LOGAGENT_STDERR", "stderr"),
    ("LOGAGENT_STREAM", "stream"),
    ("LOGAGENT_TEE", "tee"),
    ("LOGAGENT_TTY", "tty"),
];

/// Looks a variable up.
type Look<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Fills in what was not given. Fails with a text that names the variable.
pub(super) fn fill(arguments: &mut Arguments, look: Look<'_>) -> Result<(), String> {
    path(&mut arguments.control, "LOGAGENT_CONTROL", look);
    value(&mut arguments.log_level, "LOGAGENT_LOG", look, FromStr::from_str)?;
    match &mut arguments.command {
        Some(Command::Send { socket, stream, .. }) => {
            path(&mut arguments.config, "LOGAGENT_CONFIG", look);
            path(socket, "LOGAGENT_SOCKET", look);
            value(stream, "LOGAGENT_STREAM", look, FromStr::from_str)
        }
        Some(Command::Run(run)) => {
            path(&mut run.stderr, "LOGAGENT_STDERR", look);
            flag(&mut run.tty, "LOGAGENT_TTY", look)?;
            flag(&mut run.forward_usr2, "LOGAGENT_FORWARD_USR2", look)?;
            fill_pipe(&mut run.pipe, look)
        }
        other => {
            if arguments.pipe.output.is_none() {
                path(&mut arguments.config, "LOGAGENT_CONFIG", look);
            }
            if other.is_some() || arguments.config.is_some() {
                return Ok(());
            }
            fill_pipe(&mut arguments.pipe, look)
        }
    }
}

fn fill_pipe(options: &mut PipeOptions, look: Look<'_>) -> Result<(), String> {
    path(&mut options.output, "LOGAGENT_OUTPUT", look);
    path(&mut options.pid_file, "LOGAGENT_PID_FILE", look);
    value(&mut options.tee, "LOGAGENT_TEE", look, tee_policy)?;
    value(&mut options.stream, "LOGAGENT_STREAM", look, FromStr::from_str)?;
    value(&mut options.format, "LOGAGENT_FORMAT", look, from_written)?;
    value(&mut options.max_line, "LOGAGENT_MAX_LINE", look, from_written)?;
    value(&mut options.on_full, "LOGAGENT_ON_FULL", look, from_written)?;
    value(&mut options.rotate_size, "LOGAGENT_ROTATE_SIZE", look, from_written)?;
    value(&mut options.rotate_keep, "LOGAGENT_ROTATE_KEEP", look, count)?;
    if options.listen.is_empty()
        && let Some(paths) = given("LOGAGENT_LISTEN", look)
    {
        options.listen = std::env::split_paths(&paths).collect();
    }
    Ok(())
}

fn given(name: &str, look: Look<'_>) -> Option<OsString> {
    look(name).filter(|value| !value.is_empty())
}

fn path(option: &mut Option<PathBuf>, name: &str, look: Look<'_>) {
    if option.is_none() {
        *option = given(name, look).map(PathBuf::from);
    }
}

/// An option without a value is given by what means yes anywhere.
fn flag(option: &mut bool, name: &str, look: Look<'_>) -> Result<(), String> {
    let mut wanted = None;
    value(&mut wanted, name, look, |text| match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write 1 or 0"),
    })?;
    *option |= wanted == Some(true);
    Ok(())
}

fn value<T, E: fmt::Display>(
    option: &mut Option<T>,
    name: &str,
    look: Look<'_>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<(), String> {
    if option.is_none()
        && let Some(text) = given(name, look)
    {
        let text = text.to_string_lossy();
        *option = Some(read(&text).map_err(|error| format!("{name}={text}: {error}"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::FileBytes;

    fn filled(line: &[&str], variables: &[(&str, &str)]) -> Result<Arguments, String> {
        let line = ["logagent"].iter().chain(line);
        let mut arguments = Arguments::try_parse_from(line).map_err(|error| error.to_string())?;
        let look = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        fill(&mut arguments, &look)?;
        Ok(arguments)
    }

    #[test]
    fn the_command_line_wins_and_an_empty_variable_is_not_set() {
        let variables = [("LOGAGENT_OUTPUT", "/a"), ("LOGAGENT_PID_FILE", "")];
        let arguments = filled(&[], &variables).unwrap();
        assert_eq!(arguments.pipe.output, Some("/a".into()));
        assert_eq!(arguments.pipe.pid_file, None);
        assert_eq!(filled(&["-o", "/b"], &variables).unwrap().pipe.output, Some("/b".into()));
        let daemon = filled(&["-c", "/c"], &variables).unwrap();
        assert_eq!((daemon.pipe.output, daemon.config), (None, Some("/c".into())));
    }

    #[test]
    fn the_table_has_every_variable() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let run = ["logagent", "run", "--", "app"];
        for line in [&["logagent"][..], &["logagent", "send"], &run] {
            let mut arguments = Arguments::try_parse_from(line).unwrap();
            let look = |name: &str| {
                asked.borrow_mut().insert(name.to_owned());
                None
            };
            fill(&mut arguments, &look).unwrap();
        }
        let table: Vec<String> = VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(asked.into_inner().into_iter().collect::<Vec<_>>(), table);
    }

    #[test]
    fn several_sockets_fit_in_one_variable() {
        let variables = [("LOGAGENT_OUTPUT", "/a"), ("LOGAGENT_LISTEN", "/x:/y")];
        let arguments = filled(&[], &variables).unwrap();
        assert_eq!(arguments.pipe.listen, [PathBuf::from("/x"), PathBuf::from("/y")]);
    }

    #[test]
    fn rotation_has_its_variables() {
        let variables = [
            ("LOGAGENT_OUTPUT", "/a"),
            ("LOGAGENT_ROTATE_SIZE", "1MiB"),
            ("LOGAGENT_ROTATE_KEEP", "3"),
        ];
        let arguments = filled(&[], &variables).unwrap();
        assert_eq!(arguments.pipe.rotate_size, Some(FileBytes(1 << 20)));
        assert_eq!(arguments.pipe.rotate_keep, Some(3));
        let arguments = filled(&["--rotate-keep=5"], &variables).unwrap();
        assert_eq!(arguments.pipe.rotate_keep, Some(5));
        let error = filled(&["-o", "/a"], &[("LOGAGENT_ROTATE_KEEP", "0")]).unwrap_err();
        assert_eq!(error, "LOGAGENT_ROTATE_KEEP=0: write a number from 1 to 1000000");
    }

    #[test]
    fn run_has_its_variables_and_those_of_pipe_mode() {
        let variables = [
            ("LOGAGENT_CONFIG", "/c"),
            ("LOGAGENT_OUTPUT", "/a"),
            ("LOGAGENT_STDERR", "/b"),
            ("LOGAGENT_FORWARD_USR2", "yes"),
            ("LOGAGENT_TTY", "0"),
        ];
        let arguments = filled(&["run", "--stderr", "/d", "app", "--tty"], &variables).unwrap();
        assert_eq!((arguments.config, arguments.pipe.output), (None, None));
        let Some(Command::Run(run)) = arguments.command else { panic!("not run") };
        assert_eq!(run.pipe.output, Some("/a".into()));
        assert_eq!(run.stderr, Some("/d".into()));
        assert_eq!((run.forward_usr2, run.tty), (true, false));
        assert_eq!(run.command, ["app", "--tty"]);
        let error = filled(&["run", "app"], &[("LOGAGENT_TTY", "maybe")]).unwrap_err();
        assert_eq!(error, "LOGAGENT_TTY=maybe: write 1 or 0");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = filled(&["-o", "/a"], &[("LOGAGENT_MAX_LINE", "64M")]).unwrap_err();
        assert!(error.starts_with("LOGAGENT_MAX_LINE=64M: "), "{error}");
    }
}
