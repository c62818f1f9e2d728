//! Reading: bytes from a descriptor into a connection, on the readers' thread or a thread of its
//! own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use nix::errno::Errno;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::unix::pipe::Receiver;
use tokio_util::io::poll_read_buf;

use super::connection::Connection;
use super::leave::{Leave, wake_by};
use super::pace::{self, Pace};
use super::packets::give_way;
use crate::clock;
use crate::descriptor::{self, enlarge_pipe, read_or_stop};
use crate::limits::{DIRECT_READ_BYTES, PIPE_BYTES, READ_BYTES_MAX};
use crate::store::UNREAD;
use crate::system::unread_bytes;
use crate::writer::wake;

thread_local! {
    /// Where bytes are read that must be looked at before they are lines of the file. All
    /// connections of a thread share it; each owns only its unfinished line.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(READ_BYTES_MAX));

    /// The same for what must outlive a crash.
    static SHARED: RefCell<Option<&'static mut [u8]>> = const { RefCell::new(None) };
}

/// Has this thread read into `buffer` what must outlive a crash.
pub fn share(buffer: Option<&'static mut [u8]>) {
    SHARED.set(buffer);
}

/// What one attempt to read came to.
enum Read {
    /// Some bytes, and perhaps more are waiting.
    All,
    /// Fewer bytes than there was room for.
    Some,
    /// Nothing was read, since the queue has no room.
    NoRoom,
    /// The end.
    End,
    /// It is to be left.
    Leave,
}

/// How the reading of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With its end.
    End,
    /// It is left to the next agent.
    Left,
}

/// Reads `client` to its end, or until it is to be left. May be dropped at any await: what was read
/// is in the queue.
pub(super) async fn read_to_end(
    client: &mut OwnedReadHalf,
    connection: &mut Connection,
    leave: &Leave,
) -> io::Result<Ended> {
    let mut asked = pin!(leave.asked());
    wake_by(asked.as_mut()).await;
    loop {
        let read = poll_fn(|cx| match leave.is_asked() {
            true => Poll::Ready(Ok(Read::Leave)),
            false => poll_read(client, connection, cx),
        });
        match read.await? {
            Read::Some => {}
            // Whoever always has more must not keep the others from being read.
            Read::All => give_way().await,
            Read::NoRoom => tokio::select! {
                () = connection.wait_for_room() => {}
                () = leave.asked() => {}
            },
            Read::End => return Ok(Ended::End),
            Read::Leave => return leave_at_last(client, connection),
        }
    }
}

/// Reads what had come when it was to be left, as far as there is room: if there is no next agent,
/// that had been sent in time.
fn leave_at_last(client: &OwnedReadHalf, connection: &mut Connection) -> io::Result<Ended> {
    let mut rest = unread_bytes(client.as_ref());
    while rest > 0 {
        let bytes_max = connection.read_bytes_max();
        if bytes_max == 0 {
            break;
        }
        match read_into(connection, bytes_max, Tried(client)) {
            Ok(0) => return Ok(Ended::End),
            Ok(length) => rest = rest.saturating_sub(length as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Ended::Left)
}

fn poll_read(
    client: &mut OwnedReadHalf,
    connection: &mut Connection,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Read>> {
    ready!(client.as_ref().poll_read_ready(cx))?;
    // Only now is it known how much may be read: others share the queue.
    let bytes_max = connection.read_bytes_max();
    if bytes_max == 0 {
        return Poll::Ready(Ok(Read::NoRoom));
    }
    // poll_read rather than a read after readiness: it notices by itself that a short read has
    // emptied the socket, and saves the read that would only say so.
    let read = read_into(connection, bytes_max, Polled(client, cx));
    let length = ready!(read)?;
    pace::count_read(length);
    Poll::Ready(Ok(match length {
        0 => Read::End,
        length if length == bytes_max => Read::All,
        _ => Read::Some,
    }))
}

/// Reads a pipe that never ends; returns only with an error. May be dropped at any await.
///
/// Other than on a stream socket, a short read does not mean that a pipe is empty: one that is
/// written in packet mode (pipe(2), O_DIRECT) gives one packet at a time. So it is read until it
/// says that it is empty. `may_rest` says whether it holds what is written during a rest.
pub(super) async fn read_pipe(
    pipe: &Receiver,
    connection: &mut Connection,
    may_rest: bool,
) -> io::Result<()> {
    loop {
        pipe.readable().await?;
        while let Some(length) = try_read(pipe, connection).await? {
            if may_rest {
                pace::count_read(length);
            } else {
                pace::hold_off();
            }
            wake::now();
            pace::rest_if_due_again();
            tokio::task::yield_now().await;
        }
    }
}

/// Reads a pipe on to the end of a record, as far as that has come.
pub(super) async fn read_to_record_end(
    pipe: &Receiver,
    connection: &mut Connection,
) -> io::Result<()> {
    while connection.is_inside_record() && try_read(pipe, connection).await?.is_some() {
        give_way().await;
    }
    Ok(())
}

/// Reads what is in a pipe now, at most about `bytes_max`, and on to the end of a record; one that is
/// left to the next agent only as far as there is room.
pub(super) async fn read_rest(
    pipe: &Receiver,
    connection: &mut Connection,
    bytes_max: usize,
    is_left: bool,
) -> io::Result<()> {
    let mut bytes = 0;
    while bytes < bytes_max || (connection.is_inside_record() && !is_left) {
        if is_left && connection.read_bytes_max() == 0 {
            break;
        }
        let room = wait_for_room(connection).await;
        match read_into(connection, room, Direct(pipe)) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Ok(length) => bytes += length,
            Err(error) => return Err(error),
        }
        give_way().await;
    }
    Ok(())
}

/// How much may be read, once that is anything.
async fn wait_for_room(connection: &mut Connection) -> usize {
    loop {
        match connection.read_bytes_max() {
            0 => connection.wait_for_room().await,
            bytes_max => return bytes_max,
        }
    }
}

/// One read, once the queue has room: its length, or none where the pipe is empty.
async fn try_read(pipe: &Receiver, connection: &mut Connection) -> io::Result<Option<usize>> {
    let bytes_max = wait_for_room(connection).await;
    match read_into(connection, bytes_max, TriedPipe(pipe)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        read => read.map(Some),
    }
}

/// One read, into whatever memory that is.
trait OneRead {
    type Outcome;

    /// Appends to `into` what there is. Must not wait.
    fn read(self, into: &mut impl BufMut) -> Self::Outcome;
}

/// Reads a client; its task is woken when there is more.
struct Polled<'a, 'b>(&'a mut OwnedReadHalf, &'a mut Context<'b>);

impl OneRead for Polled<'_, '_> {
    type Outcome = Poll<io::Result<usize>>;

    fn read(self, into: &mut impl BufMut) -> Self::Outcome {
        poll_read_buf(Pin::new(self.0), self.1, into)
    }
}

/// Reads a client.
struct Tried<'a>(&'a OwnedReadHalf);

impl OneRead for Tried<'_> {
    type Outcome = io::Result<usize>;

    fn read(self, into: &mut impl BufMut) -> Self::Outcome {
        self.0.try_read_buf(into)
    }
}

/// Reads a pipe.
struct TriedPipe<'a>(&'a Receiver);

impl OneRead for TriedPipe<'_> {
    type Outcome = io::Result<usize>;

    fn read(self, into: &mut impl BufMut) -> Self::Outcome {
        self.0.try_read_buf(into)
    }
}

/// Reads a pipe past the runtime, which may not have heard of the last bytes yet.
struct Direct<'a>(&'a Receiver);

impl OneRead for Direct<'_> {
    type Outcome = io::Result<usize>;

    fn read(self, into: &mut impl BufMut) -> Self::Outcome {
        let mut buffer = [0; DIRECT_READ_BYTES];
        let room = into.remaining_mut().min(buffer.len());
        let length = loop {
            match nix::unistd::read(self.0, &mut buffer[..room]) {
                Err(Errno::EINTR) => {}
                read => break read?,
            }
        };
        into.put_slice(&buffer[..length]);
        Ok(length)
    }
}

/// Has `read` put at most `bytes_max` bytes where they need no copy, if there is such a place; or
/// where they outlive a crash, if they are to.
fn read_into<R: OneRead>(connection: &mut Connection, bytes_max: usize, read: R) -> R::Outcome {
    if connection.outlives_crash() {
        return SHARED.with_borrow_mut(|shared| match shared.as_deref_mut() {
            Some(shared) => read_into_shared(connection, &mut shared[..bytes_max], read),
            None => read_into_own(connection, bytes_max, read),
        });
    }
    if connection.reads_in_place(bytes_max) {
        return connection
            .read_in_place(bytes_max, |out: &mut Vec<u8>| read.read(&mut out.limit(bytes_max)));
    }
    read_into_own(connection, bytes_max, read)
}

fn read_into_own<R: OneRead>(connection: &mut Connection, bytes_max: usize, read: R) -> R::Outcome {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let outcome = read.read(&mut (&mut *buffer).limit(bytes_max));
        connection.push(buffer);
        outcome
    })
}

/// Whoever looks at `buffer` after a crash sees how far it was read into.
fn read_into_shared<R: OneRead>(
    connection: &mut Connection,
    buffer: &mut [u8],
    read: R,
) -> R::Outcome {
    connection.begin_read();
    let mut room = &mut *buffer;
    let outcome = read.read(&mut room);
    let left = room.len();
    let length = buffer.len() - left;
    connection.push(&buffer[..length]);
    buffer[..length].fill(UNREAD);
    outcome
}

/// Reads `source` on the calling thread to its end, or until `stop` is closed.
pub(super) fn read_until_stopped(
    source: BorrowedFd<'_>,
    stop: BorrowedFd<'_>,
    connection: &mut Connection,
) -> nix::Result<()> {
    let pipe_bytes = enlarge_pipe(source, PIPE_BYTES);
    let mut pace = Pace::of_pipe(pipe_bytes);
    let mut buffer = vec![0; READ_BYTES_MAX];
    loop {
        if pace.is_rest_due(clock::instant) {
            pace.rest();
        }
        let bytes_max = connection.read_bytes_max();
        if bytes_max == 0 {
            connection.wait_for_room_blocking();
            continue;
        }
        match read_or_stop(source, stop, &mut buffer[..bytes_max])? {
            descriptor::Read::Bytes(length) => {
                pace.count_read(length);
                connection.push(&buffer[..length]);
            }
            descriptor::Read::End | descriptor::Read::Stopped => return Ok(()),
        }
    }
}
