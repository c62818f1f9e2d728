//! What the only reader of an input without connections is to do: a FIFO's, a datagram socket's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;

use super::connection::Connection;
use super::intake::Intake;
use crate::framing::Records;
use crate::report::{ReadFailed, report};
use crate::writer::stream::Stream;

/// What to do now.
#[derive(Clone)]
pub(super) enum Plan {
    /// Read for this stream.
    Read(Records, Arc<Stream>),
    /// Read what waits, then end.
    End,
}

impl Plan {
    /// Has the reader go on with these, without a word where that changes nothing.
    pub(super) fn change(plan: &watch::Sender<Plan>, records: Records, stream: Arc<Stream>) {
        plan.send_if_modified(|plan| {
            let same = matches!(plan, Plan::Read(now, to)
                if *now == records && Arc::ptr_eq(to, &stream));
            *plan = Plan::Read(records, stream);
            !same
        });
    }
}

/// Reads one pipe or socket.
pub(super) trait Reader: Send {
    /// Reads until there is another plan; where that is the end, what waits, too.
    fn read(
        &mut self,
        connection: &mut Connection,
        plans: &mut watch::Receiver<Plan>,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// Reads for one plan after another, to the end.
///
/// The first plan is read for even where the end came before the reader did: something may have
/// been sent since the input was opened.
pub(super) async fn follow(
    first: (Records, Arc<Stream>),
    mut plans: watch::Receiver<Plan>,
    intake: Arc<Intake>,
    mut reader: impl Reader,
) {
    let (mut records, mut stream) = first;
    loop {
        let mut connection = Connection::new(records, Arc::default(), stream, &intake);
        let outcome = reader.read(&mut connection, &mut plans).await;
        connection.finish();
        if let Err(error) = outcome {
            intake.counters.failed.store(true, Relaxed);
            return report(&ReadFailed { input: &intake.input, error: &error });
        }
        let Plan::Read(next_records, next_stream) = plans.borrow_and_update().clone() else {
            return;
        };
        (records, stream) = (next_records, next_stream);
    }
}
