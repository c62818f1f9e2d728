//! The environment forms of the options, for containers. What stands on the command line wins, and
//! an empty variable counts as not set, as compose files write it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::options::{Arguments, Command, count, from_written, tee_policy};

/// Looks a variable up.
type Look<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Fills in what was not given. Fails with a text that names the variable.
pub(super) fn fill(arguments: &mut Arguments, look: Look<'_>) -> Result<(), String> {
    path(&mut arguments.control, "LOGAGENT_CONTROL", look);
    value(&mut arguments.log_level, "LOGAGENT_LOG", look, FromStr::from_str)?;
    if arguments.output.is_none() {
        path(&mut arguments.config, "LOGAGENT_CONFIG", look);
    }
    if let Some(Command::Send { socket, stream, .. }) = &mut arguments.command {
        path(socket, "LOGAGENT_SOCKET", look);
        value(stream, "LOGAGENT_STREAM", look, FromStr::from_str)?;
    }
    if arguments.command.is_some() || arguments.config.is_some() {
        return Ok(());
    }
    path(&mut arguments.output, "LOGAGENT_OUTPUT", look);
    path(&mut arguments.pid_file, "LOGAGENT_PID_FILE", look);
    value(&mut arguments.tee, "LOGAGENT_TEE", look, tee_policy)?;
    value(&mut arguments.stream, "LOGAGENT_STREAM", look, FromStr::from_str)?;
    value(&mut arguments.format, "LOGAGENT_FORMAT", look, from_written)?;
    value(&mut arguments.max_line, "LOGAGENT_MAX_LINE", look, from_written)?;
    value(&mut arguments.on_full, "LOGAGENT_ON_FULL", look, from_written)?;
    value(&mut arguments.rotate_size, "LOGAGENT_ROTATE_SIZE", look, from_written)?;
    value(&mut arguments.rotate_keep, "LOGAGENT_ROTATE_KEEP", look, count)?;
    if arguments.listen.is_empty()
        && let Some(paths) = given("LOGAGENT_LISTEN", look)
    {
        arguments.listen = std::env::split_paths(&paths).collect();
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
        assert_eq!(arguments.output, Some("/a".into()));
        assert_eq!(arguments.pid_file, None);
        assert_eq!(filled(&["-o", "/b"], &variables).unwrap().output, Some("/b".into()));
        let daemon = filled(&["-c", "/c"], &variables).unwrap();
        assert_eq!((daemon.output, daemon.config), (None, Some("/c".into())));
    }

    #[test]
    fn several_sockets_fit_in_one_variable() {
        let variables = [("LOGAGENT_OUTPUT", "/a"), ("LOGAGENT_LISTEN", "/x:/y")];
        let arguments = filled(&[], &variables).unwrap();
        assert_eq!(arguments.listen, [PathBuf::from("/x"), PathBuf::from("/y")]);
    }

    #[test]
    fn rotation_has_its_variables() {
        let variables = [
            ("LOGAGENT_OUTPUT", "/a"),
            ("LOGAGENT_ROTATE_SIZE", "1MiB"),
            ("LOGAGENT_ROTATE_KEEP", "3"),
        ];
        let arguments = filled(&[], &variables).unwrap();
        assert_eq!(arguments.rotate_size, Some(FileBytes(1 << 20)));
        assert_eq!(arguments.rotate_keep, Some(3));
        let arguments = filled(&["--rotate-keep=5"], &variables).unwrap();
        assert_eq!(arguments.rotate_keep, Some(5));
        let error = filled(&["-o", "/a"], &[("LOGAGENT_ROTATE_KEEP", "0")]).unwrap_err();
        assert_eq!(error, "LOGAGENT_ROTATE_KEEP=0: write a number from 1 to 1000000");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = filled(&["-o", "/a"], &[("LOGAGENT_MAX_LINE", "64M")]).unwrap_err();
        assert!(error.starts_with("LOGAGENT_MAX_LINE=64M: "), "{error}");
    }
}
