//! The packages that `packaging/build --for-tests` makes: what is in them, and how they are installed,
//! upgraded, removed and purged in a real systemd, with clients and units that write all the while.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "the product's rules")]
#![allow(unreachable_pub, reason = "a test crate has no public interface")]

mod contents;
mod deb;
mod load;
mod machine;
mod purge;
mod readme;
mod rpm;
mod tarball;
mod upgrade;

#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
mod support;
