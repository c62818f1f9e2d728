//! The configuration's files on disk, through the library: `conf.d`, unreadable files, and what
//! stands at the paths that a configuration names.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use logagent::config::{Config, load};
use logagent::limits::CONFIGURATION_BYTES_MAX;
use logagent::writer::SyncPolicy;
use nix::sys::stat::Mode;
use nix::unistd::{Uid, geteuid, mkfifo, setfsuid};

/// A directory of its own, with a main file that keeps all of the agent's paths in it.
struct Files(tempfile::TempDir);

impl Files {
    /// `main` begins in line 4 of `logagent.toml`; in it `ROOT` stands for the directory.
    fn new(main: &str) -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        let own = "agent.pid-file = \"ROOT/pid\"\nagent.control = \"ROOT/control\"\n\
                   defaults.dir = \"ROOT/log\"\n";
        files.write("logagent.toml", &format!("{own}{main}"));
        files
    }

    fn root(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("ROOT", &self.root().display().to_string())).unwrap();
    }

    fn load(&self) -> Result<Config, Vec<String>> {
        let told = load(&self.root().join("logagent.toml"));
        let root = self.root().display().to_string();
        told.map_err(|told| told.iter().map(|m| m.to_string().replace(&root, "ROOT")).collect())
    }

    #[track_caller]
    fn check(&self, expected: &[&str]) {
        assert_eq!(self.load().err().unwrap_or_default(), expected);
    }
}

#[test]
fn files_in_conf_d_are_read_in_the_order_of_their_names() {
    let files = Files::new("[input.a.fifo]\npath = \"ROOT/a\"\n");
    files.write("conf.d/20-b.toml", "[input.b.fifo]\npath = \"ROOT/b\"\n");
    files.write("conf.d/10-c.toml", "[stream.b]\nsync = \"reopen\"\n");
    for ignored in [".hidden.toml", "x.toml~", "x.toml.bak", "x.toml.dpkg-new", "README"] {
        files.write(&format!("conf.d/{ignored}"), "not read");
    }
    let config = files.load().unwrap();
    assert_eq!(config.inputs.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.streams[&"b".parse().unwrap()].writer.sync, SyncPolicy::Reopen);
}

#[test]
fn the_mistakes_of_all_files_are_told_at_once() {
    let files = Files::new("[input.a.fifo]\npath = \"ROOT/a\"\n");
    files.write("conf.d/10-c.toml", "[agent]\n[defaults]\nmode = 640\n[stream.c]\n");
    files.write(
        "conf.d/20-b.toml",
        "[input.a.fifo]\npath = \"ROOT/other\"\n[input.b.fifo]\npath = \"ROOT/a\"\n",
    );
    fs::write(files.root().join("conf.d/30-d.toml"), b"# \xc3\xa4\n\xc3\xa4 \xff").unwrap();
    fs::create_dir(files.root().join("conf.d/40-e.toml")).unwrap();
    files.check(&[
        "ROOT/conf.d/10-c.toml:1:1: [agent] stands in the main file alone: write it in \
         ROOT/logagent.toml",
        "ROOT/conf.d/10-c.toml:2:1: [defaults] stands in the main file alone: write it in \
         ROOT/logagent.toml",
        "ROOT/conf.d/20-b.toml:1:8: [input.a] stands in ROOT/logagent.toml:4 already: give this \
         one another name, or remove it",
        "ROOT/conf.d/20-b.toml:4:8: ROOT/a is the FIFO of input \"a\" (ROOT/logagent.toml:5): \
         give the FIFO of input \"b\" another path",
        "ROOT/conf.d/30-d.toml:2:3: from here on this is not UTF-8: save the file as UTF-8",
        "ROOT/conf.d/40-e.toml:1:1: this is no regular file: remove it, or give it a name \
         without .toml",
    ]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_that_says_what_to_do() {
    let told = load(Path::new("/nonexistent/logagent.toml")).unwrap_err();
    let told: Vec<String> = told.iter().map(|mistake| mistake.to_string()).collect();
    let expected = "/nonexistent/logagent.toml:1:1: cannot read this file (No such file or \
                    directory (os error 2)): write it, or name another file with -c";
    assert_eq!(told, [expected]);

    let files = Files::new("");
    files.write("logagent.toml", &"#".repeat(CONFIGURATION_BYTES_MAX + 1));
    files.check(&["ROOT/logagent.toml:1:1: this file is over 4MiB, too large for a \
                   configuration: name another"]);
    files.write("conf.d", "");
    files.write("logagent.toml", "[input.a.stdin]\n");
    let told = files.load().unwrap_err();
    assert!(told[0].starts_with("ROOT/conf.d:1:1: cannot list this directory"), "{told:?}");
}

#[test]
fn what_stands_at_a_path_must_suit() {
    let files = Files::new(
        "[input.a.fifo]\npath = \"ROOT/a\"\n[input.b.unix-stream]\npath = \"ROOT/b\"\n\
         [stream.a]\nfile = \"ROOT/a.log\"\n[stream.b]\nfile = \"ROOT/file/b.log\"\n",
    );
    files.write("file", "");
    let root = files.root();
    let in_file = "ROOT/logagent.toml:11:8: a part of ROOT/file/b.log is no directory: give the \
                   file of stream \"b\" another path";
    files.check(&[in_file]);

    // What may be there already.
    mkfifo(&root.join("a"), Mode::S_IRWXU).unwrap();
    let _stale = UnixListener::bind(root.join("b")).unwrap();
    let _control = UnixListener::bind(root.join("control")).unwrap();
    for file in ["pid", "a.log"] {
        files.write(file, "");
    }
    files.check(&[in_file]);
    fs::remove_file(root.join("b")).unwrap();
    fs::remove_file(root.join("a")).unwrap();
    files.write("b", "a unit was here before its socket");
    files.write("a", "and PM2 before its FIFO");
    files.check(&[in_file]);

    // What may not.
    for file in ["a", "b", "control", "pid", "a.log"] {
        fs::remove_file(root.join(file)).unwrap();
    }
    fs::create_dir(root.join("a")).unwrap();
    files.write("control", "");
    symlink("file", root.join("b")).unwrap();
    fs::create_dir(root.join("pid")).unwrap();
    mkfifo(&root.join("a.log"), Mode::S_IRWXU).unwrap();
    let told = |place: &str, is: &str| {
        format!("ROOT/logagent.toml:{place}: ROOT/{is}: remove it, or give another path")
    };
    files.check(&[
        &told("1:18", "pid is a directory, and the pid file is a regular file"),
        &told("2:17", "control is a regular file, and the control socket is a socket"),
        &told("5:8", "a is a directory, and the FIFO of input \"a\" is a FIFO"),
        &told("7:8", "b is a symbolic link, and the socket of input \"b\" is a socket"),
        &told(
            "9:8",
            "a.log is a FIFO, and the file of stream \"a\" is a regular file or a character device",
        ),
        in_file,
    ]);
}

#[test]
fn sockets_of_every_kind_are_looked_at_and_those_of_systemd_are_not() {
    let files = Files::new(
        "[input.a.unix-datagram]\npath = \"ROOT/a\"\n[input.b.unix-seqpacket]\n\
         path = \"ROOT/b\"\n[input.c.systemd]\nname = \"a\"\n",
    );
    files.check(&[]);
    let _stale = UnixDatagram::bind(files.root().join("a")).unwrap();
    files.write("b", "a unit was here before its socket");
    files.check(&[]);
    fs::remove_file(files.root().join("b")).unwrap();
    fs::create_dir(files.root().join("b")).unwrap();
    files.check(&[
        "ROOT/logagent.toml:7:8: ROOT/b is a directory, and the socket of input \"b\" is \
                   a socket: remove it, or give another path",
    ]);
}

#[test]
fn the_directory_of_streams_that_clients_make_must_be_one() {
    let own = "agent.pid-file = \"\"\nagent.control = \"\"\n";
    let files = Files::new("");
    let write = |dir: &str, stream: &str| {
        let input = format!("[input.a.systemd]\nstream = \"{stream}\"\n");
        files.write("logagent.toml", &format!("{own}defaults.dir = \"ROOT/{dir}\"\n{input}"));
    };
    let what = "the directory of the streams that clients make";
    write("new/log", "{unit}");
    files.check(&[]);
    symlink("new", files.root().join("link")).unwrap();
    fs::create_dir(files.root().join("new")).unwrap();
    write("link", "{unit}");
    files.check(&[]);
    files.write("file", "");
    write("file", "{unit}");
    files.check(&[&format!(
        "ROOT/logagent.toml:3:16: ROOT/file is a regular file, and {what} is a directory: remove \
         it, or give another path"
    )]);
    write("file/log", "{unit}");
    files.check(&[&format!(
        "ROOT/logagent.toml:3:16: a part of ROOT/file/log is no directory: give {what} another path"
    )]);
    // Only where there are such streams.
    write("new/x/y", "a");
    files.check(&[]);
    fs::set_permissions(files.root().join("new"), PermissionsExt::from_mode(0o555)).unwrap();
    for dir in ["new", "new/x/y"] {
        write(dir, "{unit}");
        let told = as_nobody(|| files.load().unwrap_err());
        let user = geteuid();
        let expected = format!(
            "ROOT/logagent.toml:3:16: user {user} may not make files in ROOT/new: change its owner \
             or mode, or give {what} another path"
        );
        assert_eq!(told, [expected]);
    }
}

#[test]
fn hard_links_of_one_file_are_one_file() {
    let files = Files::new(
        "[input.a.stdin]\n[input.b.fifo]\npath = \"ROOT/b\"\n[stream.a]\n\
         file = \"ROOT/a.log\"\n[stream.b]\nfile = \"ROOT/b.log\"\n",
    );
    files.check(&[]);
    files.write("a.log", "");
    fs::hard_link(files.root().join("a.log"), files.root().join("b.log")).unwrap();
    files.check(&["ROOT/logagent.toml:10:8: ROOT/b.log is the same as ROOT/a.log, which is the \
                   file of stream \"a\" (line 8): give the file of stream \"b\" another path"]);
}

#[test]
fn directories_that_are_not_writable_are_told() {
    let files = Files::new(
        "[input.a.fifo]\npath = \"ROOT/a\"\n[input.b.unix-stream]\npath = \"ROOT/run/b\"\n\
         [input.c.stdin]\n[stream.a]\nfile = \"ROOT/a.log\"\n\
         [input.d.fifo]\npath = \"ROOT/closed/d\"\n",
    );
    fs::create_dir(files.root().join("closed")).unwrap();
    files.check(&[]);
    files.write("a.log", "");
    let mode = |path: PathBuf, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    mode(files.root().join("a.log"), 0o444).unwrap();
    mode(files.root().join("closed"), 0).unwrap();
    mode(files.root(), 0o555).unwrap();
    let told = as_nobody(|| files.load().unwrap_err());
    mode(files.root(), 0o755).unwrap();
    let expected = [
        ("1:18", "make files in ROOT", "the pid file"),
        ("2:17", "make files in ROOT", "the control socket"),
        ("5:8", "make files in ROOT", "the FIFO of input \"a\""),
        ("6:8", "make files in ROOT", "the file of stream \"b\""),
        ("7:8", "make files in ROOT", "the socket of input \"b\""),
        ("8:8", "make files in ROOT", "the file of stream \"c\""),
        ("10:8", "write to ROOT/a.log", "the file of stream \"a\""),
        ("11:8", "make files in ROOT", "the file of stream \"d\""),
    ];
    let mut expected = expected
        .map(|(place, doing, what)| {
            format!(
                "ROOT/logagent.toml:{place}: user {} may not {doing}: change its owner or mode, or \
             give {what} another path",
                geteuid()
            )
        })
        .to_vec();
    expected.push(format!(
        "ROOT/logagent.toml:12:8: user {} may not search the directories of ROOT/closed/d: change \
         their mode, or give the FIFO of input \"d\" another path",
        geteuid()
    ));
    assert_eq!(told, expected);
}

/// Runs `work` in a thread that has no rights over other users' files, whoever runs the test: the
/// file system's user id is each thread's own (setfsuid(2)).
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if geteuid().is_root() {
                setfsuid(Uid::from_raw(65534));
            }
            work()
        });
        thread.join().unwrap()
    })
}
