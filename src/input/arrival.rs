//! An arrival: who has connected, whether he may, and which stream he feeds.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::unix::OwnedReadHalf;

use super::connection::Connection;
use super::intake::Intake;
use super::packets::{self, peek};
use crate::framing::{Borders, Records};
use crate::limits::{HANDSHAKE_BYTES_MAX, MOVING_LOOKS_MAX, MOVING_PAUSE};
use crate::origin::{Cgroups, Origin, Peer};
use crate::routing::handshake::{self, Handshake};
use crate::routing::{NoName, Routing};
use crate::store::{Kept, Record, Slot, Whose};
use crate::stream_name::StreamName;
use crate::writer::stream::Stream;

/// Where an input's next connection goes.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) records: Records,
    pub(super) routing: Arc<Routing>,
    /// The stream that the routing leads to by itself, if it does.
    pub(super) stream: Option<Arc<Stream>>,
}

/// When a connection came.
pub(super) enum Came {
    /// Just now.
    Now,
    /// To the agent before.
    Before(Option<Whose>, Record),
}

impl Came {
    /// What was read of its first line.
    pub(super) fn begun(self) -> Vec<u8> {
        match self {
            Came::Before(_, Record::GoesOn(unfinished)) => unfinished.bytes,
            Came::Before(_, Record::Crashed(_)) | Came::Now => Vec::new(),
        }
    }
}

/// A way into the stream that `peer` feeds; none where he may not.
///
/// What was read of the first line and is in no connection yet is in `begun`.
pub(super) async fn receive(
    peer: Peer,
    client: &OwnedReadHalf,
    route: Route,
    kept: &mut Kept,
    begun: &mut Begun,
) -> io::Result<Option<Connection>> {
    let intake = begun.intake.clone();
    let intake = &intake;
    let origin = settled_origin(peer, &intake.commons.cgroups).await;
    let Route { records, routing, stream } = route;
    if !routing.allow.takes(&origin) {
        intake.refuse(&origin);
        return Ok(None);
    }
    let named = match (routing.client_names_stream, records.borders) {
        (false, _) => None,
        (true, Borders::None) => read_name(client, begun).await?,
        (true, Borders::Packets) => packets::read_name(client).await?,
    };
    let is_named = named.is_some();
    let stream = match (named, stream) {
        (None, Some(stream)) => stream,
        (None, None) => stream_of(routing.to.stream(&origin), &origin, intake).await,
        (Some(named), _) => stream_of(named, &origin, intake).await,
    };
    if is_named && records.borders == Borders::Packets {
        packets::take_name(client)?;
    }
    let origin = Arc::new(origin);
    let slot = enter(kept, &intake.input, &stream, &origin);
    let mut connection = Connection::new(records, origin, stream, intake).in_slot(slot);
    // The line that names the stream is kept until now: whoever waits for it may be left.
    let bytes = begun.take();
    if !is_named && !bytes.is_empty() {
        connection.push(&bytes);
    }
    Ok(Some(connection))
}

/// A way on for a connection whose stream and sender are known.
pub(super) async fn go_on(
    whose: Whose,
    record: Record,
    route: Route,
    kept: &mut Kept,
    intake: &Arc<Intake>,
) -> Connection {
    let stream = match route.stream {
        Some(stream) if !route.routing.client_names_stream => stream,
        // What the client has said at its beginning it does not say again.
        _ => intake.commons.streams.get(&whose.stream).await,
    };
    let origin = Arc::new(whose.origin);
    let slot = enter(kept, &intake.input, &stream, &origin);
    let mut connection = Connection::new(route.records, origin, stream, intake).in_slot(slot);
    // It was counted by the agent before.
    intake.counters.connections_total.fetch_sub(1, Relaxed);
    connection.go_on(record);
    connection
}

/// Notes for a crash whose connection it is.
fn enter(kept: &mut Kept, input: &str, stream: &Stream, origin: &Arc<Origin>) -> Option<Slot> {
    if !kept.is_kept() {
        return None;
    }
    let (input, stream, origin) = (input.to_owned(), stream.name().clone(), (**origin).clone());
    kept.enter(Whose { input, stream, origin })
}

/// A way into the stream of what is left of senders that nobody can tell.
pub(super) async fn receive_unknown(route: Route, intake: &Arc<Intake>) -> Connection {
    let (Route { records, routing, stream }, origin) = (route, Origin::UNKNOWN);
    let stream = match stream {
        Some(stream) => stream,
        None => stream_of(routing.to.stream(origin), origin, intake).await,
    };
    let records = Records { borders: Borders::None, ..records };
    Connection::new(records, Arc::default(), stream, intake)
}

async fn stream_of(
    name: Result<StreamName, NoName>,
    origin: &Origin,
    intake: &Intake,
) -> Arc<Stream> {
    let name = name.unwrap_or_else(|error| intake.unknown_stream(&error, origin));
    intake.commons.streams.get(&name).await
}

async fn settled_origin(peer: Peer, cgroups: &Cgroups) -> Origin {
    let mut origin = peer.origin();
    let mut whereabouts = peer.whereabouts(cgroups);
    // Some versions of systemd connect a unit's output before they move its process.
    for _ in 0..MOVING_LOOKS_MAX {
        if !peer.is_moving(&whereabouts) {
            break;
        }
        tokio::time::sleep(MOVING_PAUSE).await;
        whereabouts = peer.whereabouts(cgroups);
    }
    // It holds a descriptor, and many may have to wait now.
    drop(peer);
    origin.unit = whereabouts.unit(cgroups).await;
    origin
}

/// The stream that the first line names, if it does; what was read of another line stays in `begun`.
///
/// A client may have to wait long for its stream, so that nothing is read that is not looked for
/// here: whatever is behind that line, or is a line of its own, waits in the socket.
async fn read_name(
    client: &OwnedReadHalf,
    begun: &mut Begun,
) -> io::Result<Option<Result<StreamName, NoName>>> {
    loop {
        let start = begun.bytes.len();
        let mut bytes = [0; HANDSHAKE_BYTES_MAX];
        // What the agent before has left may be another line, of any length.
        let Some(room) = bytes.get_mut(..start) else { return Ok(None) };
        room.copy_from_slice(&begun.bytes);
        if let Handshake::Line { stream, .. } = handshake::read(&begun.bytes) {
            return Ok(Some(stream.map_err(|(name, error)| NoName::wrong(&name, error))));
        }
        client.readable().await?;
        let Some(length) = peek(client, &mut bytes[start..])? else { continue };
        let end = match handshake::read(&bytes[..start + length]) {
            Handshake::Unfinished => start + length,
            Handshake::Line { taken_bytes, .. } => taken_bytes,
            Handshake::Absent => return Ok(None),
        };
        if length == 0 {
            // It never became such a line, so it is another.
            return Ok(None);
        }
        match client.try_read(&mut bytes[start..end]) {
            Ok(length) => begun.add(&bytes[start..start + length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The beginning of a line that was read, and is in no connection yet.
pub(super) struct Begun {
    bytes: Vec<u8>,
    intake: Arc<Intake>,
}

impl Begun {
    pub(super) fn new(bytes: &[u8], intake: &Arc<Intake>) -> Begun {
        let mut begun = Begun { bytes: Vec::new(), intake: intake.clone() };
        begun.add(bytes);
        begun
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.intake.counters.partial_bytes.fetch_add(bytes.len() as u64, Relaxed);
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.bytes);
        self.intake.counters.partial_bytes.fetch_sub(bytes.len() as u64, Relaxed);
        bytes
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.take();
    }
}
