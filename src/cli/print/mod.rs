//! `print`: something to begin with, or what goes with a configuration.

mod logrotate;
mod quoting;
mod sockets;
mod systemd;
mod unit;

use std::path::{Path, PathBuf};

use super::check;
use super::exit::{self, Exit};
use super::options::{CONFIG_DEFAULT, Printed};
use crate::config::{self, Config, Mistake};

/// What packages configure, for those who have no configuration yet.
const PACKAGED: &str = include_str!("../../../packaging/logagent.toml");

/// A configuration, and where it stands.
struct Configured {
    config: Config,
    /// The one that is in force anyway, where none was named and none is there.
    file: PathBuf,
    /// Whether the agent has to be told to read it.
    is_named: bool,
}

pub(super) fn run(what: Printed, unit: Option<&str>, file: Option<&Path>) -> Exit {
    if unit.is_some() && !matches!(what, Printed::Systemd) {
        return exit::usage("only `print systemd` takes a unit");
    }
    if let Printed::Config = what {
        return print_config(file);
    }
    let configured = match configured(file) {
        Ok(configured) => configured,
        Err(mistakes) => return check::tell(&mistakes),
    };
    let text = match (what, unit) {
        (Printed::Systemd, Some(unit)) => match unit::drop_in(unit, &configured) {
            Ok(text) => text,
            Err(unit::Problem::Name(text)) => return exit::usage(&text),
            Err(unit::Problem::NoInput(text)) => {
                super::tell(&format!("logagent: {text}"));
                return Exit::Configuration;
            }
        },
        (Printed::Systemd, None) => systemd::drop_in(&configured),
        (Printed::Logrotate | Printed::Config, _) => logrotate::stanzas(&configured),
    };
    super::answer(&text);
    Exit::Clean
}

/// The configuration that was named, else the one in its usual place, else the one of a package.
fn configured(file: Option<&Path>) -> Result<Configured, Vec<Mistake>> {
    let usual = Path::new(CONFIG_DEFAULT);
    let named = file.or_else(|| usual.exists().then_some(usual));
    let config = match named {
        // Not whether this user may write there: the agent is another one.
        Some(file) => config::read(file)?,
        None => config::check_text(usual, PACKAGED)?,
    };
    let file = std::path::absolute(named.unwrap_or(usual)).unwrap_or_else(|_| usual.to_owned());
    let is_named = file != usual;
    Ok(Configured { config, file, is_named })
}

/// The configuration in effect where one was named; else one to begin with.
fn print_config(file: Option<&Path>) -> Exit {
    let Some(file) = file else {
        super::answer(include_str!("../../../config/logagent.toml"));
        return Exit::Clean;
    };
    match config::load(file) {
        Ok(config) => {
            super::answer(&config::render(&config));
            Exit::Clean
        }
        Err(mistakes) => check::tell(&mistakes),
    }
}
