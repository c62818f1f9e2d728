//! A page's text with what is asked for filled in.

use clap::Command;
use nix::sys::signal::Signal as SystemSignal;

use logagent::cli::{Exit, VARIABLES, metrics};
use logagent::control::signals::Signal;
use logagent::writer::stall;

use super::command::{self, PROGRAM};
use super::entries::Entries;
use super::roff::{self, bold, plain};
use super::values;

/// The page `file`: its text as roff, or the line that is wrong and why.
pub(super) fn fill(file: &str, text: &str, root: &Command, date: &str) -> Result<String, String> {
    let (name, section) = file.rsplit_once('.').unwrap_or((file, "1"));
    let about = match section {
        "1" => "User Commands",
        "5" => "File Formats",
        _ => "Miscellaneous Information",
    };
    // Tables need a program of their own, which the first line asks for.
    let first = if text.contains("\n.TS\n") { "'\\\" t\n" } else { "" };
    let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    let mut filled = format!(
        "{first}.TH {} {section} \"{date}\" \"{PROGRAM} {version}\" \"{about}\"\n.ad l\n",
        plain(&title).replace("\\%", "")
    );
    let mut filling = Filling {
        page: name,
        command: command::of_page(root, name),
        root,
        entries: Entries::default(),
        in_example: false,
    };
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        lines.extend(filling.line(line).map_err(|error| format!("{}: {error}", index + 1))?);
    }
    filling.entries.finish().map_err(|error| format!("{}: {error}", text.lines().count()))?;
    for (index, line) in lines.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| &lines[before]);
        let behind = lines.get(index + 1).map_or("", |behind| behind);
        if !is_empty_paragraph(before, line, behind) {
            filled += line;
            filled.push('\n');
        }
    }
    Ok(filled)
}

/// Where a paragraph begins anyway, or none follows.
fn is_empty_paragraph(before: &str, line: &str, behind: &str) -> bool {
    let begins = |line: &str| [".SH", ".SS"].iter().any(|request| line.starts_with(request));
    line == ".PP" && (begins(before) || begins(behind) || matches!(behind, ".PP" | ".TP"))
}

struct Filling<'a> {
    page: &'a str,
    /// The one that the page is about.
    command: Option<&'a Command>,
    root: &'a Command,
    entries: Entries,
    in_example: bool,
}

impl Filling<'_> {
    /// What a line of the text becomes.
    fn line(&mut self, line: &str) -> Result<Vec<String>, String> {
        if line.starts_with(".\\\"") {
            return Ok(Vec::new());
        }
        let line = with_values(line)?;
        if self.in_example && line != ".EE" {
            return Ok(vec![roff::example(&line)]);
        }
        self.in_example = line == ".EX";
        match line.strip_prefix('%') {
            Some(asked) => self.asked(asked),
            None if line.starts_with(['.', '\'']) => Ok(vec![line]),
            None => Ok(vec![roff::prose(&line)]),
        }
    }

    fn asked(&mut self, asked: &str) -> Result<Vec<String>, String> {
        let (what, rest) = asked.split_once(' ').unwrap_or((asked, ""));
        match what {
            "name" if rest.is_empty() => Ok(vec![command::name_line(self.page, self.command()?)]),
            "name" => {
                Ok(vec![format!("{} \\- {}", self.page.replace('-', "\\-"), roff::prose(rest))])
            }
            "synopsis" => Ok(command::synopsis(self.command()?)),
            "description" => Ok(command::description(self.command()?)),
            "options" => command::options(self.command()?, rest),
            "examples" => Ok(command::examples(self.command()?)),
            "commands" => Ok(command::list(self.root)),
            "exit" => exits(rest),
            "status" => {
                let (number, meaning) = rest.split_once(' ').unwrap_or((rest, ""));
                let mut roff = exits(number)?;
                roff.truncate(2);
                roff.extend(roff::sentences(meaning));
                Ok(roff)
            }
            "signals" => Ok(signals()),
            "environment" => self.environment(rest),
            "reasons" => {
                let reasons: Vec<String> = stall::reasons().map(|it| format!("`{it}`")).collect();
                Ok(vec![roff::prose(&format!("{}.", reasons.join(", ")))])
            }
            "metrics" => Ok(metrics().flat_map(|(name, help)| metric(name, help)).collect()),
            // Behind the first dot: what stands before it is said above all of them.
            "field" => Ok(roff::entry(&bold(rest.split_once('.').map_or(rest, |(_, name)| name)))),
            "key" => match *rest.splitn(3, ' ').collect::<Vec<_>>() {
                [table, key, rest] => self.entries.key(table, key, rest),
                _ => Err("write %key TABLE KEY TYPE".to_owned()),
            },
            what => self.entries.name(what, rest),
        }
    }

    fn command(&self) -> Result<&Command, String> {
        self.command.ok_or_else(|| format!("there is no command {}", self.page))
    }

    /// The variables of some options.
    fn environment(&self, options: &str) -> Result<Vec<String>, String> {
        let mut roff = Vec::new();
        for option in options.split(' ') {
            let (name, _) = (VARIABLES.iter().find(|(_, known)| *known == option))
                .ok_or_else(|| format!("--{option} has no variable"))?;
            roff.extend(roff::entry(&bold(name)));
            roff.push(roff::prose(&format!("Stands for `--{option}`.")));
        }
        Ok(roff)
    }
}

/// A line with its values: `at most @line@`.
fn with_values(line: &str) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('@') {
        let behind = &rest[at + 1..];
        let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
        let length = behind.find(|c| !is_name(c)).unwrap_or(behind.len());
        filled += &rest[..at];
        if length > 0 && behind[length..].starts_with('@') {
            let name = &behind[..length];
            filled += &values::value(name).ok_or_else(|| format!("there is no value @{name}@"))?;
            rest = &behind[length + 1..];
        } else {
            filled.push('@');
            rest = behind;
        }
    }
    Ok(filled + rest)
}

/// The exit statuses of these numbers; of all, where none is named.
fn exits(numbers: &str) -> Result<Vec<String>, String> {
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    let known = |number: &&&str| Exit::ALL.iter().any(|exit| exit.code().to_string() == ***number);
    if let Some(number) = numbers.iter().find(|number| !known(number)) {
        return Err(format!("there is no exit status {number}"));
    }
    let mut roff = Vec::new();
    for exit in Exit::ALL {
        let number = exit.code().to_string();
        if numbers.is_empty() || numbers.contains(&number.as_str()) {
            roff.extend(roff::entry(&bold(&number)));
            roff.extend(roff::sentences(exit.meaning()));
        }
    }
    Ok(roff)
}

fn signals() -> Vec<String> {
    let mut roff = Vec::new();
    for signal in Signal::ALL {
        let known = signal.numbers().iter().filter_map(|it| SystemSignal::try_from(*it).ok());
        let names: Vec<String> = known.map(|it| bold(it.as_str())).collect();
        roff.extend(roff::entry(&names.join(", ")));
        roff.extend(roff::sentences(signal.meaning()));
    }
    roff
}

fn metric(name: &str, help: &str) -> Vec<String> {
    let mut roff = roff::entry(&bold(name));
    roff.push(roff::prose(help));
    roff
}
