//! `print systemd UNIT`: what a unit says so that its output goes to the agent.

use std::path::{Path, PathBuf};

use super::Configured;
use super::quoting::for_systemd;
use super::sockets;
use crate::config::Config;
use crate::input::{InputKind, InputSettings};
use crate::origin::{Origin, Unit};
use crate::routing::{To, unknown};
use crate::template::{Part, Placeholder};

/// Why there is no drop-in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// There can be no such unit.
    Name(String),
    /// No input takes it.
    NoInput(String),
}

/// Units that have an output, and the section that says where it goes.
const SECTIONS: &[(&str, &str)] =
    &[(".service", "Service"), (".socket", "Socket"), (".mount", "Mount"), (".swap", "Swap")];

/// Units that print nothing, but may start some that do.
const SILENT: &[&str] =
    &[".timer", ".path", ".target", ".slice", ".scope", ".device", ".automount"];

const SERVICE: &str = "logagent.service";

/// Instances that stand for any: an input may take only some of them.
const INSTANCES: &[&str] = &["INSTANCE", "instance", "1", "a"];

/// How a unit's output gets to an input.
struct Way<'a> {
    input: &'a str,
    settings: &'a InputSettings,
    /// What systemd connects it to.
    path: PathBuf,
    /// The unit that has it, which has to be up before.
    holder: String,
    /// An instance that is taken, for a template.
    example: Unit,
    takes_all: bool,
}

/// The drop-in for the unit of this name, or of this name and `.service`.
pub(super) fn drop_in(name: &str, configured: &Configured) -> Result<String, Problem> {
    let (unit, section) = unit(name)?;
    let mut ways = Vec::new();
    let mut refused = Vec::new();
    for (input, settings) in &configured.config.inputs {
        match way(input, settings, &unit) {
            Ok(way) => ways.push(way),
            Err(why) => refused.push(format!("  [input.{input}] {why}")),
        }
    }
    // Of equally good ones the first.
    ways.reverse();
    let Some(way) = ways.iter().max_by_key(|way| way.fitness(&unit)) else {
        let file = configured.file.display();
        let refused = refused.join("\n");
        return Err(Problem::NoInput(format!(
            "no input of {file} takes the output of {unit}:\n{refused}\nAdd\n  \
             [input.units.systemd]\n  stream = \"{{unit.prefix}}\"\nor name the unit in an input's \
             allow.unit"
        )));
    };
    Ok(text(&unit, section, way, &configured.config))
}

fn unit(name: &str) -> Result<(Unit, &'static str), Problem> {
    let section = |name: &str| {
        SECTIONS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, section)| *section)
    };
    if SILENT.iter().any(|end| name.ends_with(end)) {
        return Err(Problem::Name(format!(
            "{name} prints nothing: name the service that it starts"
        )));
    }
    let typed = match section(name) {
        Some(_) => name.to_owned(),
        None => format!("{name}.service"),
    };
    if matches!(typed.as_str(), SERVICE | "logagent.socket") {
        return Err(Problem::Name(format!(
            "{typed} is the agent itself, which does not read itself"
        )));
    }
    match (Unit::named(&typed), section(&typed)) {
        (Some(unit), Some(section)) => Ok((unit, section)),
        _ => Err(Problem::Name(format!(
            "{name:?} is no unit whose output can go anywhere: write a name such as myapp.service, \
             or myapp@.service for every instance of a template"
        ))),
    }
}

/// How its output would get to this input; else why it would not.
fn way<'a>(input: &'a str, settings: &'a InputSettings, unit: &Unit) -> Result<Way<'a>, String> {
    let (path, holder) = match &settings.kind {
        InputKind::UnixStream(place) | InputKind::Fifo { place, .. } => {
            (place.path.clone(), SERVICE.to_owned())
        }
        InputKind::Systemd(name) => match sockets::named(name) {
            Some(socket) => (socket.path, socket.unit),
            None => {
                return Err(format!(
                    "reads what systemd hands over as {name:?}, but no .socket unit with \
                     FileDescriptorName={name} and Service=logagent.service was found"
                ));
            }
        },
        InputKind::UnixDatagram(_) => {
            return Err("is a datagram socket, which systemd connects no unit to".to_owned());
        }
        InputKind::UnixSeqpacket(_) => {
            return Err("is a seqpacket socket, which systemd connects no unit to".to_owned());
        }
        InputKind::Stdin => return Err("is the standard input".to_owned()),
        InputKind::Child(_) => return Err("is what a command prints".to_owned()),
    };
    let examples = examples(unit);
    let taken = |example: &&Unit| {
        // systemd connects a unit's output, as root and before it is anybody else.
        let root = Some(0);
        let unit = Some((*example).clone());
        settings.routing.allow.takes(&Origin { uid: root, gid: root, unit, ..Origin::default() })
    };
    let takes_all = examples.iter().all(|example| taken(&example));
    match examples.iter().find(taken).cloned() {
        Some(example) => Ok(Way { input, settings, path, holder, example, takes_all }),
        None => {
            let units = settings.routing.allow.units.iter().flatten();
            let units: Vec<String> = units.map(|unit| format!("\"{unit}\"")).collect();
            Err(match units.as_slice() {
                [] => "takes other users only (allow)".to_owned(),
                units => format!("takes other units only (allow): {}", units.join(", ")),
            })
        }
    }
}

/// The unit itself; of a template some of its instances.
fn examples(unit: &Unit) -> Vec<Unit> {
    match unit.name().split_once("@.") {
        None => vec![unit.clone()],
        Some((prefix, kind)) => {
            let names = INSTANCES.iter().map(|instance| format!("{prefix}@{instance}.{kind}"));
            names.filter_map(|name| Unit::named(&name)).collect()
        }
    }
}

impl Way<'_> {
    /// How well it fits, the better the more.
    fn fitness(&self, unit: &Unit) -> (bool, bool, bool, bool) {
        let routing = &self.settings.routing;
        let of_unit = match &routing.to {
            To::Stream(stream) => stream.as_str() == unit.prefix(),
            To::Template(template) => template.parts().iter().any(|part| {
                use Placeholder::{Unit, UnitInstance, UnitPrefix};
                matches!(part, Part::Placeholder(Unit | UnitPrefix | UnitInstance))
            }),
        };
        let is_held = matches!(self.settings.kind, InputKind::Systemd(_));
        // A line of its own might name another stream.
        (routing.allow.units.is_some(), of_unit, is_held, !routing.client_names_stream)
    }

    /// The file that its lines will be in.
    fn file(&self, config: &Config) -> PathBuf {
        // What is known of the process by then differs.
        let origin = Origin { uid: Some(0), unit: Some(self.example.clone()), ..Origin::default() };
        let stream = self.settings.routing.to.stream(&origin).unwrap_or_else(|_| unknown());
        config.stream(&stream).writer.file.path
    }
}

fn text(unit: &Unit, section: &str, way: &Way<'_>, config: &Config) -> String {
    let Way { input, path, holder, .. } = way;
    let (kind, file) = (way.settings.kind.name(), way.file(config));
    let mut text = format!(
        "# /etc/systemd/system/{unit}.d/logagent.conf\n\
         # Lines of {unit} go to {}, through [input.{input}.{kind}].\n",
        file.display()
    );
    if file.display().to_string().contains("INSTANCE") {
        text += "# INSTANCE stands for the instance, what is between @ and the type.\n";
    }
    if !way.takes_all {
        text += &format!("# Some instances are refused: see allow in [input.{input}.{kind}].\n");
    }
    let after = match holder.as_str() {
        SERVICE => format!("After={SERVICE}"),
        socket => format!(
            "# After the service, too: it ends before the agent when the machine is shut down.\n\
             After={socket} {SERVICE}"
        ),
    };
    let output = match way.settings.kind {
        InputKind::Fifo { .. } => {
            "# A FIFO: lines up to 4096 bytes stay whole, whoever else writes to it.\n"
        }
        _ => "",
    };
    let path = for_systemd(path.as_path() as &Path);
    text + &format!(
        "[Unit]\n\
         # Not Requires=: it would stop with the other one.\n\
         Wants={holder}\n\
         {after}\n\
         \n\
         [{section}]\n\
         {output}StandardOutput=file:{path}\n\
         StandardError=inherit\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_text;

    fn printed(unit: &str, configuration: &str) -> Result<String, Problem> {
        let file = PathBuf::from("/etc/logagent/logagent.toml");
        let config = check_text(&file, configuration).unwrap();
        drop_in(unit, &Configured { config, file, is_named: false })
    }

    /// Checks which file its lines go to, through which path, and what comes before.
    #[track_caller]
    fn check(unit: &str, configuration: &str, file: &str, path: &str, after: &str) {
        let text = printed(unit, configuration).unwrap();
        for wanted in [
            format!(" go to {file}, "),
            format!("\nStandardOutput=file:{path}\n"),
            format!("\nAfter={after}\n"),
        ] {
            assert!(text.contains(&wanted), "no {wanted:?} in:\n{text}");
        }
    }

    const UNITS: &str = "[input.units.systemd]\nstream = \"{unit.prefix}\"\n";
    const ANY: &str = "[input.any.unix-stream]\npath = \"/run/any.sock\"\n";

    #[test]
    fn a_unit_goes_to_the_input_that_is_for_it() {
        let sock = "/run/logagent/units.sock";
        let socket = "logagent.socket logagent.service";
        check("myapp@", UNITS, "/var/log/logagent/myapp.log", sock, socket);
        check("web.service", &format!("{ANY}{UNITS}"), "/var/log/logagent/web.log", sock, socket);
        let all = UNITS.replace("unit.prefix", "unit");
        check("a@", &all, "/var/log/logagent/a@INSTANCE.service.log", sock, socket);
        check("a@1", &all, "/var/log/logagent/a@1.service.log", sock, socket);
        check("web", ANY, "/var/log/logagent/any.log", "/run/any.sock", "logagent.service");
        let own = format!(
            "{UNITS}[input.own.unix-stream]\npath = \"/run/100%\"\nallow.unit = \"web.service\"\n\
             [stream.own]\nfile = \"/srv/web.log\"\n"
        );
        check("web", &own, "/srv/web.log", "/run/100%%", "logagent.service");
        check("other", &own, "/var/log/logagent/other.log", sock, socket);
    }

    #[test]
    fn instances_that_are_refused_are_told() {
        let some = UNITS.to_owned() + "allow.unit = \"a@[0-9].service\"\n";
        assert!(printed("a@", &some).unwrap().contains("Some instances are refused"));
        assert!(!printed("a@1", &some).unwrap().contains("refused"));
    }

    #[test]
    fn a_unit_that_no_input_takes_is_told_why() {
        let none = format!(
            "{UNITS}allow.unit = \"web.service\"\n[input.d.unix-datagram]\npath = \"/d\"\n\
             [input.x.systemd]\n"
        );
        let Err(Problem::NoInput(text)) = printed("app", &none) else { panic!() };
        for wanted in [
            "app.service",
            "[input.units] takes other units only (allow): \"web.service\"",
            "[input.d] is a datagram socket",
            "FileDescriptorName=x",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_unit_is_told() {
        for name in
            ["", "a b", "../x", "app.slice/x", "@.service", "logagent", "app.timer", "app.target"]
        {
            assert!(matches!(printed(name, UNITS), Err(Problem::Name(_))), "{name:?}");
        }
    }
}
