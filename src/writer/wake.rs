//! When a writer is woken: a thread that serves many connections drains all that are ready first.
//!
//! One wake-up for all of them costs as much as one wake-up for each, and gives the writer more to
//! write at a time. Such a thread calls [`defer`] once, and [`now`] whenever it is about to wait.

use std::cell::RefCell;
use std::sync::Arc;

use super::queue::Queue;

trait Wake {
    fn wake(&self);
}

impl<Order> Wake for Queue<Order> {
    fn wake(&self) {
        self.wake_writer();
    }
}

thread_local! {
    static DEFERRED: RefCell<Option<Vec<Arc<dyn Wake>>>> = const { RefCell::new(None) };
}

/// From now on this thread's wake-ups wait for [`now`].
pub fn defer() {
    DEFERRED.set(Some(Vec::new()));
}

/// Wakes every writer that this thread has lines for.
pub fn now() {
    DEFERRED.with_borrow_mut(|deferred| {
        for queue in deferred.iter_mut().flat_map(|queues| queues.drain(..)) {
            queue.wake();
        }
    });
}

/// Wakes the writer of `queue`, at once if it is `urgent`.
pub(super) fn writer<Order: Send + 'static>(queue: &Arc<Queue<Order>>, urgent: bool) {
    DEFERRED.with_borrow_mut(|deferred| match deferred {
        Some(queues) if !urgent => queues.push(queue.clone()),
        _ => queue.wake_writer(),
    });
}
