//! The contestants that listen on a Unix stream socket.
//!
//! The syslog daemons are tuned as their manuals advise for high rates, as far as it makes them
//! quicker here: lines are taken as they are, in large batches, and nothing may be dropped.

use super::{Contestant, Place, Prepared, Standing};
use crate::bare_loop;
use crate::debian::{Installed, Program};
use crate::problem::Outcome;
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
        prepare: logagent,
    },
    Contestant {
        name: "rsyslog",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "rsyslog", program: "usr/sbin/rsyslogd" },
        kin: Kin::Alone,
        prepare: rsyslog,
    },
    Contestant {
        name: "syslog-ng",
        standing: Standing::Peer,
        program: Program::Unpacked { package: "syslog-ng-core", program: "usr/sbin/syslog-ng" },
        kin: Kin::Alone,
        prepare: syslog_ng,
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

fn logagent(place: &Place, logagent: &Installed) -> Outcome<Prepared> {
    // The stream's name is the input's: the file is out.log.
    let text = format!(
        r#"[agent]
pid-file = "{dir}/logagent.pid"
control = "{dir}/control.sock"

[defaults]
dir = "{dir}"

[input.out.unix-stream]
path = "{socket}"
"#,
        dir = place.dir.display(),
        socket = place.socket.display(),
    );
    let file = place.configure("logagent.toml", &text)?;
    let mut command = logagent.command();
    command.arg("-c").arg(file);
    Ok(Prepared::raw(command, place.log()).configured(text))
}

/// A queue with large batches, as its manual's example for high rates has. Not from there:
/// `asyncWriting`, which needs no less CPU time here and holds the last lines back for a second;
/// and more threads than one for input, of which there is only one socket.
fn rsyslog(place: &Place, rsyslog: &Installed) -> Outcome<Prepared> {
    let text = format!(
        r#"global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imptcp" threads="1")
template(name="line" type="list") {{
  property(name="rawmsg")
  constant(value="\n")
}}
ruleset(name="out" queue.type="LinkedList" queue.size="250000" queue.dequeueBatchSize="4096") {{
  action(type="omfile" file="{log}" template="line" ioBufferSize="64k")
}}
input(type="imptcp" path="{socket}" ruleset="out" supportOctetCountedFraming="off")
"#,
        dir = place.dir.display(),
        log = place.log().display(),
        socket = place.socket.display(),
    );
    let file = place.configure("rsyslog.conf", &text)?;
    let mut command = rsyslog.command();
    command.arg("-n").arg("-f").arg(file);
    command.arg("-i").arg(place.dir.join("rsyslog.pid"));
    command.arg("-M").arg(rsyslog.directory_of("imptcp.so")?);
    Ok(Prepared::raw(command, place.log()).configured(text))
}

/// Flow control, so that nothing is dropped; and the windows that its manual asks for: that of the
/// source is a fetch for every connection, that of the destination holds all of it. Not as its
/// manual has it: without threads, which need more CPU time here and write no sooner.
fn syslog_ng(place: &Place, syslog_ng: &Installed) -> Outcome<Prepared> {
    let text = format!(
        r#"@version: 3.38
options {{
  threaded(no); stats-freq(0); use-dns(no); dns-cache(no); use-fqdn(no);
  keep-hostname(yes); chain-hostnames(no); log-msg-size(65536);
}};
source in {{
  unix-stream("{socket}" flags(no-parse) max-connections(1000)
    log-fetch-limit(100) log-iw-size(100000));
}};
destination out {{
  file("{log}" template("$MSG\n") flush-lines(100) log-fifo-size(100000));
}};
log {{ source(in); destination(out); flags(flow-control); }};
"#,
        log = place.log().display(),
        socket = place.socket.display(),
    );
    let file = place.configure("syslog-ng.conf", &text)?;
    let mut command = syslog_ng.command();
    command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(file);
    command.arg("--persist-file").arg(place.dir.join("persist"));
    command.arg("--pidfile").arg(place.dir.join("syslog-ng.pid"));
    command.arg("--control").arg(place.dir.join("syslog-ng.ctl"));
    command.arg("--module-path").arg(syslog_ng.directory_of("libaffile.so")?);
    Ok(Prepared::raw(command, place.log()).configured(text))
}
