//! A shell completes what there is.

use std::process::Command;

use clap_complete::{Shell, generate};

use super::run;

/// What bash offers for words, the last of which is to be completed.
fn offered(words: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("logagent.bash");
    let mut text = Vec::new();
    generate(Shell::Bash, &mut logagent::cli::definitions(), "logagent", &mut text);
    std::fs::write(&script, text).unwrap();
    let ask = "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
               _logagent logagent \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[*]}\"";
    let output = run(Command::new("bash").args(["--norc", "-c", ask]).arg(&script).args(words));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(offered(&["logagent", "reo"]), "reopen");
    assert_eq!(offered(&["logagent", "status", "--pro"]), "--prometheus");
    assert_eq!(offered(&["logagent", "print", "con"]), "config");
    assert_eq!(offered(&["logagent", "--rotate-s"]), "--rotate-size");
}

#[test]
fn zsh_and_fish_know_every_command() {
    for shell in [Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        generate(shell, &mut logagent::cli::definitions(), "logagent", &mut text);
        let text = String::from_utf8(text).unwrap();
        for command in logagent::cli::definitions().get_subcommands() {
            assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}
