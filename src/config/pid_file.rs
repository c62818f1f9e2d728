//! The pid file and the control socket of a configuration that may be wrong otherwise.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{defaults, source};

/// Where `file` has the process id written, as far as that can be read. A stale pid file is to go
/// even where the rest of the configuration is wrong.
pub fn pid_file(file: &Path) -> Option<PathBuf> {
    agent_path(file, "pid-file", defaults::PID_FILE)
}

/// Where the agent that `file` configures has its control socket, as far as that can be read: it may
/// run with what the file was before.
pub fn control(file: &Path) -> Option<PathBuf> {
    agent_path(file, "control", defaults::CONTROL)
}

fn agent_path(file: &Path, key: &str, default: &str) -> Option<PathBuf> {
    let source = source::read(file);
    let (table, _) = DeTable::parse_recoverable(&source.text);
    let agent = table.get_ref().get("agent").map(|agent| agent.get_ref());
    let written = match agent {
        Some(DeValue::Table(agent)) => agent.get(key).map(|path| path.get_ref()),
        _ => None,
    };
    let path = match written {
        Some(DeValue::String(path)) => path.as_ref(),
        Some(_) => return None,
        None => default,
    };
    Path::new(path).is_absolute().then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{text}").unwrap();
        assert_eq!(pid_file(file.path()), expected.map(PathBuf::from), "{text}");
    }

    #[test]
    fn it_is_found_among_mistakes() {
        check("", Some(defaults::PID_FILE));
        check("[agent]\nnope = 1\npid-file = \"/a/b\"\n[input", Some("/a/b"));
        check("[agent]\npid-file = \"\"\n", None);
        check("[agent]\npid-file = 7\n", None);
        check("agent = 7\n", Some(defaults::PID_FILE));
    }

    #[test]
    fn the_control_socket_is_found_the_same_way() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "[agent]\nnope = 1\ncontrol = \"/a/c\"\n[input").unwrap();
        assert_eq!(control(file.path()), Some("/a/c".into()));
    }
}
