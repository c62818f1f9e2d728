//! Origin: who the peer of a connection is, as far as the kernel can tell.

mod cgroups;
mod peer;
mod unit;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use cgroups::Cgroups;
pub use peer::Peer;
pub use unit::Unit;

use crate::accounts;
use crate::template::Placeholder;

/// Who sends, as it was when the connection was accepted. What could not be found out is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The process that connected.
    pub pid: Option<u32>,
    /// Its user. That is 0 where systemd has connected a unit's output.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Its command name, printable characters only; often that of systemd's own child, `(sh)`.
    pub comm: Option<Box<str>>,
    /// The systemd unit that it is in.
    pub unit: Option<Unit>,
}

impl Origin {
    /// Of what has no connections: a FIFO, a datagram socket, the standard input.
    pub const UNKNOWN: &Origin =
        &Origin { pid: None, uid: None, gid: None, comm: None, unit: None };

    /// What a placeholder shows of it; none where that is not known, or is not of the origin.
    pub fn value(&self, placeholder: Placeholder) -> Option<Cow<'_, str>> {
        let number = |number: Option<u32>| number.map(|it| Cow::Owned(it.to_string()));
        let unit = self.unit.as_ref();
        match placeholder {
            Placeholder::Unit => unit.map(|unit| unit.name().into()),
            Placeholder::UnitPrefix => unit.map(|unit| unit.prefix().into()),
            Placeholder::UnitInstance => unit.and_then(Unit::instance).map(Cow::from),
            Placeholder::Pid => number(self.pid),
            Placeholder::Uid => number(self.uid),
            Placeholder::User => self.uid.and_then(accounts::user_name).map(Cow::from),
            Placeholder::Comm => self.comm.as_deref().map(Cow::from),
            Placeholder::Time
            | Placeholder::Stream
            | Placeholder::Severity
            | Placeholder::Facility
            | Placeholder::Tag
            | Placeholder::Message => None,
        }
    }
}
