//! Reading the configuration again, for those who have asked for it.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use super::Answers;
use crate::config::{self, Config, Mistake};

/// A configuration that is being read. The file may be on a disk that hangs, or look at one that
/// does: neither signals nor commands wait for it.
#[derive(Default)]
pub(super) struct Loading {
    task: Option<JoinHandle<Result<Config, Vec<Mistake>>>>,
    /// Those who asked before it began.
    answers: Vec<Answers>,
    /// It may have changed since the reading began.
    again: Option<PathBuf>,
    /// Those who asked since.
    answers_again: Vec<Answers>,
}

/// What was read, and who wants to know.
pub(super) struct Loaded {
    pub(super) config: Result<Config, Vec<Mistake>>,
    pub(super) answers: Vec<Answers>,
}

impl Loading {
    pub(super) fn start(&mut self, file: PathBuf, answers: impl IntoIterator<Item = Answers>) {
        if self.task.is_some() {
            self.again = Some(file);
            self.answers_again.extend(answers);
        } else {
            self.task = Some(tokio::task::spawn_blocking(move || config::load(&file)));
            self.answers.extend(answers);
        }
    }

    /// What was read; never, where nothing is being read. Dropping the future loses nothing.
    pub(super) async fn finished(&mut self) -> Loaded {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let loaded = task.await;
        self.task = None;
        let answers = std::mem::take(&mut self.answers);
        if let Some(file) = self.again.take() {
            let answers_again = std::mem::take(&mut self.answers_again);
            self.start(file, answers_again);
        }
        // A panic has been reported; no mistake of the file's is known.
        Loaded { config: loaded.unwrap_or_else(|_| Err(Vec::new())), answers }
    }
}
