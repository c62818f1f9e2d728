//! The manual pages: texts in `pages`, with what the program itself knows filled in.
//!
//! A page is roff as man(7) has it. Lines that begin with `%` ask for something that is made from
//! the code (see [`fill`](fill::fill)); `@name@` is a value from there. Whatever a page does not
//! say of what it has to say is an error.

mod command;
mod date;
mod entries;
mod examples;
mod fill;
mod roff;
mod values;

pub(crate) use date::page_date;

/// A manual page.
pub(crate) struct Page {
    /// The name of its file: `logagent.1`.
    pub(crate) file: String,
    /// Its text, in roff.
    pub(crate) text: String,
}

macro_rules! texts {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../pages/", $file)))),*]
    };
}

/// The texts, by the names of their files. A command without a text has a page all the same.
pub(crate) static TEXTS: &[(&str, &str)] = texts![
    "logagent.1",
    "logagent-check.1",
    "logagent-print.1",
    "logagent-reload.1",
    "logagent-reopen.1",
    "logagent-rotate.1",
    "logagent-run.1",
    "logagent-send.1",
    "logagent-status.1",
    "logagent-stop.1",
    "logagent-tail.1",
    "logagent.toml.5",
    "logagent-protocol.7",
    "logagent-coming-from.7",
];

/// For a command of which nothing else is to be said.
const COMMAND_TEXT: &str = include_str!("command.1");

/// The page `file` made from its text, or the line that is wrong and why.
pub(crate) fn page(file: &str, text: &str, date: &str) -> Result<String, String> {
    fill::fill(file, text, &command::root(), date)
}

/// All pages; `date` stands below each.
pub(crate) fn pages(date: &str) -> Result<Vec<Page>, String> {
    let root = command::root();
    let commands: Vec<String> = command::names(&root).map(|name| format!("{name}.1")).collect();
    let without_text = commands.iter().filter(|file| TEXTS.iter().all(|(known, _)| known != *file));
    let texts = TEXTS.iter().copied();
    let texts = texts.chain(without_text.map(|file| (file.as_str(), COMMAND_TEXT)));
    texts
        .map(|(file, text)| {
            let text = page(file, text, date)
                .map_err(|error| format!("packaging/manuals/pages/{file}:{error}"))?;
            Ok(Page { file: file.to_owned(), text })
        })
        .collect()
}
