//! Streams that connections name: asked of whoever owns the streams.

use tokio::sync::{mpsc, oneshot};

use crate::limits::STREAM_RETRY;
use crate::stream_name::StreamName;
use crate::writer::stream::Stream;

use std::sync::Arc;

/// A connection that waits for its stream.
#[derive(Debug)]
pub struct StreamWanted {
    /// The stream it names.
    pub name: StreamName,
    /// Where the stream goes; dropped where there is none now.
    pub reply: oneshot::Sender<Arc<Stream>>,
}

/// Where streams are asked for.
#[derive(Clone, Debug)]
pub struct Streams {
    wanted: mpsc::UnboundedSender<StreamWanted>,
}

impl Streams {
    /// A way to ask, and where it is asked: at most once a connection at a time.
    pub fn new() -> (Streams, mpsc::UnboundedReceiver<StreamWanted>) {
        let (wanted, asked) = mpsc::unbounded_channel();
        (Streams { wanted }, asked)
    }

    /// The stream of that name, or whichever takes its lines. What the connection sends waits in
    /// its socket meanwhile.
    pub(super) async fn get(&self, name: &StreamName) -> Arc<Stream> {
        loop {
            let (reply, answer) = oneshot::channel();
            if self.wanted.send(StreamWanted { name: name.clone(), reply }).is_err() {
                // Nobody owns streams any more: the program ends.
                std::future::pending::<()>().await;
            }
            if let Ok(stream) = answer.await {
                return stream;
            }
            tokio::time::sleep(STREAM_RETRY).await;
        }
    }
}
