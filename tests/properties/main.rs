//! Properties of the data path's pure half, over random inputs, limits and cuts.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]
#![allow(unreachable_pub, reason = "a test crate has no public interface")]

mod blocks;
mod cuts;
mod events;
mod expansion;
mod formats;
mod inputs;
mod memory;
mod model;
mod over_long;
mod readers;
