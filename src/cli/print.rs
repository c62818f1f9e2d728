//! `print`: something to begin with.

use std::path::Path;

use super::check;
use super::exit::Exit;
use super::options::Printed;
use crate::config;

pub(super) fn run(what: Printed, file: Option<&Path>) -> Exit {
    match what {
        Printed::Config => print_config(file),
    }
}

/// The configuration in effect where one was named; else one to begin with.
fn print_config(file: Option<&Path>) -> Exit {
    let Some(file) = file else {
        super::answer(include_str!("../../config/logagent.toml"));
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
