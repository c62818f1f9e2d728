//! What the benchmarks share: numbered lines, the load, processes, the checker, the bare loop.
//!
//! `line` and `load` what is sent, from a process of its own; `check` whether it arrived;
//! `bare_loop` the yardstick on Unix stream sockets, `bare_seqpackets` and `bare_datagrams` those on
//! the others; `process` and `watch` what a collector uses;
//! `statistics`, `columns` and `machine` what is told of it; `work` where its files are.

// Each benchmark uses its part of this.
#![allow(dead_code)]

pub(crate) mod bare_datagrams;
pub(crate) mod bare_loop;
pub(crate) mod bare_seqpackets;
pub(crate) mod check;
pub(crate) mod columns;
mod connections;
pub(crate) mod interrupt;
pub(crate) mod line;
pub(crate) mod load;
mod load_datagrams;
pub(crate) mod machine;
pub(crate) mod problem;
pub(crate) mod process;
pub(crate) mod scenario;
pub(crate) mod statistics;
pub(crate) mod watch;
pub(crate) mod work;
