//! What is fuzzed, and what must hold for any bytes: one function a target.
//!
//! `pipeline` is the way of bytes into a block; `texts` is whatever reads a text that somebody else
//! may have written. Expected lines and readers are those of the properties.
#![allow(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]
#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

mod left_behind;
#[path = "../../properties/model.rs"]
mod model;
mod names;
mod pipeline;
#[path = "../../properties/readers.rs"]
mod readers;
mod texts;

pub use left_behind::{handover, ledger};
pub use names::archive_names;
pub use pipeline::{packets, stream};
pub use texts::{configuration, control_line, handshake, origin, syslog_head, templates};
