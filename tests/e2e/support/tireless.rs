//! Clients that write until nobody takes it any more, and count what the system has taken.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::clients::{Sent, Writes};
use super::lines::{LINE_BYTES, numbered_lines};
use super::{Random, wait_until};

/// Clients at work, each with its own numbered lines.
pub struct Tireless {
    clients: Vec<Client>,
}

struct Client {
    number: usize,
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Tireless {
    /// Clients with these numbers. `writes` are of whole lines: a stop may come between any two.
    pub fn start<W: Write + Send + 'static>(
        numbers: Range<usize>,
        writes: Writes,
        open: impl Fn(usize) -> W,
    ) -> Tireless {
        let start = |number| {
            let (output, bytes) = (open(number), Arc::new(AtomicU64::new(0)));
            let counts = bytes.clone();
            let thread = std::thread::spawn(move || send(output, number, writes, &counts));
            Client { number, bytes, thread }
        };
        Tireless { clients: numbers.map(start).collect() }
    }

    pub fn and(mut self, others: Tireless) -> Tireless {
        self.clients.extend(others.clients);
        self
    }

    /// The whole lines that were taken so far.
    pub fn sent(&self) -> Vec<Sent> {
        let sent = |client: &Client| Sent {
            clients: client.number..client.number + 1,
            lines: client.bytes.load(Ordering::SeqCst) / LINE_BYTES as u64,
        };
        self.clients.iter().map(sent).collect()
    }

    /// Waits until each has sent so many lines more.
    #[track_caller]
    pub fn wait_for_more(&self, lines: u64) {
        let before = self.sent();
        wait_until("every client has sent some more", || {
            self.sent().iter().zip(&before).all(|(now, before)| now.lines >= before.lines + lines)
        });
    }

    /// Waits until nobody takes any more from them. Returns the bytes that were taken.
    #[track_caller]
    pub fn finish(self) -> u64 {
        wait_until("the clients have ended", || {
            self.clients.iter().all(|c| c.thread.is_finished())
        });
        let bytes = |client: Client| {
            client.thread.join().unwrap();
            client.bytes.load(Ordering::SeqCst)
        };
        self.clients.into_iter().map(bytes).sum()
    }
}

fn send(mut output: impl Write, client: usize, writes: Writes, bytes: &AtomicU64) {
    let mut random = Random::new(client as u64);
    let mut line = 0;
    loop {
        let lines = match writes {
            Writes::OneLine => 1,
            _ => random.between(1, 30) as u64,
        };
        let batch = numbered_lines(client, line..line + lines);
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let Ok(taken) = output.write(rest) else { return };
            bytes.fetch_add(taken as u64, Ordering::SeqCst);
            rest = &rest[taken..];
        }
        line += lines;
    }
}
