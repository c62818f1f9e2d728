//! A connection that systemd keeps.

use std::sync::atomic::Ordering::Relaxed;

use super::{CONNECTION, Entry, Slot, Store, Whose};
use crate::pipeline::Unfinished;

/// Keeps a connection kept; dropped it is no longer, unless it was left for the next agent.
#[derive(Debug)]
pub struct Kept {
    pub(super) store: Store,
    pub(super) key: Option<u64>,
    pub(super) slot: Option<Slot>,
}

impl Kept {
    /// Whether systemd keeps it.
    pub fn is_kept(&self) -> bool {
        self.key.is_some()
    }

    /// Notes whose it is, for a crash.
    pub fn enter(&mut self, whose: Whose) -> Option<Slot> {
        let inner = self.store.0.as_ref()?;
        let before = self.slot.take();
        self.slot = inner.ledger.enter(&Entry::Connection { key: self.key?, whose });
        if let Some(before) = before {
            inner.ledger.release(before);
        }
        self.slot
    }

    /// Leaves it for the next agent. False where it is not kept: then it ends now.
    pub fn leave(&mut self, unfinished: Unfinished) -> bool {
        let Some(key) = self.key.take() else { return false };
        self.slot = None;
        self.store.next(|next| next.connections.insert(key, unfinished));
        true
    }

    /// Leaves it for the next agent, which finds in the ledger how far it was.
    pub fn leave_as_entered(&mut self) -> bool {
        self.slot = None;
        self.key.take().is_some()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(inner) = &self.store.0 else { return };
        if !inner.lets_go.load(Relaxed) {
            // Its reader was cut off, before everything was taken over or at the very end: the next
            // agent finds in the ledger how far it was.
            return;
        }
        if let Some(slot) = self.slot {
            inner.ledger.release(slot);
        }
        if let Some(key) = self.key {
            inner.forget(&format!("{CONNECTION}{key}"));
        }
    }
}
