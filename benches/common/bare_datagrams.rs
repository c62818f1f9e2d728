//! The yardstick on a datagram socket: the least that a collector of records must do.
//!
//! One thread; recvmmsg(2) waits for one record and takes what else is there, each into its slot;
//! then all go behind one another into one buffer, each with a newline, and into the file with one
//! write(2).

use std::io::{IoSliceMut, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};

use super::bare_loop;
use super::line::LINE_BYTES_MAX;
use super::problem::{Outcome, While};

/// The role's name on the command line of the process that this program starts of itself.
pub(crate) const ROLE: &str = "--bare-datagrams";

const RECORDS_MAX: usize = 64;
/// Not a power of two: the slots' beginnings, which are all that is used of them where records are
/// short, would share the same few lines of the processor's cache.
const SLOT_BYTES: usize = LINE_BYTES_MAX + 192;

/// `--bare-datagrams SOCKET FILE`: runs until it is killed.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [socket, file] = arguments else { return Err("bare datagrams: SOCKET FILE".into()) };
    let mut file = bare_loop::open(file)?;
    let socket = UnixDatagram::bind(socket).while_(format!("bind {socket}"))?;
    let mut memory = vec![0; RECORDS_MAX * SLOT_BYTES];
    let mut headers = MultiHeaders::<()>::preallocate(RECORDS_MAX, None);
    let mut lines = Vec::with_capacity(memory.len());
    loop {
        let mut slots: Vec<[IoSliceMut; 1]> =
            memory.chunks_mut(SLOT_BYTES).map(|slot| [IoSliceMut::new(slot)]).collect();
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_WAITFORONE);
        let records =
            recvmmsg(fd, &mut headers, &mut slots, flags, None).while_("receive records")?;
        for record in records {
            record.iovs().for_each(|bytes| lines.extend_from_slice(bytes));
            lines.push(b'\n');
        }
        file.write_all(&lines).while_("write to the file")?;
        lines.clear();
    }
}
