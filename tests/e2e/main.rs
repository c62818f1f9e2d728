//! The promises, on the real binary: every test starts `logagent` itself, in a directory of its own,
//! with real clients, files and partners. `tests/all` installs what they need and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "the product's rules: a test may panic, speak, look at the clock and write whole buffers"
)]
#![allow(unreachable_pub, reason = "one crate: its modules are public to one another")]

mod support;

mod configuration;
mod container_examples;
mod containers;
mod containers_run;
mod control;
mod control_clients;
mod descriptor_store;
mod disks;
mod durability;
mod formats;
mod full_disks;
mod handed_over;
mod haproxy;
mod healing;
mod hostile_clients;
mod journal;
mod lifecycle;
mod logrotate;
mod multiline;
mod node;
mod own_rotation;
mod pipe_mode;
mod pressure;
mod print;
mod records;
mod regressions;
mod reload;
mod rotation;
mod routing;
mod run;
mod run_processes;
mod run_terminal;
mod send;
mod send_restarts;
mod signals;
mod soak;
mod sockets;
mod status;
mod stops;
mod storm;
mod syslog;
mod systemd;
mod tail;
mod templated_load;
mod templated_service;
mod transport;
mod units;
mod watched_configuration;
