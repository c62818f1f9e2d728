//! The command line.

use std::path::PathBuf;

use crate::scenario::{Scenario, Transport};

pub(crate) const HELP: &str = "\
Compares log collectors, each in pairs with a yardstick.

usage: cargo bench --bench compare -- [OPTION]...

What is run
  --scenario NAME                  how lines come to the collector: pipe, unix-stream, unix-datagram,
                                   unix-seqpacket, all (all); may be repeated
  --contestant NAME                only this one, beside the yardstick; may be repeated
  --clients LIST                   (unix-stream: 1,16,500; unix-datagram, unix-seqpacket: 16)
  --lines-per-write LIST           (pipe: 1,100; unix-stream: 1,20; the others: 1, which is a packet)
  --line-bytes LIST                with the newline (120,1024)
  --lines N                        in each run; without it as many as are about
  --megabytes N                    so many MB (256)
  --pairs N                        runs of each contestant (7; 21 to publish)
  --quick                          2 pairs of 20000 lines in few scenarios: a test, no measurement

With what
  --logagent PATH                  the program that is measured (the one built with this benchmark)
  --dir DIR                        where the collectors write (the target directory)
  --cache DIR                      where packages are unpacked (the target directory)
  --install                        installs the contestants that are missing: needs root, Debian
  --load-threads N                 threads that drive the clients of unix-stream and unix-seqpacket
                                   (2: with one, the load would be what limits a quick collector);
                                   each client of unix-datagram is a thread

What comes out
  --json FILE                      every figure of every run
  --markdown FILE                  the tables
  --svg FILE                       a bar chart of the CPU time of each contestant: of the shortest
                                   lines, and of several numbers of clients the middle one
  --show-configurations            prints the contestants' commands and configurations, runs nothing
  --load-only                      measures the load generator against readers that discard
  --help

Columns
  wall s       from the start of the load until all lines are in the file (pipe: until the
               collector has ended, too); CPU: the collector's, user and system, from the start of
               the load to its end, for a thousand lines; load: the same of the load generator
  anon, file   peaks of the collector's resident memory: its own, and that of files (program,
               libraries); in a family of processes, the sum
  x YARDSTICK  the median of the ratios of the pairs, and its confidence interval; in the
               yardstick's own row against itself (A/A): that is the noise
  lost ...     of all runs together: lines that are nowhere, more than once, not as they were sent,
               after a later line of the same client

Exit status: 0; 1 when a logagent row has a fault or did not run, or the benchmark failed; 64 usage.
";

/// What a run without options sends.
const MEGABYTES: usize = 256;
const QUICK_LINES: usize = 20_000;

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) transports: Vec<Transport>,
    pub(crate) contestants: Vec<String>,
    pub(crate) clients: Option<Vec<usize>>,
    pub(crate) lines_per_write: Option<Vec<usize>>,
    pub(crate) line_bytes: Option<Vec<usize>>,
    pub(crate) lines: Option<usize>,
    pub(crate) megabytes: usize,
    pub(crate) pairs: Option<usize>,
    pub(crate) quick: bool,
    pub(crate) logagent: Option<PathBuf>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) install: bool,
    pub(crate) load_threads: usize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Compare,
    ShowConfigurations,
    LoadOnly,
    Help,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            transports: Vec::new(),
            contestants: Vec::new(),
            clients: None,
            lines_per_write: None,
            line_bytes: None,
            lines: None,
            megabytes: MEGABYTES,
            pairs: None,
            quick: false,
            logagent: None,
            dir: None,
            cache: None,
            install: false,
            load_threads: 2,
            json: None,
            markdown: None,
            svg: None,
            purpose: Purpose::Compare,
        };
        let mut arguments = arguments.into_iter().peekable();
        // That is `cargo test --all-targets`, which must not take an hour.
        options.quick = arguments.peek().is_none();
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                // cargo bench says what it is to every benchmark.
                "--bench" => {}
                "--scenario" => options.transports.extend(transports(&value()?)?),
                "--contestant" => options.contestants.push(value()?),
                "--clients" => options.clients = Some(numbers(&value()?)?),
                "--lines-per-write" => options.lines_per_write = Some(numbers(&value()?)?),
                "--line-bytes" => options.line_bytes = Some(numbers(&value()?)?),
                "--megabytes" => options.megabytes = number(&value()?)?,
                "--lines" => options.lines = Some(number(&value()?)?),
                "--pairs" => options.pairs = Some(number(&value()?)?),
                "--quick" => options.quick = true,
                "--logagent" => options.logagent = Some(value()?.into()),
                "--dir" => options.dir = Some(value()?.into()),
                "--cache" => options.cache = Some(value()?.into()),
                "--install" => options.install = true,
                "--load-threads" => options.load_threads = number(&value()?)?,
                "--json" => options.json = Some(value()?.into()),
                "--markdown" => options.markdown = Some(value()?.into()),
                "--svg" => options.svg = Some(value()?.into()),
                "--show-configurations" => options.purpose = Purpose::ShowConfigurations,
                "--load-only" => options.purpose = Purpose::LoadOnly,
                "--help" | "-h" => options.purpose = Purpose::Help,
                unknown => return Err(format!("unknown option {unknown}")),
            }
        }
        if options.transports.is_empty() {
            options.transports = Transport::ALL.to_vec();
        }
        Ok(options)
    }

    pub(crate) fn pairs(&self) -> usize {
        self.pairs.unwrap_or(if self.quick { 2 } else { 7 })
    }

    /// The matrix.
    pub(crate) fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        let mut scenarios = Vec::new();
        for &transport in &self.transports {
            let (clients, lines_per_write, line_bytes) = self.shapes(transport);
            for &line_bytes in &line_bytes {
                for &clients in &clients {
                    for &lines_per_write in &lines_per_write {
                        let plenty = match self.quick {
                            true => QUICK_LINES,
                            false => self.megabytes * 1_000_000 / line_bytes.max(1),
                        };
                        let lines = self.lines.unwrap_or(plenty);
                        let shape = (clients, lines_per_write, line_bytes);
                        scenarios.push(Scenario::new(transport, shape, lines)?);
                    }
                }
            }
        }
        Ok(scenarios)
    }

    fn shapes(&self, transport: Transport) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
        let (clients, lines_per_write): (&[usize], &[usize]) = match (transport, self.quick) {
            (Transport::Pipe, _) => (&[1], &[1, 100]),
            (Transport::UnixStream, true) => (&[16], &[1, 20]),
            (Transport::UnixStream, false) => (&[1, 16, 500], &[1, 20]),
            (Transport::UnixDatagram | Transport::UnixSeqpacket, _) => (&[16], &[1]),
        };
        let line_bytes: &[usize] = if self.quick { &[120] } else { &[120, 1024] };
        let or = |chosen: &Option<Vec<usize>>, default: &[usize]| {
            chosen.clone().unwrap_or_else(|| default.to_vec())
        };
        let clients = match transport {
            Transport::Pipe => vec![1],
            _ => or(&self.clients, clients),
        };
        let lines_per_write = match transport.has_packets() {
            true => lines_per_write.to_vec(),
            false => or(&self.lines_per_write, lines_per_write),
        };
        (clients, lines_per_write, or(&self.line_bytes, line_bytes))
    }
}

fn transports(name: &str) -> Result<Vec<Transport>, String> {
    match (name, Transport::named(name)) {
        ("all", _) => Ok(Transport::ALL.to_vec()),
        (_, Some(transport)) => Ok(vec![transport]),
        (other, None) => {
            let names = Transport::ALL.map(Transport::name).join(", ");
            Err(format!("--scenario {other}: give one of {names}, or all"))
        }
    }
}

fn numbers(list: &str) -> Result<Vec<usize>, String> {
    list.split(',').map(number).collect()
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is not a number above 0")),
    }
}
