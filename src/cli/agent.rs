//! The daemon and pipe mode: everything that runs until it is told to stop.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::exit::{self, Exit};
use super::options::{Arguments, CONFIG_DEFAULT};
use super::{check, pipe};
use crate::agent::{Agent, Failure, Outcome, PidFile};
use crate::config::{self, Config};
use crate::control::signals::Signals;
use crate::control::{self, Mode};
use crate::input::Inherited;
use crate::input::pace::rest_if_due;
use crate::limits::BLOCKING_THREADS_MAX;
use crate::report::{
    AgentStarted, Level, Messages, Panicked, StoreFailed, SupervisorSilent, report,
};
use crate::store::{Store, Supervisor};
use crate::system::inherited_descriptors;
use crate::writer::tee::TeePolicy;
use crate::writer::wake;

/// What to run.
struct Plan {
    config: Config,
    mode: Mode,
    tee: Option<TeePolicy>,
}

pub(super) fn run(arguments: Arguments, signals: Signals) -> Exit {
    // A filter is silent while all goes well.
    let quiet = if arguments.output.is_some() { Level::Warn } else { Level::Info };
    let level = arguments.log_level.unwrap_or(quiet);
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let messages = match Messages::start(level) {
        Ok(messages) => messages,
        Err(error) => return exit::failed(&Failure::system(error)),
    };
    report_panics();
    let outcome = start_and_run(plan, signals);
    messages.finish();
    match outcome {
        Ok(outcome) => Exit::from(&outcome),
        Err(failure) => exit::failed(&failure),
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, Exit> {
    if let Some(output) = &arguments.output {
        let config = pipe::config(arguments, output).map_err(|text| exit::usage(&text))?;
        let ends_with_stdin = config.inputs.contains_key(pipe::STDIN);
        let mode = Mode { ends_with_stdin, ..Mode::default() };
        return Ok(Plan { config, mode, tee: arguments.tee });
    }
    if let Some(option) = arguments.pipe_option() {
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
        ends_with_stdin: false,
        control: arguments.control.clone(),
        supervisor: None,
    };
    Ok(Plan { config: mode.overriding(config), mode, tee: None })
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

fn start_and_run(plan: Plan, signals: Signals) -> Result<Outcome, Failure> {
    // Before anything else is opened that could have its numbers.
    let mut descriptors = inherited_descriptors().map_err(|error| {
        Failure::system(format!("cannot take what systemd has handed over: {error}"))
    })?;
    let supervisor = Supervisor::of_environment().unwrap_or_else(|error| {
        report(&SupervisorSilent { error: &error });
        None
    });
    let store = store(&plan, supervisor.clone(), &mut descriptors);
    let inherited = Inherited::new(descriptors);
    let runtime = runtime().map_err(Failure::system)?;
    let plan = Plan { mode: Mode { supervisor, ..plan.mode }, ..plan };
    let outcome = runtime.block_on(run_until_stopped(plan, inherited, store, signals));
    // Nobody waits for a configuration file on a disk that hangs.
    runtime.shutdown_background();
    outcome
}

/// Where systemd keeps descriptors for us. It says so itself since version 254; before that the
/// unit has to.
fn store(
    plan: &Plan,
    supervisor: Option<Arc<Supervisor>>,
    descriptors: &mut Vec<(String, OwnedFd)>,
) -> Store {
    // A filter's life is that of its standard input.
    let supervisor = supervisor.filter(|_| plan.mode.config_file.is_some());
    let descriptors_max = std::env::var("FDSTORE").ok().and_then(|count| count.parse().ok());
    let agent = &plan.config.agent;
    let slots = agent.connections_max + agent.streams_max;
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
) -> Result<Outcome, Failure> {
    let settings = plan.config.agent.clone();
    let signals = signals.into_async().map_err(Failure::system)?;
    // Before anything else: a stale one names somebody who must not be signalled.
    let mut pid_file = settings.pid_file.as_deref().map(PidFile::claim).transpose()?;
    let mut agent = Agent::start(plan.config, inherited, store, plan.tee).await?;
    let requests = match &settings.control {
        Some(path) => control::serve(path).map_err(Failure::of_input)?,
        None => mpsc::channel(1).1,
    };
    // From here on clients may have sent something, so even a failure writes it.
    let up = agent.open_inputs().and_then(|()| match &mut pid_file {
        Some(pid_file) => pid_file.publish(),
        None => Ok(()),
    });
    if let Err(failure) = up {
        agent.abandon().await;
        return Err(failure);
    }
    report(&AgentStarted {
        version: &env!("CARGO_PKG_VERSION"),
        inputs: &agent.inputs_count(),
        streams: &agent.streams_count(),
    });
    let outcome = control::run(agent, signals, requests, plan.mode).await;
    if let Some(path) = settings.control {
        // Nobody answers there any more.
        std::fs::remove_file(path).unwrap_or_default();
    }
    Ok(outcome)
}

/// A panic is told like everything else, and never ends the process.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let task = thread.name().unwrap_or("unnamed");
        report(&Panicked { task: &task, text: panic });
    }));
}
