//! A service of four instances behind HAProxy, as people run one: all their lines in one file, while
//! instances crash, restart and reload, logrotate rotates, and the agent is restarted, killed, replaced.

mod log;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use log::{Answer, Log, check_haproxy};

use crate::support::{Installed, Place, scale, wait_until, whole_machine};

const CONFIGURATION: &str = r#"
[input.units.systemd]
stream = "{unit.prefix}"
allow = { unit = ["myapp@*.service"] }

[stream.myapp]
format = "stamped"
prefix = "{unit.instance} "

[input.haproxy.unix-stream]
path = "/run/logagent/haproxy.sock"
mode = "0666"
framing = "octet-counting"
"#;

const TARGET: &str = "
[Unit]
Wants=myapp@1.service myapp@2.service myapp@3.service myapp@4.service
";

const APP: &str = "
[Unit]
PartOf=myapp.target
StartLimitIntervalSec=0
[Service]
User=nobody
ExecStart=/usr/bin/node /place/server.js %i
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=100ms
LimitCORE=0
";

/// It logs over a connection: a ring keeps what the agent does not take at once. With several threads
/// HAProxy 2.6 may leave a ring's last record where it is until the next one comes.
const HAPROXY: &str = "
global
  nbthread 1
  user haproxy
  group haproxy
ring agent
  format raw
  maxlen 1200
  size 1048576
  timeout connect 10s
  timeout server 10s
  server agent unix@/run/logagent/haproxy.sock log-proto octet-count
defaults
  mode http
  log ring@agent format raw local0
  log-format \"request %HP of %s: %ST\"
  timeout client 60s
  timeout connect 1s
  timeout server 60s
  option redispatch
frontend web
  bind unix@/place/http.sock mode 666
  default_backend myapp
backend myapp
  default-server check inter 50ms fall 1 rise 1
  server myapp1 127.0.0.1:8001
  server myapp2 127.0.0.1:8002
  server myapp3 127.0.0.1:8003
  server myapp4 127.0.0.1:8004
";

const INSTANCES: std::ops::RangeInclusive<usize> = 1..=4;

/// Clients that ask HAProxy, one request after another.
struct Requests {
    socket: PathBuf,
    asked: AtomicU64,
    answers: Mutex<Vec<Answer>>,
    end: AtomicBool,
}

impl Requests {
    /// Has clients ask until `work` is done.
    fn during(&self, work: impl FnOnce()) {
        std::thread::scope(|scope| {
            // However the work ends, the clients do too.
            let _end = SetAtEnd(&self.end);
            for _ in 0..4 {
                scope.spawn(|| {
                    while !self.end.load(Ordering::Relaxed) {
                        let number = self.asked.fetch_add(1, Ordering::Relaxed);
                        let answer = self.ask(&number.to_string());
                        self.answers.lock().unwrap().extend(answer);
                    }
                });
            }
            work();
        });
    }

    /// What an instance has answered; none where HAProxy had to say that it has none.
    fn ask(&self, path: &str) -> Option<Answer> {
        let mut connection = UnixStream::connect(&self.socket).unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        if !head.starts_with("HTTP/1.1 200") {
            assert!(head.starts_with("HTTP/1.1 50"), "{response}");
            return None;
        }
        let [instance, life, line] = body.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{response}")
        };
        let (instance, life) = (instance.to_owned(), life.to_owned());
        Some(Answer { instance, life, line: line.parse().unwrap() })
    }

    /// Waits until every instance has answered some more.
    #[track_caller]
    fn go_on(&self) {
        let before = self.answers.lock().unwrap().len();
        wait_until("every instance answers", || {
            let answers = self.answers.lock().unwrap();
            INSTANCES.into_iter().all(|instance| {
                let instance = instance.to_string();
                answers[before..].iter().filter(|answer| answer.instance == instance).count() >= 10
            })
        });
    }

    /// Waits until another life of an instance has answered.
    #[track_caller]
    fn wait_for_another_life(&self, systemd: &Installed<'_>, instance: usize, work: impl FnOnce()) {
        let unit = format!("myapp@{instance}.service");
        let before = systemd.show(&unit, "InvocationID");
        work();
        wait_until("another life", || {
            let answers = self.answers.lock().unwrap();
            let last = answers.iter().rev().find(|it| it.instance == instance.to_string());
            last.is_some_and(|answer| answer.life != before)
        });
    }
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn kill(systemd: &Installed<'_>, instance: usize, signal: &str) {
    let (signal, unit) = (format!("--signal={signal}"), format!("myapp@{instance}.service"));
    systemd.systemctl(&["kill", "--kill-whom=main", &signal, &unit]);
}

/// Everything that happens to such a service, one after another.
fn live(systemd: &Installed<'_>, requests: &Requests) {
    requests.go_on();
    // It crashes in the middle of a request, is killed, restarted, reloaded.
    let restarts = || INSTANCES.map(|it| systemd.show(&format!("myapp@{it}"), "NRestarts"));
    let before: Vec<_> = restarts().collect();
    assert!(requests.ask("abort").is_none());
    wait_until("it is started again", || restarts().collect::<Vec<_>>() != before);
    requests.go_on();
    requests.wait_for_another_life(systemd, 2, || kill(systemd, 2, "KILL"));
    requests.wait_for_another_life(systemd, 3, || {
        systemd.systemctl(&["restart", "myapp@3"]);
    });
    systemd.systemctl(&["reload", "myapp@4"]);
    requests.go_on();
    systemd.restart_agent();
    requests.go_on();
    systemd.crash_agent();
    requests.go_on();
    systemd.upgrade_agent();
    requests.go_on();
    systemd.systemctl(&["reload", "logagent.service"]);
    requests.go_on();
    // Both at once.
    requests.wait_for_another_life(systemd, 1, || {
        systemd.systemctl(&["restart", "--no-block", "myapp.target"]);
        systemd.restart_agent();
    });
    requests.go_on();
}

#[test]
fn a_service_behind_haproxy_has_every_line_marked_in_one_log_whatever_becomes_of_it_and_the_agent()
{
    let _machine = whole_machine();
    let place = Place::new();
    place.write("server.js", include_str!("data/server.js"));
    let systemd = Installed::boot(&place, CONFIGURATION);
    systemd.write_inside("/etc/systemd/system/myapp.target", TARGET);
    systemd.write_inside("/etc/systemd/system/myapp@.service", APP);
    systemd.write_inside("/etc/haproxy/haproxy.cfg", HAPROXY);
    systemd.send_output_of("myapp@.service");
    systemd.systemctl(&["daemon-reload"]);
    let agent = systemd.start_agent();
    systemd.rotate_every(scale(Duration::from_millis(500), Duration::from_secs(2)));
    systemd.systemctl(&["start", "myapp.target", "haproxy.service"]);

    let requests = Requests {
        socket: place.path("http.sock"),
        asked: AtomicU64::new(0),
        answers: Mutex::default(),
        end: AtomicBool::new(false),
    };
    let rounds = scale(1, 20);
    requests.during(|| {
        for _ in 0..rounds {
            live(&systemd, &requests);
        }
    });
    systemd.systemctl(&["stop", "myapp.target", "myapp@1", "myapp@2", "myapp@3", "myapp@4"]);
    systemd.systemctl(&["stop", "haproxy.service"]);
    systemd.finish(&agent, &["units", "haproxy"]);

    let mut log = Log::read(&systemd.files_of("myapp"));
    let answers = requests.answers.into_inner().unwrap();
    log.expect(&answers);
    let (lost, asked) = (log.lost(), requests.asked.into_inner());
    let (haproxy_lost, haproxy_told) = check_haproxy(&systemd.files_of("haproxy"), asked);
    eprintln!(
        "{asked} requests, {} answers, {} lives, {} files: {lost} lines lost, {} told; of HAProxy's \
         {haproxy_lost}, {haproxy_told} told",
        answers.len(),
        log.lives(),
        systemd.files_of("myapp").len(),
        log.told,
    );
    let whole = |line: &String| line.contains(" request /") || line.ends_with("lines");
    assert!(!log.others.iter().any(whole), "mixed: {:#?}", log.others);
    assert!(lost <= log.told && haproxy_lost <= haproxy_told);
    // Those that ended by themselves: one that was restarted, four with their target, four at last.
    assert!(log.ended as u64 + log.told >= 5 * rounds + 4, "{} ended", log.ended);
    assert!(log.reloaded as u64 + log.told >= rounds, "{} reloaded", log.reloaded);
    // Of each round: an abort, a kill, and those that ended.
    assert!(log.lives() >= 7 * rounds + 4);
}
