//! `unix-stream`, `unix-seqpacket`: a listening Unix socket; each connection is one sender.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::arrival::{self, Begun, Came, Route};
use super::caught::{self, Fell, caught};
use super::found_file::{FoundFile, InPlaceOf};
use super::intake::Intake;
use super::leave::{Leave, NEVER};
use super::reading::Ended;
use super::socket::{self, Bound, Connections, InTheWay};
use super::{Alive, Input, InputSettings, MadeBy, OpenError, Opening, headroom, packets, reading};
use crate::clock;
use crate::counters::InputCounters;
use crate::framing::Borders;
use crate::limits::{ACCEPT_RETRY_MAX, ACCEPT_RETRY_MIN};
use crate::origin::Peer;
use crate::pipeline::Unfinished;
use crate::place::Place;
use crate::report::{
    AcceptFailed, Complaint, ConnectionFailed, ConnectionsFull, StaleSocketReplaced, report,
};
use crate::store::{Kept, Record, StoredConnection, path_of};
use crate::system::unread_bytes;
use crate::writer::retry::Falls;
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
    /// Asks connections that systemd keeps to leave off.
    leave: Leave,
    /// Where it listens.
    path: Option<PathBuf>,
    /// A regular file that was in the way, while it is read and after.
    found: Mutex<Option<Arc<File>>>,
}

/// The write halves of open connections: through them a connection is told to end, without its
/// reader having to look out for that on every read.
#[derive(Default)]
struct Open {
    draining: bool,
    next_id: u64,
    /// Whether systemd keeps it, beside each.
    write_halves: HashMap<u64, (OwnedWriteHalf, bool)>,
}

/// Listens at `place`.
pub(super) fn open(
    place: &Place,
    connections: Connections,
    opening: Opening<'_>,
) -> Result<ListenerInput, OpenError> {
    let store = opening.intake.commons.store.clone();
    let Bound { socket, replaced_stale, found_file } =
        match socket::listening_already(place, connections, &store)? {
            Some(socket) => Bound { socket, replaced_stale: false, found_file: None },
            None => socket::listen_at(place, connections, InTheWay::TakeFile)?,
        };
    store.keep_place(&place.path, &socket);
    if replaced_stale {
        report(&StaleSocketReplaced { input: &opening.name, path: &place.path.display() });
    }
    let found = found_file.map(|renamed_to| {
        let (in_place_of, path) = (InPlaceOf::Socket, place.path.clone());
        let found = FoundFile { in_place_of, path, renamed_to };
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
    let path = path_of(&listener);
    let listener = UnixListener::from_std(listener);
    let listener = listener.map_err(OpenError::of(name, "cannot watch the socket"))?;
    let shared = Arc::new(Shared {
        intake,
        made_by,
        connections,
        route: Mutex::new(Some(route(connections, settings, stream))),
        open: Mutex::default(),
        leave: Leave::new(),
        path,
        found: Mutex::default(),
    });
    let stop_listening = CancellationToken::new();
    shared.clone().go_on(&alive);
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
            found.take_in(file, connection, self.intake.clone(), alive, mpsc::channel().1);
        });
    }

    async fn listen(
        self: Arc<Self>,
        listener: UnixListener,
        stop: CancellationToken,
        alive: Alive,
    ) {
        let (mut complaint, mut falls) = (Complaint::default(), Falls::default());
        let held = loop {
            let accepting = self.accept_until(&stop, &listener, &alive, &mut complaint);
            match caught(accepting).await {
                Ok(held) => break held,
                // The client that it had in hand has seen its connection end.
                Err(Fell) => tokio::time::sleep(caught::pause(&mut falls)).await,
            }
        };
        if let Err(error) = self.accept_rest(listener, held, &alive).await {
            self.complain(&error, ACCEPT_RETRY_MIN, &mut complaint);
        }
        self.route.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Accepts clients until it is to stop. Returns the one that then waits for its permit.
    async fn accept_until(
        self: &Arc<Self>,
        stop: &CancellationToken,
        listener: &UnixListener,
        alive: &Alive,
        complaint: &mut Complaint,
    ) -> Option<UnixStream> {
        let mut pause = ACCEPT_RETRY_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((client, _)) => {
                    pause = ACCEPT_RETRY_MIN;
                    let fits = headroom::leaves_enough(&client);
                    if !fits {
                        self.complain(&Errno::EMFILE.into(), pause, complaint);
                    }
                    // An idle listener holds no permit; this client waits for one, and those
                    // behind it in the backlog.
                    let admitted = async {
                        let moved = if fits { None } else { Some(headroom::moved(&client).await) };
                        (self.permit().await, moved)
                    };
                    tokio::select! {
                        biased;
                        (permit, moved) = admitted => {
                            let client = moved.unwrap_or(client);
                            self.clone().serve(client, permit, alive.clone());
                        }
                        () = stop.cancelled() => return Some(client),
                    }
                }
                Err(error) => {
                    self.complain(&error, pause, complaint);
                    // Out of descriptors or memory: those who are connected go on meanwhile.
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(ACCEPT_RETRY_MAX);
                }
            }
        }
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
        // Those that wait to be accepted are whoever's systemd starts next.
        let outlives = self.made_by == MadeBy::Systemd || self.leave.is_asked();
        if !outlives {
            shutdown_read(&listener)?;
        }
        if let Some(client) = held {
            let permit = self.permit().await;
            self.clone().serve(client, permit, alive.clone());
        }
        if outlives {
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
        // At once: the agent may crash any moment.
        let kept = self.intake.commons.store.keep_connection(&client);
        self.spawn(client, kept, Came::Now, permit, alive);
    }

    /// Goes on with the connections of the agent before.
    fn go_on(self: Arc<Self>, alive: &Alive) {
        let store = &self.intake.commons.store;
        let Some(path) = self.path.as_deref().filter(|_| store.is_on()) else { return };
        for StoredConnection { descriptor, key, whose, record, .. } in
            store.take_connections_at(path, self.connections.kind())
        {
            let mut kept = store.kept_already(key);
            // It may have to wait for others to end.
            if let Some(slot) = whose.clone().and_then(|whose| kept.enter(whose)) {
                record.note(slot);
            }
            let client = net::UnixStream::from(descriptor);
            let client = client.set_nonblocking(true).and_then(|()| UnixStream::from_std(client));
            match client {
                Ok(client) => {
                    let (shared, alive) = (self.clone(), alive.clone());
                    tokio::spawn(async move {
                        let permit = tokio::select! {
                            biased;
                            permit = shared.permit() => permit,
                            () = shared.leave.asked() => {
                                match record {
                                    Record::GoesOn(unfinished) => kept.leave(unfinished),
                                    Record::Crashed(_) => kept.leave_as_entered(),
                                };
                                return;
                            }
                        };
                        shared.spawn(client, kept, Came::Before(whose, record), permit, alive);
                    });
                }
                Err(error) => {
                    report(&ConnectionFailed { input: &self.intake.input, error: &error });
                }
            }
        }
    }

    fn spawn(
        self: Arc<Self>,
        client: UnixStream,
        mut kept: Kept,
        came: Came,
        permit: OwnedSemaphorePermit,
        alive: Alive,
    ) {
        let Some(route) = self.route() else { return };
        // At once: it may end any moment.
        let peer = Peer::of(&client);
        let (mut read_half, write_half) = client.into_split();
        let registered = self.clone().register(write_half, kept.is_kept());
        tokio::spawn(async move {
            let read = self.read_to_end((peer, came), &mut read_half, route, &mut kept).await;
            if let Err(error) = read {
                report(&ConnectionFailed { input: &self.intake.input, error: &error });
            }
            if kept.is_kept() {
                // As long as somebody else has it, closing it tells the peer nothing.
                end_reading(read_half.as_ref());
            }
            drop((registered, kept, permit, alive));
        });
    }

    async fn read_to_end(
        &self,
        (peer, came): (Peer, Came),
        client: &mut OwnedReadHalf,
        route: Route,
        kept: &mut Kept,
    ) -> io::Result<()> {
        let leave = if kept.is_kept() { &self.leave } else { &NEVER };
        if self.connections == Connections::Seqpacket {
            packets::tell_ends(client.as_ref())?;
        }
        let mut connection = match came {
            Came::Before(Some(whose), record) => {
                arrival::go_on(whose, record, route, kept, &self.intake).await
            }
            came => {
                let mut begun = Begun::new(&came.begun(), &self.intake);
                let received = tokio::select! {
                    biased;
                    received = arrival::receive(peer, client, route, kept, &mut begun) => {
                        Some(received?)
                    }
                    () = leave.asked() => None,
                };
                match received {
                    Some(Some(connection)) => connection,
                    Some(None) => return Ok(()),
                    None => {
                        kept.leave(Unfinished::of_bytes(begun.take()));
                        return Ok(());
                    }
                }
            }
        };
        let ended = match self.connections {
            Connections::Stream => reading::read_to_end(client, &mut connection, leave).await,
            Connections::Seqpacket => packets::read_to_end(client, &mut connection, leave).await,
        };
        if matches!(ended, Ok(Ended::Left)) && kept.leave(connection.unfinished()) {
            return Ok(());
        }
        connection.finish();
        ended.map(drop)
    }

    fn register(self: Arc<Self>, write_half: OwnedWriteHalf, is_kept: bool) -> Registered {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.draining && !is_kept {
            end_reading(write_half.as_ref());
        }
        open.next_id += 1;
        let id = open.next_id;
        open.write_halves.insert(id, (write_half, is_kept));
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
        if let Some((write_half, is_kept)) = open.write_halves.remove(&self.id) {
            if is_kept && std::thread::panicking() {
                // As long as somebody else has it, closing it tells the peer nothing.
                end_reading(write_half.as_ref());
            }
            // Without a shutdown before the close: only then does a client that has not been read
            // to its end see a reset connection instead of an end.
            write_half.forget();
        }
    }
}

/// The client's next write fails, and what it wrote before is still read: the reader then sees the
/// end (shutdown(2)).
fn end_reading(connection: &UnixStream) {
    // It fails only where the client has gone already.
    shutdown_read(connection).unwrap_or_default();
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
        if let Some(path) = &self.shared.path {
            self.shared.intake.commons.store.forget_place(path);
        }
    }

    fn drain(&mut self) {
        if self.shared.intake.commons.store.is_on() {
            self.shared.leave.ask();
        }
        self.stop_listening.cancel();
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.draining = true;
        let ended = open.write_halves.values().filter(|(_, is_kept)| !is_kept);
        ended.for_each(|(write_half, _)| end_reading(write_half.as_ref()));
    }

    fn unread_bytes(&self) -> u64 {
        let open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        // What waits in one that systemd keeps is the next agent's.
        let ours = open.write_halves.values().filter(|(_, is_kept)| !is_kept);
        let connections: u64 = ours.map(|(connection, _)| unread_bytes(connection.as_ref())).sum();
        let found = self.shared.found.lock().unwrap_or_else(PoisonError::into_inner);
        connections + found.as_ref().map_or(0, |file| unread_bytes(&**file))
    }
}
