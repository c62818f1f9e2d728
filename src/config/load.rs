//! From files to a configuration, in one go and without changing anything on disk.

use std::path::Path;

use super::check::{Checked, check};
use super::environment;
use super::mistake::{At, Mistake, Mistakes};
use super::parse::{Parsed, parse};
use super::source::{self, Source};
use super::used::Config;

/// Reads `file` and what lies in `conf.d` beside it, and checks all of it.
///
/// `conf.d/*.toml` is read in the order of names, hidden files apart. Fails with every mistake of
/// every file, those that only the file system can tell among them; the main file's come first.
/// Nothing on disk is changed.
pub fn load(file: &Path) -> Result<Config, Vec<Mistake>> {
    let sources = source::read_all(file);
    let mut mistakes = Mistakes::new(&sources);
    let checked = parse_and_check(&sources, &mut mistakes);
    environment::check(&checked.paths, &mut mistakes);
    mistakes.or(checked.config)
}

/// The same, whether or not its paths can be used by whoever reads it.
pub fn read(file: &Path) -> Result<Config, Vec<Mistake>> {
    let sources = source::read_all(file);
    let mut mistakes = Mistakes::new(&sources);
    let checked = parse_and_check(&sources, &mut mistakes);
    mistakes.or(checked.config)
}

/// Checks `text` as if it were the whole of `file`, and not whether its paths can be used.
pub fn check_text(file: &Path, text: &str) -> Result<Config, Vec<Mistake>> {
    let sources = [Source::new(file, text.to_owned())];
    let mut mistakes = Mistakes::new(&sources);
    let checked = parse_and_check(&sources, &mut mistakes);
    mistakes.or(checked.config)
}

fn parse_and_check(sources: &[Source], mistakes: &mut Mistakes<'_>) -> Checked {
    let mut files = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        files.push(match &source.unreadable {
            None => parse(file, source, mistakes),
            Some(why) => {
                mistakes.tell(At { file, offset: source.text.len() }, why);
                Parsed::nothing()
            }
        });
    }
    check(files, mistakes)
}
