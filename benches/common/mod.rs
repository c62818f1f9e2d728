//! What the benchmarks share: numbered lines, the load, processes, the checker, the bare loop.
//!
//! `line` and `load` what is sent, from a process of its own; `check` whether it arrived;
//! `bare_loop` the yardstick on Unix sockets; `process` and `watch` what a collector uses;
//! `statistics`, `columns` and `machine` what is told of it; `work` where its files are.

// Each benchmark uses its part of this.
#![allow(dead_code)]

pub(crate) mod bare_loop;
pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod interrupt;
pub(crate) mod line;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod problem;
pub(crate) mod process;
pub(crate) mod scenario;
pub(crate) mod statistics;
pub(crate) mod watch;
pub(crate) mod work;
