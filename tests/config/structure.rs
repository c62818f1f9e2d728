//! Tables and keys that there are not.

use super::check;

#[test]
fn unknown_keys_and_kinds_list_the_known_ones() {
    let listener = "known are path, instances, owner, group, mode, stream, framing, multiline";
    check(
        "[input.a.fifo]\npth = \"/x\"\nallowed = 1\n",
        &[
            &format!("2:1: unknown key \"pth\", did you mean path? {listener}"),
            &format!("3:1: unknown key \"allowed\": {listener}"),
        ],
    );
    check(
        "[agnet]\n[inputs.a.fifo]\n[stream.a]\n",
        &[
            "1:2: unknown key \"agnet\", did you mean agent? known are agent, defaults, input, \
             stream",
            "2:2: unknown key \"inputs\", did you mean input? known are agent, defaults, input, \
             stream",
        ],
    );
    let one_kind = "an input has exactly one kind: write [input.NAME.KIND] with unix-stream, \
                    unix-datagram, unix-seqpacket, fifo, stdin or systemd for KIND";
    check(
        "[input.a.unix-strem]\nstream = \"b\"\n[stream.b]\n[input.c]\npath = \"/x\"\n[input.d]\n\
         [input.e]\npath = \"/x\"\nmode = \"0600\"\n[input.f.fifo]\npath = \"/f\"\n\
         [input.f.stdin]\n",
        &[
            "1:10: unknown kind of input \"unix-strem\", did you mean unix-stream? known are \
             unix-stream, unix-datagram, unix-seqpacket, fifo, stdin, systemd",
            &format!("5:1: \"path\" is no kind of input: {one_kind}"),
            &format!("6:1: {one_kind}"),
            &format!("7:1: {one_kind}"),
            &format!("10:8: {one_kind}"),
        ],
    );
    check(
        "agent = 1\nstream = \"x\"\n[[input.a.fifo]]\n[input]\nb = \"fifo\"\n",
        &[
            "1:9: expected a table, found integer 1",
            "2:10: expected a table, found string \"x\"",
            "3:1: expected a table, found an array",
            &format!("5:5: {one_kind}"),
        ],
    );
}

#[test]
fn kinds_are_recognised_by_other_names_they_go_by() {
    for (other, meant) in [
        ("unix_stream", "unix-stream"),
        ("stream", "unix-stream"),
        ("unix", "unix-stream"),
        ("unix-dgram", "unix-datagram"),
        ("unix_dgram", "unix-datagram"),
        ("datagram", "unix-datagram"),
        ("seqpacket", "unix-seqpacket"),
        ("unix-seq-packet", "unix-seqpacket"),
        ("pipe", "fifo"),
        ("named-pipe", "fifo"),
        ("std-in", "stdin"),
        ("socket-activation", "systemd"),
    ] {
        let told = format!(
            "1:10: unknown kind of input \"{other}\", did you mean {meant}? known are \
             unix-stream, unix-datagram, unix-seqpacket, fifo, stdin, systemd"
        );
        check(&format!("[input.x.{other}]\n"), &[&told]);
    }
}

#[test]
fn a_key_that_only_other_kinds_have_says_why() {
    let refused = "nobody connects to this kind of input, so nobody can be refused: remove allow";
    let one = "nobody connects to this kind of input, so all that it reads goes to one stream: \
               remove client-names-stream";
    for kind in ["fifo", "unix-datagram"] {
        check(
            &format!(
                "[input.x.{kind}]\npath = \"/x\"\nclient-names-stream = true\n\
                 [input.x.{kind}.allow]\nuid = 0\n"
            ),
            &[&format!("3:1: {one}"), &format!("4:{}: {refused}", 11 + kind.len())],
        );
    }
    let there = "the standard input is there already and has neither path nor owner: remove this";
    check(
        "[input.x.stdin]\nallow = {}\nclient-names-stream = false\npath = \"/x\"\n",
        &[&format!("2:1: {refused}"), &format!("3:1: {one}"), &format!("4:1: {there}")],
    );
    let opens = |what: &str, key: &str| {
        format!("systemd opens it: write {what} in the socket's unit, and remove {key}")
    };
    check(
        "[input.x.systemd]\npath = \"/x\"\nowner = 1\ngroup = 1\nmode = \"0600\"\nfdname = \"y\"\n",
        &[
            &format!("2:1: {}", opens("ListenStream= or another Listen…=", "path")),
            &format!("3:1: {}", opens("SocketUser=", "owner")),
            &format!("4:1: {}", opens("SocketGroup=", "group")),
            &format!("5:1: {}", opens("SocketMode=", "mode")),
            "6:1: unknown key \"fdname\", did you mean name? known are name, stream, framing, \
             multiline, allow, client-names-stream",
        ],
    );
}
