//! What is written of events. That it is what log4js and Node.js themselves would have written is
//! shown with these, on many more values, in `tests/e2e/node/log4js_tcp.rs`.

use std::time::Duration;

use super::*;
use crate::clock;
use crate::limits::{EVENT_LEVELS_MAX, EVENT_VALUES_MAX};

const TIME: &str = "2026-11-21T06:00:00.123Z";

/// An event; `values` are those from place 6 on, and what was logged is at place 6.
fn record(values: &str) -> String {
    format!(
        "[{{\"startTime\":\"1\",\"categoryName\":\"2\",\"data\":\"6\",\"level\":\"3\",\"pid\":7}},\"{TIME}\",\
         \"web\",{{\"level\":20000,\"levelStr\":\"4\",\"colour\":\"5\"}},\"INFO\",\"green\",{values}]"
    )
}

#[track_caller]
fn check(values: &str, expected: &str) {
    let event = event(record(values).as_bytes()).expect("an event");
    assert_eq!(event.text, format!("[{TIME}] [INFO] web - {expected}"));
    assert_eq!(&event.text[event.message_at..], expected);
}

#[track_caller]
fn check_none(record: impl AsRef<[u8]>) {
    assert_eq!(event(record.as_ref()), None);
}

#[test]
fn an_event_says_when_how_grave_and_of_what() {
    let event = event(record(r#"["7"],"text""#).as_bytes()).unwrap();
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    assert_eq!(known(event.level), "info");
    assert_eq!(known(event.category), "web");
    assert_eq!(known(event.pid), "7");
    assert_eq!(event.text, format!("[{TIME}] [INFO] web - text"));
}

#[test]
fn what_was_logged_is_put_together_as_by_format() {
    check("[]", "");
    check(r#"["7"],"50%% of %s""#, "50%% of %s");
    check(r#"["7",1,"8",true,null],"a","b""#, "a 1 b true null");
    check(r#"["7",5,"8"],"%d%% of %s %s","it""#, "5% of it %s");
    check(r#"["7","8","8","8"],"%d %i %f","1.5e1x""#, "NaN 1 15");
    check(r#"["7","8",2],"%c%x%","css""#, "%x% 2");
    check(r#"["7","8"],"%j",{"a":"9"},[1,"8"]"#, "[Circular]");
    check(
        r#"["7","8"],"%j",{"a":"9","b":"10"},[1,null],"__LOG4JS_undefined__""#,
        r#"{"a":[1,null]}"#,
    );
    check(r#"["7","8"],"%s",{"a":"9"},[1]"#, "{ a: [Array] }");
    check(r#"["7","8"],"%o",[1]"#, "[ 1, [length]: 1 ]");
}

#[test]
fn what_json_has_no_word_for_is_sent_as_a_text() {
    let sent = concat!(
        r#"["7","8","9","10"],"__LOG4JS_undefined__","__LOG4JS_NaN__","#,
        r#""__LOG4JS_Infinity__","__LOG4JS_-Infinity__""#
    );
    check(sent, "undefined NaN Infinity -Infinity");
    // log4js takes an array that looks like NaN for it.
    check(r#""__LOG4JS_NaN__""#, "NaN");
}

#[test]
fn values_are_shown_as_by_inspect() {
    check(r#"["7"],{"a":1,"b-c":"8"},"it's""#, r#"{ a: 1, 'b-c': "it's" }"#);
    check(r#"["7"],{"self":"7"}"#, "<ref *1> { self: [Circular *1] }");
    check(r#"["7"],["8"],["9"],["10"],[1]"#, "[ [ [ [Array] ] ] ]");
    check("[\"7\"],[1,2,3,4,5,6,77]", "[\n  1, 2,  3, 4,\n  5, 6, 77\n]");
    let long = "x".repeat(80);
    check(
        &format!(r#"["7"],{{"a":"8","b":1}},"{long}""#),
        &format!("{{\n  a: '{long}',\n  b: 1\n}}"),
    );
}

#[test]
fn of_an_error_its_stack_is_shown() {
    let stack = "Error: no\\n    at a.js:1:2";
    check(
        &format!(r#"["7","8"],"it",{{"message":"9","stack":"10"}},"no","{stack}""#),
        "it Error: no\n    at a.js:1:2",
    );
    check(
        &format!(r#"["7"],{{"message":"8","stack":"9","code":"10"}},"no","{stack}","ENOENT""#),
        "Error: no\n    at a.js:1:2 {\n  code: 'ENOENT'\n}",
    );
    check(r#"["7"],{"message":"8","stack":"9"},"no","TypeError: no""#, "[TypeError: no]");
}

#[test]
fn halves_of_characters_are_replaced() {
    check(r#"["7"],"a\ud83db""#, "a\u{FFFD}b");
    check(r#"["7"],"\udc00\\ud800""#, "\u{FFFD}\\ud800");
    check(r#"["7"],"\ud83d\ude00 \ud83d""#, "😀 \u{FFFD}");
}

#[test]
fn what_is_no_event_is_left_alone() {
    let good = record("[]");
    check("[]", "");
    for (whole, part) in [
        (TIME, "2026-11-21T06:00:00.123+01:00"),
        (TIME, "today"),
        ("\"data\":\"6\"", "\"data\":\"7\""),
        ("\"data\":\"6\"", "\"data\":\"-1\""),
        ("\"data\":\"6\"", "\"data\":\"a\""),
        ("\"data\":\"6\"", "\"data\":[]"),
        ("\"data\":\"6\"", "\"datum\":\"6\""),
        ("categoryName", "category"),
        ("levelStr", "level"),
        ("\"level\":20000", "\"level\":{}"),
        ("\"INFO\"", "null"),
        (",[]]", ",[]]]"),
        (",[]]", ",[]],"),
        (",[]]", ",[]"),
        (",[]]", ",[1e999]]"),
        ("\"web\"", "\"w\teb\""),
    ] {
        assert!(good.contains(whole));
        check_none(good.replacen(whole, part, 1));
    }
    check_none([good.as_bytes(), b"\xFF"].concat());
    check_none(good.replace("web", "w\u{0}b"));
    for end in 0..good.len() {
        check_none(&good[..end]);
    }
    for text in ["", "[{", "[]", "text", &"[{\"a\":".repeat(10_000), &"[".repeat(10_000)] {
        check_none(text);
    }
}

#[test]
fn a_level_and_a_category_that_cannot_be_shown_are_none() {
    let shown = |from: &str, to: &str| {
        let event = event(record("[]").replace(from, to).as_bytes()).unwrap();
        (event.level, event.category)
    };
    let (level, category) = (Some("info".to_owned()), Some("web".to_owned()));
    let longest = "X".repeat(LEVEL_BYTES_MAX);
    let lower = Some(longest.to_ascii_lowercase());
    assert_eq!(shown("INFO", &longest), (lower, category.clone()));
    assert_eq!(shown("INFO", &format!("{longest}X")), (None, category.clone()));
    assert_eq!(shown("INFO", "a b"), (None, category));
    let longest = "ä".repeat(CATEGORY_BYTES_MAX / 2);
    assert_eq!(shown("web", &longest), (level.clone(), Some(longest.clone())));
    assert_eq!(shown("web", &format!("{longest}x")), (level.clone(), None));
    assert_eq!(shown("web", "a\\nb"), (level, None));
}

#[test]
fn pids_are_numbers_of_processes() {
    let shown = |pid: &str| {
        let record = record("[]").replace("\"pid\":7", &format!("\"pid\":{pid}"));
        event(record.as_bytes()).unwrap().pid
    };
    assert_eq!(shown("2147483647"), Some("2147483647".to_owned()));
    for none in ["0", "-1", "1.5", "2147483648", "null", "\"2\""] {
        assert_eq!(shown(none), None, "{none}");
    }
}

#[test]
fn an_event_that_would_become_too_long_is_none() {
    let times = |count: usize, length: usize| {
        let places = vec!["\"7\""; count].join(",");
        let text = "x".repeat(length);
        event(record(&format!("[{places}],\"{text}\"")).as_bytes())
    };
    assert!(times(10, 1_000).is_some());
    // Each time it is shown costs four bytes of the record.
    assert!(times(30, 5_000).is_none());
    assert!(times(100, 100_000).is_none());
    let most = EVENT_VALUES_MAX - 17;
    let values = |count: usize| record(&format!("[\"7\"],[{}]", vec!["1"; count].join(",")));
    assert!(event(values(most).as_bytes()).is_some());
    assert!(event(values(most + 1).as_bytes()).is_none());
    let deep = |levels: usize| {
        let arrays: Vec<String> = (9..8 + levels).map(|at| format!("[\"{at}\"]")).collect();
        event(record(&format!("[\"7\",\"8\"],\"%j\",{},[]", arrays.join(","))).as_bytes())
    };
    assert!(deep(EVENT_LEVELS_MAX).is_some());
    assert!(deep(EVENT_LEVELS_MAX + 1).is_none());
}

/// One event would keep a thread from all other connections.
#[test]
fn an_event_in_which_much_is_gone_over_for_little_is_none() {
    let times = |count: usize, what: &str| vec![what; count].join(",");
    let long = "7".repeat(10_000);
    let check = |what: &str, values: &dyn Fn(usize) -> String| {
        assert!(event(record(&values(5)).as_bytes()).is_some(), "{what}");
        let begun = clock::instant();
        assert!(event(record(&values(2_000)).as_bytes()).is_none(), "{what}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
    };
    let fields: Vec<_> = (0..10_000).map(|at| format!("\"f{at}\":1")).collect();
    let deep = r#"{"a":"9"},{"a":"10"},{"a":"11"}"#;
    for (asked, value) in [
        // It holds itself, which all that was made of it is thrown away for.
        ("%j", format!(r#"{{"a":"9","b":"8"}},"{long}""#)),
        ("%d", format!(r#""{long}x""#)),
        ("%i", format!(r#""{long}x""#)),
        ("%f", format!(r#""{long}x""#)),
        ("%O", format!("{deep},{{{}}}", fields.join(","))),
    ] {
        check(asked, &|count| {
            format!(r#"["7",{}],"{}",{value}"#, times(count, r#""8""#), asked.repeat(count))
        });
    }
}

#[test]
fn an_event_has_a_field_a_hundred_thousand_times() {
    let names = vec![r#""name":"9""#; 90_000].join(",");
    let (stack, name) = ("7".repeat(300_000), "7".repeat(100));
    let values = format!(r#"["7"],{{"message":"8","stack":"8",{names}}},"{stack}x","{name}x""#);
    let begun = clock::instant();
    check(&values, &format!("[{stack}x]"));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_stands_between_values_takes_room_too() {
    let items: Vec<_> = (0..100).map(|at| if at < 3 { r#""2""# } else { "1" }).collect();
    let text = format!(r#"["1",[{}],"{}"]"#, items.join(","), "x".repeat(20));
    let values = Values::read(&text).unwrap();
    let shown = |bytes_max| {
        let usual = inspect::Shape { levels: 2, lengths: false };
        inspect::inspect(&values, values.value(flatted::Item::At(1)), usual, bytes_max)
    };
    let whole = shown(usize::MAX).unwrap();
    assert!(whole.len() > 1_000);
    assert_eq!(shown(whole.len()), Some(whole.clone()));
    assert_eq!(shown(whole.len() - 1), None);
}
