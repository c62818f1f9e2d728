//! The load of datagrams: every client is a thread that blocks in send(2) while the queue is full.
//!
//! That is how programs that call syslog(3) send. Clients that do not block and share a thread, as
//! those of the other sockets do, would find the one queue full nearly always, and be woken all
//! together whenever it is not.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;

use super::line::Lines;
use super::load::{connected, lines, raise_descriptors_max, wait_for_go};
use super::problem::{Outcome, While};
use super::scenario::Scenario;

struct Client {
    socket: UnixDatagram,
    lines: Lines,
    records_left: usize,
}

pub(super) fn run(load: &Scenario, path: &Path) -> Outcome<()> {
    raise_descriptors_max()?;
    let clients: Vec<Client> = (0..load.clients)
        .map(|number| Client::connect(number, load, path))
        .collect::<Outcome<_>>()?;
    wait_for_go()?;
    thread::scope(|scope| {
        let running: Vec<_> =
            clients.into_iter().map(|client| scope.spawn(|| client.send_all())).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread died".into())))
    })
}

impl Client {
    fn connect(number: usize, load: &Scenario, path: &Path) -> Outcome<Self> {
        let socket = connected(path, || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path).map(|()| socket)
        })?;
        Ok(Self { socket, lines: lines(load, number), records_left: load.writes_per_client })
    }

    fn send_all(mut self) -> Outcome<()> {
        while self.records_left > 0 {
            match self.socket.send(self.lines.bytes()) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).while_("send a datagram"),
            }
            self.lines.advance();
            self.records_left -= 1;
        }
        Ok(())
    }
}
