//! Leaving connections to the next agent: their readers are told to come to an end of what they do.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::sync::Notify;

/// Asks all readers of an input to leave what they read as it is. A reader looks at it before each
/// read, which costs it next to nothing.
#[derive(Debug)]
pub(super) struct Leave {
    asked: AtomicBool,
    notify: Notify,
}

/// Of connections that end with the agent.
pub(super) static NEVER: Leave = Leave::new();

impl Leave {
    pub(super) const fn new() -> Leave {
        Leave { asked: AtomicBool::new(false), notify: Notify::const_new() }
    }

    /// From now on every reader is asked.
    pub(super) fn ask(&self) {
        self.asked.store(true, Relaxed);
        self.notify.notify_waiters();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Waits until it is asked.
    pub(super) async fn asked(&self) {
        let mut notified = pin!(self.notify.notified());
        notified.as_mut().enable();
        if !self.is_asked() {
            notified.await;
        }
    }
}

/// Polls `future` once, so that whoever polls is woken by it. The task must stay the same.
pub(super) async fn wake_by(mut future: Pin<&mut impl Future<Output = ()>>) {
    std::future::poll_fn(|cx: &mut Context<'_>| {
        match future.as_mut().poll(cx) {
            // Whether it is ready is looked at elsewhere.
            Poll::Ready(()) | Poll::Pending => Poll::Ready(()),
        }
    })
    .await;
}
