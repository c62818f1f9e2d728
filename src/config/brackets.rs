//! Brackets and braces that are not closed: the parser would take the rest of the file for what
//! stands in them. They are found here, so that their lines can be left out.

use std::ops::Range;

use crate::limits::CONFIGURATION_MISTAKES_MAX;

/// What is wrong with the brackets of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brackets {
    /// Places and what to write there.
    pub(super) mistakes: Vec<(usize, String)>,
    /// Whole lines that make no sense because of these.
    pub(super) senseless: Vec<Range<usize>>,
}

/// Looks at all brackets that stand in values.
pub(super) fn look_at(text: &str) -> Brackets {
    let mut look = Look::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        look.line(line, start);
        start += line.len();
    }
    if look.quotes.is_some() {
        let text = "a text that begins with three quotes ends with three: write them";
        look.tell_text(start, text.to_owned());
    }
    look.begin_anew(start);
    look.found
}

#[derive(Default)]
struct Look {
    found: Brackets,
    /// The brackets that are open, with their places.
    open: Vec<(char, usize)>,
    /// Where the line begins in which the first of them stands.
    begins: usize,
    /// Something is wrong since then, and told.
    is_told: bool,
    /// The last character before this one, blanks and comments apart.
    before: char,
    /// The three quotes that end the text that this is in.
    quotes: Option<&'static str>,
}

impl Look {
    fn line(&mut self, line: &str, start: usize) {
        if self.quotes.is_none() && self.is_something_new(line) {
            self.begin_anew(start);
        }
        if self.open.is_empty() && self.quotes.is_none() {
            self.begins = start;
            self.before = '\n';
            if line.trim_start().starts_with('[') {
                return;
            }
        }
        self.values(line, start);
        if self.open.is_empty() && self.is_told {
            self.found.senseless.push(self.begins..start + line.len());
            self.is_told = false;
        }
    }

    /// Whether this line cannot stand in the brackets that are open: a table's name nowhere, since
    /// no value is a word, and a key only in braces, behind a comma.
    fn is_something_new(&self, line: &str) -> bool {
        let Some((bracket, _)) = self.open.last() else { return false };
        let line = line.trim();
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[').trim_start();
            let word = name.split(|c| !is_key(c)).next().unwrap_or_default();
            let is_value = matches!(word, "true" | "false" | "inf" | "nan");
            return word.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_value;
        }
        let behind = line.trim_start_matches(is_key);
        let is_key = behind.len() < line.len() && behind.trim_start().starts_with('=');
        is_key && (*bracket == '[' || !matches!(self.before, ',' | '{'))
    }

    /// Leaves the open brackets behind: something else begins at `at`.
    fn begin_anew(&mut self, at: usize) {
        if self.open.is_empty() {
            return;
        }
        for (bracket, place) in std::mem::take(&mut self.open) {
            if !self.is_told {
                let closing = closing(bracket);
                let text = format!("this {bracket} is not closed: write {closing} where it ends");
                self.tell(place, text);
            }
        }
        self.found.senseless.push(self.begins..at);
        self.is_told = false;
    }

    /// Looks at a line's brackets, texts and comments apart.
    fn values(&mut self, line: &str, start: usize) {
        let mut at = 0;
        let mut in_value = !self.open.is_empty();
        while let Some(c) = line[at..].chars().next() {
            if let Some(quotes) = self.quotes {
                let Some(end) = end_of_text(&line[at..], quotes) else { return };
                at += end;
                self.quotes = None;
                continue;
            }
            let place = start + at;
            match c {
                '#' => return,
                '"' | '\'' => match self.text(&line[at..]) {
                    Some(bytes) => at += bytes - 1,
                    None => {
                        let end = start + line.trim_end_matches(['\n', '\r']).len();
                        let text = format!("a text ends in its line: write its closing {c}");
                        return self.tell_text(end, text);
                    }
                },
                '=' => in_value = true,
                '[' | '{' if in_value => self.open.push((c, place)),
                ']' | '}' if in_value => self.close(c, place),
                _ => {}
            }
            if !c.is_whitespace() {
                self.before = c;
            }
            at += c.len_utf8();
        }
    }

    /// The length of the text that begins here; none where it does not end.
    fn text(&mut self, rest: &str) -> Option<usize> {
        for quotes in ["\"\"\"", "'''"] {
            if rest.starts_with(quotes) {
                self.quotes = Some(quotes);
                return Some(quotes.len());
            }
        }
        let quote = if rest.starts_with('"') { "\"" } else { "'" };
        end_of_text(&rest[1..], quote).map(|end| end + 1)
    }

    fn close(&mut self, c: char, place: usize) {
        let Some((bracket, _)) = self.open.pop() else { return };
        let wanted = closing(bracket);
        if c == wanted || self.is_told {
            return;
        }
        let above = self.open.iter().rposition(|(bracket, _)| closing(*bracket) == c);
        let text = match above {
            Some(_) => format!("a {bracket} is still open here: write {wanted} before this {c}"),
            None => format!("a {bracket} is still open here: write {wanted} instead of this {c}"),
        };
        if let Some(above) = above {
            self.open.truncate(above);
        }
        self.tell(place, text);
        self.is_told = true;
    }

    /// Tells of a text without its end; outside brackets the parser does.
    fn tell_text(&mut self, end: usize, text: String) {
        if !self.open.is_empty() {
            self.tell(end, text);
            self.is_told = true;
        }
    }

    fn tell(&mut self, place: usize, text: String) {
        if self.found.mistakes.len() < CONFIGURATION_MISTAKES_MAX {
            self.found.mistakes.push((place, text));
        }
    }
}

fn closing(bracket: char) -> char {
    if bracket == '[' { ']' } else { '}' }
}

/// Where the text that `rest` is in ends, with its quotes.
fn end_of_text(rest: &str, quotes: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        if !escaped && rest[at..].starts_with(quotes) {
            return Some(at + quotes.len());
        }
        escaped = !escaped && c == '\\' && quotes.starts_with('"');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the mistakes as `line:column: text`, and the first and last line without sense.
    #[track_caller]
    fn check(text: &str, mistakes: &[&str], senseless: &[(usize, usize)]) {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let column = |at: usize| at - text[..at].rfind('\n').map_or(0, |newline| newline + 1) + 1;
        let found = look_at(text);
        let told = found.mistakes.iter();
        let told: Vec<String> =
            told.map(|(at, text)| format!("{}:{}: {text}", line(*at), column(*at))).collect();
        assert_eq!(told, mistakes, "{text}");
        let lines = found.senseless.iter().map(|it| (line(it.start), line(it.end - 1)));
        assert_eq!(lines.collect::<Vec<_>>(), senseless, "{text}");
    }

    #[test]
    fn brackets_that_are_closed_are_left_alone() {
        for text in [
            "",
            "[a]\nb = [1, 2]\n[[c]]\nd = {e = 1}",
            "a = [\n  [1],\n  [true, false],\n  { b = 1 }, # ]\n]\n[c]\n",
            "a = {\n  b = 1,\n  c = [\n 'x]',\n \"]\\\"]\"\n ],\n}\nd = 1\n",
            "a = [\"\"\"\n]]\n[b]\nc = \\\"\"\" ]\"\"\"\n, '''\nb = 1''']\n[b]\n",
            "[\"a]\"]\n\"b[\" = 1\n",
            "no [ value\n[a\nb = \"unclosed [\nc = ]\n",
        ] {
            check(text, &[], &[]);
        }
    }

    #[test]
    fn an_open_bracket_ends_where_something_else_begins() {
        let bracket = "this [ is not closed: write ] where it ends";
        let brace = "this { is not closed: write } where it ends";
        check("a = [1\n", &[&format!("1:5: {bracket}")], &[(1, 1)]);
        check("a = [\n1,\n2\nb = 1\n", &[&format!("1:5: {bracket}")], &[(1, 3)]);
        check("x = 1\na = [1,\n\n[b.c]\n[d]\n", &[&format!("2:5: {bracket}")], &[(2, 3)]);
        check("a = { b = 1\nc = 2\n", &[&format!("1:5: {brace}")], &[(1, 1)]);
        check("a = { b = 1,\nc = 2\n[d]\n", &[&format!("1:5: {brace}")], &[(1, 2)]);
        check(
            "a = { b = [1\nc = [2\n",
            &[&format!("1:5: {brace}"), &format!("1:11: {bracket}"), &format!("2:5: {bracket}")],
            &[(1, 1), (2, 2)],
        );
    }

    #[test]
    fn a_bracket_is_closed_by_its_own_kind() {
        let open = "is still open here: write";
        check("a = [1}\nb = 1\n", &[&format!("1:7: a [ {open} ] instead of this }}")], &[(1, 1)]);
        check("a = { b = 1 ]\n", &[&format!("1:13: a {{ {open} }} instead of this ]")], &[(1, 1)]);
        check(
            "x = 1\na = { b = [1,\n2 }\nc = 1\n",
            &[&format!("3:3: a [ {open} ] before this }}")],
            &[(2, 3)],
        );
    }

    #[test]
    fn a_text_that_does_not_end_is_told_rather_than_the_brackets_in_it() {
        let quote = "a text ends in its line: write its closing";
        check("a = [\"b]\n[c]\n", &[&format!("1:9: {quote} \"")], &[(1, 1)]);
        check("a = ['b]\r\nc = 1\n", &[&format!("1:9: {quote} '")], &[(1, 1)]);
        let quotes = "a text that begins with three quotes ends with three: write them";
        check("a = [\"\"\"b]\n[c]", &[&format!("2:4: {quotes}")], &[(1, 2)]);
        check("a = [\n\"b,\n\"c\"\n]\nd = 1\n", &[&format!("2:4: {quote} \"")], &[(1, 4)]);
    }
}
