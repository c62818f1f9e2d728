//! `tail once|follow [STREAM]...`: passes the streams' files on, to be read from outside: the one
//! that is open, and with `follow` each that is opened later.

use serde_json::json;
use tokio::sync::mpsc;

use super::{Answers, Command, Plane, streams};
use crate::limits::{CONTROL_TAILS_MAX, FOLLOWED_FILES_MAX, FOLLOWED_STREAMS_MAX};
use crate::stream_name::StreamName;
use crate::writer::following::{Followed, Follower};

pub(super) struct Tail;

impl Command for Tail {
    fn name(&self) -> &'static str {
        "tail"
    }

    fn places(&self) -> usize {
        CONTROL_TAILS_MAX
    }

    fn answer(&self, plane: &mut Plane, words: &[String], answers: Answers) -> Result<(), String> {
        let goes_on = match words.first().map(String::as_str) {
            Some("once") => false,
            Some("follow") => true,
            _ => return Err("tail is followed by once or follow".to_owned()),
        };
        let known = plane.agent.stream_names();
        let named = streams(&words[1..], &known)?;
        let wanted = if named.is_empty() { known } else { named };
        if wanted.is_empty() {
            return Err("there is no stream".to_owned());
        }
        if wanted.len() > FOLLOWED_STREAMS_MAX {
            return Err(format!(
                "these are {} streams, at most {FOLLOWED_STREAMS_MAX} can be read at once: name some",
                wanted.len()
            ));
        }
        let (tell, files) = mpsc::channel(FOLLOWED_FILES_MAX * wanted.len());
        let follower = Follower::new(tell, goes_on);
        plane.agent.follow(&wanted, &follower);
        tokio::spawn(pass_on(wanted, follower, files, answers));
        Ok(())
    }
}

/// Passes files on until every writer has ended, or the client has gone or is too slow.
async fn pass_on(
    wanted: Vec<StreamName>,
    follower: Follower,
    mut files: mpsc::Receiver<(StreamName, Followed)>,
    answers: Answers,
) {
    let names: Vec<&str> = wanted.iter().map(StreamName::as_str).collect();
    if answers.say(json!({ "streams": names })).await.is_err() {
        return;
    }
    let was_too_slow = follower.give_up();
    loop {
        let file = tokio::select! {
            file = files.recv() => file,
            () = answers.gone() => return,
        };
        if was_too_slow.is_set() {
            let error = "the reader was too slow: files were opened that it did not take";
            answers.end_with(json!({ "error": error })).await.unwrap_or_default();
            return;
        }
        let Some((stream, followed)) = file else { break };
        let stream = stream.as_str();
        let said = match followed {
            Followed::File { path, inode, start, file } => {
                let line = json!({ "stream": stream, "file": path, "inode": inode,
                    "start": start, "descriptor": true });
                answers.pass(line, file).await
            }
            Followed::Nothing { path } => {
                answers.say(json!({ "stream": stream, "file": path })).await
            }
            Followed::Unreadable { path, error } => {
                answers.say(json!({ "stream": stream, "file": path, "error": error })).await
            }
        };
        if said.is_err() {
            return;
        }
    }
    answers.complete().await.unwrap_or_default();
}
