//! logagent

pub mod agent;
pub mod block;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod counters;
pub mod formatting;
pub mod framing;
pub mod input;
pub mod limits;
pub mod line;
pub mod pipeline;
pub mod place;
pub mod report;
pub mod stream_name;
pub mod writer;
