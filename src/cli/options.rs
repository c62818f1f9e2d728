//! The options as typed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

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
  logagent run -o /var/log/app.log -- app       the same around a command: signals, exit status
  logagent -c /etc/logagent/logagent.toml       the daemon
  backup-job | logagent send --stream backup    to a running agent
  logagent reopen                               after a rename: returns when the old files are complete
  logagent status --watch                       what the agent is doing, every second
  logagent tail -f web                          a stream's lines as they come, across rotations
  logagent check                                every mistake in the configuration
  logagent print config                         a commented configuration to begin with
  logagent print systemd myapp@                 what a unit needs for its output to go to the agent

Signals: USR2 and USR1 reopen every file, HUP reads the configuration again and reopens,
TERM and INT drain and stop, a second one stops at once. With run only USR2 is the agent's.

Every option has an environment form, LOGAGENT_OUTPUT for --output and so on; an empty one counts
as not set, and LOGAGENT_LISTEN takes several paths with ':' between.

Exit status: 0 clean, 64 wrong usage, 71 another agent or the system is in the way, 74 lines could
not be written, 78 wrong configuration.";

const RUN_USAGE: &str = "logagent run -o FILE [OPTIONS] [--] CMD [ARG]...";

const RUN_NOTES: &str = "\
Examples:
  logagent run -o /var/log/app.log -- app --port 80    standard output and error, in their order
  logagent run -o out.log --stderr err.log -- app      each in a file of its own
  logagent run -o /logs/app.log --tee --rotate-size 10MiB --rotate-keep 5 -- app
                                                       in a container, also for its runtime's log

Signals: TERM, INT, HUP, QUIT, USR1 and WINCH go to the command, each one; it decides when to end.
USR2 reopens the files, unless --forward-usr2 is given. When the command has ended, what it has
left in its pipe is written, and what was sent to the sockets of -l; processes that it has started
and left are not waited for.

With --tee a standard error that has a file of its own is copied to the standard error, everything
else to the standard output.

Exit status: that of the command, 128 and its number where a signal has killed it, 127 where there
is no such command, 126 where it cannot be run; 74 where it has ended well and lines could not be
written. 64, 71 and 78 as without it, before the command was started.";

const PRINT_EXAMPLES: &str = "\
Examples:
  logagent print config > /etc/logagent/logagent.toml
  logagent print logrotate > /etc/logrotate.d/logagent
  logagent print systemd myapp@ > /etc/systemd/system/myapp@.service.d/logagent.conf
  logagent print systemd > /etc/systemd/system/logagent.service.d/paths.conf

Make a drop-in's directory first; afterwards systemctl daemon-reload, and restart the unit. Its first
lines say where it belongs and which file the lines will be in.

Exit status: 78 where the configuration is wrong, or has no input that would take the unit.";

/// Collects log lines from many processes and writes them to one file per stream.
#[derive(Debug, Parser)]
#[command(name = "logagent", version, after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    /// The daemon's configuration [default: /etc/logagent/logagent.toml]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// The control socket: of the agent in pipe mode or of run, or of the one that a command asks
    /// [default: none with -o, /run/logagent/control.sock for commands]
    #[arg(long, value_name = "SOCKET", global = true)]
    pub(super) control: Option<PathBuf>,

    /// How much is told on stderr: error, warn, info or debug [default: info, with -o warn;
    /// environment: LOGAGENT_LOG]
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(super) log_level: Option<Level>,

    // Last: whatever came behind it would stand under its heading.
    #[command(flatten, next_help_heading = "Pipe mode, without a configuration")]
    pub(super) pipe: PipeOptions,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What is written where, without a configuration: in pipe mode and with `run`.
#[derive(Debug, Default, Args)]
pub(super) struct PipeOptions {
    /// Write lines to FILE; in pipe mode those of the standard input, to its end, and those of the
    /// sockets and FIFOs that systemd hands over
    #[arg(short, long, value_name = "FILE", conflicts_with = "config")]
    pub(super) output: Option<PathBuf>,

    /// Take lines from this Unix socket too; may be given several times
    #[arg(short, long, value_name = "SOCKET")]
    pub(super) listen: Vec<PathBuf>,

    /// Copy lines to the standard output; what a slow reader there does not take is left out,
    /// unless "wait" is given
    #[arg(long, value_name = "wait", num_args = 0..=1, require_equals = true,
          default_missing_value = "drop", value_parser = tee_policy)]
    pub(super) tee: Option<TeePolicy>,

    /// The stream's name [default: from the file's]
    #[arg(long, value_name = "NAME")]
    pub(super) stream: Option<StreamName>,

    /// raw, stamped with the time of receipt, json, or cri as container runtimes write
    /// [default: raw]
    #[arg(long, value_parser = from_written::<Choice<FormatName>>)]
    pub(super) format: Option<Choice<FormatName>>,

    /// The longest line, longer ones are split [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = from_written::<LineBytes>)]
    pub(super) max_line: Option<LineBytes>,

    /// What happens when a full disk has filled the queue: wait (the default) holds the writers
    /// back, drop-newest and drop-oldest leave lines out, which is told in the file
    #[arg(long, value_name = "POLICY", value_parser = from_written::<Choice<OnFull>>)]
    pub(super) on_full: Option<Choice<OnFull>>,

    /// Before the file is larger than this it becomes an archive, FILE-20261121T060000Z, and
    /// another one is begun
    #[arg(long, value_name = "SIZE", value_parser = from_written::<FileBytes>)]
    pub(super) rotate_size: Option<FileBytes>,

    /// How many archives are kept; older ones are removed [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = count)]
    pub(super) rotate_keep: Option<usize>,

    /// Write the process id to FILE
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
}

/// What `run` runs, and how.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    pub(super) pipe: PipeOptions,

    /// Write the standard error to a file of its own; without it goes where the standard output
    /// goes, in the order in which it was written
    #[arg(long, value_name = "FILE")]
    pub(super) stderr: Option<PathBuf>,

    /// Give the command a terminal: for programs that print late, or without colours, where there
    /// is none. It is its standard input, output and error together
    #[arg(long, conflicts_with = "stderr")]
    pub(super) tty: bool,

    /// Hand SIGUSR2 to the command too; files are reopened when it is noticed that they are renamed,
    /// or by `logagent reopen`
    #[arg(long)]
    pub(super) forward_usr2: bool,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a command, and write what it prints to a file
    ///
    /// Ends when the command does, with its exit status. As PID 1 of a container it reaps what
    /// others leave, and passes signals on.
    #[command(after_help = RUN_NOTES, override_usage = RUN_USAGE)]
    Run(RunOptions),
    /// Tell every mistake in a configuration, with line and column
    Check {
        /// The file; conf.d beside it is read too [default: that of -c]
        file: Option<PathBuf>,
    },
    /// Print something to begin with, or what goes with a configuration
    ///
    /// For the configuration that -c names, else the one in its usual place; where there is none, for
    /// that of a package.
    #[command(after_help = PRINT_EXAMPLES)]
    Print {
        /// What to print
        what: Printed,
        /// With systemd: the unit whose output goes to the agent, `myapp@` or `myapp.service`
        /// [default: the agent's own]
        unit: Option<String>,
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
    /// A file for /etc/logrotate.d: this configuration's log files, and the agent told of it
    Logrotate,
    /// A drop-in: of a unit, so that its output goes to the agent; of logagent.service, so that it
    /// may write to where the configuration says
    Systemd,
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
}

impl PipeOptions {
    /// The first option that has a meaning only with a file to write to, if one was given.
    pub(super) fn first_given(&self) -> Option<&'static str> {
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
