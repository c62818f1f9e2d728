//! What the definitions of the command line say.

use clap::{Arg, ArgAction, Command};

use super::examples;
use super::roff::{self, bold, italic, plain};

/// The program's name, and the beginning of its commands' pages.
pub(super) const PROGRAM: &str = "logagent";

/// The program with all its commands.
pub(super) fn root() -> Command {
    let mut root = logagent::cli::definitions().disable_help_subcommand(true);
    root.build();
    root
}

/// The names of the commands' pages.
pub(super) fn names(root: &Command) -> impl Iterator<Item = String> {
    commands(root).map(|command| format!("{PROGRAM}-{}", command.get_name()))
}

/// The command that a page is about.
pub(super) fn of_page<'a>(root: &'a Command, page: &str) -> Option<&'a Command> {
    match page.strip_prefix(PROGRAM)?.strip_prefix('-') {
        Some(name) => root.find_subcommand(name),
        None => Some(root).filter(|_| page == PROGRAM),
    }
}

fn commands(root: &Command) -> impl Iterator<Item = &Command> {
    root.get_subcommands().filter(|command| !command.is_hide_set())
}

/// What it does, in a few words.
pub(super) fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The line that apropos(1) finds.
pub(super) fn name_line(page: &str, command: &Command) -> String {
    let mut about = about(command).trim_end_matches('.').to_owned();
    // A name, such as that of a program, stays as it is.
    if about.chars().nth(1).is_some_and(char::is_lowercase) {
        about[..1].make_ascii_lowercase();
    }
    format!("{} \\- {}", plain(page).replace("\\%", ""), plain(&about).replace("\\%", ""))
}

/// How it is typed, without the options that every command has.
pub(super) fn synopsis(command: &Command) -> Vec<String> {
    let own = own_options(command).filter(|arg| arg.get_id() != "help");
    let mut words = vec![bold(command.get_bin_name().unwrap_or(command.get_name()))];
    words.extend(own.map(|arg| format!("[{}]", shortest(arg))));
    words.extend(command.get_positionals().map(positional));
    vec![words.join(" ")]
}

/// What it does, at length.
pub(super) fn description(command: &Command) -> Vec<String> {
    let text = command.get_long_about().map_or_else(|| about(command), ToString::to_string);
    // The first paragraph stands below NAME already.
    let behind = text.split_once("\n\n").map_or(text.as_str(), |(_, behind)| behind);
    let mut roff = Vec::new();
    for (index, paragraph) in behind.split("\n\n").enumerate() {
        if index > 0 {
            roff.push(".PP".to_owned());
        }
        let end = if paragraph.ends_with('.') { "" } else { "." };
        roff.extend(roff::sentences(&format!("{paragraph}{end}")));
    }
    roff
}

/// Its arguments and options, and of those that every command has the ones that are named.
pub(super) fn options(command: &Command, shared: &str) -> Result<Vec<String>, String> {
    let mut last = Vec::new();
    for name in shared.split_whitespace() {
        let known = command.get_opts().find(|arg| arg.get_long() == Some(name));
        last.push(known.ok_or_else(|| format!("there is no option --{name}"))?);
    }
    let (general, own): (Vec<&Arg>, Vec<&Arg>) =
        own_options(command).partition(|arg| matches!(arg.get_id().as_str(), "help" | "version"));
    let is_under = |arg: &&Arg| arg.get_help_heading().is_some();
    let (under, above): (Vec<&Arg>, Vec<&Arg>) = own.into_iter().partition(is_under);
    let mut roff = Vec::new();
    for arg in command.get_positionals().chain(above).chain(last).chain(general) {
        roff.extend(option(arg));
    }
    let mut heading = None;
    for arg in under {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            roff.push(format!(".SS {}", heading.unwrap_or_default()));
        }
        roff.extend(option(arg));
    }
    Ok(roff)
}

fn own_options(command: &Command) -> impl Iterator<Item = &Arg> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional());
    shown.filter(|arg| !arg.is_global_set())
}

fn option(arg: &Arg) -> Vec<String> {
    let mut roff = roff::entry(&head(arg));
    let help = match arg.get_id().as_str() {
        "help" => "Print help; -h prints less.".to_owned(),
        "version" => "Print the version.".to_owned(),
        _ => arg.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    let help = help.split("[default: ").next().unwrap_or_default().trim().to_owned();
    let end = if help.ends_with(['.', '?']) || help.is_empty() { "" } else { "." };
    roff.extend(roff::sentences(&format!("{}{end}", typed(&help))));
    if let Some(default) = default(arg) {
        roff.push(roff::prose(&format!("Default: {}.", typed(&default))));
    }
    for value in arg.get_possible_values().iter().filter(|_| arg.get_action().takes_values()) {
        let Some(about) = value.get_help() else { continue };
        roff.extend([".RS".to_owned(), ".TP".to_owned(), bold(value.get_name())]);
        roff.extend([roff::prose(&typed(&format!("{about}."))), ".RE".to_owned()]);
    }
    roff
}

/// What holds without it, which clap knows or its help says.
fn default(arg: &Arg) -> Option<String> {
    let known = arg.get_default_values().iter().filter_map(|value| value.to_str());
    let known: Vec<&str> = known.collect();
    if !known.is_empty() && arg.get_action().takes_values() {
        return Some(known.join(", "));
    }
    let help = arg.get_help()?.to_string();
    let (_, default) = help.split_once("[default: ")?;
    Some(default.strip_suffix(']').unwrap_or(default).to_owned())
}

/// A help text whose options, values in quotes and paths are marked as what is typed.
fn typed(help: &str) -> String {
    let mark = |word: &str| {
        let bare = word.trim_end_matches([' ', ',', '.', ';', ':']);
        let is_typed =
            bare.len() > 1 && (bare.starts_with(['-', '/']) || bare.contains("LOGAGENT_"));
        if is_typed && !word.contains('`') {
            format!("`{bare}`{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    };
    help.split_inclusive(' ').map(mark).collect()
}

/// `-n N, --lines N`
fn head(arg: &Arg) -> String {
    if arg.is_positional() {
        return italic(&value_names(arg).join(" ")) + if takes_many(arg) { " ..." } else { "" };
    }
    let value = value(arg);
    let space = if arg.is_require_equals_set() { "" } else { " " };
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let spellings: Vec<String> = (short.into_iter().chain(long))
        .map(
            |spelling| {
                if value.is_empty() { spelling } else { format!("{spelling}{space}{value}") }
            },
        )
        .collect();
    spellings.join(", ")
}

fn shortest(arg: &Arg) -> String {
    let long = || format!("--{}", arg.get_long().unwrap_or_default());
    let spelling = arg.get_short().map_or_else(long, |short| format!("-{short}"));
    let space = if arg.is_require_equals_set() || value(arg).is_empty() { "" } else { " " };
    format!("{}{space}{}", bold(&spelling), value(arg))
}

/// What stands behind an option.
fn value(arg: &Arg) -> String {
    if !takes_values(arg) {
        return String::new();
    }
    let names: Vec<String> = value_names(arg).iter().map(|name| value_name(name)).collect();
    let names = names.join(" ");
    match arg.is_require_equals_set() {
        true if least(arg) == 0 => format!("[={names}]"),
        true => format!("={names}"),
        false => names,
    }
}

/// A name in capitals stands for something, any other for itself.
fn value_name(name: &str) -> String {
    if name.chars().any(char::is_lowercase) { bold(name) } else { italic(name) }
}

fn value_names(arg: &Arg) -> Vec<String> {
    match arg.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => vec![arg.get_id().as_str().to_uppercase()],
    }
}

fn positional(arg: &Arg) -> String {
    let name = italic(&value_names(arg).join(" "));
    let last = if arg.is_last_set() { format!("{} ", bold("--")) } else { String::new() };
    match (arg.is_required_set(), takes_many(arg)) {
        (true, true) => format!("{last}{name} ..."),
        (true, false) => format!("{last}{name}"),
        (false, true) => format!("[{last}{name} ...]"),
        (false, false) => format!("[{last}{name}]"),
    }
}

fn takes_values(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn takes_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
        || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn least(arg: &Arg) -> usize {
    arg.get_num_args().map_or(1, |range| range.min_values())
}

/// The examples of its help.
pub(super) fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    examples::of_help(&help).iter().flat_map(examples::Example::roff).collect()
}

/// All commands, each with its page.
pub(super) fn list(root: &Command) -> Vec<String> {
    let mut roff = Vec::new();
    for command in commands(root) {
        let page = format!("{PROGRAM}-{}", command.get_name());
        roff.extend(roff::entry(&format!("{}(1)", bold(&page))));
        roff.push(roff::prose(&format!("{}.", about(command))));
    }
    roff
}
