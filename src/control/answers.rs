//! Where a command's answers go: to the one client that asked, as it takes them.

use std::os::fd::OwnedFd;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::limits::{CONTROL_ANSWERS_MAX, CONTROL_GOODBYE};

/// The way to a client. Dropping it ends the connection; a client that has not been told before
/// that its answer is complete knows that it is not.
#[derive(Clone, Debug)]
pub struct Answers {
    to_client: mpsc::Sender<Answer>,
}

/// One line of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) value: Value,
    /// Passed to the client with the line (SCM_RIGHTS, unix(7)).
    pub(super) descriptor: Option<OwnedFd>,
    pub(super) then: Then,
}

/// What comes after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Perhaps another one.
    More,
    /// The end of the connection.
    End,
    /// The end of the process, which ends the connection.
    Exit,
}

/// The client has gone, or takes nothing.
#[derive(Debug)]
pub struct Gone;

impl Answers {
    pub(super) fn new() -> (Answers, mpsc::Receiver<Answer>) {
        let (to_client, answers) = mpsc::channel(CONTROL_ANSWERS_MAX);
        (Answers { to_client }, answers)
    }

    /// Says the only line there is. Never waits.
    pub fn answer(self, value: Value) {
        let answer = Answer { value, descriptor: None, then: Then::End };
        // Nothing else waits, so there is room; a client that has gone does not matter.
        self.to_client.try_send(answer).unwrap_or_default();
    }

    /// Says the first of several lines. Never waits.
    pub fn say_now(&self, value: Value) {
        let answer = Answer { value, descriptor: None, then: Then::More };
        self.to_client.try_send(answer).unwrap_or_default();
    }

    /// Says that nothing comes of it.
    pub fn refuse(self, error: &str) {
        self.answer(json!({ "error": error }));
    }

    /// Says one of several lines, as soon as the client has taken those before.
    pub async fn say(&self, value: Value) -> Result<(), Gone> {
        self.send(Answer { value, descriptor: None, then: Then::More }).await
    }

    /// The same, with a descriptor.
    pub async fn pass(&self, value: Value, descriptor: OwnedFd) -> Result<(), Gone> {
        self.send(Answer { value, descriptor: Some(descriptor), then: Then::More }).await
    }

    /// Says that this was all.
    pub async fn complete(self) -> Result<(), Gone> {
        let value = json!({ "complete": true });
        self.send(Answer { value, descriptor: None, then: Then::End }).await
    }

    /// Says one line after others, and that nothing follows.
    pub async fn end_with(self, value: Value) -> Result<(), Gone> {
        self.send(Answer { value, descriptor: None, then: Then::End }).await
    }

    /// Says how it all ended, and waits a moment until the client has it. The connection ends with
    /// the process, so that the client knows when that has gone.
    pub async fn say_goodbye(self, value: Value) {
        let sent = self.send(Answer { value, descriptor: None, then: Then::Exit });
        if let Ok(Ok(())) = timeout(CONTROL_GOODBYE, sent).await {
            // The receiver is dropped when everything is written.
            timeout(CONTROL_GOODBYE, self.gone()).await.unwrap_or_default();
        }
    }

    /// Waits until the client has gone.
    pub async fn gone(&self) {
        self.to_client.closed().await;
    }

    async fn send(&self, answer: Answer) -> Result<(), Gone> {
        self.to_client.send(answer).await.map_err(|_| Gone)
    }
}
