//! The contestants that listen on a Unix stream socket.

use super::syslog_daemons::{RsyslogInput, rsyslog, syslog_ng};
use super::{Contestant, Prepared, Standing, agent};
use crate::bare_loop;
use crate::debian::Program;
use crate::watch::Kin;

pub(super) const CONTESTANTS: [Contestant; 5] = [
    Contestant {
        name: "bare",
        standing: Standing::Yardstick,
        program: Program::ThisOne,
        kin: Kin::Alone,
        prepare: |place, this| {
            let mut command = this.command();
            command.arg(bare_loop::ROLE).arg(&place.socket).arg(place.log());
            Ok(Prepared::raw(command, place.log()))
        },
    },
    Contestant {
        name: "logagent",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| agent::with_input(place, logagent, "unix-stream", ""),
    },
    Contestant {
        name: "rsyslog",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "rsyslog", program: "usr/sbin/rsyslogd" },
        kin: Kin::Alone,
        prepare: |place, installed| rsyslog(place, installed, &IMPTCP),
    },
    Contestant {
        name: "syslog-ng",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "syslog-ng-core", program: "usr/sbin/syslog-ng" },
        kin: Kin::Alone,
        prepare: |place, installed| {
            let settings = "max-connections(1000)\n    log-fetch-limit(100) log-iw-size(100000)";
            syslog_ng(place, installed, "unix-stream", settings)
        },
    },
    Contestant {
        name: "socat",
        standing: Standing::Peer,
        program: Program::Package { package: "socat", program: "socat" },
        // It handles one connection; a forked child each is how it handles more.
        kin: Kin::Family,
        prepare: |place, socat| {
            let mut command = socat.command();
            command
                .args(["-u", "-b", "262144"])
                .arg(format!("UNIX-LISTEN:{},fork,backlog=1024", place.socket.display()))
                .arg(format!("OPEN:{},creat,append", place.log().display()));
            Ok(Prepared::raw(command, place.log()))
        },
    },
];

/// With no more threads than one for input, of which there is only one socket.
const IMPTCP: RsyslogInput = RsyslogInput {
    module: "imptcp",
    load: r#"threads="1""#,
    path: "path",
    settings: r#"supportOctetCountedFraming="off""#,
};
