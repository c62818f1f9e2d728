//! What each framing makes of bytes on a stream, cut at every place.

use super::*;
use crate::limits::OCTET_COUNT_MAX;

/// The records of some bytes, or their lines, the last one perhaps unfinished; and how often a
/// framing made no sense of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    ended: Vec<Vec<u8>>,
    unfinished: Vec<u8>,
    behind_line: bool,
    errors: usize,
}

impl Seen {
    fn take(&mut self, framer: &mut dyn Framer, mut input: &[u8]) {
        while !input.is_empty() {
            let piece = framer.next_piece(input);
            let (taken, rest) = input.split_at(piece.taken_bytes);
            self.unfinished.extend_from_slice(&taken[..piece.record_bytes]);
            match piece.then {
                Then::Record => self.unfinished.clear(),
                Then::Senseless => self.errors += 1,
                Then::GivenUp => {
                    assert_eq!(piece.record_bytes, 0);
                    self.unfinished.extend_from_slice(framer.give_up());
                }
                then => {
                    assert!(!taken.is_empty());
                    self.end(then);
                }
            }
            input = rest;
        }
    }

    fn end(&mut self, then: Then) {
        if then == Then::More {
            return;
        }
        let is_line = then != Then::End || !self.behind_line || !self.unfinished.is_empty();
        if is_line {
            self.ended.push(std::mem::take(&mut self.unfinished));
        }
        self.behind_line = then == Then::Line;
    }
}

fn framer(name: &str, multiline: Multiline) -> Box<dyn Framer> {
    let framing = Framing::named(name).unwrap();
    Records { multiline, ..Records::of(framing) }.framer().unwrap()
}

fn seen(name: &str, multiline: Multiline, pieces: &[&[u8]]) -> Seen {
    let mut framer = framer(name, multiline);
    let mut seen = Seen::default();
    pieces.iter().for_each(|piece| seen.take(&mut *framer, piece));
    seen.unfinished.extend_from_slice(framer.end());
    seen
}

/// `expected` are the records, with `~` behind one that is unfinished.
#[track_caller]
fn check(name: &str, input: &str, expected: &[&str], errors: usize) {
    check_as(Multiline::Escape, name, input, expected, errors);
}

/// The same, where newlines in records end lines.
#[track_caller]
fn check_lines(name: &str, input: &str, expected: &[&str]) {
    check_as(Multiline::Lines, name, input, expected, 0);
}

#[track_caller]
fn check_as(multiline: Multiline, name: &str, input: &str, expected: &[&str], errors: usize) {
    let input = input.as_bytes();
    let whole = seen(name, multiline, &[input]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut shown: Vec<String> = whole.ended.iter().map(|ended| text(ended)).collect();
    if !whole.unfinished.is_empty() {
        shown.push(text(&whole.unfinished) + "~");
    }
    assert_eq!(shown, expected);
    assert_eq!(whole.errors, errors, "errors");
    for at in 0..=input.len() {
        let (front, back) = input.split_at(at);
        assert_eq!(seen(name, multiline, &[front, back]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(seen(name, multiline, &single), whole, "cut everywhere");
}

#[test]
fn newlines_and_nuls_end_records() {
    check("newline", "a\n\nb\r\nc\0d", &["a", "", "b\r", "c\0d~"], 0);
    check("nul", "a\0\0b\nc\0d\n", &["a", "", "b\nc", "d\n~"], 0);
}

#[test]
fn newlines_in_records_may_end_lines() {
    check_lines("newline", "a\n\nb", &["a", "", "b~"]);
    check_lines("nul", "a\nb\0\nc\n\0\0\n\n\0d\n", &["a", "b", "", "c", "", "", "", "d"]);
    check_lines(
        "octet-counting",
        "3 a\nb2 c\n1 \n2 \n\n3 d\n\n2 e\n",
        &["a", "b", "c", "", "", "", "d", "", "e"],
    );
    check_lines("octet-counting", "9 a\nb\n", &["a", "b"]);
    check_lines("syslog", "7 <13>a\nb6 <13>c\n<13>d\n", &["<13>a", "b", "<13>c", "<13>d"]);
}

#[test]
fn a_counted_record_is_as_long_as_its_count() {
    check(
        "octet-counting",
        "5 hello11 hello\nworld1  1 2",
        &["hello", "hello\nworld", " ", "2"],
        0,
    );
    check("octet-counting", "10 1 2 3 4 \n53 ", &["1 2 3 4 \n5"], 0);
    check("octet-counting", "5 hel", &["hel~"], 0);
    // Digits alone are kept until a space makes a count of them.
    check("octet-counting", "5 hello12", &["hello", "12~"], 0);
}

#[test]
fn behind_a_wrong_count_newlines_end_records() {
    check("octet-counting", "<13>a\n5 hello\nb", &["<13>a", "5 hello", "b~"], 1);
    check("octet-counting", "5 hello\n5 hello\n", &["hello", "", "5 hello"], 1);
    check("octet-counting", "012 a\n", &["012 a"], 1);
    check("octet-counting", "0 a\n", &["0 a"], 1);
    check("octet-counting", " a\n", &[" a"], 1);
    check("octet-counting", "12a b\n1 x", &["12a b", "1 x~"], 1);
    check("octet-counting", "12\nb\n", &["12", "b"], 1);
    check("octet-counting", "1 a999999999 b\nc\n", &["a", "999999999 b", "c"], 1);
}

#[test]
fn the_largest_count_is_what_may_be_one_line() {
    let seen = |text: &str| seen("octet-counting", Multiline::Lines, &[text.as_bytes()]);
    let count = |count: usize| seen(&format!("{count} a"));
    assert_eq!(
        (count(OCTET_COUNT_MAX).unfinished, count(OCTET_COUNT_MAX).errors),
        (b"a".into(), 0)
    );
    assert_eq!(count(OCTET_COUNT_MAX + 1).errors, 1);
    let digits = "1".repeat(1000);
    assert_eq!(seen(&digits).unfinished, digits.as_bytes());
}

#[test]
fn a_syslog_record_is_counted_or_ends_with_a_newline_or_a_nul() {
    check("syslog", "<13>a\n<13>b\0<13>c", &["<13>a", "<13>b", "<13>c~"], 0);
    check("syslog", "5 <1>a\n6 <1>b\0\0", &["<1>a\n", "<1>b\0\0"], 0);
    // A newline behind a counted record, and both terminators, are no records between.
    check("syslog", "4 <1>a\n4 <1>b\n\0\n<1>c\n\0<1>d\0\n", &["<1>a", "<1>b", "<1>c", "<1>d"], 0);
    check("syslog", "4 <1>a<1>b\n4 <1>c", &["<1>a", "<1>b", "<1>c"], 0);
}

#[test]
fn a_syslog_record_without_a_priority_ends_with_a_terminator_too() {
    let line = "2026-11-21T06:34:18+00:00 vm app: a\n";
    check("syslog", &line.repeat(2), &[line.trim_end(); 2], 0);
    check("syslog", "Nov 21 06:34:18 vm app: a\nx\0", &["Nov 21 06:34:18 vm app: a", "x"], 0);
    check("syslog", "0 <1>a\n", &["0 <1>a"], 0);
    check("syslog", "12\n1", &["12", "1~"], 0);
}

#[test]
fn a_count_that_makes_no_sense_is_told_once() {
    check("syslog", "5 apples\n3 nuts\n4 <1>a", &["5 apples", "3 nuts", "<1>a"], 1);
    check("syslog", "12 \n<1>a\n", &["12 ", "<1>a"], 1);
    // A count that was too small, as that of characters is where they have several bytes.
    check("syslog", "4 <1>ab\n4 <1>cd\n", &["<1>a", "b", "<1>c", "d"], 1);
    check("syslog", "4 <1>a12b\n", &["<1>a", "12b"], 1);
    check("syslog", "99999999999 <1>a\n", &["99999999999 <1>a"], 0);
}

#[test]
fn an_event_ends_with_the_terminator_of_log4js() {
    check("log4js", "a__LOG4JS__b\nc__LOG4JS____LOG4JS__d_", &["a", "b\nc", "", "d_~"], 0);
    check_lines("log4js", "a\nb__LOG4JS__c\n__LOG4JS__\nd", &["a", "b", "c", "", "d~"]);
    // What only begins like it is a record's.
    for text in ["_", "__", "__L", "___LOG4JS_", "__LOG4JS_", "__LOG4JS_NaN__", "__LOG4JS___L"] {
        let before = text.strip_suffix("__LOG4JS___L").map_or(text, |_| "");
        let shown = format!("{text}~");
        match text.contains("__LOG4JS__") {
            true => check("log4js", text, &[before, "_L~"], 0),
            false => check("log4js", text, &[&shown], 0),
        }
        if !text.contains("__LOG4JS__") {
            check("log4js", &format!("{text}x__LOG4JS__"), &[&format!("{text}x")], 0);
        }
    }
    check("log4js", "____LOG4JS__", &["__"], 0);
    check("log4js", "___LOG4JS__", &["_"], 0);
    check("log4js", "__LOG4J__LOG4JS__", &["__LOG4J"], 0);
    check("log4js", "__LOG4JS___LOG4JS__", &["", "_LOG4JS__~"], 0);
    check("log4js", "__LOG4JS\n__", &["__LOG4JS\n__~"], 0);
    check_lines("log4js", "__LOG4JS\n__", &["__LOG4JS", "__~"]);
}

#[test]
fn between_records_nothing_is_owed() {
    for (name, input, between) in [
        ("newline", "a\n", true),
        ("octet-counting", "1 a", true),
        ("octet-counting", "1 ", false),
        ("octet-counting", "2 a", false),
        ("syslog", "4 <1>a", true),
        ("syslog", "<1>a", false),
        ("syslog", "4 <", false),
        ("log4js", "a__LOG4JS__", true),
        ("log4js", "a__LOG4JS_", false),
    ] {
        let mut framer = framer(name, Multiline::Lines);
        Seen::default().take(&mut *framer, input.as_bytes());
        assert_eq!(framer.is_between_records(), between, "{name} {input:?}");
    }
}
