//! Reading: bytes from a descriptor into a connection, on the readers' thread or a thread of its
//! own.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use bytes::buf::Limit;
use nix::errno::Errno;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::unix::pipe::Receiver;
use tokio_util::io::poll_read_buf;

use super::connection::Connection;
use super::pace::{self, Pace};
use super::packets::give_way;
use crate::clock;
use crate::descriptor::{self, enlarge_pipe, read_or_stop};
use crate::limits::{PIPE_BYTES, READ_BYTES_MAX};
use crate::writer::wake;

thread_local! {
    /// Where bytes are read that must be looked at before they are lines of the file. All
    /// connections of a thread share it; each owns only its unfinished line.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(READ_BYTES_MAX));
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
}

/// Reads `client` to its end. May be dropped at any await: what was read is in the queue.
pub(super) async fn read_to_end(
    client: &mut OwnedReadHalf,
    connection: &mut Connection,
) -> io::Result<()> {
    loop {
        match poll_fn(|cx| poll_read(client, connection, cx)).await? {
            Read::Some => {}
            // Whoever always has more must not keep the others from being read.
            Read::All => give_way().await,
            Read::NoRoom => connection.wait_for_room().await,
            Read::End => return Ok(()),
        }
    }
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
    let read = read_into(connection, bytes_max, |into| poll_read_buf(Pin::new(client), cx, into));
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

/// Reads what is in a pipe now, at most about `bytes_max`, and on to the end of a record.
pub(super) async fn read_rest(
    pipe: &Receiver,
    connection: &mut Connection,
    bytes_max: usize,
) -> io::Result<()> {
    let (mut buffer, mut bytes) = (vec![0; READ_BYTES_MAX], 0);
    while bytes < bytes_max || connection.is_inside_record() {
        let room = wait_for_room(connection).await;
        // Past the runtime, which may not have heard of the last bytes yet.
        match nix::unistd::read(pipe, &mut buffer[..room]) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Err(Errno::EINTR) => {}
            Ok(length) => {
                connection.push(&buffer[..length]);
                bytes += length;
                give_way().await;
            }
            Err(error) => return Err(error.into()),
        }
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
    match read_into(connection, bytes_max, |into| pipe.try_read_buf(into)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        read => read.map(Some),
    }
}

/// Has `read` put at most `bytes_max` bytes where they need no copy, if there is such a place.
/// `read` must not wait.
fn read_into<T>(
    connection: &mut Connection,
    bytes_max: usize,
    read: impl FnOnce(&mut Limit<&mut Vec<u8>>) -> T,
) -> T {
    if connection.reads_in_place(bytes_max) {
        return connection.read_in_place(bytes_max, |out| read(&mut out.limit(bytes_max)));
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let result = read(&mut buffer.limit(bytes_max));
        connection.push(buffer);
        result
    })
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
