//! The configuration in effect as a commented file, which reads back to the same configuration.

use std::fmt;
use std::path::Path;

use super::used::{AgentSettings, Config};
use super::value::{Mode, Named, Size};
use crate::formatting::Format;
use crate::input::{InputKind, InputSettings};
use crate::place::Place;
use crate::routing::{Allow, Routing, To};
use crate::writer::{Rotation, StreamSettings, SyncPolicy, WriterSettings};

/// `config` as a TOML file: every table with every key once, each with a line about it.
pub fn render(config: &Config) -> String {
    let Config { agent: agent_settings, inputs, streams, on_demand } = config;
    let mut page = Page(String::from("# The configuration in effect, defaults included.\n"));
    agent(agent_settings, &mut page);
    page.table("defaults");
    page.key("where the file of a stream is that names none", "dir", path_text(&on_demand.dir));
    page.owner(&on_demand.defaults.writer.file);
    stream(&on_demand.defaults, &mut page);
    for (name, settings) in inputs {
        input(name, settings, &mut page);
    }
    for (name, settings) in streams.iter().chain(&on_demand.tables) {
        page.table(&format!("stream.{}", key(name.as_str())));
        page.place("where its lines are written", "file", &settings.writer.file);
        stream(settings, &mut page);
    }
    page.0
}

fn agent(settings: &AgentSettings, page: &mut Page) {
    #[rustfmt::skip]
    let AgentSettings {
        pid_file, control, grace, connections_max, streams_max, partial_bytes_max, watch,
    } = settings;
    let path_or_off =
        |path: &Option<std::path::PathBuf>| path.as_deref().map_or_else(|| text(""), path_text);
    page.table("agent");
    page.key("the process id, for kill -USR2; \"\" for none", "pid-file", path_or_off(pid_file));
    page.key("for logagent's own commands; \"\" for none", "control", path_or_off(control));
    let grace = text(humantime::format_duration(*grace));
    page.key("how long a stop waits for what is still to be written", "grace", grace);
    page.key("connections at a time", "max-connections", connections_max);
    page.key("streams at a time, with those that clients make", "max-streams", streams_max);
    let about = "unfinished lines of all connections together";
    page.key(about, "partial-memory", text(Size(*partial_bytes_max)));
    page.key("whether a changed configuration is noticed and applied", "watch", watch);
}

fn input(name: &str, settings: &InputSettings, page: &mut Page) {
    let InputSettings { kind, framing, multiline, routing: Routing { to, allow, .. } } = settings;
    page.table(&format!("input.{}.{}", key(name), kind.name()));
    match kind {
        InputKind::UnixStream(made)
        | InputKind::UnixDatagram(made)
        | InputKind::UnixSeqpacket(made) => page.place("where it listens", "path", made),
        InputKind::Fifo { place, instances } => {
            page.place("where it is", "path", place);
            if *instances > 0 {
                let about = "FIFOs beside it, with numbers from 0 before the extension";
                page.key(about, "instances", instances);
            }
        }
        InputKind::Stdin | InputKind::Child(_) => {}
        InputKind::Systemd(name) => {
            page.key("FileDescriptorName= of its sockets and FIFOs", "name", text(name));
        }
    }
    match to {
        To::Stream(stream) => page.key("the stream its lines go to", "stream", text(stream)),
        To::Template(template) => {
            page.key("the stream a connection's lines go to", "stream", text(template));
        }
    }
    page.key(framing.summary, "framing", text(framing.name));
    page.key("what becomes of newlines in a record", "multiline", text(multiline.name()));
    match kind {
        InputKind::UnixStream(_) | InputKind::UnixSeqpacket(_) | InputKind::Systemd(_) => {
            clients(allow, settings.routing.client_names_stream, page);
        }
        InputKind::UnixDatagram(_)
        | InputKind::Fifo { .. }
        | InputKind::Stdin
        | InputKind::Child(_) => {}
    }
}

fn clients(allow: &Allow, client_names_stream: bool, page: &mut Page) {
    let Allow { units, uids, gids } = allow;
    let lists = [
        ("unit", units.as_ref().map(|units| list(units.iter().map(text)))),
        ("uid", uids.as_ref().map(list)),
        ("gid", gids.as_ref().map(list)),
    ];
    let lists = lists.into_iter().filter_map(|(key, list)| Some(format!("{key} = {}", list?)));
    let lists: Vec<String> = lists.collect();
    if lists.is_empty() {
        page.0 += "# no allow: whoever can connect is taken\n";
    } else {
        page.key("who is taken", "allow", format!("{{ {} }}", lists.join(", ")));
    }
    let about = "whether a client's first line may name its stream";
    page.key(about, "client-names-stream", client_names_stream);
}

/// How lines are written, wherever that is.
fn stream(settings: &StreamSettings, page: &mut Page) {
    let StreamSettings { writer, queue_bytes_max, on_full, lines } = settings;
    let WriterSettings { file: _, sync, idle_close: _, rotate } = writer;
    match &lines.format {
        Format::Raw => page.key("lines as they came", "format", text("raw")),
        Format::Stamped { prefix } => {
            page.key("lines behind a prefix", "format", text("stamped"));
            page.key("what stands before each line", "prefix", text(prefix));
        }
        Format::Json { fields } => {
            page.key("an object a line", "format", text("json"));
            let names = fields.iter().map(|field| text(field.name()));
            page.key("what stands in it beside the line", "fields", list(names));
        }
        Format::Cri | Format::CriStderr => {
            page.key("lines as container runtimes write them", "format", text("cri"))
        }
    }
    page.key("the longest line", "max-line", text(Size(lines.line_bytes_max)));
    page.key("what happens to a longer one", "over-long", text(lines.over_long.name()));
    page.key("bytes accepted and not yet written", "queue", text(Size(*queue_bytes_max)));
    page.key("what happens when these are used up", "on-full", text(on_full.name()));
    let sync = match sync {
        SyncPolicy::Never => "never".to_owned(),
        SyncPolicy::Reopen => "reopen".to_owned(),
        SyncPolicy::Every(every) => humantime::format_duration(*every).to_string(),
    };
    page.key("when the file is forced to the disk", "sync", text(sync));
    match rotate {
        Some(rotate) => page.key("when the file becomes an archive", "rotate", rotation(rotate)),
        None => page.0 += "# no rotate: that is logrotate's\n",
    }
}

/// An inline table.
fn rotation(rotate: &Rotation) -> String {
    let Rotation { bytes_max, every, keep_max, keep_bytes_max, compress } = rotate;
    let size = |bytes: &u64| text(Size(usize::try_from(*bytes).unwrap_or(usize::MAX)));
    let keys = [
        ("size", bytes_max.as_ref().map(size)),
        ("every", every.map(|every| text(humantime::format_duration(every)))),
        ("keep", keep_max.map(|keep| keep.to_string())),
        ("keep-size", keep_bytes_max.as_ref().map(size)),
        ("compress", Some(text(compress.name()))),
    ];
    let keys = keys.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?)));
    format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
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
        self.key(about, key, path_text(&place.path));
        self.owner(place);
    }

    fn owner(&mut self, place: &Place) {
        let Place { path: _, mode, owner, group } = place;
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

/// An array of TOML.
fn list(values: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    format!("[{}]", values.join(", "))
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
            "[defaults]\ndir = \"/srv\"\nmode = \"0600\"\nowner = 7\nformat = \"json\"\n\
             fields = [\"unit.instance\", \"message\"]\n\
             [input.a.unix-stream]\npath = \"/a\"\nstream = \"{unit.prefix}\"\n\
             allow = { unit = \"app@*.service\", uid = [33, \"root\"], gid = 4 }\n\
             [input.b.unix-seqpacket]\npath = \"/b\"\nclient-names-stream = true\n\
             multiline = \"escape\"\nowner = 1\n\
             [input.c.unix-datagram]\npath = \"/c\"\nframing = \"nul\"\n\
             [input.d.systemd]\nname = \"d e\"\nstream = \"{uid}\"\nallow.uid = 0\n\
             [stream.unknown]\nformat = \"raw\"\n[stream.any]\nformat = \"cri\"\n\
             [stream.b]\nfields = []\n",
        );
        let rotate = "rotate = { size = \"5MiB\", every = \"36h\", keep = 7, keep-size = \"1GiB\", \
                      compress = \"gzip\" }";
        let rendered = check(&format!(
            "[defaults]\nrotate.every = \"7d\"\n[input.a.stdin]\n[input.b.fifo]\npath = \"/b\"\n\
             [stream.a]\n{rotate}\n[stream.b]\nrotate = {{}}\n"
        ));
        assert!(rendered.contains("\nrotate = { every = \"7days\", compress = \"none\" }\n"));
        assert!(rendered.contains(&rotate.replace("36h", "1day 12h")), "{rendered}");
        assert!(rendered.contains("\nrotate = { compress = \"none\" }\n"), "{rendered}");
        check(
            "[agent]\npid-file = \"\"\ncontrol = \"\"\ngrace = \"1m 30s\"\nmax-connections = 7\n\
             max-streams = 3\npartial-memory = 1000\nwatch = true\n\
             [defaults]\nowner = \"root\"\ngroup = 5\nmode = \"0600\"\nsync = \"reopen\"\n\
             [input.\"a.b@c\".fifo]\npath = \"/run/a \\\"\\\\\\u007F\\u00E4.fifo\"\n\
             mode = \"0600\"\nowner = 1\ngroup = 2\nframing = \"nul\"\ninstances = 7\n\
             [input.in.stdin]\nstream = \"out.1\"\n\
             [stream.\"out.1\"]\nformat = \"stamped\"\nprefix = \"{{\\\"{time}\\t\"\n\
             sync = \"1s\"\n\
             max-line = 17\nqueue = 8193\nover-long = \"drop\"\n",
        );
    }

    #[test]
    fn every_key_stands_once_in_its_table_with_a_line_about_it() {
        let written = "[defaults]\nowner = 0\ngroup = 0\nformat = \"stamped\"\n\
                       [input.web.unix-stream]\npath = \"/x\"\nowner = 0\ngroup = 0\n\
                       allow.uid = 0\n[input.in.stdin]\n[input.sd.systemd]\n\
                       [stream.in]\nformat = \"json\"\n[stream.sd]\nformat = \"cri\"\n";
        let rendered = check(written);
        let mut tables: Vec<String> = Vec::new();
        let lines: Vec<&str> = rendered.lines().collect();
        for (before, line) in lines.iter().zip(&lines[1..]) {
            if line.starts_with('[') {
                tables.push((*line).to_owned());
            } else if let Some((key, _)) = line.split_once(" = ") {
                assert!(before.starts_with("# "), "no comment before {line}");
                *tables.last_mut().unwrap() += &format!(" {key}");
            }
        }
        let stream = |own: &str| {
            format!("mode owner group format {own}max-line over-long queue on-full sync")
        };
        let reading = "stream framing multiline";
        let clients = "allow client-names-stream";
        assert_eq!(
            tables,
            [
                "[agent] pid-file control grace max-connections max-streams partial-memory watch",
                &format!("[defaults] dir {}", stream("prefix ")),
                &format!("[input.in.stdin] {reading}"),
                &format!("[input.sd.systemd] name {reading} client-names-stream"),
                &format!("[input.web.unix-stream] path mode owner group {reading} {clients}"),
                &format!("[stream.in] file {}", stream("fields ")),
                &format!("[stream.sd] file {}", stream("")),
                &format!("[stream.web] file {}", stream("prefix ")),
            ]
        );
    }
}
