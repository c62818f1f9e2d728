//! The control socket: mode 0600, the agent's own user and root only, and never anything that a
//! silent or talkative client could hold up.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, geteuid};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::input::socket::{Connections, InTheWay, listen_at};
use crate::input::{self};
use crate::limits::{
    ACCEPT_RETRY_MAX, CONTROL_CLIENTS_MAX, CONTROL_REQUEST_BYTES_MAX, CONTROL_TIMEOUT,
};
use crate::place::Place;
use crate::report::{ControlFailed, ControlRefused, report};

/// One request, waiting for its answer.
#[derive(Debug)]
pub struct Request {
    text: String,
    answer: oneshot::Sender<Value>,
}

impl Request {
    /// The line that was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Answers it; a client that has gone does not matter.
    pub fn answer(self, answer: Value) {
        self.answer.send(answer).unwrap_or_default();
    }
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
    let (requests, receiver) = mpsc::channel(CONTROL_CLIENTS_MAX);
    tokio::spawn(accept_clients(listener, path.to_owned(), requests));
    Ok(receiver)
}

async fn accept_clients(listener: UnixListener, path: PathBuf, requests: mpsc::Sender<Request>) {
    let permits = Arc::new(Semaphore::new(CONTROL_CLIENTS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    // Whatever goes wrong here is the client's trouble alone.
                    serve_client(client, requests).await.unwrap_or_default();
                    drop(permit);
                });
            }
            Err(error) => {
                report(&ControlFailed { path: &path.display(), error: &error });
                sleep(ACCEPT_RETRY_MAX).await;
            }
        }
    }
}

async fn serve_client(mut client: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let uid = Uid::from_raw(client.peer_cred()?.uid());
    if !uid.is_root() && uid != geteuid() {
        report(&ControlRefused { uid: &uid });
        return Ok(());
    }
    let Ok(text) = timeout(CONTROL_TIMEOUT, read_request(&mut client)).await else {
        return Ok(());
    };
    let (answer, answered) = oneshot::channel();
    let request = Request { text: text?, answer };
    if requests.send(request).await.is_err() {
        return Ok(());
    }
    let Ok(answer) = answered.await else { return Ok(()) };
    let mut text = answer.to_string();
    text.push('\n');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match timeout(CONTROL_TIMEOUT, client.write(rest)).await {
            Ok(written) => rest = &rest[written?..],
            Err(_) => break,
        }
    }
    Ok(())
}

/// One line, or what comes before the end.
async fn read_request(client: &mut UnixStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut limited = client.take(CONTROL_REQUEST_BYTES_MAX as u64);
    while !bytes.contains(&b'\n') && limited.read_buf(&mut bytes).await? > 0 {}
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// Why a running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no agent answers at {path}: is it running, with this control socket?", path = .0.display())]
    NoAgent(PathBuf),
    /// It does not let us.
    #[error("{path}: permission denied; ask as root or as the agent's user", path = .0.display())]
    Denied(PathBuf),
    /// The system's reason.
    #[error("{path}: cannot talk to the agent", path = .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It did not answer in time.
    #[error("{path}: the agent did not answer within {} s", .1.as_secs(), path = .0.display())]
    Silent(PathBuf, Duration),
    /// It answered something else.
    #[error("{path}: the answer is not an agent's", path = .0.display())]
    Answer(PathBuf),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the agent at `path`, and waits for its answer.
pub fn ask(path: &Path, request: &str) -> Result<Value, ControlError> {
    let io = |error| ControlError::Io(path.to_owned(), error);
    let mut socket = StdStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NoAgent(path.to_owned())
        }
        io::ErrorKind::PermissionDenied => ControlError::Denied(path.to_owned()),
        _ => io(error),
    })?;
    socket.set_read_timeout(Some(2 * CONTROL_TIMEOUT)).map_err(io)?;
    let line = format!("{request}\n");
    if socket.write(line.as_bytes()).map_err(io)? < line.len() {
        return Err(io(io::ErrorKind::WriteZero.into()));
    }
    socket.shutdown(Shutdown::Write).map_err(io)?;
    let mut text = String::new();
    socket.read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => ControlError::Silent(path.to_owned(), 2 * CONTROL_TIMEOUT),
        _ => io(error),
    })?;
    let answer: Value =
        serde_json::from_str(&text).map_err(|_| ControlError::Answer(path.to_owned()))?;
    match answer.get("error") {
        Some(error) => Err(ControlError::Refused(error.as_str().unwrap_or_default().to_owned())),
        None => Ok(answer),
    }
}
