//! Node.js, with the packages from its world that `tests/all` installs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the packages are that `tests/node/package-lock.json` pins, ours among them.
#[track_caller]
pub fn node_modules() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/node/node_modules");
    assert!(modules.join("logagent").exists(), "no {}: tests/all installs it", modules.display());
    modules
}

/// Node.js, whose programs find these packages wherever they are themselves.
#[track_caller]
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", node_modules());
    node
}
