//! The daemon and pipe mode: everything that runs until it is told to stop.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::exit::{self, Exit};
use super::handed_over::{self, Descriptors};
use super::options::{Arguments, CONFIG_DEFAULT};
use super::{check, pipe};
use crate::agent::{Agent, Copies, Failure, PidFile};
use crate::config::{self, Config};
use crate::control::child::Prepared;
use crate::control::signals::{AsyncSignals, Meant, Signals};
use crate::control::{self, Ended, Mode, Request};
use crate::input::pace::rest_if_due;
use crate::input::{ChildOutput, Inherited, InputKind};
use crate::limits::BLOCKING_THREADS_MAX;
use crate::report::{
    AgentStarted, Level, Messages, Panicked, StoreFailed, SupervisorSilent, report,
};
use crate::store::{Store, Supervisor};
use crate::writer::wake;

/// What to run.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) copies: Option<Copies>,
    pub(super) signals_are: Meant,
    /// What is started when everything is up, and our ends of its pipes.
    pub(super) command: Option<(Prepared, Vec<(ChildOutput, OwnedFd)>)>,
}

pub(super) fn run(arguments: Arguments, signals: Signals) -> Exit {
    let mut descriptors = match handed_over::take() {
        Ok(descriptors) => descriptors,
        Err(failure) => return exit::failed(&failure),
    };
    let plan = match plan(&arguments, &mut descriptors) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    run_plan(plan, arguments.log_level, descriptors, signals)
}

/// Runs until the end.
pub(super) fn run_plan(
    plan: Plan,
    level: Option<Level>,
    descriptors: Descriptors,
    signals: Signals,
) -> Exit {
    // A filter is silent while all goes well.
    let quiet = if plan.mode.config_file.is_none() { Level::Warn } else { Level::Info };
    let messages = match Messages::start(level.unwrap_or(quiet)) {
        Ok(messages) => messages,
        Err(error) => return exit::failed(&Failure::system(error)),
    };
    report_panics();
    let ended = start_and_run(plan, descriptors, signals);
    messages.finish();
    match ended {
        Ok(ended) => Exit::from(&ended),
        Err(failure) => exit::failed(&failure),
    }
}

/// It would end at once, and what systemd keeps for it would be let go.
const SOCKET_LOST: &str = "nothing to read: systemd keeps connections of the agent before, but hands \
    over no socket. It loses one whose path has a backslash when it reloads its units: `systemctl \
    restart` the .socket unit, and name it without escapes";

fn plan(arguments: &Arguments, descriptors: &mut Descriptors) -> Result<Plan, Exit> {
    let options = &arguments.pipe;
    if let Some(output) = &options.output {
        let control = arguments.control.as_deref();
        let handed_over = &handed_over::read_by_pipe(descriptors);
        if handed_over.is_empty()
            && options.listen.is_empty()
            && pipe::standard_input_is_nothing()
            && handed_over::is_kept_for_us(descriptors)
        {
            return Err(exit::failed(&Failure::system(SOCKET_LOST)));
        }
        let wanted = pipe::Wanted { options, output, stderr: None, control, handed_over };
        let config = pipe::config(&wanted).map_err(|text| exit::usage(&text))?;
        let ends_with_stdin = config.inputs.values().any(|it| it.kind == InputKind::Stdin);
        let mode = Mode { ends_with_stdin, ..Mode::default() };
        let copies = options.tee.map(|policy| Copies { policy, to_stderr: None });
        let (signals_are, command) = (Meant::ForAgent, None);
        return Ok(Plan { config, mode, copies, signals_are, command });
    }
    if let Some(option) = options.first_given() {
        return Err(exit::usage(&format!("{option} needs a file to write to: add -o FILE")));
    }
    let file = arguments.config_path().unwrap_or(Path::new(CONFIG_DEFAULT));
    let nobody_chose = arguments.config.is_none() && !file.exists();
    if nobody_chose && (io::stdin().is_terminal() || is_piped()) {
        return Err(exit::usage(&format!(
            "nothing to do: there is no {CONFIG_DEFAULT}. Write a program's lines to a file with\n\
             \x20 app | logagent -o FILE\n\
             or run the daemon with\n\
             \x20 logagent -c FILE        (`logagent print config` shows what goes in it)"
        )));
    }
    let config = config::load(file).map_err(|mistakes| {
        let exit = check::tell(&mistakes);
        remove_stale_pid_file(file);
        exit
    })?;
    let mode = Mode {
        config_file: Some(file.to_owned()),
        control: arguments.control.clone(),
        ..Mode::default()
    };
    let config = mode.overriding(config);
    Ok(Plan { config, mode, copies: None, signals_are: Meant::ForAgent, command: None })
}

/// Even where the configuration is wrong: a stale pid file names somebody who would be signalled
/// in our place.
fn remove_stale_pid_file(file: &Path) {
    let path = config::pid_file(file);
    if let Some(path) = path {
        // Another agent's is left alone; what else is wrong has been told.
        PidFile::claim(&path).map(drop).unwrap_or_default();
    }
}

fn is_piped() -> bool {
    use nix::sys::stat::{SFlag, fstat};
    fstat(io::stdin()).is_ok_and(|found| {
        SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFIFO
    })
}

fn start_and_run(
    plan: Plan,
    mut descriptors: Descriptors,
    signals: Signals,
) -> Result<Ended, Failure> {
    let supervisor = Supervisor::of_environment().unwrap_or_else(|error| {
        report(&SupervisorSilent { error: &error });
        None
    });
    let store = store(&plan, supervisor.clone(), &mut descriptors);
    let inherited = Inherited::new(descriptors);
    let runtime = runtime().map_err(Failure::system)?;
    let plan = Plan { mode: Mode { supervisor, ..plan.mode }, ..plan };
    let ended = runtime.block_on(run_until_stopped(plan, inherited, store, signals));
    // Nobody waits for a configuration file on a disk that hangs.
    runtime.shutdown_background();
    ended
}

/// Where systemd keeps descriptors for us. It says so itself since version 254; before that the
/// unit has to.
fn store(plan: &Plan, supervisor: Option<Arc<Supervisor>>, descriptors: &mut Descriptors) -> Store {
    // A filter's life is that of its standard input, and a wrapper's that of its command.
    let alone = !plan.mode.ends_with_stdin && plan.command.is_none();
    let supervisor = supervisor.filter(|_| alone);
    let descriptors_max = std::env::var("FDSTORE").ok().and_then(|count| count.parse().ok());
    let agent = &plan.config.agent;
    let places = plan.config.inputs.values().flat_map(|input| input.kind.places());
    let slots = agent.connections_max + agent.streams_max + places.count();
    let store = Store::open(supervisor, descriptors_max.unwrap_or(0), descriptors, slots);
    store.unwrap_or_else(|error| {
        report(&StoreFailed { error: &error });
        Store::default()
    })
}

fn runtime() -> io::Result<Runtime> {
    wake::defer();
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time().max_blocking_threads(BLOCKING_THREADS_MAX);
    builder.on_thread_park(before_waiting).build()
}

fn before_waiting() {
    // Whoever rests next has nothing more for the writers.
    wake::now();
    rest_if_due();
}

async fn run_until_stopped(
    plan: Plan,
    inherited: Inherited,
    store: Store,
    signals: Signals,
) -> Result<Ended, Failure> {
    let settings = plan.config.agent.clone();
    let signals = signals.into_async(plan.signals_are).map_err(Failure::system)?;
    // Before anything else: a stale one names somebody who must not be signalled.
    let mut pid_file = settings.pid_file.as_deref().map(PidFile::claim).transpose()?;
    // Before any file is opened: whoever finds no socket knows that no file is open.
    let requests = match &settings.control {
        Some(path) => control::serve(path).map_err(Failure::of_input)?,
        None => mpsc::channel(1).1,
    };
    let ended = run_with_control(plan, inherited, store, signals, &mut pid_file, requests).await;
    if let Some(path) = settings.control {
        // Nobody answers there any more.
        std::fs::remove_file(path).unwrap_or_default();
    }
    ended
}

async fn run_with_control(
    plan: Plan,
    inherited: Inherited,
    store: Store,
    signals: AsyncSignals,
    pid_file: &mut Option<PidFile>,
    requests: mpsc::Receiver<Request>,
) -> Result<Ended, Failure> {
    let Plan { config, mut mode, copies, command, .. } = plan;
    let (command, pipes) = command.unzip();
    let inherited = inherited.with_child(pipes.unwrap_or_default());
    let mut agent = Agent::start(config, inherited, store, copies).await?;
    // From here on clients may have sent something, so even a failure writes it.
    let up = agent.open_inputs().and_then(|()| match pid_file {
        Some(pid_file) => pid_file.publish(),
        None => Ok(()),
    });
    match up.and_then(|()| command.map(Prepared::start).transpose()) {
        Ok(child) => mode.child = child,
        Err(failure) => {
            agent.abandon().await;
            return Err(failure);
        }
    }
    report(&AgentStarted {
        version: &env!("CARGO_PKG_VERSION"),
        inputs: &agent.inputs_count(),
        streams: &agent.streams_count(),
    });
    Ok(control::run(agent, signals, requests, mode).await)
}

/// A panic is told like everything else, and never ends the process.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let task = thread.name().unwrap_or("unnamed");
        report(&Panicked { task: &task, text: panic });
    }));
}
