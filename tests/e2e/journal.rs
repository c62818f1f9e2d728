//! What the agent itself has to say, in a real journal.

use std::process::Output;

use crate::support::{Place, SystemdBox, wait_until};

/// As a unit is by default: its messages go to the journal.
const AGENT: &str = "
    [Service]
    Type=notify
    NotifyAccess=main
    RuntimeDirectory=logagent
    ExecStart=logagent -c @/agent.toml
    StandardError=journal
";

fn journal(booted: &SystemdBox, fields: &[&str]) -> String {
    let words = [&["journalctl", "--quiet", "--output=cat", "--unit=agent.service"], fields];
    let Output { stdout, .. } = booted.output_of(&words.concat());
    String::from_utf8(stdout).unwrap()
}

#[test]
fn messages_have_their_priority_in_the_journal_and_no_time_of_their_own() {
    let place = Place::new();
    let booted = SystemdBox::boot(&place, &[("agent.service", AGENT)]);
    booted.start_agent("[input.web.unix-stream]\npath = \"@/web.sock\"\n");
    place.write("agent.toml", "[input.web.unix-stream]\npath = 7\n");
    booted.systemctl(&["kill", "--signal=HUP", "agent.service"]);
    wait_until("the mistake is in the journal", || {
        journal(&booted, &["--priority=err..err"]).contains("agent.toml:2:8")
    });
    let told = journal(&booted, &["--priority=info..info"]);
    assert!(told.lines().any(|line| line.starts_with("started version=")), "{told}");
    assert!(!told.contains("agent.toml:2:8") && !told.contains('<'), "{told}");
}
