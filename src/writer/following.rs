//! Readers of a stream's file outside this process: they are given each file that the writer opens,
//! so that they miss none however often it changes. The writer never waits for them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::mpsc;

use crate::stream_name::StreamName;

/// Where one reader is told of files.
#[derive(Clone, Debug)]
pub struct Follower {
    tell: mpsc::Sender<(StreamName, Followed)>,
    /// It is told of files that are opened later too.
    goes_on: bool,
    too_slow: TooSlow,
}

/// Set once a reader has left so much untaken that it was given up.
#[derive(Clone, Debug, Default)]
pub struct TooSlow(Arc<AtomicBool>);

impl TooSlow {
    /// Whether it was.
    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// What a reader is told of a stream's file. A file is complete and closed when the next one is
/// told of, or when nothing more can be: the sender is dropped.
#[derive(Debug)]
pub enum Followed {
    /// This one is open.
    File {
        /// Where it was opened.
        path: PathBuf,
        /// Its inode.
        inode: u64,
        /// Its size when it was opened for appending: what the stream had written to it before
        /// stands before that.
        start: u64,
        /// The file, for reading only.
        file: OwnedFd,
    },
    /// None is open.
    Nothing {
        /// Where the next one will be.
        path: PathBuf,
    },
    /// One is open which cannot be read.
    Unreadable {
        /// Where it was opened.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

impl Follower {
    /// One that is told of every stream's open file, and, if it `goes_on`, of those after it.
    pub fn new(tell: mpsc::Sender<(StreamName, Followed)>, goes_on: bool) -> Follower {
        Follower { tell, goes_on, too_slow: TooSlow::default() }
    }

    /// Tells nothing more through this one; what remains is to look whether the reader is slow.
    pub fn give_up(self) -> TooSlow {
        self.too_slow
    }

    /// Whether it took it.
    fn tell(&self, stream: &StreamName, followed: Followed) -> bool {
        match self.tell.try_send((stream.clone(), followed)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.too_slow.0.store(true, Relaxed);
                false
            }
        }
    }
}

/// The readers of one stream's files.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

/// The file that a writer has open now.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Opened once more, for reading.
    pub(super) file: std::io::Result<File>,
}

impl OpenFile {
    fn followed(&self) -> Followed {
        let path = self.path.clone();
        match self.file.as_ref().map(File::try_clone) {
            Ok(Ok(file)) => {
                Followed::File { path, inode: self.inode, start: self.size, file: file.into() }
            }
            Ok(Err(error)) => Followed::Unreadable { path, error: error.to_string() },
            Err(error) => Followed::Unreadable { path, error: error.to_string() },
        }
    }
}

impl Followers {
    pub(super) fn add(
        &mut self,
        follower: Follower,
        stream: &StreamName,
        path: PathBuf,
        open: Option<OpenFile>,
    ) {
        // Readers come and go while the file stays the same.
        self.0.retain(|known| !known.tell.is_closed());
        let followed = open.map_or(Followed::Nothing { path }, |open| open.followed());
        if follower.tell(stream, followed) && follower.goes_on {
            self.0.push(follower);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells that the file before is complete and closed, and this one open.
    pub(super) fn opened(&mut self, stream: &StreamName, open: &OpenFile) {
        self.0.retain(|follower| follower.tell(stream, open.followed()));
    }
}
