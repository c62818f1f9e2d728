//! Packets: records with borders of their own, of seqpacket and datagram sockets (unix(7)).

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::pin;
use std::task::Poll;

use nix::sys::socket::{MsgFlags, recv, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::unix::OwnedReadHalf;

use super::connection::Connection;
use super::leave::{Leave, wake_by};
use super::pace;
use super::reading::Ended;
use crate::limits::{
    HANDSHAKE_BYTES_MAX, PACKET_BUFFER_KEPT_MAX, PACKET_BYTES_MAX, PACKETS_PER_READ_MAX,
    READ_BYTES_MAX, READ_BYTES_MIN,
};
use crate::routing::NoName;
use crate::routing::handshake::{self, Handshake};
use crate::stream_name::StreamName;
use crate::system::unread_bytes;
use crate::writer::wake;

thread_local! {
    /// All seqpacket connections of a thread share it: it is empty between two reads.
    static BUFFER: RefCell<Packets> = RefCell::new(Packets::default());
}

/// Packets that were read, one behind the other.
pub(super) struct Packets {
    bytes: Vec<u8>,
    /// Where each packet ends.
    ends: Vec<usize>,
    /// Packets that were longer than can be.
    cut: u64,
    /// A buffer that has grown beyond this is given back.
    bytes_kept_max: usize,
}

impl Default for Packets {
    fn default() -> Packets {
        let (bytes, ends) = (Vec::new(), Vec::new());
        Packets { bytes, ends, cut: 0, bytes_kept_max: PACKET_BUFFER_KEPT_MAX }
    }
}

/// What one attempt to receive came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    Packet,
    /// Nothing waits.
    Nothing,
    End,
}

impl Packets {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length()]
    }

    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// How many were cut off since the last call.
    pub(super) fn take_cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }

    pub(super) fn length(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        if self.bytes.len() > self.bytes_kept_max {
            self.bytes = Vec::new();
        }
    }

    fn is_full(&self) -> bool {
        self.length() >= READ_BYTES_MAX || self.ends.len() >= PACKETS_PER_READ_MAX
    }

    /// Makes room for so many bytes more.
    fn reserve(&mut self, bytes: usize) {
        let wanted = self.length() + bytes;
        if self.bytes.is_empty() {
            // Memory that comes from the system is zero, and costs nothing until it is touched.
            self.bytes = vec![0; wanted.max(READ_BYTES_MIN)];
        } else if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }

    /// Where the next packet goes.
    fn room(&mut self) -> &mut [u8] {
        let start = self.length();
        &mut self.bytes[start..]
    }

    fn add(&mut self, length: usize) {
        let kept = length.min(self.room().len());
        self.cut += u64::from(kept < length);
        self.ends.push(self.length() + kept);
    }

    /// For datagrams, whose size nobody knows before: with room for the largest one.
    pub(super) fn for_datagrams() -> Packets {
        let bytes_kept_max = READ_BYTES_MAX + datagram_bytes_max();
        Packets { bytes_kept_max, ..Packets::default() }
    }

    /// Receives datagrams until there are enough for one go, or none waits, which is an error of the
    /// kind `WouldBlock` however many have come.
    pub(super) fn receive_datagrams(
        &mut self,
        socket: &impl AsRawFd,
        connection: &Connection,
    ) -> io::Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        self.reserve(self.bytes_kept_max);
        while !self.is_full() {
            connection.count_packets(self.ends.len() + 1);
            match recv(socket.as_raw_fd(), self.room(), flags) {
                Ok(length) => self.add(length),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives one packet of a seqpacket client that [`tell_ends`] was called for.
    fn receive(&mut self, client: &impl AsRawFd) -> nix::Result<Received> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let mut room = [IoSliceMut::new(self.room())];
        let message = recvmsg::<()>(client.as_raw_fd(), &mut room, None, flags)?;
        let (length, flags) = (message.bytes, message.flags);
        if length == 0 && !flags.contains(MsgFlags::MSG_CTRUNC) {
            return Ok(Received::End);
        }
        self.add(length);
        Ok(Received::Packet)
    }
}

/// The largest datagram that a sender without special rights can send: what its socket's buffer
/// holds (socket(7), `wmem_max`, which the kernel doubles).
fn datagram_bytes_max() -> usize {
    let wmem_max = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap_or_default();
    let bytes = wmem_max.trim().parse().map_or(PACKET_BYTES_MAX, |bytes: usize| 2 * bytes);
    bytes.clamp(PACKET_BUFFER_KEPT_MAX, PACKET_BYTES_MAX)
}

/// Makes the end of a seqpacket client differ from an empty packet, both of which are read as
/// nothing: with a packet come its sender's credentials, for which [`Packets::receive`] has no
/// room, and that is told (MSG_CTRUNC, recvmsg(2)).
pub(super) fn tell_ends(client: &impl AsFd) -> io::Result<()> {
    setsockopt(client, sockopt::PassCred, &true).map_err(io::Error::from)
}

/// Reads a seqpacket `client` to its end, or until it is to be left. May be dropped at any await:
/// what was read is in the queue, but for the rest of a packet that was too large for it.
pub(super) async fn read_to_end(
    client: &OwnedReadHalf,
    connection: &mut Connection,
    leave: &Leave,
) -> io::Result<Ended> {
    let mut asked = pin!(leave.asked());
    wake_by(asked.as_mut()).await;
    // What waits when it is to be left: whoever always has more must not hold up the end.
    let mut rest = None;
    loop {
        let readable = poll_fn(|cx| match leave.is_asked() {
            true => Poll::Ready(Ok(false)),
            false => client.as_ref().poll_read_ready(cx).map_ok(|()| true),
        });
        let is_left = !readable.await?;
        if is_left && *rest.get_or_insert_with(|| unread_bytes(client.as_ref())) == 0 {
            return Ok(Ended::Left);
        }
        match read_some(client, connection)? {
            Read::End => return Ok(Ended::End),
            // Nothing waits any more, or there is no room for it.
            Read::Some | Read::NoRoom | Read::Large if is_left => return Ok(Ended::Left),
            Read::Some => {}
            Read::Full(length) => {
                rest = rest.map(|rest| rest.saturating_sub(length.max(1) as u64));
                give_way().await;
            }
            Read::NoRoom => tokio::select! {
                () = connection.wait_for_room() => {}
                () = leave.asked() => {}
            },
            Read::Large => read_large(client, connection).await?,
        }
    }
}

enum Read {
    /// What there was.
    Some,
    /// So many bytes, and perhaps more is waiting.
    Full(usize),
    /// Nothing, since the queue has no room.
    NoRoom,
    /// Nothing, since the next packet's lines may not fit the queue in one go.
    Large,
    End,
}

fn read_some(client: &OwnedReadHalf, connection: &mut Connection) -> io::Result<Read> {
    let bytes_max = connection.read_bytes_max();
    if bytes_max == 0 {
        return Ok(Read::NoRoom);
    }
    // Every packet may have a line more than it has bytes.
    let fits = |bytes: u64, packets| bytes.saturating_add(packets) <= bytes_max as u64;
    let waiting = unread_bytes(client.as_ref());
    let all_fit = waiting > 0 && fits(waiting, PACKETS_PER_READ_MAX as u64);
    BUFFER.with_borrow_mut(|packets| {
        packets.clear();
        let mut expected = waiting;
        if !all_fit {
            match next_packet_bytes(client)? {
                None => return Ok(Read::Some),
                Some(bytes) if !fits(bytes, 1) => return Ok(Read::Large),
                Some(bytes) => expected = bytes,
            }
        }
        packets.reserve(usize::try_from(expected).unwrap_or(usize::MAX).min(PACKET_BYTES_MAX));
        // While bytes wait, nothing that is read is the end; behind them it may be. What has come since
        // they were counted may be of any size.
        connection.count_packets(1);
        let mut received =
            if waiting > 0 { receive_waiting(client, packets)? } else { receive(client, packets)? };
        while received == Received::Packet
            && all_fit
            && (packets.length() as u64) < waiting
            && !packets.is_full()
        {
            connection.count_packets(packets.ends.len() + 1);
            received = receive_waiting(client, packets)?;
        }
        if packets.ends.is_empty() {
            connection.count_packets(0);
        } else {
            pace::count_read(packets.length().max(1));
            connection.push_packets(packets);
        }
        Ok(match received {
            Received::End => Read::End,
            Received::Nothing => Read::Some,
            Received::Packet if next_packet_bytes(client)?.is_some() => {
                Read::Full(packets.length())
            }
            Received::Packet => Read::Some,
        })
    })
}

/// Takes a packet whose lines may not fit the queue in one go, part by part; of a stream's
/// connections only one does so at a time.
async fn read_large(client: &OwnedReadHalf, connection: &mut Connection) -> io::Result<()> {
    let stream = connection.stream();
    let turn = stream.turn_for_large_record().await;
    let mut packets = Packets::default();
    let bytes = next_packet_bytes(client)?.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0));
    packets.reserve(bytes.min(PACKET_BYTES_MAX));
    connection.count_packets(1);
    if receive(client, &mut packets)? == Received::Packet {
        push_in_parts(&mut packets, connection).await;
    }
    connection.count_packets(0);
    drop(turn);
    Ok(())
}

/// Pushes packets as the queue has room for them.
pub(super) async fn push_in_parts(packets: &mut Packets, connection: &mut Connection) {
    let mut start = 0;
    for (before, end) in packets.ends().iter().enumerate() {
        connection.count_packets(packets.ends().len() - before);
        let mut rest = connection.trimmed(&packets.bytes()[start..*end]);
        start = *end;
        loop {
            let bytes_max = match connection.read_bytes_max() {
                0 => {
                    connection.wait_for_room().await;
                    continue;
                }
                bytes_max => bytes_max,
            };
            let (part, behind) = rest.split_at(rest.len().min(bytes_max));
            connection.push_part(part, behind.is_empty());
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
    }
    connection.count_cut(packets);
}

fn receive(client: &OwnedReadHalf, packets: &mut Packets) -> io::Result<Received> {
    let received = unless_blocked(client, || packets.receive(client.as_ref()))?;
    Ok(received.unwrap_or(Received::Nothing))
}

/// Receives a packet where bytes wait: that takes a fifth less time than [`receive`], which can tell
/// an empty packet from the end.
fn receive_waiting(client: &OwnedReadHalf, packets: &mut Packets) -> io::Result<Received> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    let length =
        unless_blocked(client, || recv(client.as_ref().as_raw_fd(), packets.room(), flags))?;
    let Some(length) = length else { return Ok(Received::Nothing) };
    packets.add(length);
    Ok(Received::Packet)
}

/// The length of the next packet; none where none waits.
fn next_packet_bytes(client: &OwnedReadHalf) -> io::Result<Option<u64>> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC | MsgFlags::MSG_PEEK;
    let length = unless_blocked(client, || recv(client.as_ref().as_raw_fd(), &mut [0], flags))?;
    Ok(length.map(|length| length as u64))
}

/// Tries `read`, through the runtime, so that it takes note where nothing waits.
fn unless_blocked<T>(
    client: &OwnedReadHalf,
    mut read: impl FnMut() -> nix::Result<T>,
) -> io::Result<Option<T>> {
    let tried = client.as_ref().try_io(Interest::READABLE, || {
        loop {
            match read() {
                Err(nix::Error::EINTR) => {}
                read => return Ok(read?),
            }
        }
    });
    match tried {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// The stream that the first packet of a seqpacket client names, if it does. The packet stays where
/// it is: [`take_name`] takes it away.
pub(super) async fn read_name(
    client: &OwnedReadHalf,
) -> io::Result<Option<Result<StreamName, NoName>>> {
    let mut first = [0; HANDSHAKE_BYTES_MAX];
    let fd = client.as_ref().as_raw_fd();
    let length = loop {
        client.readable().await?;
        // The end of the packet does for a newline.
        let begin = &mut first[1..];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC | MsgFlags::MSG_PEEK;
        if let Some(length) = unless_blocked(client, || recv(fd, begin, flags))? {
            break length;
        }
    };
    // It is told how long the packet is, be there room for it or not.
    if length >= first.len() {
        return Ok(None);
    }
    let line = first[1..=length].strip_suffix(b"\n").unwrap_or(&first[1..=length]).len();
    first.copy_within(1..=line, 0);
    first[line] = b'\n';
    match handshake::read(&first[..=line]) {
        // Nothing may stand behind it.
        Handshake::Line { taken_bytes, stream } if taken_bytes == line + 1 => {
            Ok(Some(stream.map_err(|(name, error)| NoName::wrong(&name, error))))
        }
        _ => Ok(None),
    }
}

/// Takes the packet that names the stream, once there is that stream.
pub(super) fn take_name(client: &OwnedReadHalf) -> io::Result<()> {
    recv(client.as_ref().as_raw_fd(), &mut [], MsgFlags::MSG_DONTWAIT)?;
    Ok(())
}

/// Looks at what waits, and leaves it there; none where nothing does.
pub(super) fn peek(client: &OwnedReadHalf, into: &mut [u8]) -> io::Result<Option<usize>> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
    unless_blocked(client, || recv(client.as_ref().as_raw_fd(), into, flags))
}

/// Lets the others be read, and the writers write what there is.
pub(super) async fn give_way() {
    wake::now();
    tokio::task::yield_now().await;
}
