//! The yardstick on a Unix socket: the least that any collector must do, with no thought of lines.
//!
//! One thread, level-triggered epoll, one read of up to 256 KiB for each ready connection, and a
//! write(2) of just that to the file. Several clients' lines may well be torn: a collector that
//! keeps them whole does more work, and this says how much more. Several sockets have a file each.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use super::connections::{Connections, Then};
use super::problem::{Outcome, While};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--bare-loop";

const READ_BYTES_MAX: usize = 256 * 1024;

/// `--bare-loop [SOCKET FILE]...`: runs until it is killed.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let mut connections = Connections::new()?;
    // Of the listener of the same index.
    let mut files = Vec::new();
    for pair in arguments.chunks(2) {
        let [socket, file] = pair else { return Err("bare loop: [SOCKET FILE]...".into()) };
        files.push(open(file)?);
        connections.listen(UnixListener::bind(socket).while_(format!("listen on {socket}"))?)?;
    }
    let mut buffer = vec![0; READ_BYTES_MAX];
    loop {
        connections.round(|connection, listener| {
            // A level-triggered epoll says again what is still there: one read, then the next one's turn.
            let bytes = connection.read(&mut buffer).while_("read from a connection")?;
            if bytes == 0 {
                return Ok(Then::Close);
            }
            files[listener].write_all(&buffer[..bytes]).while_("write to the file")?;
            Ok(Then::Keep)
        })?;
    }
}

/// As every yardstick opens it.
pub(super) fn open(file: &str) -> Outcome<File> {
    OpenOptions::new().create(true).append(true).open(file).while_(format!("open {file}"))
}
