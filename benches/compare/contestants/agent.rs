//! logagent as a daemon, with one input.

use super::{Place, Prepared};
use crate::debian::Installed;
use crate::problem::Outcome;

/// `kind` is the input's; `settings` are lines of its table, beside its path.
pub(super) fn with_input(
    place: &Place,
    logagent: &Installed,
    kind: &str,
    settings: &str,
) -> Outcome<Prepared> {
    // The stream's name is the input's: the file is out.log.
    let text = format!(
        r#"[agent]
pid-file = "{dir}/logagent.pid"
control = "{dir}/control.sock"

[defaults]
dir = "{dir}"

[input.out.{kind}]
path = "{socket}"
{settings}"#,
        dir = place.dir.display(),
        socket = place.socket.display(),
    );
    let file = place.configure("logagent.toml", &text)?;
    let mut command = logagent.command();
    command.arg("-c").arg(file);
    Ok(Prepared::raw(command, place.log()).configured(text))
}
