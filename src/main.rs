//! The program: signal handlers first, then what the command line asks for.

use std::process::ExitCode;

use logagent::cli;
use logagent::control::signals::Signals;

fn main() -> ExitCode {
    // Until these stand a signal kills: nothing comes before them.
    let exit = match Signals::install() {
        Ok(signals) => cli::run(signals),
        Err(error) => cli::deaf(&error),
    };
    ExitCode::from(exit.code())
}
