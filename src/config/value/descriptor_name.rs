//! `name`: what systemd calls the descriptors that it hands over.

use super::{FromWritten, WrongValue, wrong};

/// systemd's own limit.
const DESCRIPTOR_NAME_BYTES_MAX: usize = 255;

/// A `FileDescriptorName=` (systemd.socket(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct DescriptorName(pub(in crate::config) String);

impl FromWritten for DescriptorName {
    const EXPECTED: &'static str = "the FileDescriptorName= of a socket's unit";

    fn from_text(text: &str) -> Result<DescriptorName, WrongValue> {
        let known = |c: char| c.is_ascii() && !c.is_ascii_control() && c != ':';
        if text.is_empty() {
            return wrong("this name is empty: write the FileDescriptorName= of a socket's unit");
        }
        if let Some(other) = text.chars().find(|c| !known(*c)) {
            return wrong(format!(
                "a FileDescriptorName= has only ASCII characters, no colon and no control \
                 characters: write one without {other:?}"
            ));
        }
        if text.len() > DESCRIPTOR_NAME_BYTES_MAX {
            let bytes = text.len();
            return wrong(format!(
                "a FileDescriptorName= has at most {DESCRIPTOR_NAME_BYTES_MAX} characters, this \
                 has {bytes}: write a shorter one"
            ));
        }
        Ok(DescriptorName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn names_are_those_that_systemd_takes() {
        let rule = "a FileDescriptorName= has only ASCII characters, no colon and no control \
                    characters: write one without";
        let longest = "x".repeat(DESCRIPTOR_NAME_BYTES_MAX);
        check(
            |DescriptorName(name)| name,
            &[
                ("web.socket", Ok("web.socket")),
                ("a b/c", Ok("a b/c")),
                (&longest, Ok(&longest)),
                (
                    &format!("{longest}x"),
                    Err("a FileDescriptorName= has at most 255 characters, this has 256: write a \
                         shorter one"),
                ),
                ("", Err("this name is empty: write the FileDescriptorName= of a socket's unit")),
                ("a:b", Err(&format!("{rule} ':'"))),
                ("ä", Err(&format!("{rule} 'ä'"))),
                ("a\tb", Err(&format!("{rule} '\\t'"))),
            ],
        );
    }
}
