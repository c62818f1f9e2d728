//! The options as typed.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use super::ask::Ask;
use crate::config::{
    self, Choice, FileBytes, FormatName, FromWritten, HumanDuration, LineBytes, WrongValue,
    defaults,
};
use crate::limits::CONFIGURED_COUNT_MAX;
use crate::report::Level;
use crate::stream_name::StreamName;
use crate::writer::OnFull;
use crate::writer::tee::TeePolicy;

/// Where the configuration is if nobody says otherwise.
pub(super) const CONFIG_DEFAULT: &str = "/etc/logagent/logagent.toml";

const EXAMPLES: &str = "\
Examples:
  app | logagent -o /var/log/app.log            one file, reopened on SIGUSR2
  app | logagent -o app.log --tee -l app.sock   also to the terminal, and from a socket
  app | logagent -o app.log --rotate-size 100MiB --rotate-keep 10
                                                without logrotate
  logagent -c /etc/logagent/logagent.toml       the daemon
  backup-job | logagent send --stream backup    to a running agent
  logagent reopen                               after a rename: returns when the old files are complete
  logagent status --watch                       what the agent is doing, every second
  logagent tail -f web                          a stream's lines as they come, across rotations
  logagent check                                every mistake in the configuration
  logagent print config                         a commented configuration to begin with

Signals: USR2 and USR1 reopen every file, HUP reads the configuration again and reopens,
TERM and INT drain and stop, a second one stops at once.

Every option has an environment form, LOGAGENT_OUTPUT for --output and so on; an empty one counts
as not set, and LOGAGENT_LISTEN takes several paths with ':' between.

Exit status: 0 clean, 64 wrong usage, 71 another agent or the system is in the way, 74 lines could
not be written, 78 wrong configuration.";

/// Collects log lines from many processes and writes them to one file per stream.
#[derive(Debug, Parser)]
#[command(name = "logagent", version, after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    /// The daemon's configuration [default: /etc/logagent/logagent.toml]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// Pipe mode: write the standard input's lines to FILE, and end when it ends
    #[arg(short, long, value_name = "FILE", conflicts_with = "config")]
    pub(super) output: Option<PathBuf>,

    /// Pipe mode: take lines from this Unix socket too; may be given several times
    #[arg(short, long, value_name = "SOCKET")]
    pub(super) listen: Vec<PathBuf>,

    /// Pipe mode: copy lines to the standard output; what a slow reader there does not take is
    /// left out, unless "wait" is given
    #[arg(long, value_name = "wait", num_args = 0..=1, require_equals = true,
          default_missing_value = "drop", value_parser = tee_policy)]
    pub(super) tee: Option<TeePolicy>,

    /// Pipe mode: the stream's name [default: from the file's]
    #[arg(long, value_name = "NAME")]
    pub(super) stream: Option<StreamName>,

    /// Pipe mode: raw, stamped with the time of receipt, json, or cri as container runtimes write
    #[arg(long, value_parser = from_written::<Choice<FormatName>>)]
    pub(super) format: Option<Choice<FormatName>>,

    /// Pipe mode: the longest line, longer ones are split [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = from_written::<LineBytes>)]
    pub(super) max_line: Option<LineBytes>,

    /// Pipe mode: what happens when a full disk has filled the queue: wait (the default) holds the
    /// writers back, drop-newest and drop-oldest leave lines out, which is told in the file
    #[arg(long, value_name = "POLICY", value_parser = from_written::<Choice<OnFull>>)]
    pub(super) on_full: Option<Choice<OnFull>>,

    /// Pipe mode: before the file is larger than this it becomes an archive,
    /// FILE-20261121T060000Z, and another one is begun
    #[arg(long, value_name = "SIZE", value_parser = from_written::<FileBytes>)]
    pub(super) rotate_size: Option<FileBytes>,

    /// Pipe mode: how many archives are kept; older ones are removed [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = count)]
    pub(super) rotate_keep: Option<usize>,

    /// Pipe mode: write the process id to FILE
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,

    /// The control socket: of pipe mode's agent, or of the one that a command asks
    /// [default: none in pipe mode, /run/logagent/control.sock for commands]
    #[arg(long, value_name = "SOCKET", global = true)]
    pub(super) control: Option<PathBuf>,

    /// How much is told on stderr: error, warn, info or debug [default: info, in pipe mode warn;
    /// environment: LOGAGENT_LOG]
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(super) log_level: Option<Level>,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell every mistake in a configuration, with line and column
    Check {
        /// The file; conf.d beside it is read too [default: that of -c]
        file: Option<PathBuf>,
    },
    /// Print something to begin with
    Print {
        /// What to print
        what: Printed,
    },
    /// Send the standard input's lines to a running agent
    ///
    /// What systemd-cat and logger are to the journal and to syslog. Waits for an agent that is not
    /// there, goes on where one is restarted, and tells what it could not deliver (exit status 74).
    Send {
        /// Its socket, an input of kind unix-stream [default: /run/logagent/logagent.sock;
        /// environment: LOGAGENT_SOCKET]
        #[arg(short, long, value_name = "SOCKET")]
        socket: Option<PathBuf>,
        /// The stream to write to; the input must have client-names-stream = true
        #[arg(long, value_name = "NAME")]
        stream: Option<StreamName>,
        /// How long to wait for an agent [default: 60s]
        #[arg(long, value_name = "TIME", value_parser = from_written::<HumanDuration>)]
        timeout: Option<HumanDuration>,
    },
    #[command(flatten)]
    Ask(Ask),
}

/// What can be printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Printed {
    /// The configuration in effect, every key once, commented
    Config,
}

impl Arguments {
    /// The configuration that was named.
    pub(super) fn config_path(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The control socket to ask at: the one that was named, or that of the configuration that was
    /// named.
    pub(super) fn control_path(&self) -> PathBuf {
        let configured = || config::control(self.config.as_deref()?);
        self.control.clone().or_else(configured).unwrap_or_else(|| defaults::CONTROL.into())
    }

    /// The first option that has a meaning in pipe mode only, if one was given.
    pub(super) fn pipe_option(&self) -> Option<&'static str> {
        let given = [
            ("--listen", !self.listen.is_empty()),
            ("--tee", self.tee.is_some()),
            ("--stream", self.stream.is_some()),
            ("--format", self.format.is_some()),
            ("--max-line", self.max_line.is_some()),
            ("--on-full", self.on_full.is_some()),
            ("--rotate-size", self.rotate_size.is_some()),
            ("--rotate-keep", self.rotate_keep.is_some()),
            ("--pid-file", self.pid_file.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

/// Reads a value as the configuration would.
pub(super) fn from_written<T: FromWritten>(text: &str) -> Result<T, WrongValue> {
    T::from_text(text)
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (1..=CONFIGURED_COUNT_MAX).contains(&count) => Ok(count),
        _ => Err(format!("write a number from 1 to {CONFIGURED_COUNT_MAX}")),
    }
}

pub(super) fn tee_policy(text: &str) -> Result<TeePolicy, String> {
    match text {
        "wait" => Ok(TeePolicy::Wait),
        "drop" => Ok(TeePolicy::Drop),
        _ => Err("write --tee, or --tee=wait".to_owned()),
    }
}
