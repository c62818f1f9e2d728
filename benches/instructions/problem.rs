//! Errors as sentences: what was tried, on what, and why it failed.

use std::error::Error;
use std::fmt::Display;

pub(crate) type Problem = Box<dyn Error + Send + Sync>;
pub(crate) type Outcome<T> = Result<T, Problem>;

/// Says what was being done when an error came.
pub(crate) trait While<T> {
    fn while_(self, doing: impl Display) -> Outcome<T>;
}

impl<T, E: Display> While<T> for Result<T, E> {
    fn while_(self, doing: impl Display) -> Outcome<T> {
        self.map_err(|error| format!("cannot {doing}: {error}").into())
    }
}
