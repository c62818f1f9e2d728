//! The configuration: as written (serde) -> as used (checked, all mistakes at once) -> diff (pure).
mod used;
pub use used::{AgentSettings, Config};
