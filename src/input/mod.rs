//! Inputs.
mod settings;
pub use settings::{InputKind, InputSettings};
