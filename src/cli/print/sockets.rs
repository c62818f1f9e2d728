//! The sockets that systemd holds for the agent: where they are stands in .socket units.

use std::fs;
use std::path::{Path, PathBuf};

/// Where units are, what counts more first (systemd.unit(5)).
const DIRECTORIES: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A socket or FIFO that units can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Its unit.
    pub(super) unit: String,
    pub(super) path: PathBuf,
}

/// The one that is handed over to the agent under this name.
pub(super) fn named(name: &str) -> Option<Socket> {
    let found = DIRECTORIES.iter().find_map(|directory| named_in(Path::new(directory), name));
    found.or_else(|| shipped(name))
}

fn named_in(directory: &Path, name: &str) -> Option<Socket> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let mut units: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    units.sort_unstable();
    let sockets = units.into_iter().filter(|unit| unit.ends_with(".socket"));
    let read = |unit: &String| fs::read_to_string(directory.join(unit)).unwrap_or_default();
    sockets.map(|unit| (read(&unit), unit)).find_map(|(text, unit)| socket(&unit, &text, name))
}

/// The socket of a package, where it is not installed yet.
fn shipped(name: &str) -> Option<Socket> {
    socket("logagent.socket", include_str!("../../../systemd/logagent.socket"), name)
}

/// What a unit of this text says, if that is for the agent and of this name.
fn socket(unit: &str, text: &str, name: &str) -> Option<Socket> {
    let settings = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let of_key = lines.filter(|(found, _)| found.trim() == key);
        of_key.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let last = |key| settings(key).pop();
    let service = last("Service").unwrap_or_else(|| unit.replace(".socket", ".service"));
    let named = last("FileDescriptorName").unwrap_or_else(|| unit.to_owned());
    if service != "logagent.service" || named != name {
        return None;
    }
    let places = [settings("ListenStream"), settings("ListenFIFO")].concat();
    let path = places.into_iter().find(|place| place.starts_with('/'))?;
    Some(Socket { unit: unit.to_owned(), path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unit: &str, text: &str, name: &str, expected: Option<&str>) {
        let found = socket(unit, text, name).map(|socket| socket.path);
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn a_socket_is_known_by_its_name_and_its_service() {
        let stream = "[Socket]\n#ListenStream=/no\nListenStream = /run/a.sock\n";
        check("logagent.socket", stream, "logagent.socket", Some("/run/a.sock"));
        check("logagent.socket", stream, "units", None);
        let named = format!("{stream}FileDescriptorName=web\nService=logagent.service\n");
        check("web.socket", &named, "web", Some("/run/a.sock"));
        check("web.socket", stream, "web.socket", None);
        let fifo = "ListenDatagram=/run/d\nListenFIFO=/run/f\nFileDescriptorName=x\n";
        check("logagent.socket", fifo, "x", Some("/run/f"));
        assert_eq!(shipped("units").unwrap().path, Path::new("/run/logagent/units.sock"));
    }
}
