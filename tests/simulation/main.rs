//! The writer on a disk that fails: seeded simulations, and single cases by name.
//!
//! `LOGAGENT_SIMULATION_SECONDS` says how long each simulation goes on, `LOGAGENT_SIMULATION_SEED`
//! repeats the one run that failed.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]
#![allow(clippy::print_stdout, reason = "a seed is told to whoever runs the test")]
#![allow(unreachable_pub, reason = "a test crate has no public interface")]

mod cases;
mod coverage;
mod dropping;
mod faulty_disk;
mod healing;
mod log_file;
mod oracle;
mod other_side;
mod rotating;
mod seeds;
mod stream_writer;
mod threads;
mod world;
