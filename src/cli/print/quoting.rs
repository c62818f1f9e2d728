//! Paths as systemd, logrotate and sh read them.

use std::path::Path;

/// As a value that systemd takes as it is to the end of the line, specifiers apart.
pub(super) fn for_systemd(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// As one of several values with spaces between (systemd.syntax(7)).
pub(super) fn word_for_systemd(path: &Path) -> String {
    let text = for_systemd(path);
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"'\\;".contains(c);
    match text.chars().all(plain) {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// As a word of a command line of systemd's, which knows variables (systemd.service(5)).
pub(super) fn argument_for_systemd(path: &Path) -> String {
    word_for_systemd(path).replace('$', "$$")
}

/// As the one file of that name, not a pattern (logrotate(8), glob(7)).
pub(super) fn for_logrotate(path: &Path) -> String {
    quoted_for_logrotate(pattern(path))
}

/// Every file in `directory` that ends so.
pub(super) fn all_for_logrotate(directory: &Path, end: &str) -> String {
    let directory = pattern(directory);
    quoted_for_logrotate(format!("{}/*{end}", directory.trim_end_matches('/')))
}

/// What only this path matches, as far as that can be said.
fn pattern(path: &Path) -> String {
    let mut text = String::new();
    for c in path.display().to_string().chars() {
        match c {
            // A stanza begins and ends there, however they are quoted: any one character instead.
            '{' | '}' => text.push('?'),
            '*' | '?' | '[' | ']' | '\\' | '"' => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text
}

fn quoted_for_logrotate(text: String) -> String {
    if text.contains(|c: char| c.is_whitespace() || "\\'".contains(c)) {
        format!("\"{text}\"")
    } else {
        text
    }
}

/// As one word of a shell's.
pub(super) fn for_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(quote: fn(&Path) -> String, path: &str, expected: &str) {
        assert_eq!(quote(Path::new(path)), expected);
    }

    #[test]
    fn a_path_stays_what_it_is_whoever_reads_it() {
        check(for_systemd, "/a b/100%", "/a b/100%%");
        check(word_for_systemd, "/srv/logs", "/srv/logs");
        check(word_for_systemd, "/a \"b\\", "\"/a \\\"b\\\\\"");
        check(argument_for_systemd, "/a b/${HOME}", "\"/a b/$${HOME}\"");
        check(for_logrotate, "/srv/web.log", "/srv/web.log");
        check(for_logrotate, "/srv/a b[1].log", "\"/srv/a b\\[1\\].log\"");
        check(for_logrotate, "/it's/\"here\".log", r#""/it's/\"here\".log""#);
        check(for_logrotate, "/srv/{a}.log", "/srv/?a?.log");
        check(|path| all_for_logrotate(path, ".log"), "/srv/a b/", "\"/srv/a b/*.log\"");
        check(for_shell, "/usr/bin/logagent", "/usr/bin/logagent");
        check(for_shell, "/it's here", "'/it'\\''s here'");
    }
}
