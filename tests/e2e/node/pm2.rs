//! PM2 without a change in the app: a FIFO for each instance.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{
    Agent, Checker, Logrotate, Place, Pm2, Sent, by_output, contents, rotated, scale, wait_until,
    whole_machine,
};

/// An app `web` of four processes, whose output and errors have an input each.
pub(super) const INPUTS: &str = "
    [input.web-out.fifo]
    path = \"@/run/web-out.log\"
    instances = 16

    [input.web-error.fifo]
    path = \"@/run/web-error.log\"
    instances = 16
";

pub(super) fn ecosystem(mode: &str, env: &str) -> String {
    format!(
        "module.exports = {{
          apps: [{{
            name: 'web',
            script: './app.js',
            exec_mode: '{mode}',
            instances: 4,
            max_restarts: 10000,
            kill_timeout: 30000,
            out_file: '@/run/web-out.log',
            error_file: '@/run/web-error.log',
            env: {{ NUMBERS: '@/numbers', {env} }},
          }}],
        }};\n"
    )
}

/// Compresses at once after our own command, and after the hook as thousands have it not before the
/// next time.
fn logrotate(place: &Place, hook: &str) -> Logrotate {
    let hook = match hook {
        "reopen" => format!(
            "compress\n postrotate\n {} reopen --control @/control.sock\n endscript",
            env!("CARGO_BIN_EXE_logagent")
        ),
        _ => "compress\n delaycompress\n postrotate\n [ ! -f @/agent.pid ] || kill -USR2 $(cat \
              @/agent.pid)\n endscript"
            .to_owned(),
    };
    Logrotate::configured(
        place,
        &format!("@/log/*.log {{\n rotate 1000\n create\n sharedscripts\n{hook}\n}}\n"),
    )
}

/// Rotates every now and then until `until`.
fn rotate_until(logrotate: &Logrotate, agent: &Agent, until: Instant) {
    while Instant::now() < until {
        let inode = agent.status_of("/streams/web-out/inode");
        logrotate.rotate();
        wait_until("the next file is open", || agent.status_of("/streams/web-out/inode") != inode);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Two apps at once, so that the ids of neither are in a row; `long` has lines that are written in
/// several pieces.
#[track_caller]
fn check_under_logrotate(mode: &str, hook: &str) {
    let _machine = whole_machine();
    let place = Place::new();
    let long = "[input.long.fifo]\npath = \"@/run/long.log\"\ninstances = 8\n";
    let agent = place.start(&format!("{INPUTS}{long}"));
    let app = |name: &str, error: &str, env: &str| {
        format!(
            "{{
                name: '{name}', script: './app.js', exec_mode: '{mode}', instances: 4,
                out_file: '@/run/{name}.log', error_file: '{error}',
                env: {{ NUMBERS: '@/numbers', {env} }},
            }}"
        )
    };
    let web = app("web-out", "@/run/web-error.log", "LINES_PER_TICK: 20");
    let long = app("long", "/dev/null", "LINES_PER_TICK: 1, LONG_LINES: 'yes'");
    let pm2 = Pm2::new(&place, &format!("module.exports = {{ apps: [{web}, {long}] }};\n"));
    pm2.run(&["start", "ecosystem.config.js"]);
    wait_until("eight processes log", || pm2.begun() == 8);
    let logrotate = logrotate(&place, hook);
    rotate_until(&logrotate, &agent, Instant::now() + Duration::from_secs(scale(3, 60)));
    let (out, err) = by_output(&pm2.end());
    let is_long = |sent: &Sent| {
        fs::read_to_string(place.path(&format!("numbers/{}/app", sent.clients.start)))
            .is_ok_and(|app| app == "long")
    };
    let (long, out): (Vec<Sent>, Vec<Sent>) = out.into_iter().partition(is_long);
    let is_webs =
        |sent: &&Sent| long.iter().all(|it| it.clients.start + 50_000 != sent.clients.start);
    let err: Vec<Sent> = err.iter().filter(is_webs).cloned().collect();
    assert_eq!([out.len(), err.len(), long.len()], [4; 3]);
    for (stream, sent) in [("web-out", &out), ("web-error", &err), ("long", &long)] {
        agent.wait_for_lines(stream, sent.iter().map(|sent| sent.lines).sum());
    }
    drop(pm2);
    agent.stop();
    for (stream, sent) in [("web-out", &out), ("web-error", &err)] {
        Checker::of(&rotated(&place.log(stream))).assert_exactly(sent);
    }
    assert_long_lines(&rotated(&place.log("long")), &long);
}

/// Every line of these files is as the app has made it, there once and in its order.
#[track_caller]
fn assert_long_lines(files: &[PathBuf], sent: &[Sent]) {
    let mut next = BTreeMap::<usize, u64>::new();
    let text: Vec<String> =
        files.iter().map(|file| String::from_utf8(contents(file)).unwrap()).collect();
    for line in text.iter().flat_map(|text| text.lines()) {
        let words: Vec<&str> = line.split(' ').collect();
        let [process, number, bytes, letters] = words[..] else { panic!("torn: {line}") };
        let (process, bytes): (usize, usize) = (process.parse().unwrap(), bytes.parse().unwrap());
        let expected = next.entry(process).or_default();
        assert_eq!(number, expected.to_string(), "of process {process}");
        let letter = char::from(b'a' + u8::try_from((process as u64 + *expected) % 26).unwrap());
        assert_eq!(letters, letter.to_string().repeat(bytes), "line {number} of {process}");
        *expected += 1;
    }
    let sent = sent.iter().map(|sent| (sent.clients.start, sent.lines));
    assert_eq!(next, sent.collect());
}

#[test]
fn four_processes_of_pm2_in_cluster_mode_lose_nothing_under_logrotate() {
    check_under_logrotate("cluster", "reopen");
}

#[test]
fn four_processes_of_pm2_in_fork_mode_lose_nothing_under_logrotate() {
    check_under_logrotate("fork", "SIGUSR2");
}
