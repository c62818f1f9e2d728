//! Writes what is made from the program's own definitions, for packages:
//!
//! - `manuals DIRECTORY`: the manual pages and shell completions,
//! - `manuals --picture FILE`: the picture of the data path.
//!
//! `cargo run --example manuals -- target/manuals` for example.

mod manual;
mod picture;

use std::path::Path;
use std::{env, fs, io};

use clap_complete::{Shell, generate_to};

const CHANGELOG: &str = include_str!("../../CHANGELOG.md");

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--picture", file] => {
            fs::write(file, picture::picture(picture::TEXT).map_err(io::Error::other)?)
        }
        [directory] if !directory.starts_with('-') => write_all(Path::new(directory)),
        _ => Err(io::Error::other("write manuals DIRECTORY, or manuals --picture FILE")),
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let date = manual::page_date(env::var("SOURCE_DATE_EPOCH").ok().as_deref(), CHANGELOG);
    for page in manual::pages(&date).map_err(io::Error::other)? {
        fs::write(directory.join(page.file), page.text)?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut logagent::cli::definitions(), "logagent", directory)?;
    }
    Ok(())
}
