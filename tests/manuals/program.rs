//! Pages and program say the same: what an agent answers, and what it reads.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use logagent::agent::{Applied, Outcome};
use logagent::cli::{Exit, VARIABLES};
use logagent::writer::order::{FileChange, OldFile};
use serde_json::Value;

use super::{pages, run, source};

const PROTOCOL: &str = "logagent-protocol.7";

/// An agent in pipe mode that has read a line, and whoever keeps it running.
struct Agent {
    process: Child,
    stdin: Option<ChildStdin>,
    directory: tempfile::TempDir,
}

impl Agent {
    fn start() -> Agent {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logagent"));
        command.args(["-o", "app.log", "-l", "app.sock", "--control", "control"]);
        command.current_dir(directory.path()).stdin(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        writeln!(stdin, "a line").unwrap();
        let agent = Agent { process, stdin: Some(stdin), directory };
        let begin = Instant::now();
        while !fs::read(agent.directory.path().join("app.log"))
            .is_ok_and(|file| file == b"a line\n")
        {
            assert!(begin.elapsed() < Duration::from_secs(60), "the line does not arrive");
            sleep(Duration::from_millis(1));
        }
        agent
    }

    /// What a command prints that asks it.
    fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logagent"));
        command.args(arguments).args(["--control", "control"]).current_dir(&self.directory);
        String::from_utf8(run(&mut command).stdout).unwrap()
    }
}

/// The end of its standard input is its own.
impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

/// The paths of all values, `streams.NAME.found.renamed` without the name.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else {
        found.insert(path.to_owned());
        return;
    };
    for (key, value) in object {
        let named = matches!(path, "streams" | "inputs");
        let inner = if named { path.to_owned() + "." } else { format!("{path}.{key}") };
        fields(value, inner.replace("..", ".").trim_start_matches('.'), found);
    }
}

#[test]
fn every_field_of_the_status_has_its_entry() {
    let status: Value = serde_json::from_str(&Agent::start().ask(&["status", "--json"])).unwrap();
    let mut found = BTreeSet::new();
    fields(&status, "", &mut found);
    let told = source(PROTOCOL).lines().filter_map(|line| line.strip_prefix("%field "));
    assert_eq!(told.map(str::to_owned).collect::<BTreeSet<_>>(), found);
}

#[test]
fn every_metric_has_its_entry() {
    let page = page(PROTOCOL);
    let metrics = Agent::start().ask(&["status", "--prometheus"]);
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 20, "{metrics}");
    for name in &names {
        assert!(page.contains(&format!("\n{name}\n")), "no entry for {name}");
    }
    let told = page.lines().filter(|line| line.starts_with("logagent_"));
    let untrue: Vec<&str> = told.filter(|name| !names.contains(name)).collect();
    assert!(untrue.is_empty(), "{untrue:?}");
}

#[test]
fn every_part_of_an_answer_is_named() {
    let page = page(PROTOCOL);
    let (_, asking) = page.split_once("\n.SH ASKING\n").unwrap();
    let (asking, _) = asking.split_once("\n.SH STATUS\n").unwrap();
    let mut keys = BTreeSet::new();
    fields(&serde_json::to_value(Applied::default()).unwrap(), "", &mut keys);
    fields(&serde_json::to_value(Outcome::default()).unwrap(), "", &mut keys);
    let change = FileChange { old: Some(OldFile::default()), ..FileChange::default() };
    fields(&serde_json::to_value(change).unwrap(), "", &mut keys);
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        let name = key.rsplit('.').next().unwrap();
        let mut words = asking.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        assert!(words.any(|word| word == name), "{name} is not named");
    }
}

/// What a page says, without fonts and escapes.
fn page(file: &str) -> String {
    let page = pages().into_iter().find(|page| page.file == file).unwrap();
    let bare = page.text.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
    bare.replace("\\%", "").replace("\\-", "-").replace("\\e", "\\").replace("\\(dq", "\"")
}

#[test]
fn every_variable_that_is_read_is_named() {
    let told: String = pages().into_iter().map(|page| page.text).collect();
    let mut names: BTreeSet<String> = VARIABLES.iter().map(|(name, _)| (*name).into()).collect();
    let own = names.len();
    read_variables(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() > own, "no variable is read");
    for name in names {
        assert!(told.contains(&name), "{name} is not named");
    }
}

/// The names in `env::var("NAME")` and `env::var_os("NAME")`.
fn read_variables(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_variables(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for call in ["env::var(\"", "env::var_os(\""] {
            for (at, _) in text.match_indices(call) {
                let name = text[at + call.len()..].split('"').next().unwrap();
                names.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn the_help_has_the_exit_statuses() {
    let help = logagent::cli::definitions().render_long_help().to_string();
    let (_, statuses) = help.split_once("Exit status: ").unwrap();
    for exit in Exit::ALL {
        assert!(statuses.contains(&exit.code().to_string()), "{exit:?}: {statuses}");
    }
}
