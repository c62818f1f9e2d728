//! The contestants that listen on a Unix datagram socket, as `/dev/log` is: a packet is a record.

use super::syslog_daemons::{RsyslogInput, rsyslog, syslog_ng};
use super::{Contestant, Prepared, Standing, agent};
use crate::bare_datagrams;
use crate::check::Written;
use crate::debian::Program;
use crate::watch::Kin;

pub(super) const CONTESTANTS: [Contestant; 4] = [
    Contestant {
        name: "recvmmsg",
        standing: Standing::Yardstick,
        program: Program::ThisOne,
        kin: Kin::Alone,
        prepare: |place, this| {
            let mut command = this.command();
            command.arg(bare_datagrams::ROLE).arg(&place.socket).arg(place.log());
            Ok(Prepared::raw(command, place.log()))
        },
    },
    Contestant {
        name: "logagent",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| {
            agent::with_input(place, logagent, "unix-datagram", "framing = \"syslog\"\n")
        },
    },
    Contestant {
        name: "rsyslog",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "rsyslog", program: "usr/sbin/rsyslogd" },
        kin: Kin::Alone,
        prepare: |place, installed| Ok(headed(rsyslog(place, installed, &IMUXSOCK)?)),
    },
    Contestant {
        name: "syslog-ng",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "syslog-ng-core", program: "usr/sbin/syslog-ng" },
        kin: Kin::Alone,
        prepare: |place, installed| {
            Ok(headed(syslog_ng(place, installed, "unix-dgram", UNIX_DGRAM)?))
        },
    },
];

/// Without the system's own socket, which is not ours to take.
const IMUXSOCK: RsyslogInput = RsyslogInput {
    module: "imuxsock",
    load: r#"sysSock.use="off""#,
    path: "socket",
    settings: r#"rateLimit.interval="0""#,
};

/// Who sent a record is not asked: it would read files of `/proc` for each, which is most of its work.
const UNIX_DGRAM: &str = "so-passcred(no) log-fetch-limit(100) log-iw-size(100000)";

/// A syslog daemon may write a head of its own.
fn headed(prepared: Prepared) -> Prepared {
    Prepared { written: Written::Headed, ..prepared }
}
