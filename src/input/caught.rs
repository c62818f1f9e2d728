//! A fault of ours in a task, a panic: it has been told, and the input goes on.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::clock;
use crate::writer::retry::Falls;

/// Something has panicked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fell;

/// What `future` comes to, unless it panics.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Fell> {
    let mut future = pin!(future);
    let poll = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(Err(Fell)), |polled| polled.map(Ok))
    });
    poll.await
}

/// The same of what does not wait.
pub(super) fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Fell> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Fell)
}

/// How long to wait before going on: whatever fails again and again must not keep others waiting.
pub(super) fn pause(falls: &mut Falls) -> Duration {
    falls.next_pause(clock::instant())
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_future_that_panics_is_an_error_wherever_it_does() {
        assert_eq!(run(caught(async { 7 })), Ok(7));
        let at_once = async { resume_unwind(Box::new(())) };
        assert_eq!(run(caught::<()>(at_once)), Err(Fell));
        let later = async {
            tokio::task::yield_now().await;
            resume_unwind(Box::new(()))
        };
        assert_eq!(run(caught::<()>(later)), Err(Fell));
        assert_eq!(caught_now(|| 7), Ok(7));
        assert_eq!(caught_now::<()>(|| resume_unwind(Box::new(()))), Err(Fell));
    }
}
