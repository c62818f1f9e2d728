//! Paths, absolute in files: a daemon's working directory is nobody's choice.

use std::path::PathBuf;

use super::{FromWritten, WrongValue, wrong};

/// An absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct AbsolutePath(pub(in crate::config) PathBuf);

/// An absolute path, or an empty text for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct PathOrOff(pub(in crate::config) Option<PathBuf>);

impl FromWritten for AbsolutePath {
    const EXPECTED: &'static str = "an absolute path";

    fn from_text(text: &str) -> Result<AbsolutePath, WrongValue> {
        if text.is_empty() {
            return wrong("this path is empty: write an absolute path");
        }
        if text.contains('\0') {
            return wrong("a path has no NUL bytes: write an absolute path without them");
        }
        if !text.starts_with('/') {
            let instead = "write an absolute path, which begins with /";
            return wrong(format!("\"{text}\" is a relative path: {instead}"));
        }
        Ok(AbsolutePath(PathBuf::from(text)))
    }
}

impl FromWritten for PathOrOff {
    const EXPECTED: &'static str = "an absolute path, or \"\" for none";

    fn from_text(text: &str) -> Result<PathOrOff, WrongValue> {
        if text.is_empty() {
            return Ok(PathOrOff(None));
        }
        AbsolutePath::from_text(text).map(|AbsolutePath(path)| PathOrOff(Some(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn paths_are_absolute() {
        check(
            |path: AbsolutePath| path.0.display().to_string(),
            &[
                ("/srv/web.log", Ok("/srv/web.log")),
                ("", Err("this path is empty: write an absolute path")),
                ("a\0", Err("a path has no NUL bytes: write an absolute path without them")),
                (
                    "web.log",
                    Err("\"web.log\" is a relative path: write an absolute path, which begins \
                         with /"),
                ),
            ],
        );
        assert_eq!(PathOrOff::from_text(""), Ok(PathOrOff(None)));
        assert_eq!(PathOrOff::from_text("/x"), Ok(PathOrOff(Some("/x".into()))));
        assert!(PathOrOff::from_text("x").is_err());
    }
}
