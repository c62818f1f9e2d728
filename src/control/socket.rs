//! The control socket: mode 0600, the agent's own user and root only, and never anything that a
//! silent or talkative client could hold up.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Uid, geteuid};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::answers::{Answer, Answers, Then};
use super::commands::{self, Asked, COMMANDS};
use crate::clock;
use crate::input::socket::{Connections, InTheWay, listen_at};
use crate::input::{self};
use crate::limits::{
    ACCEPT_RETRY_MAX, CONTROL_GUEST_STAYS_MIN, CONTROL_GUESTS_MAX, CONTROL_LOOK_EVERY,
    CONTROL_REQUEST_BYTES_MAX, CONTROL_ROOM_LOOK_EVERY, CONTROL_TIMEOUT,
};
use crate::place::Place;
use crate::report::{Complaint, ControlFailed, ControlRefused, report};

/// One request, and where its answers go.
#[derive(Debug)]
pub struct Request {
    /// What is wanted.
    pub asked: Asked,
    /// Where the answers go.
    pub answers: Answers,
}

/// Serves the socket at `path`; requests come out of the receiver. Must be called on the runtime.
pub fn serve(path: &Path) -> Result<mpsc::Receiver<Request>, input::OpenError> {
    let place = Place { path: path.to_owned(), mode: 0o600, owner: None, group: None };
    let bound = listen_at(&place, Connections::Stream, InTheWay::Refuse)?;
    let listener = UnixListener::from_std(bound.socket).map_err(|source| input::OpenError::Io {
        path: path.to_owned(),
        operation: "cannot watch the socket",
        source,
    })?;
    let (requests, receiver) = mpsc::channel(CONTROL_GUESTS_MAX);
    tokio::spawn(accept_clients(listener, path.to_owned(), requests));
    Ok(receiver)
}

/// Where requests go, and how many of a kind may wait for their answers.
#[derive(Clone)]
struct Desk {
    requests: mpsc::Sender<Request>,
    /// By the command's name.
    places: Arc<BTreeMap<&'static str, Arc<Semaphore>>>,
}

impl Desk {
    fn new(requests: mpsc::Sender<Request>) -> Desk {
        let lasting = COMMANDS.iter().filter(|command| command.places() > 0);
        let places = lasting.map(|command| (command.name(), command.places()));
        let places = places.map(|(name, places)| (name, Arc::new(Semaphore::new(places))));
        Desk { requests, places: Arc::new(places.collect()) }
    }

    /// A place to wait for the answers; none is needed where they are known at once.
    fn place(&self, asked: &Asked) -> Result<Option<OwnedSemaphorePermit>, Value> {
        let name = asked.command.name();
        let Some(places) = self.places.get(name) else { return Ok(None) };
        let place = places.clone().try_acquire_owned();
        place.map(Some).map_err(|_| {
            let many = asked.command.places();
            let error = format!("{many} clients wait for {name} already, which is the most");
            json!({ "error": error, "busy": true })
        })
    }
}

/// Clients that have not said what they want, or are being told what is known at once.
#[derive(Default)]
struct Guests(VecDeque<(Instant, AbortHandle)>);

impl Guests {
    /// Whoever came first goes first, so that no number of them keeps anybody out; but not before
    /// having had a moment.
    async fn make_room(&mut self) {
        loop {
            self.0.retain(|(_, guest)| !guest.is_finished());
            let Some((since, first)) = self.0.front() else { return };
            if self.0.len() < CONTROL_GUESTS_MAX {
                return;
            }
            if since.elapsed() >= CONTROL_GUEST_STAYS_MIN {
                first.abort();
                self.0.pop_front();
                return;
            }
            sleep(CONTROL_ROOM_LOOK_EVERY).await;
        }
    }
}

async fn accept_clients(listener: UnixListener, path: PathBuf, requests: mpsc::Sender<Request>) {
    let desk = Desk::new(requests);
    let mut guests = Guests::default();
    let mut complaint = Complaint::default();
    loop {
        guests.make_room().await;
        match listener.accept().await {
            Ok((client, _)) => {
                let desk = desk.clone();
                let guest = tokio::spawn(async move {
                    // Whatever goes wrong here is the client's trouble alone.
                    serve_client(client, desk).await.unwrap_or_default();
                });
                guests.0.push_back((clock::instant(), guest.abort_handle()));
            }
            Err(error) => {
                if complaint.is_due(clock::instant()) {
                    report(&ControlFailed { path: &path.display(), error: &error });
                }
                sleep(ACCEPT_RETRY_MAX).await;
            }
        }
    }
}

async fn serve_client(mut client: UnixStream, desk: Desk) -> io::Result<()> {
    let uid = Uid::from_raw(client.peer_cred()?.uid());
    if !uid.is_root() && uid != geteuid() {
        report(&ControlRefused { uid: &uid });
        let (answers, answered) = Answers::new();
        answers.refuse("permission denied; ask as root or as the agent's user");
        return deliver(client, answered).await;
    }
    let Ok(line) = timeout(CONTROL_TIMEOUT, read_request(&mut client)).await else {
        return Ok(());
    };
    let Some(line) = line? else { return Ok(()) };
    let (answers, answered) = Answers::new();
    let asked = line.and_then(|line| commands::read(&line));
    let asked = asked.map_err(|error| json!({ "error": error }));
    let admitted = asked.and_then(|asked| Ok((desk.place(&asked)?, asked)));
    let place = match admitted {
        Ok((place, asked)) => {
            if desk.requests.send(Request { asked, answers }).await.is_err() {
                return Ok(());
            }
            place
        }
        Err(error) => {
            answers.answer(error);
            None
        }
    };
    match place {
        None => deliver(client, answered).await,
        Some(place) => {
            // A guest no longer.
            tokio::spawn(async move {
                deliver(client, answered).await.unwrap_or_default();
                drop(place);
            });
            Ok(())
        }
    }
}

/// One line without its end; none where the client has said nothing.
async fn read_request(client: &mut UnixStream) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let mut bytes = Vec::new();
    let mut limited = client.take(CONTROL_REQUEST_BYTES_MAX as u64);
    let mut read = 0;
    loop {
        if let Some(end) = memchr::memchr(b'\n', &bytes[read..]) {
            bytes.truncate(read + end);
            return Ok(Some(Ok(bytes)));
        }
        read = bytes.len();
        if limited.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(match bytes.len() {
        0 => None,
        CONTROL_REQUEST_BYTES_MAX.. => {
            Some(Err(format!("a request is one line of at most {CONTROL_REQUEST_BYTES_MAX} bytes")))
        }
        _ => Some(Err("the request ends without a newline: it may be cut".to_owned())),
    })
}

/// Writes answers as they come, until the last one, or until the client has gone or takes nothing.
async fn deliver(client: UnixStream, mut answers: mpsc::Receiver<Answer>) -> io::Result<()> {
    loop {
        let answer = match timeout(CONTROL_LOOK_EVERY, answers.recv()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(()),
            Err(_) if has_gone(&client) => return Ok(()),
            Err(_) => continue,
        };
        let then = answer.then;
        write(&client, answer).await?;
        match then {
            Then::More => {}
            Then::End => return Ok(()),
            Then::Exit => {
                // Left open on purpose: the kernel closes it when the process has gone.
                let _left_open = client.into_std()?.into_raw_fd();
                return Ok(());
            }
        }
    }
}

async fn write(client: &UnixStream, answer: Answer) -> io::Result<()> {
    let text = format!("{}\n", answer.value);
    let mut rest = text.as_bytes();
    let mut descriptor = answer.descriptor;
    while !rest.is_empty() {
        let written = timeout(CONTROL_TIMEOUT, async {
            loop {
                client.writable().await?;
                let sent = client.try_io(Interest::WRITABLE, || {
                    let raw: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
                    let rights = [ControlMessage::ScmRights(&raw)];
                    let control = if raw.is_empty() { &[] } else { &rights[..] };
                    let (bytes, flags) = ([IoSlice::new(rest)], MsgFlags::MSG_NOSIGNAL);
                    Ok(sendmsg::<()>(client.as_raw_fd(), &bytes, control, flags, None)?)
                });
                match sent {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    sent => return sent,
                }
            }
        });
        let Ok(written) = written.await else { return Err(io::ErrorKind::TimedOut.into()) };
        rest = &rest[written?..];
        // It went with the first byte.
        descriptor = None;
    }
    Ok(())
}

/// Whether the other side is closed altogether: one that only sends nothing more is still there.
fn has_gone(client: &UnixStream) -> bool {
    let mut polled = [PollFd::new(client.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    poll(&mut polled, PollTimeout::ZERO).is_ok()
        && polled[0].revents().is_some_and(|found| found.intersects(gone))
}
