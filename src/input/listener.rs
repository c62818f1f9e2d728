//! `unix-stream`, `unix-seqpacket`: a listening Unix socket; each connection is one sender.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::arrival::{self, Route};
use super::found_file::FoundFile;
use super::intake::Intake;
use super::socket::{self, Bound, Connections, InTheWay};
use super::{Alive, Input, InputSettings, MadeBy, OpenError, Opening, packets, reading};
use crate::clock;
use crate::counters::InputCounters;
use crate::framing::Borders;
use crate::limits::{ACCEPT_RETRY_MAX, ACCEPT_RETRY_MIN};
use crate::origin::Peer;
use crate::place::Place;
use crate::report::{
    AcceptFailed, Complaint, ConnectionFailed, ConnectionsFull, StaleSocketReplaced, report,
};
use crate::system::unread_bytes;
use crate::writer::stream::Stream;

pub(super) struct ListenerInput {
    shared: Arc<Shared>,
    stop_listening: CancellationToken,
}

/// What the listener, its connections and the input's owner share.
struct Shared {
    intake: Arc<Intake>,
    made_by: MadeBy,
    connections: Connections,
    /// Where the next connection goes; nowhere once nothing more is accepted.
    route: Mutex<Option<Route>>,
    open: Mutex<Open>,
    /// A regular file that was in the way, while it is read and after.
    found: Mutex<Option<Arc<File>>>,
}

/// The write halves of open connections: through them a connection is told to end, without its
/// reader having to look out for that on every read.
#[derive(Default)]
struct Open {
    draining: bool,
    next_id: u64,
    write_halves: HashMap<u64, OwnedWriteHalf>,
}

/// Listens at `place`.
pub(super) fn open(
    place: &Place,
    connections: Connections,
    opening: Opening<'_>,
) -> Result<ListenerInput, OpenError> {
    let Bound { socket, replaced_stale, found_file } =
        socket::listen_at(place, connections, InTheWay::TakeFile)?;
    if replaced_stale {
        report(&StaleSocketReplaced { input: &opening.name, path: &place.path.display() });
    }
    let found = found_file.map(|renamed_to| {
        let found = FoundFile { path: place.path.clone(), renamed_to };
        let failed = OpenError::io(&place.path, "cannot read the file found here");
        found.open().map(|file| (found, file)).map_err(failed)
    });
    let (found, alive) = (found.transpose()?, opening.alive.clone());
    let input = accept(socket, connections, MadeBy::Us, opening)?;
    if let Some((found, file)) = found {
        input.shared.clone().take_in(found, file, alive);
    }
    Ok(input)
}

/// Accepts connections at a socket that listens, and does not block.
pub(super) fn accept(
    listener: net::UnixListener,
    connections: Connections,
    made_by: MadeBy,
    opening: Opening<'_>,
) -> Result<ListenerInput, OpenError> {
    let Opening { name, settings, intake, stream, alive } = opening;
    let listener = UnixListener::from_std(listener);
    let listener = listener.map_err(OpenError::of(name, "cannot watch the socket"))?;
    let shared = Arc::new(Shared {
        intake,
        made_by,
        connections,
        route: Mutex::new(Some(route(connections, settings, stream))),
        open: Mutex::default(),
        found: Mutex::default(),
    });
    let stop_listening = CancellationToken::new();
    tokio::spawn(shared.clone().listen(listener, stop_listening.clone(), alive));
    Ok(ListenerInput { shared, stop_listening })
}

fn route(connections: Connections, settings: &InputSettings, stream: Option<Arc<Stream>>) -> Route {
    let borders = match connections {
        Connections::Stream => Borders::None,
        Connections::Seqpacket => Borders::Packets,
    };
    let (records, routing) = (settings.records(borders), Arc::new(settings.routing.clone()));
    Route { records, routing, stream }
}

impl Shared {
    fn route(&self) -> Option<Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads a file that was found in the socket's place.
    fn take_in(self: Arc<Self>, found: FoundFile, file: Arc<File>, alive: Alive) {
        let Some(route) = self.route() else { return };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.clone());
        tokio::spawn(async move {
            let connection = arrival::receive_unknown(route, &self.intake).await;
            found.take_in(file, connection, self.intake.clone(), alive);
        });
    }

    async fn listen(
        self: Arc<Self>,
        listener: UnixListener,
        stop: CancellationToken,
        alive: Alive,
    ) {
        let mut pause = ACCEPT_RETRY_MIN;
        let mut complaint = Complaint::default();
        let mut held = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) => {
                    pause = ACCEPT_RETRY_MIN;
                    // An idle listener holds no permit; this client waits for one, and those
                    // behind it in the backlog.
                    tokio::select! {
                        biased;
                        permit = self.permit() => {
                            self.clone().serve(client, permit, alive.clone());
                        }
                        () = stop.cancelled() => {
                            held = Some(client);
                            break;
                        }
                    }
                }
                Err(error) => {
                    self.complain(&error, pause, &mut complaint);
                    // Out of descriptors or memory: those who are connected go on meanwhile.
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(ACCEPT_RETRY_MAX);
                }
            }
        }
        if let Err(error) = self.accept_rest(listener, held, &alive).await {
            self.complain(&error, pause, &mut complaint);
        }
        self.route.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        let permits = &self.intake.commons.connections;
        if let Ok(permit) = Semaphore::try_acquire_owned(permits.clone()) {
            return permit;
        }
        if self.intake.commons.full_is_to_be_told(clock::instant()) {
            let limit = self.intake.commons.connections_max;
            report(&ConnectionsFull { input: &self.intake.input, limit: &limit });
        }
        match permits.clone().acquire_owned().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Refuses further clients, and takes those that had connected already: they believe that
    /// their lines have arrived.
    async fn accept_rest(
        self: &Arc<Self>,
        listener: UnixListener,
        held: Option<UnixStream>,
        alive: &Alive,
    ) -> io::Result<()> {
        if self.made_by == MadeBy::Us {
            shutdown_read(&listener)?;
        }
        if let Some(client) = held {
            let permit = self.permit().await;
            self.clone().serve(client, permit, alive.clone());
        }
        if self.made_by == MadeBy::Systemd {
            // Those that wait to be accepted are whoever's systemd starts next.
            return Ok(());
        }
        // Off the runtime: a listener that was shut down is readable for ever, so that waiting for
        // it would never end. It is non-blocking, and the backlog does not grow any more.
        let listener = listener.into_std()?;
        loop {
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Out of descriptors: those who end give theirs back.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_RETRY_MIN).await;
                    continue;
                }
            };
            client.set_nonblocking(true)?;
            let permit = self.permit().await;
            self.clone().serve(UnixStream::from_std(client)?, permit, alive.clone());
        }
    }

    fn complain(&self, error: &io::Error, pause: Duration, complaint: &mut Complaint) {
        if complaint.is_due(clock::instant()) {
            let retry_in = humantime::format_duration(pause);
            report(&AcceptFailed { input: &self.intake.input, error, retry_in: &retry_in });
        }
    }

    fn serve(self: Arc<Self>, client: UnixStream, permit: OwnedSemaphorePermit, alive: Alive) {
        let Some(route) = self.route() else { return };
        // At once: it may end any moment.
        let peer = Peer::of(&client);
        let (read_half, write_half) = client.into_split();
        let registered = self.clone().register(write_half);
        tokio::spawn(async move {
            registered.shared.read(peer, read_half, route).await;
            drop((registered, permit, alive));
        });
    }

    async fn read(&self, peer: Peer, mut client: OwnedReadHalf, route: Route) {
        if let Err(error) = self.read_to_end(peer, &mut client, route).await {
            report(&ConnectionFailed { input: &self.intake.input, error: &error });
        }
    }

    async fn read_to_end(
        &self,
        peer: Peer,
        client: &mut OwnedReadHalf,
        route: Route,
    ) -> io::Result<()> {
        if self.connections == Connections::Seqpacket {
            packets::tell_ends(client.as_ref())?;
        }
        let received = arrival::receive(peer, client, route, &self.intake).await?;
        let Some(mut connection) = received else { return Ok(()) };
        let read = match self.connections {
            Connections::Stream => reading::read_to_end(client, &mut connection).await,
            Connections::Seqpacket => packets::read_to_end(client, &mut connection).await,
        };
        connection.finish();
        read
    }

    fn register(self: Arc<Self>, write_half: OwnedWriteHalf) -> Registered {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.draining {
            end_reading(&write_half);
        }
        open.next_id += 1;
        let id = open.next_id;
        open.write_halves.insert(id, write_half);
        drop(open);
        Registered { shared: self, id }
    }
}

/// Keeps a connection's write half among the open ones.
struct Registered {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(write_half) = open.write_halves.remove(&self.id) {
            // Without a shutdown before the close: only then does a client that has not been read
            // to its end see a reset connection instead of an end.
            write_half.forget();
        }
    }
}

/// The client's next write fails, and what it wrote before is still read: the reader then sees the
/// end (shutdown(2)).
fn end_reading(connection: &OwnedWriteHalf) {
    // It fails only where the client has gone already.
    shutdown_read(connection.as_ref()).unwrap_or_default();
}

fn shutdown_read(socket: impl AsFd) -> nix::Result<()> {
    shutdown(socket.as_fd().as_raw_fd(), Shutdown::Read)
}

impl Input for ListenerInput {
    fn counters(&self) -> &InputCounters {
        &self.shared.intake.counters
    }

    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError> {
        let next = route(self.shared.connections, settings, stream);
        *self.shared.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        match settings.kind.place() {
            Some(place) => socket::set_access(place)
                .map_err(OpenError::io(&place.path, "cannot set its owner and mode")),
            None => Ok(()),
        }
    }

    fn close(&mut self) {
        self.stop_listening.cancel();
    }

    fn drain(&mut self) {
        self.close();
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.draining = true;
        open.write_halves.values().for_each(end_reading);
    }

    fn unread_bytes(&self) -> u64 {
        let open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let connections: u64 =
            open.write_halves.values().map(|connection| unread_bytes(connection.as_ref())).sum();
        let found = self.shared.found.lock().unwrap_or_else(PoisonError::into_inner);
        connections + found.as_ref().map_or(0, |file| unread_bytes(&**file))
    }
}
