//! What the only reader of an input without connections is to do.

use std::sync::Arc;

use tokio::sync::watch;

use crate::framing::Records;
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
