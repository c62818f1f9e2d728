//! `unix-stream`: a listening Unix stream socket; each connection is one sender.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::found_file::FoundFile;
use super::reading::read_to_end;
use super::socket::{self, Bound, InTheWay};
use super::unread::unread_bytes;
use super::{Alive, Commons, Input, InputKind, InputSettings, OpenError, Opening};
use crate::clock;
use crate::counters::InputCounters;
use crate::framing::Framing;
use crate::limits::{ACCEPT_RETRY_MAX, ACCEPT_RETRY_MIN};
use crate::place::Place;
use crate::report::{
    AcceptFailed, Complaint, ConnectionFailed, ConnectionsFull, StaleSocketReplaced, report,
};
use crate::writer::stream::Stream;

pub(super) struct UnixStreamInput {
    shared: Arc<Shared>,
    stop_listening: CancellationToken,
}

/// What the listener, its connections and the input's owner share.
struct Shared {
    name: String,
    counters: Arc<InputCounters>,
    commons: Commons,
    /// Where the next connection goes; nowhere once nothing more is accepted.
    route: Mutex<Option<Route>>,
    open: Mutex<Open>,
    /// A regular file that was in the way, while it is read and after.
    found: Mutex<Option<Arc<File>>>,
}

#[derive(Clone)]
struct Route {
    framing: &'static Framing,
    stream: Arc<Stream>,
}

/// The write halves of open connections: through them a connection is told to end, without its
/// reader having to look out for that on every read.
#[derive(Default)]
struct Open {
    draining: bool,
    next_id: u64,
    write_halves: HashMap<u64, OwnedWriteHalf>,
}

pub(super) fn open(place: &Place, opening: Opening<'_>) -> Result<UnixStreamInput, OpenError> {
    let Opening { name, framing, stream, commons, alive } = opening;
    let Bound { listener, replaced_stale, found_file } =
        socket::listen_at(place, InTheWay::TakeFile)?;
    let listener = UnixListener::from_std(listener);
    let listener = listener.map_err(OpenError::io(&place.path, "cannot watch the socket"))?;
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        counters: Arc::default(),
        commons: commons.clone(),
        route: Mutex::new(Some(Route { framing, stream })),
        open: Mutex::default(),
        found: Mutex::default(),
    });
    let path = place.path.display();
    if replaced_stale {
        report(&StaleSocketReplaced { input: &name, path: &path });
    }
    if let Some(renamed_to) = found_file
        && let Some(connection) = shared.connect()
    {
        let found = FoundFile { input: name.to_owned(), path: place.path.clone(), renamed_to };
        let taken = found.take_in(connection, shared.counters.clone(), alive.clone());
        let failed = OpenError::io(&place.path, "cannot read the file found here");
        *shared.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken.map_err(failed)?);
    }
    let stop_listening = CancellationToken::new();
    tokio::spawn(shared.clone().listen(listener, stop_listening.clone(), alive));
    Ok(UnixStreamInput { shared, stop_listening })
}

impl Shared {
    /// A way into the stream for the next connection.
    fn connect(&self) -> Option<Connection> {
        let route = self.route.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(Connection::new(route.framing, route.stream, &self.counters, &self.commons))
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
        let permits = &self.commons.connections;
        if let Ok(permit) = Semaphore::try_acquire_owned(permits.clone()) {
            return permit;
        }
        if self.commons.full_is_to_be_told(clock::instant()) {
            let limit = self.commons.connections_max;
            report(&ConnectionsFull { input: &self.name, limit: &limit });
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
        shutdown_read(&listener)?;
        // Off the runtime: a listener that was shut down is readable for ever, so that waiting for
        // it would never end. It is non-blocking, and the backlog does not grow any more.
        let listener = listener.into_std()?;
        if let Some(client) = held {
            let permit = self.permit().await;
            self.clone().serve(client, permit, alive.clone());
        }
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
            report(&AcceptFailed { input: &self.name, error, retry_in: &retry_in });
        }
    }

    fn serve(self: Arc<Self>, client: UnixStream, permit: OwnedSemaphorePermit, alive: Alive) {
        let Some(connection) = self.connect() else { return };
        let (read_half, write_half) = client.into_split();
        let registered = self.clone().register(write_half);
        tokio::spawn(async move {
            registered.shared.read(read_half, connection).await;
            drop((registered, permit, alive));
        });
    }

    async fn read(&self, mut client: OwnedReadHalf, mut connection: Connection) {
        if let Err(error) = read_to_end(&mut client, &mut connection).await {
            report(&ConnectionFailed { input: &self.name, error: &error });
        }
        connection.finish();
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
        open.write_halves.remove(&self.id);
    }
}

/// The client's next write fails, and what it wrote before is still read: the reader then sees the
/// end (shutdown(2)).
fn end_reading(connection: &OwnedWriteHalf) {
    // It fails only where the client has gone already.
    shutdown_read(connection.as_ref()).unwrap_or_default();
}

fn shutdown_read(socket: impl std::os::fd::AsFd) -> nix::Result<()> {
    shutdown(std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd()), Shutdown::Read)
}

impl Input for UnixStreamInput {
    fn counters(&self) -> &InputCounters {
        &self.shared.counters
    }

    fn set(&mut self, settings: &InputSettings, stream: Arc<Stream>) -> Result<(), OpenError> {
        let mut route = self.shared.route.lock().unwrap_or_else(PoisonError::into_inner);
        *route = Some(Route { framing: settings.framing, stream });
        drop(route);
        match &settings.kind {
            InputKind::UnixStream(place) => socket::set_access(place)
                .map_err(OpenError::io(&place.path, "cannot set its owner and mode")),
            _ => Ok(()),
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
