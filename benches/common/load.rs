//! The load: numbered lines to a pipe or to a Unix socket, as fast as the collector takes them.
//!
//! It runs as a process of its own, so that its CPU time is not the collector's. A few threads drive
//! all clients, whose sockets do not block: a client whose socket is full is passed over, as if it
//! were a process of its own, and only when all of a thread's are full does the thread wait. Datagrams
//! are another matter: `load_datagrams`.

use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::line::Lines;
use super::load_datagrams;
use super::problem::{Outcome, While};
use super::process::Process;
use super::scenario::{Scenario, Transport};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--generate";

const READY: &str = "ready";
const CONNECT_FOR: Duration = Duration::from_secs(10);
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Where the lines go.
pub(crate) enum Target {
    Pipe(io::PipeWriter),
    Socket(PathBuf),
    /// As many sockets as are said: client C to the one whose number is C modulo that, which stands
    /// in the path in the place of `{}`. The connections stay open until the generator is dropped.
    Sockets(PathBuf, usize),
}

/// When a client that has sent everything closes its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    /// At once, as a program that ends does.
    AtOnce,
    /// All together, when the generator's standard input ends.
    Together,
}

/// The generator process, connected and waiting for the word.
pub(crate) struct Generator {
    pub(crate) process: Process,
    /// Its end is the end of connections that stay open.
    pub(crate) go: ChildStdin,
}

impl Generator {
    /// Starts it, and returns when all its clients are connected.
    pub(crate) fn start(scenario: &Scenario, threads: usize, target: Target) -> Outcome<Self> {
        let (path, stdout, sockets) = match target {
            Target::Pipe(writer) => (PathBuf::new(), Stdio::from(writer), 0),
            Target::Socket(path) => (path, Stdio::null(), 0),
            Target::Sockets(path, count) => (path, Stdio::null(), count),
        };
        let mut child = Command::new(std::env::current_exe().while_("find this program")?)
            .arg(ROLE)
            .arg(scenario.transport.name())
            .arg(path)
            .args([
                scenario.clients.to_string(),
                scenario.lines_per_write.to_string(),
                scenario.line_bytes.to_string(),
                scenario.writes_per_client.to_string(),
                threads.to_string(),
                sockets.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .while_("start the load generator")?;
        let (Some(go), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err("the load generator has no standard input or error".into());
        };
        let generator = Self { process: child.into(), go };
        let mut said = String::new();
        io::BufReader::new(stderr).read_line(&mut said).while_("hear the load generator")?;
        if said.trim() == READY {
            return Ok(generator);
        }
        Err(said.trim().into())
    }

    pub(crate) fn go(&mut self) -> Outcome<()> {
        self.go.write_all(b"g").while_("start the load")
    }
}

/// The generator's main.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [transport, path, numbers @ ..] = arguments else { return Err("generate what?".into()) };
    let numbers: Vec<usize> =
        numbers.iter().map(|n| n.parse()).collect::<Result<_, _>>().while_("read a number")?;
    let [clients, lines_per_write, line_bytes, writes_per_client, threads, sockets] = numbers[..]
    else {
        return Err("the load needs six numbers".into());
    };
    let transport = Transport::named(transport).ok_or("the load needs a transport")?;
    let load = Scenario { transport, clients, lines_per_write, line_bytes, writes_per_client };
    match transport {
        Transport::Pipe => to_pipe(&load),
        Transport::UnixStream | Transport::UnixSeqpacket => {
            to_sockets(&load, path, sockets, threads)
        }
        Transport::UnixDatagram => load_datagrams::run(&load, Path::new(path)),
    }
}

fn to_pipe(load: &Scenario) -> Outcome<()> {
    let mut lines = lines(load, 0);
    // Not io::Stdout: it would cut the writes at newlines, and buffer them.
    let pipe = io::stdout().as_fd().try_clone_to_owned().while_("use the pipe")?;
    let mut pipe = io::PipeWriter::from(pipe);
    wait_for_go()?;
    for _ in 0..load.writes_per_client {
        pipe.write_all(lines.bytes()).while_("write to the pipe")?;
        lines.advance();
    }
    Ok(())
}

/// What a client's first write sends.
pub(super) fn lines(load: &Scenario, client: usize) -> Lines {
    if load.transport.has_packets() {
        return Lines::first_record(client, load.transport.head(), load.line_bytes);
    }
    Lines::first(client, load.lines_per_write, load.line_bytes)
}

fn to_sockets(load: &Scenario, path: &str, sockets: usize, threads: usize) -> Outcome<()> {
    raise_descriptors_max()?;
    let close = if sockets == 0 { Close::AtOnce } else { Close::Together };
    let threads = threads.min(load.clients).max(1);
    let mut shares: Vec<Vec<Client>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..load.clients {
        let path = match sockets {
            0 => path.to_owned(),
            _ => path.replace("{}", &(number % sockets).to_string()),
        };
        shares[number % threads].push(Client::connect(number, load, Path::new(&path))?);
    }
    wait_for_go()?;
    thread::scope(|scope| {
        let running: Vec<_> =
            shares.into_iter().map(|clients| scope.spawn(move || drive(clients, close))).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread died".into())))
    })
}

/// As far as the hard limit allows.
pub(crate) fn raise_descriptors_max() -> Outcome<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).while_("read the limit of descriptors")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).while_("raise the limit of descriptors")
}

pub(super) fn wait_for_go() -> Outcome<()> {
    writeln!(io::stderr(), "{READY}").while_("say that the load is ready")?;
    io::stdin().read_exact(&mut [0]).while_("wait for the start")
}

/// Every client in turn, one write each, until all have sent everything.
fn drive(mut clients: Vec<Client>, close: Close) -> Outcome<()> {
    let mut done = Vec::new();
    while !clients.is_empty() {
        let mut progress = false;
        for client in &mut clients {
            progress |= client.write()?;
        }
        let ended = clients.extract_if(.., |client| client.writes_left == 0);
        match close {
            Close::AtOnce => ended.for_each(drop),
            Close::Together => done.extend(ended),
        }
        if !progress && !clients.is_empty() {
            wait_for_room(&clients)?;
        }
    }
    if close == Close::Together {
        // Whoever started us may send more, which means nothing, or be gone.
        io::copy(&mut io::stdin(), &mut io::sink()).while_("wait for the end")?;
    }
    Ok(())
}

fn wait_for_room(clients: &[Client]) -> Outcome<()> {
    let mut waiting: Vec<PollFd> = clients
        .iter()
        .map(|client| PollFd::new(client.socket.as_fd(), PollFlags::POLLOUT))
        .collect();
    poll(&mut waiting, PollTimeout::NONE).while_("wait for room in a socket")?;
    Ok(())
}

struct Client {
    socket: UnixStream,
    lines: Lines,
    /// Bytes of `lines` that the socket has taken already.
    sent: usize,
    writes_left: usize,
}

impl Client {
    fn connect(number: usize, load: &Scenario, path: &Path) -> Outcome<Self> {
        let socket = connected(path, || match load.transport {
            Transport::UnixSeqpacket => seqpacket(path),
            _ => UnixStream::connect(path),
        })?;
        socket.set_nonblocking(true).while_("keep a socket from blocking")?;
        let lines = lines(load, number);
        Ok(Self { socket, lines, sent: 0, writes_left: load.writes_per_client })
    }

    /// One write, if the socket has room: whether it took anything.
    fn write(&mut self) -> Outcome<bool> {
        match self.socket.write(&self.lines.bytes()[self.sent..]) {
            Ok(bytes) => self.sent += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error).while_("write to a socket"),
        }
        if self.sent == self.lines.bytes().len() {
            self.sent = 0;
            self.writes_left -= 1;
            self.lines.advance();
        }
        Ok(true)
    }
}

/// What `connect` makes, which may have to wait until the collector listens.
pub(super) fn connected<S>(path: &Path, connect: impl Fn() -> io::Result<S>) -> Outcome<S> {
    let until = Instant::now() + CONNECT_FOR;
    loop {
        match connect() {
            Ok(socket) => return Ok(socket),
            Err(_) if Instant::now() < until => thread::sleep(CONNECT_AGAIN_AFTER),
            Err(error) => return Err(error).while_(format!("connect to {}", path.display())),
        }
    }
}

/// Its writes are packets; all else is as with a stream.
fn seqpacket(path: &Path) -> io::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd.into())
}
