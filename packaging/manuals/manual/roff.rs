//! Text as roff: nothing in it is taken for a request, and what a reader may copy is as it was
//! typed.

/// Text that stands for itself, in the font around it; no word of it is broken.
pub(super) fn plain(text: &str) -> String {
    let mut escaped = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if before == ' ' && c.is_ascii_graphic() && text.len() > 1 {
            escaped += "\\%";
        }
        before = c;
        match c {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            '"' => escaped += "\\(dq",
            c => escaped.push(c),
        }
    }
    escaped
}

/// A line of an example, which is not filled and so not broken.
pub(super) fn example(line: &str) -> String {
    let escaped = plain(line).replace("\\%", "");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

/// Prose of the code, each sentence on a line of its own, as roff wants them.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut rest = text;
    let ends = |rest: &str| {
        let mut places = rest.match_indices(". ").map(|(at, _)| at);
        places.find(|at| rest[at + 2..].starts_with(char::is_uppercase))
    };
    while let Some(at) = ends(rest) {
        sentences.push(prose(&rest[..=at]));
        rest = &rest[at + 2..];
    }
    sentences.push(prose(rest));
    sentences
}

/// What is typed as it stands.
pub(super) fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", plain(text))
}

/// What something else is typed for.
pub(super) fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", plain(text))
}

/// A line of prose: what stands between backquotes is typed, what stands between asterisks is
/// replaced, and other manual pages are bold. A hyphen is a hyphen.
pub(super) fn prose(line: &str) -> String {
    let mut marked = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['`', '*']) {
        let mark = &rest[at..=at];
        let behind = &rest[at + 1..];
        let Some(length) = behind.find(mark).filter(|length| *length > 0) else { break };
        marked += &words(&rest[..at]);
        let inside = &behind[..length];
        let font = if mark == "`" { bold(inside) } else { italic(inside) };
        marked += &within_word(&marked, font);
        rest = &behind[length + 1..];
    }
    marked += &words(rest);
    if marked.starts_with(['.', '\'']) { format!("\\&{marked}") } else { marked }
}

/// What goes on a word says nothing about breaking it: there that would allow it.
fn within_word(before: &str, text: String) -> String {
    if before.is_empty() || before.ends_with(' ') { text } else { text.replacen("\\%", "", 1) }
}

/// Words, with the names of manual pages in bold.
fn words(text: &str) -> String {
    let marked = text.split_inclusive(' ').map(|word| match page(word) {
        Some((before, name, behind)) => {
            format!("\\%{before}{}{behind}", bold(name).replacen("\\%", "", 1))
        }
        None => word.replace('\\', "\\e"),
    });
    marked.collect()
}

/// Takes `(logrotate(8),` apart: what stands before the name, the name, and the section with what
/// stands behind it.
fn page(word: &str) -> Option<(&str, &str, &str)> {
    let open = word.rfind('(')?;
    let (name, section) = word.split_at(open);
    let section = section.as_bytes();
    let is_section =
        section.get(1).is_some_and(u8::is_ascii_digit) && section.get(2) == Some(&b')');
    let begins = name.find(|c: char| c.is_ascii_alphanumeric())?;
    let (before, name) = name.split_at(begins);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    (is_section && name.chars().all(is_name)).then_some((before, name, &word[open..]))
}

/// The head of an entry, whose text follows it.
pub(super) fn entry(head: &str) -> Vec<String> {
    vec![".TP".to_owned(), head.to_owned()]
}
