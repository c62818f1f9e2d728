//! The machine on which it all happens: a real systemd in a container, with PM2 and the agent.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rows::{FIFO, File, Host, Output, ROTATED_EVERY, Rotation, Row};
use crate::support::{Control, Installed, Place, node_modules, rotated};

/// What the agent reads, for every row.
const CONFIGURATION: &str = r#"
[input.units.systemd]
stream = "{unit.prefix}"

[input.clients.unix-stream]
path = "/run/logagent/logagent.sock"
client-names-stream = true

[input.app.fifo]
path = "/run/logagent/app.log"
instances = 4
"#;

/// PM2 with its workers, all of which end with it.
const PM2: &str = "
[Service]
Type=oneshot
RemainAfterExit=yes
Slice=app.slice
ExecStart=/place/pm2.sh start /place/pm2.json
KillSignal=SIGKILL
";

const CLUSTER: &str = "
[Service]
Slice=app.slice
ExecStart=/usr/bin/node /place/cluster.js
EnvironmentFile=/place/environment
";

const UNIT: &str = "
[Service]
Environment=INDEX=%i
Slice=app.slice
ExecStart=/usr/bin/node /place/app.js
EnvironmentFile=/place/environment
";

/// Where the workers' programs are, in the box.
const PROJECT: &str = "/opt/project";

const PM2_PROGRAM: &str = "#!/bin/sh
export PM2_HOME=/place/pm2 PM2_DISABLE_VERSION_CHECK=true
exec /usr/bin/node /opt/project/target/node/node_modules/pm2/bin/pm2 \"$@\"
";

pub(crate) struct Stage<'a> {
    pub(crate) place: &'a Place,
    pub(crate) systemd: Installed<'a>,
    /// The package's configuration of logrotate, often.
    rotates_agent: String,
}

impl<'a> Stage<'a> {
    pub(crate) fn boot(place: &'a Place) -> Stage<'a> {
        let modules = node_modules();
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/npm");
        let bind = |from: &Path, to: &str| format!("--bind-ro={}:{PROJECT}/{to}", from.display());
        let binds = [bind(&modules, "target/node/node_modules"), bind(&packages, "packaging/npm")];
        place.write("app.js", include_str!("app.js"));
        place.write("cluster.js", include_str!("cluster.js"));
        let program = place.write("pm2.sh", PM2_PROGRAM);
        crate::support::run(std::process::Command::new("chmod").arg("755").arg(program));
        for directory in ["plain", "notes"] {
            fs::create_dir(place.path(directory)).unwrap();
        }
        let binds = binds.each_ref().map(String::as_str);
        let systemd = Installed::boot_with(place, CONFIGURATION, &binds);
        let rotates_agent = fs::read_to_string(systemd.path("/etc/logrotate.conf")).unwrap();
        // pm2 reloadLogs is a program of Node's, which cannot run without writing code.
        let freely = "[Service]\nMemoryDenyWriteExecute=no\n";
        systemd.write_inside("/etc/systemd/system/logrotate.service.d/node.conf", freely);
        systemd.write_inside("/etc/systemd/system/pm2.service", PM2);
        systemd.write_inside("/etc/systemd/system/cluster.service", CLUSTER);
        systemd.write_inside("/etc/systemd/system/app@.service", UNIT);
        systemd.write_inside("/etc/systemd/system/filed@.service", UNIT);
        let file = "[Service]\nStandardOutput=append:/place/plain/app-%i.log\n";
        systemd.drop_in("filed@.service", file);
        systemd.send_output_of("app@.service");
        systemd.systemctl(&["daemon-reload"]);
        Stage { place, systemd, rotates_agent }
    }

    /// Starts the agent, if it is needed, and the workers, which wait for orders.
    pub(crate) fn set(&self, row: &Row) -> Option<Control> {
        self.clear();
        let agent = row.is_ours().then(|| self.systemd.start_agent());
        let environment = [
            ("DIRECTORY", "/place"),
            ("WAY", row.way),
            ("SETTINGS", row.settings),
            ("NODE_PATH", "/opt/project/target/node/node_modules"),
        ];
        let lines = environment.map(|(name, value)| format!("{name}='{value}'\n"));
        self.place.write("environment", &lines.concat());
        if let Host::Pm2 { mode, out } = row.host {
            let environment: serde_json::Map<String, serde_json::Value> = environment
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into_iter()
                .collect();
            let app = serde_json::json!({
                "name": "app",
                "script": "/place/app.js",
                "exec_mode": mode,
                "instances": 4,
                "out_file": out,
                "error_file": "/place/notes/errors",
                // Else its file has the number of the instance in its name.
                "merge_logs": out != FIFO,
                "env": environment,
            });
            self.place.write("pm2.json", &serde_json::json!({ "apps": [app] }).to_string());
        }
        self.systemd.systemctl(&[&["start"], &*units(row.host)].concat());
        agent
    }

    /// Ends the workers, and the agent once everything is written.
    pub(crate) fn strike(&self, row: &Row, agent: Option<&Control>) {
        self.systemd.systemctl(&[&["stop"], &*units(row.host)].concat());
        if let Some(agent) = agent {
            self.systemd.finish(agent, &["units", "clients"]);
        }
    }

    fn clear(&self) {
        for directory in ["plain", "notes", "log"] {
            for name in self.place.files(directory) {
                fs::remove_file(self.place.path(directory).join(name)).unwrap();
            }
        }
        let pm2 = self.place.path("pm2");
        if pm2.exists() {
            fs::remove_dir_all(pm2).unwrap();
        }
    }

    /// From now on logrotate rotates.
    pub(crate) fn rotate(&self, row: &Row) {
        let text = match row.rotation {
            Rotation::None => return,
            Rotation::Agent => self.rotates_agent.clone(),
            Rotation::Logrotate(how) => format!(
                "/place/plain/app.log {{\nsize 1\nrotate 1000\nmissingok\nnotifempty\n{how}\n}}\n"
            ),
        };
        self.systemd.write_inside("/etc/logrotate.conf", &text);
        self.systemd.rotate_every(ROTATED_EVERY);
    }

    /// Where the lines are that have reached a file, in the order in which they did.
    pub(crate) fn files(&self, row: &Row) -> Vec<PathBuf> {
        match row.file {
            File::Shared => rotated(&self.place.path("plain/app.log")),
            File::OfEach => {
                (0..4).map(|index| self.place.path(&format!("plain/app-{index}.log"))).collect()
            }
            File::Agent(_) => rotated(&self.place.log("app")),
        }
        .into_iter()
        .filter(|file| file.exists())
        .collect()
    }

    /// How much stands in them.
    pub(crate) fn bytes(&self, row: &Row) -> u64 {
        let bytes = |file: &PathBuf| fs::metadata(file).map_or(0, |metadata| metadata.len());
        self.files(row).iter().map(bytes).sum()
    }

    /// The processor time of the workers, of whoever starts them, and of the agent, in seconds.
    pub(crate) fn seconds(&self, row: &Row) -> f64 {
        let seconds = |unit: &str| {
            let nanoseconds = self.systemd.show(unit, "CPUUsageNSec");
            nanoseconds.parse::<u64>().unwrap_or_else(|_| panic!("{unit}: {nanoseconds}")) as f64
                / 1e9
        };
        let agent = if row.is_ours() { seconds("logagent.service") } else { 0.0 };
        seconds("app.slice") + agent
    }
}

fn units(host: Host) -> Vec<&'static str> {
    match host {
        Host::Pm2 { .. } => vec!["pm2.service"],
        Host::Cluster => vec!["cluster.service"],
        Host::Units(Output::File) => vec!["filed@0", "filed@1", "filed@2", "filed@3"],
        Host::Units(Output::Agent) => vec!["app@0", "app@1", "app@2", "app@3"],
    }
}
