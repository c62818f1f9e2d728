//! What a running agent can be asked, as typed.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::changes::{self, Print, Stopped};
use super::exit::Exit;
use super::options::from_written;
use super::status::{self, Shown};
use super::{reload, stop, tail};
use crate::config::HumanDuration;
use crate::limits::{REOPEN_TIMEOUT_DEFAULT, TAIL_LINES_DEFAULT};
use crate::stream_name::StreamName;

const REOPEN_EXAMPLES: &str = "\
Examples:
  logagent reopen                     every stream
  logagent reopen --quiet web app     only these, silent while all goes well
  postrotate
      logagent reopen --quiet --if-running
  endscript                           in a logrotate file: compress needs no delaycompress then

Exit status: 0 only if every stream's old file is complete and closed and its new one is open; else
71, and logrotate compresses nothing. So it is where no agent runs, unless you say --if-running: an
agent that was stopped has left its files complete, and one that starts has its socket before it
opens any. Where the agent was killed the next one is waited for.";

const ROTATE_EXAMPLES: &str = "\
Examples:
  logagent rotate            every stream that has a rotate setting
  logagent rotate web        this one, with the setting or without";

const RELOAD_EXAMPLES: &str = "\
Examples:
  logagent check && logagent reload
  logagent reload -c /etc/logagent/other.toml     of the agent whose control socket this file names";

const STOP_EXAMPLES: &str = "\
Examples:
  logagent stop                       says how many lines were written
  logagent stop --control app.sock    another agent";

const STATUS_EXAMPLES: &str = "\
Examples:
  logagent status                     tables
  logagent status --watch             every second, until Ctrl-C or until the agent goes
  logagent status --json | jq '.streams.web.pending_lines'
  logagent status --prometheus > /var/lib/node_exporter/logagent.prom";

const TAIL_EXAMPLES: &str = "\
Examples:
  logagent tail web                   the last 10 lines
  logagent tail -n 1000 web           also from web.log.1 and those before it
  logagent tail -f                    everything that comes, each line with its stream
  logagent tail -f -n 0 web app | grep error";

/// What a running agent can be asked.
#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Leave every stream's file, complete and closed, for the one that its path names now
    ///
    /// What to call after a file was renamed. Returns when every old file is complete and closed and
    /// the new one open; only then the exit status is 0, so that what is renamed may be compressed at
    /// once.
    #[command(after_help = REOPEN_EXAMPLES)]
    Reopen {
        /// Only these [default: all]
        #[arg(value_name = "STREAM")]
        streams: Vec<StreamName>,
        /// Where no agent runs, which is where its control socket is not there, there is nothing to
        /// leave: the exit status is 0
        #[arg(long)]
        if_running: bool,
        #[command(flatten)]
        answers: AnswerOptions,
    },
    /// Have a running agent rotate files itself: whole lines, under a name with the time
    ///
    /// Returns when the archive is complete and closed and the new file open; it is compressed later,
    /// where that is configured.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Only these, with a rotate setting or without [default: all that have one]
        #[arg(value_name = "STREAM")]
        streams: Vec<StreamName>,
        #[command(flatten)]
        answers: AnswerOptions,
    },
    /// Have a running agent read its configuration again, and tell what has changed
    ///
    /// Files are reopened too, also where the configuration is wrong: then every mistake is told, it
    /// changes nothing, and the exit status is 78. Returns when all is applied and every old file is
    /// complete.
    #[command(after_help = RELOAD_EXAMPLES)]
    Reload,
    /// Stop a running agent, and tell how that ended
    ///
    /// Returns when everything that was sent is in its file and the process has gone; the exit status
    /// is 74 where something is in no file.
    #[command(after_help = STOP_EXAMPLES)]
    Stop,
    /// Tell what a running agent is doing
    #[command(after_help = STATUS_EXAMPLES)]
    Status {
        /// As one JSON object
        #[arg(long, conflicts_with_all = ["prometheus", "watch"])]
        json: bool,
        /// In Prometheus' text format
        #[arg(long, conflicts_with = "watch")]
        prometheus: bool,
        /// Again every second, with the lines that came in it
        #[arg(long)]
        watch: bool,
    },
    /// Show the last lines of streams, and with -f what comes
    ///
    /// The agent passes its files on, so that with -f every line is shown once and in order, however
    /// the files are rotated meanwhile.
    #[command(after_help = TAIL_EXAMPLES)]
    Tail {
        /// Go on with what comes
        #[arg(short, long)]
        follow: bool,
        /// So many lines of each stream first, also from its rotated files
        #[arg(short = 'n', long, value_name = "N", default_value_t = TAIL_LINES_DEFAULT)]
        lines: u64,
        /// Only these; of several, each line has its stream before it [default: all]
        #[arg(value_name = "STREAM")]
        streams: Vec<StreamName>,
    },
}

/// How answers that take their time are waited for and shown.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct AnswerOptions {
    /// How long to wait; then it is told which streams have not answered, and why [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = from_written::<HumanDuration>)]
    timeout: Option<HumanDuration>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Tell only what went wrong: for cron
    #[arg(short, long)]
    quiet: bool,
}

impl AnswerOptions {
    pub(super) fn timeout(self) -> Duration {
        self.timeout.map_or(REOPEN_TIMEOUT_DEFAULT, |HumanDuration(timeout)| timeout)
    }

    pub(super) fn print(self) -> Print {
        match (self.json, self.quiet) {
            (true, _) => Print::Json,
            (_, true) => Print::Errors,
            _ => Print::People,
        }
    }
}

/// Asks a running agent.
pub(super) fn run(what: &Ask, control: &Path) -> Exit {
    let of_streams = |command, streams: &[StreamName], answers: &AnswerOptions, stopped| {
        let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let (timeout, print) = (answers.timeout(), answers.print());
        let streams = &streams;
        changes::run(&changes::Asking { command, control, streams, timeout, print, stopped })
    };
    match what {
        Ask::Reopen { streams, if_running, answers } => {
            let stopped = if *if_running { Stopped::IsClean } else { Stopped::Fails };
            of_streams("reopen", streams, answers, stopped)
        }
        Ask::Rotate { streams, answers } => of_streams("rotate", streams, answers, Stopped::Fails),
        Ask::Reload => reload::run(control, REOPEN_TIMEOUT_DEFAULT),
        Ask::Stop => stop::run(control),
        Ask::Status { watch: true, .. } => status::watch(control),
        Ask::Status { json: true, .. } => status::run(control, Shown::Json),
        Ask::Status { prometheus: true, .. } => status::run(control, Shown::Prometheus),
        Ask::Status { .. } => status::run(control, Shown::Tables),
        Ask::Tail { follow, lines, streams } => {
            let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
            tail::run(&tail::Tailing { control, follow: *follow, lines: *lines, streams: &streams })
        }
    }
}
