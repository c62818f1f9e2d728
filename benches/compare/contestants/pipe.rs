//! The contestants that read their standard input.
//!
//! The loggers are told to rotate as seldom as they can: rotation is not what is compared.

use std::fs;
use std::process::Command;

use super::{Contestant, Output, Place, Prepared, Standing};
use crate::check::Written;
use crate::debian::{Installed, Program};
use crate::problem::{Outcome, While};
use crate::watch::Kin;

pub(super) const CONTESTANTS: [Contestant; 10] = [
    Contestant {
        name: "cat",
        standing: Standing::Yardstick,
        program: Program::Package { package: "coreutils", program: "cat" },
        kin: Kin::Alone,
        prepare: |place, cat| {
            let prepared = Prepared::raw(cat.command(), place.log());
            Ok(Prepared { stdout: Some(place.log()), ..prepared })
        },
    },
    Contestant {
        name: "logagent",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| Ok(Prepared::raw(to_log(place, logagent), place.log())),
    },
    Contestant {
        name: "logagent-stamped",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| Ok(formatted(place, logagent, "stamped", Written::Stamped)),
    },
    Contestant {
        name: "logagent-json",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| Ok(formatted(place, logagent, "json", Written::Json)),
    },
    Contestant {
        name: "logagent-cri",
        standing: Standing::Ours,
        program: Program::Logagent,
        kin: Kin::Alone,
        prepare: |place, logagent| Ok(formatted(place, logagent, "cri", Written::Cri)),
    },
    Contestant {
        name: "s6-log",
        standing: Standing::Peer,
        program: Program::Package { package: "s6", program: "s6-log" },
        kin: Kin::Alone,
        // No line is cut, and the largest file before it rotates, which is 256 MiB.
        prepare: |place, s6_log| {
            in_directory(place, s6_log, &["-l", "0", "--", "n1000", "s268435455"], None)
        },
    },
    Contestant {
        name: "svlogd",
        standing: Standing::Peer,
        program: Program::Package { package: "runit", program: "svlogd" },
        kin: Kin::Alone,
        // A buffer like cat's, instead of 1 KiB; size 0: never rotate.
        prepare: |place, svlogd| {
            let longest = place.scenario.line_bytes.max(1000).to_string();
            in_directory(place, svlogd, &["-b", "131072", "-l", &longest], Some("s0\nn0\n"))
        },
    },
    Contestant {
        name: "multilog",
        standing: Standing::Peer,
        program: Program::Package { package: "daemontools", program: "multilog" },
        kin: Kin::Alone,
        // The largest file before it rotates, which is 16 MiB.
        prepare: |place, multilog| in_directory(place, multilog, &["s16777215", "n1000000"], None),
    },
    Contestant {
        name: "rotatelogs",
        standing: Standing::Peer,
        program: Program::Package { package: "apache2-utils", program: "rotatelogs" },
        kin: Kin::Alone,
        // `-t`: the file has the name that was given.
        prepare: |place, rotatelogs| {
            let mut command = rotatelogs.command();
            command.arg("-t").arg(place.log()).arg("1000000M");
            Ok(Prepared::raw(command, place.log()))
        },
    },
    Contestant {
        name: "cronolog",
        standing: Standing::Peer,
        program: Program::Package { package: "cronolog", program: "cronolog" },
        kin: Kin::Alone,
        prepare: |place, cronolog| {
            let mut command = cronolog.command();
            command.arg(place.log());
            Ok(Prepared::raw(command, place.log()))
        },
    },
];

fn to_log(place: &Place, logagent: &Installed) -> Command {
    let mut command = logagent.command();
    command.arg("-o").arg(place.log());
    command
}

fn formatted(place: &Place, logagent: &Installed, format: &str, written: Written) -> Prepared {
    let mut command = to_log(place, logagent);
    command.args(["--format", format]);
    Prepared { written, ..Prepared::raw(command, place.log()) }
}

/// The loggers of the daemontools family: a directory with a file `current`.
fn in_directory(
    place: &Place,
    logger: &Installed,
    arguments: &[&str],
    configuration: Option<&str>,
) -> Outcome<Prepared> {
    let dir = place.dir.join("out");
    fs::create_dir(&dir).while_(format!("create {}", dir.display()))?;
    if let Some(text) = configuration {
        place.configure("out/config", text)?;
    }
    let mut command = logger.command();
    command.args(arguments).arg(&dir);
    let prepared =
        Prepared { output: Output::Directory(dir), ..Prepared::raw(command, place.log()) };
    Ok(match configuration {
        Some(text) => prepared.configured(text),
        None => prepared,
    })
}
