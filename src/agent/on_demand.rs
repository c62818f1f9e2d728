//! Streams that connections name: made when one does, and retired when nobody uses them any more.

use std::sync::Arc;

use super::Agent;
use crate::clock;
use crate::config::Config;
use crate::input::{InputKind, StreamWanted};
use crate::limits::IDLE_LOOK_EVERY;
use crate::report::{DescriptorUnused, StreamFailed, StreamsFull, report};
use crate::routing;
use crate::stream_name::StreamName;
use crate::writer::stream::Stream;

impl Agent {
    /// Gives a connection its stream; without an answer it asks again.
    pub(super) fn give_stream(&mut self, wanted: StreamWanted) {
        if let Some(stream) = self.stream_named(wanted.name) {
            // A connection that has ended meanwhile needs none.
            wanted.reply.send(stream).unwrap_or_default();
        }
    }

    /// The stream of that name, made if need be; `unknown` where that cannot be.
    fn stream_named(&mut self, name: StreamName) -> Option<Arc<Stream>> {
        let settings = self.config.stream(&name);
        if let Some(running) = self.streams.get_mut(&name)
            && let Some(stream) = running.stream_again(&settings)
        {
            return Some(stream);
        }
        if name != routing::unknown() && !self.has_room_for(&name) {
            return self.stream_named(routing::unknown());
        }
        if let Err(error) = self.add_stream(&name, &settings) {
            // Whoever wants one asks again and again.
            if self.failed_told.is_due(clock::instant()) {
                report(&StreamFailed { stream: &name, error: &error });
            }
            return None;
        }
        self.look_for_idle();
        let running = self.streams.get_mut(&name)?;
        let stream = running.stream();
        if self.phase == super::Phase::Draining {
            running.let_go();
        }
        stream
    }

    /// Whether there may be one more stream.
    fn has_room_for(&mut self, name: &StreamName) -> bool {
        let limit = self.streams_max;
        let room = self.streams.len() < limit;
        if !room && self.full_told.is_due(clock::instant()) {
            let stream = routing::UNKNOWN;
            report(&StreamsFull { wanted: name, limit: &limit, stream: &stream });
        }
        room
    }

    /// Lets go of streams that were made on demand, have closed their files since nothing came, and
    /// that no connection holds.
    pub(super) fn retire_idle(&mut self) {
        let idle = self.streams.iter().filter(|(_, running)| running.is_unused());
        let idle: Vec<StreamName> = idle.map(|(name, _)| name.clone()).collect();
        for name in idle {
            if let Some(mut running) = self.streams.remove(&name) {
                running.let_go();
                self.retired.push(running);
            }
        }
        self.idle_look_at = None;
        self.look_for_idle();
    }

    /// Sees to it that idle streams are looked for, while there are some that may be.
    pub(super) fn look_for_idle(&mut self) {
        let some = self.streams.values().any(|running| running.is_on_demand());
        if some && self.idle_look_at.is_none() {
            let at = clock::instant() + IDLE_LOOK_EVERY;
            self.idle_look_at = Some(tokio::time::Instant::from_std(at));
        }
    }

    /// Streams that were made on demand go on with the settings that they would be made with now.
    pub(super) fn set_on_demand(&mut self) {
        let Config { streams, on_demand, .. } = &self.config;
        for (name, running) in &mut self.streams {
            if !streams.contains_key(name) {
                running.set(&on_demand.stream(name));
            }
        }
        self.look_for_idle();
    }

    /// Tells what systemd has handed over and nobody reads.
    pub(super) fn tell_unused_descriptors(&self) {
        for name in self.commons.inherited.names() {
            let reads = |kind: &InputKind| matches!(kind, InputKind::Systemd(read) if read == name);
            if !self.config.inputs.values().any(|input| reads(&input.kind)) {
                report(&DescriptorUnused { name: &name });
            }
        }
    }
}
