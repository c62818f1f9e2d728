//! The configuration in effect as a commented file, which reads back to the same configuration.

use std::fmt;
use std::path::Path;

use super::used::{AgentSettings, Config};
use super::value::{Mode, Named, Size};
use crate::formatting::Format;
use crate::input::{InputKind, InputSettings};
use crate::pipeline::OverLong;
use crate::place::Place;
use crate::stream_name::StreamName;
use crate::writer::{StreamSettings, SyncPolicy};

/// `config` as a TOML file: every table with every key once, each with a line about it.
pub fn render(config: &Config) -> String {
    let mut page = Page(String::from("# The configuration in effect, defaults included.\n"));
    agent(&config.agent, &mut page);
    for (name, settings) in &config.inputs {
        input(name, settings, &mut page);
    }
    for (name, settings) in &config.streams {
        stream(name, settings, &mut page);
    }
    page.0
}

fn agent(settings: &AgentSettings, page: &mut Page) {
    #[rustfmt::skip]
    let AgentSettings {
        pid_file, control, grace, connections_max, streams_max, partial_bytes_max,
    } = settings;
    let path_or_off =
        |path: &Option<std::path::PathBuf>| path.as_deref().map_or_else(|| text(""), path_text);
    page.table("agent");
    page.key("the process id, for kill -USR2; \"\" for none", "pid-file", path_or_off(pid_file));
    page.key("for logagent's own commands; \"\" for none", "control", path_or_off(control));
    let grace = text(humantime::format_duration(*grace));
    page.key("how long a stop waits for what is still to be written", "grace", grace);
    page.key("connections at a time", "max-connections", connections_max);
    page.key("streams at a time", "max-streams", streams_max);
    let about = "unfinished lines of all connections together";
    page.key(about, "partial-memory", text(Size(*partial_bytes_max)));
}

fn input(name: &str, settings: &InputSettings, page: &mut Page) {
    let InputSettings { kind, framing, stream } = settings;
    page.table(&format!("input.{}.{}", key(name), kind.name()));
    match kind {
        InputKind::UnixStream(made) => page.place("where it listens", "path", made),
        InputKind::Fifo(made) => page.place("where it is", "path", made),
        InputKind::Stdin => {}
    }
    page.key("the stream its lines go to", "stream", text(stream));
    page.key(framing.summary, "framing", text(framing.name));
}

fn stream(name: &StreamName, settings: &StreamSettings, page: &mut Page) {
    let StreamSettings { file, sync, queue_bytes_max, lines } = settings;
    page.table(&format!("stream.{}", key(name.as_str())));
    page.place("where its lines are written", "file", file);
    match &lines.format {
        Format::Raw => page.key("lines as they came", "format", text("raw")),
        Format::Stamped { prefix } => {
            page.key("lines behind a prefix", "format", text("stamped"));
            page.key("what stands before each line", "prefix", text(prefix));
        }
    }
    page.key("the longest line", "max-line", text(Size(lines.line_bytes_max)));
    let named = OverLong::names().into_iter().find(|(_, policy)| *policy == lines.over_long);
    page.key("what happens to a longer one", "over-long", text(named.map_or("", |(name, _)| name)));
    page.key("bytes accepted and not yet written", "queue", text(Size(*queue_bytes_max)));
    page.key("what happens when these are used up", "on-full", text("wait"));
    let sync = match sync {
        SyncPolicy::Never => "never".to_owned(),
        SyncPolicy::Reopen => "reopen".to_owned(),
        SyncPolicy::Every(every) => humantime::format_duration(*every).to_string(),
    };
    page.key("when the file is forced to the disk", "sync", text(sync));
}

/// A TOML file in the making.
struct Page(String);

impl Page {
    fn table(&mut self, name: &str) {
        self.0 += &format!("\n[{name}]\n");
    }

    fn key(&mut self, about: &str, key: &str, value: impl fmt::Display) {
        self.0 += &format!("# {about}\n{key} = {value}\n");
    }

    fn place(&mut self, about: &str, key: &str, place: &Place) {
        let Place { path, mode, owner, group } = place;
        self.key(about, key, path_text(path));
        self.key("its permissions, whatever the umask", "mode", text(Mode(*mode)));
        match owner {
            Some(owner) => self.key("its owner", "owner", owner),
            None => self.0 += "# no owner: that of the process\n",
        }
        match group {
            Some(group) => self.key("its group", "group", group),
            None => self.0 += "# no group: that of the process\n",
        }
    }
}

/// A name as one part of a table's name.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { text(name) }
}

fn path_text(path: &Path) -> String {
    text(path.display())
}

/// A basic string of TOML.
fn text(value: impl fmt::Display) -> String {
    let mut quoted = String::from("\"");
    for c in value.to_string().chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_text;

    /// Checks that what is rendered reads back as the same configuration.
    #[track_caller]
    fn check(written: &str) -> String {
        let file = Path::new("test.toml");
        let config = check_text(file, written).unwrap();
        let rendered = render(&config);
        assert_eq!(check_text(file, &rendered), Ok(config), "{rendered}");
        rendered
    }

    #[test]
    fn what_is_rendered_reads_back() {
        check("[input.web.unix-stream]\npath = \"/run/web.sock\"\n");
        check(
            "[agent]\npid-file = \"\"\ncontrol = \"\"\ngrace = \"1m 30s\"\nmax-connections = 7\n\
             max-streams = 3\npartial-memory = 1000\n\
             [defaults]\nowner = \"root\"\ngroup = 5\nmode = \"0600\"\nsync = \"reopen\"\n\
             [input.\"a.b@c\".fifo]\npath = \"/run/a \\\"\\\\\\u007F\\u00E4.fifo\"\n\
             mode = \"0600\"\nowner = 1\ngroup = 2\nframing = \"nul\"\n\
             [input.in.stdin]\nstream = \"out.1\"\n\
             [stream.\"out.1\"]\nformat = \"stamped\"\nprefix = \"{{\\\"{time}\\t\"\n\
             sync = \"1s\"\n\
             max-line = 17\nqueue = 8193\nover-long = \"drop\"\n",
        );
    }

    #[test]
    fn every_key_stands_once_in_its_table_with_a_line_about_it() {
        let written = "[defaults]\nowner = 0\ngroup = 0\nformat = \"stamped\"\n\
                       [input.web.fifo]\npath = \"/x\"\nowner = 0\ngroup = 0\n";
        let rendered = check(written);
        let mut table = "";
        let mut seen = std::collections::BTreeSet::new();
        let lines: Vec<&str> = rendered.lines().collect();
        for (before, line) in lines.iter().zip(&lines[1..]) {
            if line.starts_with('[') {
                table = line;
            } else if let Some((key, _)) = line.split_once(" = ") {
                assert!(before.starts_with("# "), "no comment before {line}");
                assert!(seen.insert((table, key)), "twice: {table} {key}");
            }
        }
        let expected = "agent.control agent.grace agent.max-connections agent.max-streams \
             agent.partial-memory agent.pid-file input.web.fifo.framing input.web.fifo.group \
             input.web.fifo.mode input.web.fifo.owner input.web.fifo.path input.web.fifo.stream \
             stream.web.file stream.web.format stream.web.group stream.web.max-line \
             stream.web.mode stream.web.on-full stream.web.over-long stream.web.owner \
             stream.web.prefix stream.web.queue stream.web.sync";
        let seen: Vec<String> = seen
            .iter()
            .map(|(table, key)| format!("{}.{key}", &table[1..table.len() - 1]))
            .collect();
        assert_eq!(seen.join(" "), expected);
    }
}
