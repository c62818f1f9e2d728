//! The contestants that listen on a Unix seqpacket socket: connections on which a packet is a record.
//!
//! No peer takes them.

use super::{Contestant, Prepared, Standing, agent};
use crate::bare_seqpackets;
use crate::debian::Program;
use crate::watch::Kin;

pub(super) const CONTESTANTS: [Contestant; 2] = [
    Contestant {
        name: "bare",
        standing: Standing::Yardstick,
        program: Program::ThisOne,
        kin: Kin::Alone,
        prepare: |place, this| {
            let mut command = this.command();
            command.arg(bare_seqpackets::ROLE).arg(&place.socket).arg(place.log());
            Ok(Prepared::raw(command, place.log()))
        },
    },
    Contestant {
        name: "logagent",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| {
            agent::with_input(place, logagent, "unix-seqpacket", "framing = \"syslog\"\n")
        },
    },
];
