//! Many clients at once, each in a thread, each with its own numbered lines.

use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lines::{LINE_BYTES, numbered_lines};
use super::{Random, wait_until};

/// What a client hands over in one write.
#[derive(Clone, Copy)]
pub enum Writes {
    /// One line, whole.
    OneLine,
    /// One to many lines, whole, together no more than a FIFO takes without mixing (PIPE_BUF).
    WholeLines,
    /// From one byte to many lines, cut anywhere.
    CutAnywhere,
}

/// POSIX says 512 or more; Linux says 4096, pipe(7).
const PIPE_BUF: usize = 4096;

impl Writes {
    fn bytes(self, random: &mut Random) -> usize {
        match self {
            Writes::OneLine => LINE_BYTES,
            Writes::WholeLines => random.between(1, PIPE_BUF / LINE_BYTES) * LINE_BYTES,
            Writes::CutAnywhere => match random.between(0, 3) {
                0 => random.between(1, 16),
                1 => random.between(1, 8192),
                _ => random.between(1, 4 * LINE_BYTES),
            },
        }
    }
}

/// How many lines each client may have sent by now, and in the end.
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

struct GateState {
    open_to: u64,
    end: u64,
}

impl Gate {
    pub fn closed() -> Arc<Gate> {
        let state = Mutex::new(GateState { open_to: 0, end: u64::MAX });
        Arc::new(Gate { state, changed: Condvar::new() })
    }

    pub fn open() -> Arc<Gate> {
        let gate = Gate::closed();
        gate.open_to(u64::MAX);
        gate
    }

    pub fn open_to(&self, line: u64) {
        self.state.lock().unwrap().open_to = line;
        self.changed.notify_all();
    }

    /// Lets each client send so many lines more every millisecond until `work` is done; then they
    /// have sent all that they will.
    pub fn trickle_during(&self, lines: u64, work: impl FnOnce()) {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.state.lock().unwrap().open_to += lines;
                    self.changed.notify_all();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let worked = std::panic::catch_unwind(AssertUnwindSafe(work));
            done.store(true, Ordering::Relaxed);
            worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        self.end_here();
    }

    /// No client sends more than it may have sent by now.
    fn end_here(&self) {
        let mut state = self.state.lock().unwrap();
        state.end = state.open_to;
        self.changed.notify_all();
    }

    fn end(&self) -> u64 {
        self.state.lock().unwrap().end
    }

    /// Waits until line `number` may be sent; returns the first that may not, or nothing if there
    /// are no more lines.
    fn pass(&self, number: u64) -> Option<u64> {
        let closed = |state: &mut GateState| number >= state.open_to && number < state.end;
        let state = self.changed.wait_while(self.state.lock().unwrap(), closed).unwrap();
        (number < state.end).then_some(state.open_to)
    }
}

/// Clients at work.
pub struct Clients {
    threads: Vec<JoinHandle<io::Result<()>>>,
    numbers: Range<usize>,
    lines: u64,
    gate: Arc<Gate>,
    bytes_sent: Arc<AtomicU64>,
}

/// What clients have sent: each of `clients` the lines from 0 up to `lines`.
#[derive(Clone)]
pub struct Sent {
    pub clients: Range<usize>,
    pub lines: u64,
}

impl Clients {
    /// Clients with these numbers that each connect to `socket` and send `lines` lines.
    pub fn connect(
        socket: &Path,
        numbers: Range<usize>,
        lines: u64,
        writes: Writes,
        gate: &Arc<Gate>,
    ) -> Clients {
        let open = |_| UnixStream::connect(socket).expect("a client could not connect");
        Clients::start(numbers, lines, writes, gate, open)
    }

    /// The same over anything that can be written to.
    pub fn start<W: Write + Send + 'static>(
        numbers: Range<usize>,
        lines: u64,
        writes: Writes,
        gate: &Arc<Gate>,
        open: impl Fn(usize) -> W,
    ) -> Clients {
        let bytes_sent = Arc::new(AtomicU64::new(0));
        let threads = numbers
            .clone()
            .map(|client| {
                let (output, gate, sent) = (open(client), Arc::clone(gate), bytes_sent.clone());
                std::thread::spawn(move || send(output, client, lines, writes, &gate, &sent))
            })
            .collect();
        Clients { threads, numbers, lines, gate: Arc::clone(gate), bytes_sent }
    }

    /// Lines sent by all of them together so far.
    pub fn lines_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed) / LINE_BYTES as u64
    }

    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Waits until each has sent all its lines and closed its connection.
    #[track_caller]
    pub fn finish(self) -> Sent {
        let is_finished = |thread: &JoinHandle<_>| thread.is_finished();
        wait_until("every client has sent its lines", || self.threads.iter().all(is_finished));
        for thread in self.threads {
            thread.join().unwrap().expect("a client could not send");
        }
        Sent { clients: self.numbers, lines: self.lines.min(self.gate.end()) }
    }

    /// Waits until each has sent all its lines, or cannot.
    pub fn abandon(self) {
        for thread in self.threads {
            let _whatever_came_of_it = thread.join().unwrap();
        }
    }
}

fn send(
    mut output: impl Write,
    client: usize,
    lines: u64,
    writes: Writes,
    gate: &Gate,
    bytes_sent: &AtomicU64,
) -> io::Result<()> {
    let mut random = Random::new(client as u64);
    let mut number = 0;
    while number < lines {
        let Some(open_to) = gate.pass(number) else { break };
        let end = (number + random.between(1, 200) as u64).min(lines).min(open_to);
        let batch = numbered_lines(client, number..end);
        let mut unsent = batch.as_slice();
        while !unsent.is_empty() {
            let (piece, rest) = unsent.split_at(writes.bytes(&mut random).min(unsent.len()));
            output.write_all(piece)?;
            bytes_sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            unsent = rest;
        }
        number = end;
    }
    Ok(())
}
