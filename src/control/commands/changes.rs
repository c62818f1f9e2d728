//! What becomes of streams' files, told for each stream as soon as it is known.

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Answers;
use crate::stream_name::StreamName;

/// Streams that were asked, and where each will answer.
pub(super) type Asked<T> = Vec<(StreamName, oneshot::Receiver<Result<T, String>>)>;

/// Tells what came of it until all have answered, or nobody listens any more.
pub(super) fn tell<T>(asked: Asked<T>, answers: Answers)
where
    T: Serialize + Send + 'static,
{
    tokio::spawn(async move {
        let names: Vec<&str> = asked.iter().map(|(stream, _)| stream.as_str()).collect();
        if answers.say(json!({ "asked": names })).await.is_err() {
            return;
        }
        let mut streams = JoinSet::new();
        for (stream, answer) in asked {
            streams.spawn(async move { line(&stream, answer.await) });
        }
        loop {
            let line = tokio::select! {
                line = streams.join_next() => line,
                () = answers.gone() => return,
            };
            let Some(line) = line else { break };
            // A task that has panicked has been told of; its stream is the one without an answer.
            let Ok(line) = line else { return };
            if answers.say(line).await.is_err() {
                return;
            }
        }
        answers.complete().await.unwrap_or_default();
    });
}

fn line<T: Serialize>(
    stream: &StreamName,
    answer: Result<Result<T, String>, oneshot::error::RecvError>,
) -> Value {
    let failed = |error: &str| json!({ "stream": stream.as_str(), "error": error });
    let change = match answer {
        Ok(Ok(change)) => change,
        Ok(Err(error)) => return failed(&error),
        Err(_) => return failed("the stream has ended"),
    };
    match serde_json::to_value(change) {
        Ok(mut line) => {
            line["stream"] = stream.as_str().into();
            line
        }
        Err(error) => failed(&error.to_string()),
    }
}
