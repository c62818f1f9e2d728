//! What all connections of one input share: its name, its counts, and when what was told last.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use super::Commons;
use crate::clock;
use crate::counters::InputCounters;
use crate::limits::REFUSED_TOLD_MAX;
use crate::origin::Origin;
use crate::report::{
    ClientRefused, Complaint, FramingSenseless, PacketCut, PartialMemoryShort, StreamNotKnown,
    report,
};
use crate::routing::{self, NoName};
use crate::stream_name::StreamName;

/// One input, as its connections see it.
pub(super) struct Intake {
    pub(super) input: String,
    pub(super) counters: InputCounters,
    pub(super) commons: Commons,
    complaints: Mutex<Complaints>,
}

#[derive(Default)]
struct Complaints {
    refused: Complaint,
    /// Units that were told since.
    refused_units: BTreeSet<String>,
    not_known: Complaint,
    senseless: Complaint,
    cut: Complaint,
}

impl Intake {
    pub(super) fn new(input: &str, commons: &Commons) -> Arc<Intake> {
        Arc::new(Intake {
            input: input.to_owned(),
            counters: InputCounters::default(),
            commons: commons.clone(),
            complaints: Mutex::default(),
        })
    }

    /// Whether one of its complaints is to be told now.
    fn is_due(&self, which: impl FnOnce(&mut Complaints) -> &mut Complaint) -> bool {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        which(&mut complaints).is_due(clock::instant())
    }

    /// Counts a client that may not connect.
    pub(super) fn refuse(&self, origin: &Origin) {
        self.counters.refused.fetch_add(1, Relaxed);
        let unit = shown(origin.unit.as_ref());
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.refused.is_due(clock::instant()) {
            complaints.refused_units.clear();
        }
        let told = &mut complaints.refused_units;
        if told.len() < REFUSED_TOLD_MAX && told.insert(unit.clone()) {
            let (uid, pid) = (shown(origin.uid), shown(origin.pid));
            report(&ClientRefused { input: &self.input, unit: &unit, uid: &uid, pid: &pid });
        }
    }

    /// The stream of what has no other, which is counted.
    pub(super) fn unknown_stream(&self, error: &NoName, origin: &Origin) -> StreamName {
        self.counters.unknown.fetch_add(1, Relaxed);
        if self.is_due(|complaints| &mut complaints.not_known) {
            let (stream, pid) = (routing::UNKNOWN, shown(origin.pid));
            report(&StreamNotKnown { input: &self.input, stream: &stream, pid: &pid, error });
        }
        routing::unknown()
    }

    /// Counts places where the framing made no sense of what came.
    pub(super) fn count_senseless(&self, framing: &str, places: u64) {
        self.counters.framing_errors.fetch_add(places, Relaxed);
        if self.is_due(|complaints| &mut complaints.senseless) {
            report(&FramingSenseless { input: &self.input, framing: &framing });
        }
    }

    /// Counts packets that lost their end.
    pub(super) fn count_cut(&self, packets: u64) {
        self.counters.packets_cut.fetch_add(packets, Relaxed);
        if packets > 0 && self.is_due(|complaints| &mut complaints.cut) {
            report(&PacketCut { input: &self.input, packets: &packets });
        }
    }

    /// Tells, now and then, that the memory for unfinished lines is short.
    pub(super) fn memory_is_short(&self, stream: &StreamName) {
        let memory = &self.commons.memory;
        if memory.complaint_is_due(clock::instant()) {
            report(&PartialMemoryShort { stream, limit: &memory.bytes_max() });
        }
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
}
