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

/// A way into the stream that `peer` feeds; none where he may not.
pub(super) async fn receive(
    peer: Peer,
    client: &OwnedReadHalf,
    route: Route,
    intake: &Arc<Intake>,
) -> io::Result<Option<Connection>> {
    let origin = settled_origin(peer, &intake.commons.cgroups).await;
    let Route { records, routing, stream } = route;
    if !routing.allow.takes(&origin) {
        intake.refuse(&origin);
        return Ok(None);
    }
    let mut begun = Begun { bytes: Vec::new(), intake };
    let named = match (routing.client_names_stream, records.borders) {
        (false, _) => None,
        (true, Borders::None) => read_name(client, &mut begun).await?,
        (true, Borders::Packets) => packets::read_name(client).await?,
    };
    let stream = match (named, stream) {
        (None, Some(stream)) => stream,
        (None, None) => stream_of(routing.to.stream(&origin), &origin, intake).await,
        (Some(named), _) => stream_of(named, &origin, intake).await,
    };
    let mut connection = Connection::new(records, Arc::new(origin), stream, intake);
    if !begun.bytes.is_empty() {
        connection.push(&begun.bytes);
    }
    Ok(Some(connection))
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
    begun: &mut Begun<'_>,
) -> io::Result<Option<Result<StreamName, NoName>>> {
    loop {
        let start = begun.bytes.len();
        let mut bytes = [0; HANDSHAKE_BYTES_MAX];
        bytes[..start].copy_from_slice(&begun.bytes);
        if let Handshake::Line { stream, .. } = handshake::read(&begun.bytes) {
            begun.clear();
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
struct Begun<'a> {
    bytes: Vec<u8>,
    intake: &'a Intake,
}

impl Begun<'_> {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.intake.counters.partial_bytes.fetch_add(bytes.len() as u64, Relaxed);
    }

    fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.intake.counters.partial_bytes.fetch_sub(bytes.len() as u64, Relaxed);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
