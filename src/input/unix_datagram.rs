//! `unix-datagram`: a Unix datagram socket, as syslog senders use it; each packet is a record.

use std::io;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::watch;

use super::connection::Connection;
use super::intake::Intake;
use super::packets::{Packets, give_way, push_in_parts};
use super::plan::{self, Plan};
use super::{Input, InputSettings, MadeBy, OpenError, Opening, pace, socket};
use crate::counters::InputCounters;
use crate::framing::{Borders, Records};
use crate::limits::{DATAGRAMS_LEFT_MAX, DATAGRAMS_WAITING_FEW};
use crate::place::Place;
use crate::report::{DatagramsFew, StaleSocketReplaced, report};
use crate::store::path_of;
use crate::system::unread_bytes;
use crate::writer::stream::Stream;

pub(super) struct UnixDatagramInput {
    intake: Arc<Intake>,
    socket: Arc<UnixDatagram>,
    plan: watch::Sender<Plan>,
    made_by: MadeBy,
    /// Where it is bound.
    path: Option<PathBuf>,
}

/// Binds a socket at `place`.
pub(super) fn open(place: &Place, opening: Opening<'_>) -> Result<UnixDatagramInput, OpenError> {
    let store = opening.intake.commons.store.clone();
    let socket = match socket::receiving_already(place, &store)? {
        Some(socket) => socket,
        None => {
            let socket::Bound { socket, replaced_stale, .. } = socket::receive_at(place)?;
            if replaced_stale {
                report(&StaleSocketReplaced { input: &opening.name, path: &place.path.display() });
            }
            socket
        }
    };
    store.keep_place(&place.path, &socket);
    read(socket, MadeBy::Us, opening)
}

/// Reads a bound socket, which does not block.
pub(super) fn read(
    socket: net::UnixDatagram,
    made_by: MadeBy,
    opening: Opening<'_>,
) -> Result<UnixDatagramInput, OpenError> {
    let stream = opening.only_stream()?;
    let Opening { name, settings, intake, alive, .. } = opening;
    let path = path_of(&socket);
    let watched = UnixDatagram::from_std(socket);
    let socket = Arc::new(watched.map_err(OpenError::of(name, "cannot watch the socket"))?);
    tell_if_few(name);
    let records = records(settings);
    let (plan, plans) = watch::channel(Plan::Read(records, stream.clone()));
    let (reader, taker) = (Reader::new(socket.clone()), intake.clone());
    let following = plan::follow((records, stream), plans, taker, path.as_deref(), reader);
    tokio::spawn(async move {
        following.await;
        drop(alive);
    });
    Ok(UnixDatagramInput { intake, socket, plan, made_by, path })
}

fn records(settings: &InputSettings) -> Records {
    settings.records(Borders::Packets)
}

/// How many datagrams a socket of this machine holds is fixed when it is made.
fn tell_if_few(name: &str) {
    let limit = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap_or_default();
    if limit.trim().parse().is_ok_and(|limit: u64| limit < DATAGRAMS_WAITING_FEW) {
        report(&DatagramsFew { input: &name, limit: &limit.trim() });
    }
}

struct Reader {
    socket: Arc<UnixDatagram>,
    packets: Packets,
}

impl Reader {
    fn new(socket: Arc<UnixDatagram>) -> Reader {
        Reader { socket, packets: Packets::for_datagrams() }
    }

    /// Waits for packets, and for room: until there is some they wait in the socket, and their
    /// senders with them. May be dropped at any await.
    async fn ready(&self, connection: &mut Connection) -> io::Result<()> {
        while connection.read_bytes_max() == 0 {
            connection.wait_for_room().await;
        }
        self.socket.readable().await
    }

    /// Reads what waits; of what is left to the next agent no more than a socket may hold, and
    /// only where there is room.
    async fn read_rest(&mut self, connection: &mut Connection, is_left: bool) -> io::Result<()> {
        let mut taken = 0;
        loop {
            if is_left && (taken >= DATAGRAMS_LEFT_MAX || connection.read_bytes_max() == 0) {
                return Ok(());
            }
            self.packets.clear();
            // Past the runtime, which may not have heard of the last ones yet.
            let received = self.packets.receive_datagrams(&self.socket, connection);
            taken += self.packets.ends().len();
            if self.push(received, connection).await? == More::No {
                return Ok(());
            }
            give_way().await;
        }
    }

    /// Reads some packets, if any wait.
    async fn read_some(&mut self, connection: &mut Connection) -> io::Result<More> {
        self.packets.clear();
        let socket = self.socket.as_ref();
        // Through the runtime, so that it takes note where nothing waits any more.
        let received = socket.try_io(Interest::READABLE, || {
            self.packets.receive_datagrams(&self.socket, connection)
        });
        self.push(received, connection).await
    }

    async fn push(
        &mut self,
        received: io::Result<()>,
        connection: &mut Connection,
    ) -> io::Result<More> {
        let more = match received {
            Ok(()) => More::Perhaps,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => More::No,
            Err(error) => return Err(error),
        };
        if !self.packets.ends().is_empty() {
            // A rest would hold up its senders: the socket holds few packets.
            pace::hold_off();
            if self.packets.length() + self.packets.ends().len() <= connection.read_bytes_max() {
                connection.push_packets(&mut self.packets);
            } else {
                push_in_parts(&mut self.packets, connection).await;
            }
        } else {
            connection.count_packets(0);
        }
        Ok(more)
    }
}

impl plan::Reader for Reader {
    /// Reads until there is another plan. No packet is divided by it.
    async fn read(
        &mut self,
        connection: &mut Connection,
        plans: &mut watch::Receiver<Plan>,
    ) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                changed = plans.changed() => {
                    // Its sender is gone only with everything else.
                    let ends = changed.is_err() || plans.borrow().is_end();
                    return if ends {
                        let is_left = plans.borrow().is_left();
                        self.read_rest(connection, is_left).await
                    } else {
                        Ok(())
                    };
                }
                ready = self.ready(connection) => ready?,
            }
            if self.read_some(connection).await? == More::Perhaps {
                // Whoever always has more must not keep the others from being read.
                give_way().await;
            }
        }
    }
}

/// Whether more packets wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Perhaps,
    No,
}

impl Input for UnixDatagramInput {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError> {
        if let Some(place) = settings.kind.place() {
            socket::set_access(place)
                .map_err(OpenError::io(&place.path, "cannot set its owner and mode"))?;
        }
        let stream = stream.ok_or(OpenError::OneStream)?;
        Plan::change(&self.plan, records(settings), stream);
        Ok(())
    }

    /// One of systemd's has refused nobody yet.
    fn take_back(&mut self, settings: &InputSettings, stream: Option<&Arc<Stream>>) -> bool {
        let stream = stream.filter(|_| self.made_by == MadeBy::Systemd).cloned();
        let Some(stream) = stream else { return false };
        self.plan.send(Plan::Read(records(settings), stream)).is_ok()
    }

    fn close(&mut self) {
        if self.made_by == MadeBy::Us {
            // Senders that wait are refused, and the next ones. It cannot fail on an open socket.
            let fd = std::os::fd::AsRawFd::as_raw_fd(&*self.socket);
            shutdown(fd, Shutdown::Read).unwrap_or_default();
        }
        self.plan.send_replace(Plan::End);
        if let Some(path) = &self.path {
            self.intake.commons.store.forget_place(path);
        }
    }

    fn drain(&mut self) {
        if self.intake.commons.store.is_on() {
            self.plan.send_replace(Plan::Leave);
        } else {
            self.close();
        }
    }

    fn unread_bytes(&self) -> u64 {
        // What is left in one that outlives us waits for whoever systemd starts next.
        let outlives = self.made_by == MadeBy::Systemd || self.intake.commons.store.is_on();
        if outlives { 0 } else { unread_bytes(&*self.socket) }
    }
}
