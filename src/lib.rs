#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("README.md")]

// In reading order: first the way of a line, then what runs it.
pub mod limits;

pub mod accounts;
pub mod clock;
pub mod descriptor;
pub mod line;
pub mod place;
pub mod stream_name;
pub mod system;

pub mod log4js;
pub mod syslog;
pub mod template;

pub mod counters;
pub mod report;

pub mod block;
pub mod origin;

pub mod framing;

pub mod formatting;
pub mod routing;

pub mod pipeline;

pub mod store;
pub mod writer;

pub mod watch;

pub mod input;

pub mod config;

pub mod agent;

pub mod control;

pub mod cli;
