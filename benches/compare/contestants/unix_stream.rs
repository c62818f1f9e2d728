//! The contestants that listen on a Unix stream socket.

use super::{Contestant, Prepared, Standing};
use crate::bare_loop;
use crate::debian::Program;
use crate::watch::Kin;

pub(super) const CONTESTANTS: [Contestant; 3] = [
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
        prepare: |place, logagent| {
            let text = format!(
                "[agent]\n\
                 pid-file = \"{dir}/logagent.pid\"\n\
                 control = \"{dir}/control.sock\"\n\
                 \n\
                 [defaults]\n\
                 dir = \"{dir}\"\n\
                 \n\
                 [input.out.unix-stream]\n\
                 path = \"{socket}\"\n",
                dir = place.dir.display(),
                socket = place.socket.display(),
            );
            let file = place.configure("logagent.toml", &text)?;
            let mut command = logagent.command();
            command.arg("-c").arg(file);
            let prepared = Prepared::raw(command, place.log());
            Ok(Prepared { configuration: Some(text), ..prepared })
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
