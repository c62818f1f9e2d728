//! `check`: every mistake in a configuration.

use std::path::Path;

use super::exit::Exit;
use super::options::CONFIG_DEFAULT;
use crate::config::{self, Mistake};

pub(super) fn run(file: Option<&Path>) -> Exit {
    let file = file.unwrap_or(Path::new(CONFIG_DEFAULT));
    match config::load(file) {
        Ok(config) => {
            let (inputs, streams) = (config.inputs.len(), config.streams.len());
            super::answer(&format!(
                "{}: correct, inputs: {inputs}, streams: {streams}\n",
                file.display()
            ));
            Exit::Clean
        }
        Err(mistakes) => tell(&mistakes),
    }
}

/// Tells mistakes in the form that editors understand.
pub(super) fn tell(mistakes: &[Mistake]) -> Exit {
    for mistake in mistakes {
        super::tell(&mistake.to_string());
    }
    Exit::Configuration
}
