//! The socket files and FIFOs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{NOBODY, Place, scale, wait_until};

const WEB: &str = "[input.web.unix-stream]\npath = \"@/web.sock\"\n";

#[track_caller]
fn assert_takes_a_line(place: &Place, agent: &crate::support::Agent) {
    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
}

#[test]
fn a_socket_and_a_fifo_have_the_owner_group_and_mode_that_are_configured() {
    let place = Place::new();
    let agent = place.start(
        "[input.web.unix-stream]\npath = \"@/web.sock\"\n\
         owner = \"nobody\"\ngroup = \"65534\"\nmode = \"0622\"\n\
         [input.fifo.fifo]\npath = \"@/fifo\"\nowner = \"65534\"\nmode = \"0620\"\n\
         [input.default.unix-stream]\npath = \"@/default.sock\"\n",
    );
    let owner_and_mode = |name: &str| {
        let file = fs::metadata(place.path(name)).unwrap();
        (file.uid(), file.gid(), file.permissions().mode() & 0o7777)
    };
    let own = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    assert_eq!(owner_and_mode("web.sock"), (NOBODY, NOBODY, 0o622));
    assert_eq!(owner_and_mode("fifo"), (NOBODY, own.1, 0o620));
    assert_eq!(owner_and_mode("default.sock"), (own.0, own.1, 0o660));
    assert_eq!(owner_and_mode("control.sock"), (own.0, own.1, 0o600));
    agent.stop();
}

#[test]
fn nobody_can_connect_before_the_mode_is_in_force() {
    let place = Place::new();
    place.configure(&format!("{WEB}mode = \"0600\"\n"));
    for _ in 0..scale(10, 100) {
        let mut command = place.command_under(&["sh", "-c", "umask 0; exec \"$0\" \"$@\""]);
        command.arg("-c").arg(place.path("agent.toml"));
        let agent = place.spawn(command);
        wait_until("it is up", || {
            for _ in 0..1000 {
                let socket = fs::metadata(place.path("web.sock"));
                let mode = socket.map_or(0, |socket| socket.permissions().mode());
                assert_eq!(mode & 0o077, 0, "open to others for a moment");
            }
            place.path("agent.pid").exists()
        });
        agent.stop();
        fs::remove_file(place.path("web.sock")).unwrap();
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let place = Place::new();
    drop(UnixListener::bind(place.path("web.sock")).unwrap());
    let agent = place.start(WEB);
    assert_takes_a_line(&place, &agent);
    agent.stop();
}

#[test]
fn a_socket_on_which_another_program_listens_is_refused_and_left_alone() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path("web.sock")).unwrap();
    place.configure(WEB);
    let mut agent = place.spawn(place.daemon());
    assert_eq!(agent.wait(), 71, "{}", agent.messages());
    agent.wait_for_message(&["web.sock"]);
    let client = UnixStream::connect(place.path("web.sock")).unwrap();
    drop((listener, client));
}

#[test]
fn a_regular_file_found_at_a_sockets_path_is_kept_and_its_lines_taken_in() {
    let place = Place::new();
    // As systemd leaves it when a unit starts before the agent: something still writes to it.
    fs::write(place.path("web.sock"), "early\nlines\nand a last").unwrap();
    let path = place.path("web.sock");
    let mut holder = Command::new("sleep")
        .arg("3600")
        .stdout(fs::OpenOptions::new().append(true).open(path).unwrap())
        .spawn()
        .unwrap();
    let agent = place.start(WEB);
    let pid = holder.id().to_string();

    agent.wait_for_lines("web", 3);
    let names = place.files("");
    let found: Vec<_> = names.iter().filter(|name| name.starts_with("web.sock.found-")).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    agent.wait_for_message(&[found[0], &pid]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(fs::read_to_string(place.path(found[0])).unwrap(), "early\nlines\nand a last");
    assert!(fs::metadata(place.path("web.sock")).unwrap().file_type().is_socket());

    UnixStream::connect(place.path("web.sock")).unwrap().write_all(b"later\n").unwrap();
    agent.wait_for_lines("web", 4);
    agent.stop();
    let text = fs::read_to_string(place.log("web")).unwrap();
    assert_eq!(text, "early\nlines\nand a last\nlater\n");

    // Taken in once.
    let agent = place.start_again();
    assert_takes_a_line(&place, &agent);
    agent.stop();
}

/// Somebody has the file open that a FIFO's `path` names, and goes on writing to it.
#[track_caller]
fn check_found_for_fifo(place: &Place, path: &str, tells_holder: bool) {
    place.configure(&format!("[input.web.fifo]\npath = \"{path}\"\n"));
    place.write("web.fifo", "early\n");
    let hold = "exec 3>>\"$1\"; read _; echo late >&3; read _";
    let mut holder = Command::new("sh");
    holder.args(["-c", hold, "sh"]).arg(place.path("web.fifo")).stdin(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    let held = format!("/proc/{}/fd/3", holder.id());
    wait_until("it is held", || fs::read_link(&held).is_ok());

    let agent = place.start_again();
    agent.wait_for_lines("web", 1);
    let names = place.files("");
    let found = names.iter().find(|name| name.starts_with("web.fifo.found-")).unwrap();
    let pid = if tells_holder { holder.id().to_string() } else { String::new() };
    agent.wait_for_message(&[found, &pid, "pm2 reloadLogs"]);
    let mut asked = holder.stdin.take().unwrap();
    asked.write_all(b"\n").unwrap();
    agent.wait_for_lines("web", 2);
    let mut fifo = fs::OpenOptions::new().write(true).open(place.path("web.fifo")).unwrap();
    fifo.write_all(b"later\n").unwrap();
    agent.wait_for_lines("web", 3);
    drop(asked);
    holder.wait().unwrap();
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("web")).unwrap(), "early\nlate\nlater\n");
    assert_eq!(fs::read_to_string(place.path(found)).unwrap(), "early\nlate\n");
}

#[test]
fn a_regular_file_in_a_fifos_place_is_taken_in_for_as_long_as_somebody_writes_to_it() {
    check_found_for_fifo(&Place::new(), "@/web.fifo", true);
}

#[test]
fn whoever_writes_to_a_file_in_a_fifos_place_is_found_through_a_symbolic_link() {
    let place = Place::new();
    symlink(place.path(""), place.path("here")).unwrap();
    check_found_for_fifo(&place, "@/here/web.fifo", true);
}

#[test]
fn a_file_in_a_fifos_place_is_read_on_where_an_agent_may_not_see_who_writes_to_it() {
    check_found_for_fifo(&Place::of_nobody(), "@/web.fifo", false);
}

#[test]
fn anything_else_at_an_inputs_path_is_refused_and_left_alone() {
    for (input, kind) in [
        ("unix-stream", "directory"),
        ("unix-stream", "fifo"),
        ("unix-stream", "symlink"),
        ("fifo", "directory"),
        ("fifo", "socket"),
    ] {
        let place = Place::new();
        place.configure(&format!("[input.web.{input}]\npath = \"@/web.in\"\n"));
        let path = place.path("web.in");
        match kind {
            "directory" => fs::create_dir(&path).unwrap(),
            "fifo" => mkfifo(&path, Mode::S_IRWXU).unwrap(),
            "socket" => drop(UnixListener::bind(&path).unwrap()),
            _ => symlink(place.path("elsewhere"), &path).unwrap(),
        }
        let before = fs::symlink_metadata(&path).unwrap();
        let mut agent = place.spawn(place.daemon());
        assert_eq!(agent.wait(), 78, "{kind} for {input}: {}", agent.messages());
        agent.wait_for_message(&["web.in"]);
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before.ino());
    }
}

#[test]
fn a_path_that_no_socket_address_can_hold_is_a_clear_error() {
    let place = Place::new();
    let long = "x".repeat(107 - place.path("").as_os_str().len() - 1);
    let configure = |name: &str| {
        place.configure(&format!("[input.web.unix-stream]\npath = \"@/{name}\"\n"));
    };
    configure(&format!("{long}y"));
    let mut agent = place.spawn(place.daemon());
    assert_eq!(agent.wait(), 78);
    agent.wait_for_message(&["agent.toml:", "107"]);

    configure(&long);
    let agent = place.start_again();
    UnixStream::connect(place.path(&long)).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}

#[test]
fn directories_of_sockets_are_made_when_missing() {
    let place = Place::new();
    let agent = place.start("[input.web.unix-stream]\npath = \"@/made/for/web.sock\"\n");
    UnixStream::connect(place.path("made/for/web.sock")).unwrap().write_all(b"line\n").unwrap();
    agent.wait_for_lines("web", 1);
    agent.stop();
}

#[test]
fn a_fifo_that_is_there_is_used_with_what_it_holds() {
    let place = Place::new();
    mkfifo(&place.path("cron.fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let mut both =
        fs::OpenOptions::new().read(true).write(true).open(place.path("cron.fifo")).unwrap();
    both.write_all(b"before\n").unwrap();
    let agent = place.start("[input.cron.fifo]\npath = \"@/cron.fifo\"\n");
    agent.wait_for_lines("cron", 1);
    both.write_all(b"after\n").unwrap();
    agent.wait_for_lines("cron", 2);
    agent.stop();
    assert_eq!(fs::read_to_string(place.log("cron")).unwrap(), "before\nafter\n");
}
