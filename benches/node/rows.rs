//! The ways of four workers' lines into a file.

use std::time::Duration;

/// One way.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) host: Host,
    /// How a worker logs: see `app.js`.
    pub(crate) way: &'static str,
    /// What its logger is told, in JSON.
    pub(crate) settings: &'static str,
    pub(crate) file: File,
    pub(crate) rotation: Rotation,
}

/// Who starts the workers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Host {
    /// PM2, and where it writes what they print.
    Pm2 { mode: &'static str, out: &'static str },
    /// Node's own cluster.
    Cluster,
    /// systemd, and where it has them write.
    Units(Output),
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Output {
    /// A file of each.
    File,
    /// The agent.
    Agent,
}

/// Where the lines are looked for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum File {
    /// Rolled or rotated, all of it belongs together.
    Shared,
    /// One of each worker.
    OfEach,
    /// The agent's.
    Agent(Mark),
}

/// How a line shows who has said it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    None,
    /// `[pid:instance] ` before it.
    Brackets,
    /// It is the `msg` of an object.
    Json,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Rotation {
    /// None, or by the logger itself.
    None,
    /// By logrotate, every second, with this in its stanza.
    Logrotate(&'static str),
    /// By logrotate, every second, as the package has it, with compression; and the agent is
    /// restarted twice a run.
    Agent,
}

impl Row {
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.file, File::Agent(_))
    }
}

/// What its lines and processor time are compared with: it loses nothing, and is never rotated.
pub(crate) const YARDSTICK: &str = "stream";

/// How often logrotate is run.
pub(crate) const ROTATED_EVERY: Duration = Duration::from_secs(1);

const NOWHERE: &str = "/dev/null";
const PM2_FILE: &str = "/place/plain/app.log";
/// PM2 puts the number of the instance before `.log`, and nowhere where a name ends otherwise.
pub(crate) const FIFO: &str = "/run/logagent/app.log";

const COPYTRUNCATE: Rotation = Rotation::Logrotate("copytruncate");
const RELOAD_LOGS: Rotation = Rotation::Logrotate(
    "create 0644 root root\npostrotate\n/place/pm2.sh reloadLogs >/dev/null\nendscript",
);

const fn pm2(mode: &'static str, out: &'static str) -> Host {
    Host::Pm2 { mode, out }
}

const fn log4js(
    host: Host,
    name: &'static str,
    title: &'static str,
    settings: &'static str,
) -> Row {
    Row { name, title, host, way: "log4js", settings, file: File::Shared, rotation: Rotation::None }
}

const fn printed(
    name: &'static str,
    title: &'static str,
    mode: &'static str,
    rotation: Rotation,
) -> Row {
    let (host, file) = (pm2(mode, PM2_FILE), File::Shared);
    Row { name, title, host, way: "console", settings: "{}", file, rotation }
}

const fn ours(
    name: &'static str,
    title: &'static str,
    host: Host,
    way: &'static str,
    settings: &'static str,
    mark: Mark,
) -> Row {
    Row { name, title, host, way, settings, file: File::Agent(mark), rotation: Rotation::Agent }
}

/// log4js's appender for a file that rolls at 100 KiB and keeps everything.
macro_rules! rolling {
    ($more:literal) => {
        concat!(
            r#"{"appenders": {"out": {"type": "file", "filename": "/place/plain/app.log", "#,
            r#""maxLogSize": 102400, "backups": 1000, "layout": {"type": "messagePassThrough"}}}, "#,
            r#""categories": {"default": {"appenders": ["out"], "level": "info"}}"#,
            $more,
            "}"
        )
    };
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: YARDSTICK,
        title: "yardstick: `fs.createWriteStream`, a file a worker, never rotated",
        host: Host::Units(Output::File),
        way: "stream",
        settings: "{}",
        file: File::OfEach,
        rotation: Rotation::None,
    },
    Row {
        name: "console",
        title: "yardstick: `console.log`, a file a worker, never rotated",
        host: Host::Units(Output::File),
        way: "console",
        settings: "{}",
        file: File::OfEach,
        rotation: Rotation::None,
    },
    log4js(
        Host::Cluster,
        "log4js-cluster",
        "log4js as it is, Node cluster: the primary writes, file of 100 KiB",
        rolling!(""),
    ),
    log4js(pm2("cluster", NOWHERE), "log4js-pm2", "log4js as it is, PM2 cluster", rolling!("")),
    log4js(
        pm2("cluster", NOWHERE),
        "log4js-pm2-true",
        "log4js `pm2: true` without pm2-intercom, PM2 cluster",
        rolling!(r#", "pm2": true"#),
    ),
    log4js(
        pm2("cluster", NOWHERE),
        "log4js-shared",
        "log4js `disableClustering`, shared file of 100 KiB, PM2 cluster",
        rolling!(r#", "disableClustering": true"#),
    ),
    printed(
        "copytruncate",
        "PM2 `out_file`, cluster, logrotate `copytruncate`",
        "cluster",
        COPYTRUNCATE,
    ),
    printed(
        "copytruncate-fork",
        "PM2 `out_file`, fork, logrotate `copytruncate`",
        "fork",
        COPYTRUNCATE,
    ),
    printed(
        "reload-logs",
        "PM2 `out_file`, cluster, logrotate `create` + `pm2 reloadLogs`",
        "cluster",
        RELOAD_LOGS,
    ),
    printed(
        "reload-logs-fork",
        "PM2 `out_file`, fork, logrotate `create` + `pm2 reloadLogs`",
        "fork",
        RELOAD_LOGS,
    ),
    ours(
        "fifo",
        "logagent: PM2 `out_file` is a FIFO, cluster",
        pm2("cluster", FIFO),
        "console",
        "{}",
        Mark::None,
    ),
    ours(
        "fifo-fork",
        "logagent: PM2 `out_file` is a FIFO, fork",
        pm2("fork", FIFO),
        "console",
        "{}",
        Mark::None,
    ),
    ours(
        "log4js",
        "logagent: `logagent/log4js` appender, PM2 cluster",
        pm2("cluster", NOWHERE),
        "log4js",
        r#"{"appenders": {"out": {"type": "logagent/log4js", "stream": "app",
            "layout": {"type": "messagePassThrough"}}},
            "categories": {"default": {"appenders": ["out"], "level": "info"}},
            "disableClustering": true}"#,
        Mark::Brackets,
    ),
    ours(
        "pino",
        "logagent: `logagent/pino` transport, PM2 cluster",
        pm2("cluster", NOWHERE),
        "pino",
        r#"{"transport": {"target": "logagent/pino", "options": {"stream": "app"}}}"#,
        Mark::Json,
    ),
    ours(
        "winston",
        "logagent: `logagent/winston` transport, PM2 cluster",
        pm2("cluster", NOWHERE),
        "winston",
        r#"{"stream": "app"}"#,
        Mark::Brackets,
    ),
    ours(
        "units",
        "logagent: `console.log`, four systemd units of `app@.service`",
        Host::Units(Output::Agent),
        "console",
        "{}",
        Mark::None,
    ),
];
