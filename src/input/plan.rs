//! What the only reader of an input without connections is to do: a FIFO's, a datagram socket's.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;

use super::caught::{self, caught, caught_now};
use super::connection::Connection;
use super::intake::Intake;
use crate::framing::Records;
use crate::report::{ReadFailed, report};
use crate::store::{Record, Slot};
use crate::writer::retry::Falls;
use crate::writer::stream::Stream;

/// What to do now.
#[derive(Clone)]
pub(super) enum Plan {
    /// Read for this stream.
    Read(Records, Arc<Stream>),
    /// Read what waits, then end.
    End,
    /// The same, and leave an unfinished record to the next agent.
    Leave,
}

impl Plan {
    /// Whether it ends the reading.
    pub(super) fn is_end(&self) -> bool {
        !matches!(self, Plan::Read(..))
    }

    /// Whether what is not read is the next agent's.
    pub(super) fn is_left(&self) -> bool {
        matches!(self, Plan::Leave)
    }

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
/// What it was in the middle of is kept under its `place`: an input of systemd's may read several.
pub(super) fn follow<R: Reader>(
    first: (Records, Arc<Stream>),
    plans: watch::Receiver<Plan>,
    intake: Arc<Intake>,
    place: Option<&Path>,
    reader: R,
) -> impl Future<Output = ()> + use<R> {
    let place = place.map_or_else(|| intake.input.clone(), |place| place.display().to_string());
    let store = intake.commons.store.clone();
    // Now, not when it runs: there may be a crash before.
    let (record, slot) = (store.take_record(&place), store.enter(&place));
    if let (Some(record), Some(slot)) = (&record, slot) {
        record.note(slot);
    }
    follow_in_slot(first, plans, intake, (place, record, slot), reader)
}

async fn follow_in_slot(
    first: (Records, Arc<Stream>),
    mut plans: watch::Receiver<Plan>,
    intake: Arc<Intake>,
    (place, mut record, slot): (String, Option<Record>, Option<Slot>),
    mut reader: impl Reader,
) {
    let (mut records, mut stream) = first;
    let store = intake.commons.store.clone();
    let mut falls = Falls::default();
    loop {
        let connection = Connection::new(records, Arc::default(), stream.clone(), &intake);
        let mut connection = connection.in_slot(slot);
        if let Some(record) = record.take() {
            connection.go_on(record);
        }
        let Ok(outcome) = caught(reader.read(&mut connection, &mut plans)).await else {
            // What it had read of a line is a line, if it still knows.
            caught_now(|| connection.finish()).unwrap_or_default();
            tokio::time::sleep(caught::pause(&mut falls)).await;
            match plans.borrow_and_update().clone() {
                Plan::Read(next_records, next_stream) => {
                    (records, stream) = (next_records, next_stream);
                }
                _ => return,
            }
            continue;
        };
        if outcome.is_ok()
            && matches!(*plans.borrow(), Plan::Leave)
            && connection.is_inside_record()
        {
            let unfinished = connection.unfinished();
            store.next(|next| next.fifos.insert(place, unfinished));
            return;
        }
        connection.finish();
        if let (Some(slot), true) = (slot, plans.borrow().is_end()) {
            store.release(slot);
        }
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

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::formatting::Format;
    use crate::framing::{Borders, FRAMINGS, Multiline};
    use crate::input::{Commons, Inherited, Streams};
    use crate::limits::KIB;
    use crate::pipeline::{LineSettings, OverLong, PartialMemory};
    use crate::writer::queue::Queue;

    fn intake() -> Arc<Intake> {
        let commons = Commons {
            connections: Arc::new(Semaphore::new(1)),
            connections_max: 1,
            memory: PartialMemory::new(KIB),
            full_told: Arc::default(),
            streams: Streams::new().0,
            cgroups: Arc::default(),
            inherited: Arc::new(Inherited::default()),
            store: crate::store::Store::default(),
        };
        Intake::new("input", &commons)
    }

    /// Falls in the middle of a line, twice, and reads another one then.
    struct Falling(u32);

    impl Reader for Falling {
        async fn read(
            &mut self,
            connection: &mut Connection,
            plans: &mut watch::Receiver<Plan>,
        ) -> io::Result<()> {
            self.0 += 1;
            connection.push(b"begun");
            if self.0 <= 2 {
                resume_unwind(Box::new(()));
            }
            connection.push(b" and ended\n");
            plans.changed().await.map_err(io::Error::other)
        }
    }

    #[test]
    fn a_reader_that_panics_reads_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let queue = Arc::new(Queue::new(KIB));
        let lines =
            LineSettings { line_bytes_max: KIB, over_long: OverLong::Split, format: Format::Raw };
        let stream = Arc::new(Stream::new("stream".parse().unwrap(), queue.clone(), None, lines));
        let records =
            Records { framing: &FRAMINGS[0], borders: Borders::None, multiline: Multiline::Lines };
        let (plan, plans) = watch::channel(Plan::Read(records, stream.clone()));
        runtime.block_on(async {
            let following = follow((records, stream), plans, intake(), None, Falling(0));
            let end = async {
                while queue.snapshot().pending_lines < 3 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                plan.send_replace(Plan::End);
            };
            tokio::join!(following, end);
        });
        let block = queue.take_block().unwrap();
        assert_eq!(block.bytes(), b"begun\nbegun\nbegun and ended\n");
    }
}
