//! Values that are wrong by themselves.

use super::{INPUT, check, check_stream};

#[test]
fn values_of_another_type_are_told() {
    check(
        "[agent]\npid-file = 1\ncontrol = true\ngrace = 8\nmax-connections = \"10\"\n\
         max-streams = 0\npartial-memory = 1.5\nwatch = \"yes\"\n[input.web.fifo]\npath = [\"/x\"]\n\
         owner = -1\ngroup = {}\nmode = 660\nstream = 5\nframing = 2026-01-01\nmultiline = true\n",
        &[
            "2:12: expected an absolute path, or \"\" for none, found the number 1",
            "3:11: expected an absolute path, or \"\" for none, found true",
            "4:9: a duration needs its unit: write \"8s\" or \"8ms\"",
            "5:19: a number stands without quotes: write 10",
            "6:15: 0 is out of range: write 1 to 1000000",
            "7:18: expected a size such as \"64MiB\", found a number with a fraction",
            "8:9: expected true or false, found \"yes\"",
            "10:8: expected an absolute path, found an array",
            "11:9: -1 is no user's number: write one from 0 to 4294967294",
            "12:9: expected a group's name or number, found a table or a date",
            "13:8: a mode is a text: write \"0660\", in quotes",
            "14:10: expected a stream's name, found the number 5",
            "15:11: expected a framing such as \"newline\", found a table or a date",
            "16:13: expected \"lines\" or \"escape\", found true",
        ],
    );
    let from_there = "write a name from there, or a number";
    check_stream(
        "file = 1\nmode = \"rw\"\nowner = \"no such\"\ngroup = \"no such\"\nformat = \"jso\"\n\
         prefix = \"{tiem}\"\nmax-line = \"1\"\nover-long = \"wrap\"\nqueue = \"4MB\"\n\
         on-full = \"drop-latest\"\nsync = 1",
        &[
            "4:8: expected an absolute path, found the number 1",
            "5:8: \"rw\" is no mode: write three octal digits behind a 0, such as \"0640\"",
            &format!("6:9: there is no user \"no such\" in /etc/passwd: {from_there}"),
            &format!("7:9: there is no group \"no such\" in /etc/group: {from_there}"),
            "8:10: unknown format \"jso\": write \"raw\" or \"stamped\" or \"json\" or \"cri\"",
            "9:10: wrong prefix: unknown placeholder {tiem}, did you mean {time}? known are \
             {time}, {stream}, {unit}, {unit.prefix}, {unit.instance}, {pid}, {uid}, {user}, \
             {comm}, {severity}, {facility}, {tag}",
            "10:12: 1 is too short for a line: write at least \"16\"",
            "11:13: unknown over-long \"wrap\": write \"split\" or \"truncate\" or \"drop\"",
            "12:9: \"4MB\" is no size: write \"4MiB\"",
            "13:11: unknown on-full \"drop-latest\": write \"wait\" or \"drop-newest\" or \"drop-oldest\"",
            "14:8: a duration needs its unit: write \"1s\" or \"1ms\"",
        ],
    );
    check(
        &format!("[defaults]\ndir = \"logs\"\nmode = 640\n{INPUT}"),
        &[
            "2:7: \"logs\" is a relative path: write an absolute path, which begins with /",
            "3:8: a mode is a text: write \"0640\", in quotes",
        ],
    );
}

#[test]
fn each_value_of_a_list_is_told_by_itself() {
    let known = "known are time, stream, unit, unit.prefix, unit.instance, pid, uid, user, comm, \
                 severity, facility, tag, message";
    check_stream(
        "format = \"json\"\nfields = [\"time\", \"tiem\", 5, \"unit.instance\", \"{pid}\"]",
        &[
            &format!("5:19: unknown field tiem, did you mean time? {known}"),
            "5:27: expected a field such as \"time\", found the number 5",
            "5:47: a field stands without braces: write \"pid\"",
        ],
    );
    check_stream("format = \"json\"\nfields = []", &[]);
    check_stream(
        "format = \"json\"\nfields = [\"time\", \"unit\", \"time\"]",
        &["5:27: the field time stands here already: remove it"],
    );
    check(
        "[input.a.unix-stream]\npath = \"/a\"\nclient-names-stream = \"yes\"\n\
         [input.a.unix-stream.allow]\nunit = [\"web\", \"web.service\", 1]\n\
         uid = [\"no such\", -1, 33]\ngid = true\n",
        &[
            "3:23: expected true or false, found \"yes\"",
            "5:9: \"web\" fits no unit, whose name ends with its type: write \"web.service\"",
            "5:31: expected a unit such as \"myapp@*.service\", found the number 1",
            "6:8: there is no user \"no such\" in /etc/passwd: write a name from there, or a \
             number",
            "6:19: -1 is no user's number: write one from 0 to 4294967294",
            "7:7: expected a group's name or number, found true",
        ],
    );
}
