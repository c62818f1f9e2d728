//! A stream's name: validated once, so that it cannot leave the log directory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::STREAM_NAME_BYTES_MAX;

/// Letters, digits, `.`, `_`, `-`, `@`; no leading dot; at most 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(Box<str>);

/// Why a text is no stream name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamNameError {
    /// Nothing at all.
    #[error("a stream's name may not be empty")]
    Empty,
    /// More than 128 bytes.
    #[error("a stream's name may have at most {STREAM_NAME_BYTES_MAX} characters, this has {0}")]
    TooLong(usize),
    /// It would be a hidden file, or the directory itself.
    #[error("a stream's name may not begin with a dot")]
    LeadingDot,
    /// Something else than letters, digits, `.`, `_`, `-`, `@`.
    #[error("a stream's name has only letters, digits, `.`, `_`, `-` and `@`, not {0:?}")]
    Character(char),
}

impl StreamName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest valid name to `text`, for a stream that is named after a file.
    pub fn nearest(text: &str) -> StreamName {
        let mut name: String = text
            .trim_start_matches('.')
            .chars()
            .map(|c| if is_allowed(c) { c } else { '_' })
            .take(STREAM_NAME_BYTES_MAX)
            .collect();
        if name.is_empty() {
            name.push('_');
        }
        StreamName(name.into())
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<StreamName, StreamNameError> {
        if text.is_empty() {
            return Err(StreamNameError::Empty);
        }
        if text.starts_with('.') {
            return Err(StreamNameError::LeadingDot);
        }
        if let Some(wrong) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(StreamNameError::Character(wrong));
        }
        if text.len() > STREAM_NAME_BYTES_MAX {
            return Err(StreamNameError::TooLong(text.len()));
        }
        Ok(StreamName(text.into()))
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> String {
        name.0.into()
    }
}

impl TryFrom<String> for StreamName {
    type Error = StreamNameError;

    fn try_from(name: String) -> Result<StreamName, StreamNameError> {
        name.parse()
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_names_that_stay_in_their_directory() {
        for good in ["web", "myapp@1.service", "a-b_c.d", "0"] {
            assert_eq!(good.parse::<StreamName>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        assert_eq!("".parse::<StreamName>(), Err(StreamNameError::Empty));
        assert_eq!("..".parse::<StreamName>(), Err(StreamNameError::LeadingDot));
        assert_eq!("a/b".parse::<StreamName>(), Err(StreamNameError::Character('/')));
        assert_eq!("a\0b".parse::<StreamName>(), Err(StreamNameError::Character('\0')));
        assert_eq!("ä".parse::<StreamName>(), Err(StreamNameError::Character('ä')));
        assert_eq!("x".repeat(129).parse::<StreamName>(), Err(StreamNameError::TooLong(129)));
        assert!("x".repeat(128).parse::<StreamName>().is_ok());
    }

    #[test]
    fn a_file_name_becomes_the_nearest_stream_name() {
        assert_eq!(StreamName::nearest("my app.ä").as_str(), "my_app._");
        assert_eq!(StreamName::nearest("..").as_str(), "_");
        assert_eq!(StreamName::nearest(".hidden").as_str(), "hidden");
    }
}
