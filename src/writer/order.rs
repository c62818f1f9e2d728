//! Orders: what a writer can be told to do, and what it answers.

use std::path::PathBuf;

use tokio::sync::oneshot;

use super::disk::Missing;
use super::following::Follower;
use super::log_file::Begun;
use super::log_file::Left;
use super::queue::Supersede;
use super::settings::WriterSettings;
use crate::block::Block;

/// What a writer can be told to do.
#[derive(Debug)]
pub enum Order {
    /// Leave the file and open the path again.
    Reopen {
        /// Whether a missing file is made at once; else only after 100 ms.
        missing: Missing,
    },
    /// The same at once, making a missing file; somebody waits for what comes of it.
    ReopenAndAnswer(Reply),
    /// Look whether the path still names the file.
    Look,
    /// Tell this reader of the file that is open, and of those after it.
    Follow(Follower),
    /// Rotate: give the file its archive's name and go on in a new one; somebody waits for what
    /// comes of it.
    RotateAndAnswer(Reply),
    /// Go on with these settings.
    Settings(Box<WriterSettings>),
    /// The program wants to end: try again at once, and often.
    Hurry,
    /// The program ends: what is not written is somebody else's.
    GiveUp(oneshot::Sender<Unwritten>),
}

/// Where an answer goes; whoever asked may be gone.
pub type Reply = oneshot::Sender<Result<FileChange, String>>;

impl Supersede for Order {
    /// The same order twice is one, unless somebody waits for its answer. Of two settings the newer are
    /// in force; a reopen finds the path that they name, whether it comes before them or after.
    fn does_for(&mut self, newer: &mut Order) -> bool {
        match (self, newer) {
            (Order::Reopen { missing: one }, Order::Reopen { missing: two }) => one == two,
            (Order::Settings(one), Order::Settings(two)) => {
                std::mem::swap(one, two);
                true
            }
            (Order::Hurry, Order::Hurry) | (Order::Look, Order::Look) => true,
            _ => false,
        }
    }
}

/// What has become of a stream's file: the one before is complete and closed, the next one open.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FileChange {
    /// Where the file is.
    pub file: PathBuf,
    /// The file that was left since the last answer, if any was: it is complete and closed.
    pub old: Option<OldFile>,
    /// The inode of the file that is open now; none of a stream that is idle.
    pub new_inode: Option<u64>,
    /// Lines that the old file could not take, and the new one gets.
    pub moved_lines: u64,
    /// What the old file is called from now on, where our own rotation has renamed it; it may have
    /// been compressed since, to that name with `.zst` or `.gz` behind it.
    pub archive: Option<PathBuf>,
}

/// Lines that a writer had not written at the end of the program.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// The lines.
    pub block: Block,
    /// Where the file ends in the beginning of the first.
    pub begun: Option<Begun>,
}

/// A file that was left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OldFile {
    /// Its inode.
    pub inode: u64,
    /// Whole lines that were appended to it since it was opened.
    pub lines: u64,
    /// Its size in bytes: what it had when it was opened, and what was appended.
    pub bytes: u64,
}

impl From<&Left> for OldFile {
    fn from(left: &Left) -> OldFile {
        OldFile { inode: left.identity.inode, lines: left.lines, bytes: left.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::writer::queue::{Queue, Step, Wants};

    fn settings(path: &str) -> Order {
        let place = Place { path: path.into(), mode: 0o640, owner: None, group: None };
        Order::Settings(Box::new(WriterSettings::of(place)))
    }

    #[test]
    fn orders_that_nobody_has_begun_do_not_pile_up_and_the_newest_settings_are_in_force() {
        let queue = Queue::new(1 << 20);
        queue.add_producer();
        for number in 0..1000 {
            queue.order(Order::Reopen { missing: Missing::Leave });
            queue.order(settings(&format!("/log/{number}")));
            queue.order(Order::Look);
            queue.order(Order::Reopen { missing: Missing::Create });
            queue.order(Order::Hurry);
        }
        let (reply, _answer) = oneshot::channel();
        queue.order(Order::ReopenAndAnswer(reply));
        let mut orders = Vec::new();
        while let Step::Order(order) = queue.next(Wants::Nothing, Some(crate::clock::instant())) {
            orders.push(order);
        }
        assert!(matches!(
            &orders[..],
            [
                Order::Reopen { missing: Missing::Leave },
                Order::Settings(settings),
                Order::Look,
                Order::Reopen { missing: Missing::Create },
                Order::Hurry,
                Order::ReopenAndAnswer(_),
            ] if settings.file.path.ends_with("999")
        ));
    }
}
