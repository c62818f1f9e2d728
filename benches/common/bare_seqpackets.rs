//! The yardstick on a seqpacket socket: the least that a collector of records must do.
//!
//! One thread, level-triggered epoll; every ready connection's records, one recv(2) each, go behind
//! one another into one buffer, each with a newline, and at the round's end into the file with one
//! write(2).

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, listen, recv, socket,
};

use super::bare_loop;
use super::connections::{Connections, Then};
use super::line::LINE_BYTES_MAX;
use super::problem::{Outcome, While};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--bare-seqpackets";

const WRITE_BYTES: usize = 256 * 1024;
const BACKLOG: i32 = 1024;

/// `--bare-seqpackets SOCKET FILE`: runs until it is killed.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [socket, file] = arguments else { return Err("bare seqpackets: SOCKET FILE".into()) };
    let mut file = bare_loop::open(file)?;
    let mut connections = Connections::new()?;
    connections.listen(listener(socket).while_(format!("listen on {socket}"))?)?;
    // There is room for one more record until it has reached WRITE_BYTES.
    let mut buffer = vec![0; WRITE_BYTES + LINE_BYTES_MAX];
    loop {
        let mut filled = 0;
        connections.round(|connection, _| {
            while filled < WRITE_BYTES {
                let free = &mut buffer[filled..];
                match recv(connection.as_raw_fd(), free, MsgFlags::MSG_DONTWAIT) {
                    Ok(0) => return Ok(Then::Close),
                    Ok(bytes) => {
                        free[bytes] = b'\n';
                        filled += bytes + 1;
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(error).while_("receive a record"),
                }
            }
            Ok(Then::Keep)
        })?;
        file.write_all(&buffer[..filled]).while_("write to the file")?;
    }
}

fn listener(path: &str) -> nix::Result<UnixListener> {
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(fd.into())
}
