//! What the tests share: a place to work in, the agent, clients that number their lines, and the
//! checker that counts what became of them.

mod agent;
mod checker;
mod clients;
mod container;
mod control;
mod hanging;
mod inside;
mod installed;
mod lines;
mod marked;
mod node;
mod place;
mod pm2;
mod random;
mod readers;
mod records;
mod rest;
mod sender;
mod systemd;
mod tampered;
mod terminal;
mod tireless;
mod tools;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use agent::Agent;
pub use checker::{Checker, Gaps};
pub use clients::{Clients, Gate, Sent, Writes};
pub use container::{Container, Pods, packaging, static_binary};
pub use control::Control;
pub use hanging::HangingDisk;
pub use installed::Installed;
pub use lines::{LINE_BYTES, numbered_line, numbered_lines};
pub use marked::Marked;
pub use node::{node, node_modules};
pub use place::{EVERY_KIND, NOBODY, Place};
pub use pm2::{Pm2, by_output, without_pm2s_own};
pub use random::Random;
pub use readers::{Entry, EntryEnd, joined, read_cri, read_json};
pub use records::{Marks, Packets, Records};
pub use rest::Rest;
pub use sender::{send_command, start_send};
pub use systemd::{SystemdBox, shipped_agent};
pub use tampered::TamperedWrites;
pub use terminal::Terminal;
pub use tireless::Tireless;
pub use tools::{Logrotate, LoopDisk, SmallDisk, contents, output_of, rotated, run, spawn};

/// Whether the full counts are wanted: `tests/all --long`.
static LONG: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("LOGAGENT_TESTS").is_some_and(|counts| counts == "long"));

/// The count for every day, or the full one.
pub fn scale<N>(short: N, long: N) -> N {
    if *LONG { long } else { short }
}

/// How long anything may take before it counts as never. Far beyond what it does take, so that a
/// slow machine does not fail.
pub fn deadline() -> Duration {
    Duration::from_secs(scale(60, 600))
}

/// Waits for what must happen; the only way in which these tests wait.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    let mut pause = Duration::from_micros(200);
    while !condition() {
        assert!(begin.elapsed() < deadline(), "waited {:?} in vain: {what}", deadline());
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The machine, for a test that loads it heavily: one at a time.
pub fn whole_machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
