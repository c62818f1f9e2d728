//! When a writer is woken: a thread that serves many connections drains what is ready first.
//!
//! One wake-up for all of them costs as much as one wake-up for each, and gives the writer more to
//! write at a time. Such a thread calls [`defer`] once, and [`now`] whenever it is about to wait.
//! Under load it may not wait for long, so the wake-ups go out after some reads in any case.

use std::cell::RefCell;
use std::sync::Arc;

use super::queue::Queue;
use crate::limits::APPENDS_BEFORE_WAKING_MAX;

trait Wake {
    fn wake(&self);
}

impl<Order> Wake for Queue<Order> {
    fn wake(&self) {
        self.wake_writer();
    }
}

/// The wake-ups that one thread owes.
struct Deferred {
    queues: Vec<Arc<dyn Wake>>,
    /// Appends since the oldest of them.
    appends: usize,
}

thread_local! {
    static DEFERRED: RefCell<Option<Deferred>> = const { RefCell::new(None) };
}

/// From now on this thread's wake-ups wait for [`now`].
pub fn defer() {
    DEFERRED.set(Some(Deferred { queues: Vec::new(), appends: 0 }));
}

/// Wakes every writer that this thread has lines for.
pub fn now() {
    DEFERRED.with_borrow_mut(|deferred| deferred.iter_mut().for_each(Deferred::wake_all));
}

impl Deferred {
    fn wake_all(&mut self) {
        self.appends = 0;
        self.queues.drain(..).for_each(|queue| queue.wake());
    }
}

/// Wakes the writer of `queue`: at once, or where this thread defers it, soon.
pub(super) fn soon<Order: Send + 'static>(queue: &Arc<Queue<Order>>) {
    DEFERRED.with_borrow_mut(|deferred| match deferred {
        Some(deferred) => deferred.queues.push(queue.clone()),
        None => queue.wake_writer(),
    });
}

/// Counts an append of this thread: a writer must not wait because other streams are busy.
pub(super) fn count_append() {
    DEFERRED.with_borrow_mut(|deferred| {
        if let Some(deferred) = deferred
            && !deferred.queues.is_empty()
        {
            deferred.appends += 1;
            if deferred.appends >= APPENDS_BEFORE_WAKING_MAX {
                deferred.wake_all();
            }
        }
    });
}
