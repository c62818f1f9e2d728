//! rsyslog and syslog-ng, with one source.
//!
//! They are tuned as their manuals advise for high rates, as far as it makes them quicker here:
//! lines are taken as they are, in large batches, and nothing may be dropped.

use super::{Place, Prepared};
use crate::debian::Installed;
use crate::problem::Outcome;

/// How rsyslog takes lines in.
pub(super) struct RsyslogInput {
    pub(super) module: &'static str,
    /// What the module is loaded with.
    pub(super) load: &'static str,
    /// The input's parameter that names the socket.
    pub(super) path: &'static str,
    pub(super) settings: &'static str,
}

/// A queue with large batches, as its manual's example for high rates has. Not from there:
/// `asyncWriting`, which needs no less CPU time here and holds the last lines back for a second.
pub(super) fn rsyslog(
    place: &Place,
    rsyslog: &Installed,
    input: &RsyslogInput,
) -> Outcome<Prepared> {
    let RsyslogInput { module, load, path, settings } = input;
    let text = format!(
        r#"global(workDirectory="{dir}" maxMessageSize="64k")
module(load="{module}" {load})
template(name="line" type="list") {{
  property(name="rawmsg")
  constant(value="\n")
}}
ruleset(name="out" queue.type="LinkedList" queue.size="250000" queue.dequeueBatchSize="4096") {{
  action(type="omfile" file="{log}" template="line" ioBufferSize="64k")
}}
input(type="{module}" {path}="{socket}" ruleset="out" {settings})
"#,
        dir = place.dir.display(),
        log = place.log().display(),
        socket = place.socket.display(),
    );
    let file = place.configure("rsyslog.conf", &text)?;
    let mut command = rsyslog.command();
    command.arg("-n").arg("-f").arg(file);
    command.arg("-i").arg(place.dir.join("rsyslog.pid"));
    command.arg("-M").arg(rsyslog.directory_of(&format!("{module}.so"))?);
    Ok(Prepared::raw(command, place.log()).configured(text))
}

/// `driver` is the source's, `settings` are its options beside `flags(no-parse)`.
///
/// Flow control, so that nothing is dropped; and the windows that its manual asks for: that of the
/// source is a fetch for every connection, that of the destination holds all of it. Not as its
/// manual has it: without threads, which need more CPU time here and write no sooner.
pub(super) fn syslog_ng(
    place: &Place,
    syslog_ng: &Installed,
    driver: &str,
    settings: &str,
) -> Outcome<Prepared> {
    let text = format!(
        r#"@version: 3.38
options {{
  threaded(no); stats-freq(0); use-dns(no); dns-cache(no); use-fqdn(no);
  keep-hostname(yes); chain-hostnames(no); log-msg-size(65536);
}};
source in {{
  {driver}("{socket}" flags(no-parse) {settings});
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
