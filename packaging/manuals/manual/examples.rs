//! The examples of a command's help: each with what it does.

use super::roff;

/// Lines that are typed, and what they do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Example {
    lines: Vec<String>,
    about: String,
}

/// The examples in a help text, which stand behind `Examples:`, two spaces in, with what each does
/// to its right.
pub(crate) fn of_help(help: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    for line in lines.map_while(|line| line.strip_prefix("  ")) {
        let typed = line.trim_start();
        let indent = line.len() - typed.len();
        let (typed, about) = match typed.split_once("  ") {
            Some((typed, about)) => (typed, about.trim()),
            None => (typed, ""),
        };
        match examples.last_mut() {
            // What the line before does, in a second line.
            Some(last) if indent > 12 => {
                last.about = format!("{} {typed}", last.about).trim().to_owned();
            }
            Some(last) if indent > 0 || last.is_open(about) => {
                last.lines.push(format!("{}{typed}", " ".repeat(indent)));
                last.about += about;
            }
            _ => examples.push(Example { lines: vec![typed.to_owned()], about: about.to_owned() }),
        }
    }
    examples
}

impl Example {
    /// Whether a line belongs to it that says `about`: others that stand further in do, and what
    /// they do is said once.
    fn is_open(&self, about: &str) -> bool {
        let has_inner = self.lines.iter().any(|line| line.starts_with(' '));
        has_inner && (about.is_empty() || self.about.is_empty())
    }

    /// What it does, and below that how.
    pub(crate) fn roff(&self) -> Vec<String> {
        let mut roff = vec![".PP".to_owned()];
        if !self.about.is_empty() {
            let mut about = self.about.clone();
            if about.is_char_boundary(1) {
                about[..1].make_ascii_uppercase();
            }
            roff.push(format!("{}:", roff::prose(&about)));
        }
        roff.extend([".RS 4".to_owned(), ".EX".to_owned()]);
        let lines = self.lines.iter().flat_map(|line| broken(line));
        roff.extend(lines.map(|line| roff::example(&line)));
        roff.extend([".EE".to_owned(), ".RE".to_owned()]);
        roff
    }
}

/// A line that is too long for a terminal of 80 columns, as a shell takes it in several.
fn broken(line: &str) -> Vec<String> {
    const LETTERS_MAX: usize = 80 - 11;
    let mut lines = Vec::new();
    let mut rest = line.to_owned();
    while rest.len() > LETTERS_MAX
        && let Some(at) = rest[..LETTERS_MAX - 1].rfind(' ').filter(|at| *at > 4)
    {
        lines.push(format!("{} \\", &rest[..at]));
        rest = format!("    {}", &rest[at + 1..]);
    }
    lines.push(rest);
    lines
}
