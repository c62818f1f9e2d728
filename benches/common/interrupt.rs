//! Ctrl-C and SIGTERM: the run under way is ended, what was started is stopped, files are removed.
//!
//! A flag, and not a blocked signal that a thread waits for: a blocked signal would be inherited by
//! the contestants, which are ended with SIGTERM.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;

use super::problem::{Outcome, While};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

pub(crate) fn prepare() -> Outcome<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        signal_hook::flag::register(signal as i32, flag.clone()).while_("handle signals")?;
    }
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
