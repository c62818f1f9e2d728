//! What tables and keys demand of each other.

use logagent::limits;

use super::{INPUT, check, check_stream};

#[test]
fn keys_that_contradict_each_other_are_told() {
    let no_prefix = "the format raw has no prefix: write format = \"stamped\", or remove prefix";
    check_stream("prefix = \"x\"", &[&format!("4:10: {no_prefix}")]);
    check_stream("prefix = \"x\"\nformat = \"raw\"", &[&format!("4:10: {no_prefix}")]);
    check_stream("prefix = \"x\"\nformat = \"stamped\"", &[]);
    let both = format!("[defaults]\nformat = \"raw\"\nprefix = \"x\"\n{INPUT}");
    check(&both, &[&format!("3:10: {no_prefix}")]);
    check(&format!("[defaults]\nprefix = \"x\"\nfields = []\n{INPUT}"), &[]);
    let no_fields = "the format stamped has no fields: write format = \"json\", or remove fields";
    check_stream("format = \"stamped\"\nfields = []", &[&format!("5:10: {no_fields}")]);
    check_stream("format = \"json\"\nfields = []", &[]);
    check_stream(
        "format = \"cri\"\nfields = []\nprefix = \"\"",
        &[
            &format!("5:10: {}", no_fields.replace("stamped", "cri")),
            &format!("6:10: {}", no_prefix.replace("raw", "cri")),
        ],
    );
    // A format that is wrong may have been meant to have either.
    check_stream(
        "format = \"x\"\nfields = []\nprefix = \"\"",
        &["4:10: unknown format \"x\": write \"raw\" or \"stamped\" or \"json\" or \"cri\""],
    );

    let small = |queue, line, least| {
        format!(
            "a queue of {queue} is too small for lines of {line}, it must hold two: \
             write queue = \"{least}\" or more"
        )
    };
    check_stream("queue = \"1MiB\"", &[&format!("4:9: {}", small("1MiB", "1MiB", "2MiB"))]);
    check_stream("max-line = \"4MiB\"", &[&format!("4:12: {}", small("4MiB", "4MiB", "8MiB"))]);
    check_stream("max-line = \"4MiB\"\nqueue = \"8MiB\"", &[]);
    let told = format!("2:9: {}", small("8KiB", "1MiB", "2MiB"));
    check(&format!("[defaults]\nqueue = \"8KiB\"\n{INPUT}"), &[&told]);
    check(
        &format!("[defaults]\nqueue = \"8KiB\"\n{INPUT}[stream.web]\nmax-line = \"4KiB\"\n"),
        &[&told],
    );
}

#[test]
fn streams_and_inputs_must_meet() {
    let remove = "in an input, or remove this table";
    let name_rule = "a stream's name has only letters, digits, `.`, `_`, `-` and `@`";
    let no_input = "1:1: there is no input, so no line would ever arrive: write one, such as the \
                    two lines [input.web.unix-stream] and path = \"/run/logagent/web.sock\"";
    check("", &[no_input]);
    check(
        "[stream.x]\n",
        &[no_input, &format!("1:9: no input feeds stream \"x\": write stream = \"x\" {remove}")],
    );
    check(
        "[input.web.stdin]\n[stream.weeb]\n[stream.other]\n[stream.\"a/b\"]\n[input.\"a b\".fifo]\n\
         path = \"/x\"\nstream = \"x\"\n",
        &[
            "2:9: no input feeds stream \"weeb\", did you mean [stream.web]?",
            &format!("3:9: no input feeds stream \"other\": write stream = \"other\" {remove}"),
            &format!("4:9: {name_rule}, not '/'"),
            &format!("5:8: an input is named as a stream is, and {name_rule}, not ' '"),
        ],
    );
    check(
        "[input.a.stdin]\nstream = \".x\"\n",
        &["2:10: \".x\" is no stream's name: a stream's name may not begin with a dot"],
    );
    check(
        "[input.a.stdin]\nstream = \"{untit}\"\n",
        &["2:10: unknown placeholder {untit}, did you mean {unit}? known are {unit}, \
           {unit.prefix}, {unit.instance}, {uid}, {user}, {comm}"],
    );
    check(
        "[input.a.stdin]\n[input.b.stdin]\n",
        &["2:8: the standard input is read by the input of line 1: remove one of them"],
    );
    check(
        "[input.a.fifo]\n[input.b.unix-stream]\n",
        &[
            "1:1: this input has no path: write path = \"/run/logagent/a.fifo\"",
            "2:1: this input has no path: write path = \"/run/logagent/b.sock\"",
        ],
    );
    check(
        "[agent]\nmax-streams = 1\n[input.a.stdin]\n[input.b.fifo]\npath = \"/b\"\n",
        &["2:15: there are 2 streams, and max-streams is 1: write max-streams = 2 or more in \
           [agent]"],
    );
}

#[test]
fn every_path_has_one_use() {
    check(
        "[input.a.fifo]\npath = \"/x/a\"\n[input.b.unix-stream]\npath = \"/x/../x/a\"\n\
         [input.c.fifo]\npath = \"/run/logagent/control.sock\"\n[input.d.fifo]\n\
         path = \"/var/log/logagent/a.log\"\n[stream.d]\nfile = \"/d\"\n[stream.c]\n\
         file = \"/d\"\n",
        &[
            "4:8: /x/../x/a is the same as /x/a, which is the FIFO of input \"a\" (line 2): give \
             the socket of input \"b\" another path",
            "6:8: /run/logagent/control.sock is the control socket (line 1): give the FIFO of \
             input \"c\" another path",
            "8:8: /var/log/logagent/a.log is the file of stream \"a\" (line 1): give the FIFO of \
             input \"d\" another path",
            "12:8: /d is the file of stream \"d\" (line 10): give the file of stream \"c\" another \
             path",
        ],
    );
    check(
        "[agent]\npid-file = \"/p\"\ncontrol = \"/p\"\n[input.a.stdin]\n",
        &["3:11: /p is the pid file (line 2): give the control socket another path"],
    );
    check(
        "[input.a.stdin]\n[input.b.fifo]\npath = \"/b\"\n[stream.a]\nfile = \"/dev/null\"\n\
         [stream.b]\nfile = \"/dev/null\"\n",
        &[],
    );
    let long = "x".repeat(limits::SOCKET_PATH_BYTES_MAX);
    check(
        &format!("[input.a.unix-stream]\npath = \"/{long}\"\n"),
        &["2:8: a socket's path has at most 107 bytes, this has 108: write a shorter one"],
    );
    check(&format!("[input.a.fifo]\npath = \"/{long}\"\n"), &[]);
    check(&format!("[input.a.unix-stream]\npath = \"/{}\"\n", &long[1..]), &[]);
}

#[test]
fn a_fifo_for_each_instance_has_a_path_of_its_own() {
    check("[input.a.fifo]\npath = \"/x/a.log\"\ninstances = 256\n", &[]);
    check("[input.a.fifo]\npath = \"/x/a\"\ninstances = 1\n", &[]);
    check(
        "[input.a.fifo]\npath = \"/x/a.log\"\ninstances = 3\n\
         [input.b.fifo]\npath = \"/x/a-2.log\"\n\
         [input.c.fifo]\npath = \"/x/a-3.log\"\n",
        &[
            "5:8: /x/a-2.log is the FIFO of input \"a\" (line 2): give the FIFO of input \"b\" another path",
        ],
    );
    // As PM2 does it, a number in the path gives way.
    check(
        "[input.a.fifo]\npath = \"/x/a-0.log\"\ninstances = 1\n",
        &[
            "2:8: /x/a-0.log is the FIFO of input \"a\" (line 2): give the FIFO of input \"a\" another path",
        ],
    );
    for (instances, told) in [
        ("0", "3:13: 0 is out of range: write 1 to 256"),
        ("257", "3:13: 257 is out of range: write 1 to 256"),
        ("\"4\"", "3:13: a number stands without quotes: write 4"),
        (
            "\"max\"",
            "3:13: the numbers go on over all apps of a PM2: write one that is larger than every id \
             that `pm2 ls` shows, such as 64",
        ),
    ] {
        check(&format!("[input.a.fifo]\npath = \"/x/a.log\"\ninstances = {instances}\n"), &[told]);
    }
    for (kind, told) in [
        ("unix-stream", "any number of instances connects to one socket: remove instances"),
        ("unix-datagram", "any number of instances sends to one socket: remove instances"),
    ] {
        let text = format!("[input.a.{kind}]\npath = \"/x/a\"\ninstances = 4\n");
        check(&text, &[&format!("3:1: {told}")]);
    }
    check(
        "[input.a.systemd]\ninstances = 4\n",
        &["2:1: systemd makes what it hands over: write a ListenFIFO= for each instance in the \
           socket's unit, and remove instances"],
    );
}

#[test]
fn a_rotation_is_told_value_by_value() {
    check_stream("rotate = {}", &[]);
    check_stream("rotate = { size = \"1GiB\", every = \"7d\", compress = \"gzip\" }", &[]);
    check_stream("[stream.web.rotate]\nkeep = 3\nkeep-size = 5000", &[]);
    check_stream(
        "rotate = { size = \"1K\", every = \"1\", keep = 0, keep-size = 7, compress = \"xz\" }",
        &[
            "4:19: \"1K\" is no size: write \"1KiB\"",
            "4:33: a period needs its unit: write \"1d\" or \"1h\"",
            "4:45: 0 is out of range: write 1 to 1000000",
            "4:60: 7 is too small for a file: write at least \"4KiB\"",
            "4:74: unknown compress \"xz\": write \"none\" or \"gzip\" or \"zstd\"",
        ],
    );
    check_stream(
        "rotate = { sise = \"1MiB\" }",
        &[
            "4:12: unknown key \"sise\", did you mean size? known are size, every, keep, keep-size, \
           compress",
        ],
    );
    check_stream(
        "rotate = \"daily\"",
        &[
            "4:10: expected a table such as { size = \"100MiB\", keep = 10 }, found string \"daily\"",
        ],
    );
}

#[test]
fn a_file_that_is_called_like_an_archive_of_another_is_told() {
    let archive = "/x/web.log-20261121T060000Z";
    let text = |file: &str| {
        format!(
            "[input.web.stdin]\n[input.b.fifo]\npath = \"/b\"\n\
             [stream.web]\nfile = \"/x/web.log\"\n[stream.b]\nfile = \"{file}\"\n"
        )
    };
    let told = |file: &str| {
        format!(
            "7:8: {file} is called like an archive of the file of stream \"web\": give the file of \
             stream \"b\" another path"
        )
    };
    check(&text(archive), &[&told(archive)]);
    let compressed = format!("{archive}-2.zst");
    check(&text(&compressed), &[&told(&compressed)]);
    for other in ["/y/web.log-20261121T060000Z", "/x/web.log-20261121T060000Z.log", "/x/web.log-1"]
    {
        check(&text(other), &[]);
    }
}
