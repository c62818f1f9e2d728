//! What a syslog record says of itself, RFC 3164 and RFC 5424, as programs really send them.
//!
//! A record without a priority, or with a wrong one, says nothing: all of it is its message. Behind
//! the priority stands the head of RFC 5424, or a time with a tag behind it, with or without a host
//! between them. Without either the message begins at once: a word with a colon may be part of it.

use crate::limits::SYSLOG_TAG_BYTES_MAX;

/// The head of a record. What it does not have is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// `daemon`
    pub facility: Option<&'static str>,
    /// `warning`
    pub severity: Option<&'static str>,
    /// The tag, or the APP-NAME: printable ASCII without spaces, at most
    /// [`SYSLOG_TAG_BYTES_MAX`].
    pub tag: Option<&'a str>,
    /// Where in the record the message begins.
    pub message_at: usize,
}

/// By number, as rsyslog names them.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// By number.
const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

/// Before the text of RFC 5424, to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The longest host name, as sethostname(2) and DNS have it.
const HOST_BYTES_MAX: usize = 255;

/// The longest process that a tag may name in brackets: RFC 5424 has 128 characters.
const PROCESS_BYTES_MAX: usize = 128;

/// The head of `record`. Never fails: what makes no sense belongs to the message.
pub fn head(record: &[u8]) -> Head<'_> {
    let Some((priority, rest)) = priority(record) else { return Head::default() };
    let (tag, message) = rfc5424(rest).unwrap_or_else(|| rfc3164(rest));
    Head {
        facility: FACILITIES.get(priority / 8).copied(),
        severity: SEVERITIES.get(priority % 8).copied(),
        tag,
        message_at: record.len() - message.len(),
    }
}

/// `<PRI>`, at most 191, without leading zeros; and what stands behind it.
fn priority(record: &[u8]) -> Option<(usize, &[u8])> {
    let behind = record.strip_prefix(b"<")?;
    let end = behind.iter().take(4).position(|byte| *byte == b'>')?;
    let (digits, rest) = (&behind[..end], &behind[end + 1..]);
    let is_number = match digits {
        [] | [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    let number = digits.iter().fold(0, |number, digit| 10 * number + usize::from(digit & 0x0F));
    (is_number && number < 8 * FACILITIES.len()).then_some((number, rest))
}

/// `1 TIME HOST APP-NAME PROCID MSGID DATA`, then perhaps a space and the message: the tag and the
/// message.
fn rfc5424(rest: &[u8]) -> Option<(Option<&str>, &[u8])> {
    let rest = rest.strip_prefix(b"1 ")?;
    let (time, rest) = word(rest)?;
    if time != b"-" && !is_iso_time(time) {
        return None;
    }
    let (_host, rest) = word(rest)?;
    let (app_name, rest) = word(rest)?;
    let (_process, rest) = word(rest)?;
    let (_message_id, rest) = word(rest)?;
    let rest = behind_data(rest)?;
    let message = match rest {
        [] => rest,
        [b' ', message @ ..] => message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message),
        _ => return None,
    };
    Some((tag(app_name).filter(|name| *name != "-"), message))
}

/// A word and what stands behind the space that ends it.
fn word(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    // RFC 5424's longest is a host name.
    let window = &rest[..rest.len().min(HOST_BYTES_MAX + 1)];
    let end = window.iter().position(|byte| !byte.is_ascii_graphic())?;
    (end > 0 && rest[end] == b' ').then_some((&rest[..end], &rest[end + 1..]))
}

/// What stands behind structured data: `-`, or elements in brackets whose quoted values may hold
/// brackets.
fn behind_data(data: &[u8]) -> Option<&[u8]> {
    if let [b'-', rest @ ..] = data {
        return Some(rest);
    }
    let mut rest = data.strip_prefix(b"[")?;
    loop {
        let end = memchr::memchr2(b'"', b']', rest)?;
        let quoted = rest[end] == b'"';
        rest = &rest[end + 1..];
        if quoted {
            rest = behind_quotes(rest)?;
        } else if let [b'[', next @ ..] = rest {
            rest = next;
        } else {
            return Some(rest);
        }
    }
}

/// What stands behind the quote that ends a value; a backslash takes the meaning of one.
fn behind_quotes(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[end] == b'"' {
            return Some(&rest[end + 1..]);
        }
        rest = rest.get(end + 2..)?;
    }
}

/// `TIME [HOST] TAG: `, as far as there is that: the tag and the message.
fn rfc3164(rest: &[u8]) -> (Option<&str>, &[u8]) {
    let Some(behind_time) = behind_time(rest) else { return (None, rest) };
    if let Some((tag, message)) = tag_and_message(behind_time) {
        return (Some(tag), message);
    }
    // No colon and no bracket: the first word is a host, if it is a tag that stands behind it.
    let behind_host = word(behind_time).map(|(_host, rest)| rest);
    match behind_host.and_then(tag_and_message) {
        Some((tag, message)) => (Some(tag), message),
        None => (None, behind_time),
    }
}

/// What stands behind `Nov 21 06:33:06 ` or an RFC 3339 time.
fn behind_time(rest: &[u8]) -> Option<&[u8]> {
    if let Some((month, rest)) = rest.split_first_chunk()
        && MONTHS.contains(month)
    {
        // The day may have a space before it.
        let (time, behind) = rest.split_first_chunk()?;
        return (is_like(time, b" 00 00:00:00 ") || is_like(time, b"  0 00:00:00 "))
            .then_some(behind);
    }
    let (time, behind) = word(rest)?;
    is_iso_time(time).then_some(behind)
}

/// `TAG: `, `TAG[PROCESS]: ` or `TAG[PROCESS] `; the space may be missing at the record's end, and
/// behind a bracket and a colon.
fn tag_and_message(rest: &[u8]) -> Option<(&str, &[u8])> {
    let ends = |byte: &u8| *byte == b'[' || !byte.is_ascii_graphic();
    // A tag and its colon.
    let window = &rest[..rest.len().min(SYSLOG_TAG_BYTES_MAX + 2)];
    let end = window.iter().position(ends).unwrap_or(window.len());
    let (name, message) = match (&rest[..end], &rest[end..]) {
        (name, [b'[', behind @ ..]) => (name, behind_process(behind)?),
        // `http://…` is no tag.
        ([name @ .., b':'], message) => (name, message),
        _ => return None,
    };
    Some((tag(name)?, message.strip_prefix(b" ").unwrap_or(message)))
}

/// What stands behind `PROCESS]:` or `PROCESS]`.
fn behind_process(rest: &[u8]) -> Option<&[u8]> {
    let window = &rest[..rest.len().min(PROCESS_BYTES_MAX + 1)];
    let end = window.iter().position(|byte| *byte == b']' || !byte.is_ascii_graphic())?;
    match &rest[end..] {
        [b']', b':', message @ ..] => Some(message),
        // `list[0].next` is no tag.
        [b']', message @ ..] if !message.first().is_some_and(u8::is_ascii_graphic) => Some(message),
        _ => None,
    }
}

/// `name`, if it may be a tag.
fn tag(name: &[u8]) -> Option<&str> {
    let good = (1..=SYSLOG_TAG_BYTES_MAX).contains(&name.len());
    let name = std::str::from_utf8(name).ok()?;
    (good && name.bytes().all(|byte| byte.is_ascii_graphic())).then_some(name)
}

/// `2026-11-21T06:33:06`, perhaps with a fraction, and with `Z`, an offset or nothing behind it.
fn is_iso_time(time: &[u8]) -> bool {
    let Some((seconds, rest)) = time.split_first_chunk() else { return false };
    if !is_like(seconds, b"0000-00-00T00:00:00") {
        return false;
    }
    let zone = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
        zone => zone,
    };
    match zone {
        [] | [b'Z'] => true,
        [b'+' | b'-', offset @ ..] => match offset.len() {
            4 => offset.iter().all(u8::is_ascii_digit),
            _ => offset.try_into().is_ok_and(|offset| is_like(offset, b"00:00")),
        },
        _ => false,
    }
}

/// Whether `text` has digits where `pattern` has `0`, and else the same. Without a way out in the
/// middle, this is a handful of instructions.
fn is_like<const N: usize>(text: &[u8; N], pattern: &[u8; N]) -> bool {
    text.iter().zip(pattern).fold(true, |fits, (byte, like)| {
        fits & if *like == b'0' { byte.is_ascii_digit() } else { byte == like }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is `FACILITY.SEVERITY TAG|MESSAGE`, with `-` for what is not known.
    #[track_caller]
    fn check(record: impl AsRef<[u8]>, expected: &str) {
        let record = record.as_ref();
        let Head { facility, severity, tag, message_at } = head(record);
        let known = |value: Option<&str>| value.unwrap_or("-").to_owned();
        let shown = format!(
            "{}.{} {}|{}",
            known(facility),
            known(severity),
            known(tag),
            String::from_utf8_lossy(&record[message_at..])
        );
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_programs_were_seen_to_send() {
        // logger
        check("<13>Nov 21 06:33:06 app: hello dgram", "user.notice app|hello dgram");
        check("<13>Nov 21 06:33:06 vm app: rfc3164", "user.notice app|rfc3164");
        check("<13>Nov  1 06:33:06 app[123]: a: b", "user.notice app|a: b");
        // Python
        check("<12>hello", "user.warning -|hello");
        // nginx
        let message = "unix: - - [..] \"GET /a HTTP/1.1\" 200 0";
        let record = format!("<190>Nov 21 06:33:43 vm ng: {message}");
        check(record, &format!("local7.info ng|{message}"));
        // HAProxy
        check("<134>Nov 21 06:33:47 haproxy[26481]: a b", "local0.info haproxy|a b");
        let record = "<150>1 2026-11-21T06:33:47.019245+00:00 vm haproxy 26481 - - a b";
        check(record, "local2.info haproxy|a b");
        // rsyslog
        check("<13>Nov 21 06:34:18 vm app: via rsyslog", "user.notice app|via rsyslog");
        let record = "<13>2026-11-21T06:34:18.548588+00:00 vm app: via rsyslog";
        check(record, "user.notice app|via rsyslog");
        // loggen
        let record = "<38>2026-11-21T06:34:18 localhost prg00000[1234]: seq: 0, thread: 0, PADD";
        check(record, "auth.info prg00000|seq: 0, thread: 0, PADD");
        let record = b"<38>1 2026-11-21T06:34:18 localhost prg00000 1234 - - \xEF\xBB\xBFseq: 0";
        check(record, "auth.info prg00000|seq: 0");
        // logger --rfc5424
        let record = "<13>1 2026-11-21T06:34:18.5+01:00 vm app - - \
                      [timeQuality tzKnown=\"1\" isSynced=\"0\"] hi";
        check(record, "user.notice app|hi");
        // rsyslog into a FIFO
        check("Nov 21 06:34:18 vm app: a", "-.- -|Nov 21 06:34:18 vm app: a");
    }

    #[test]
    fn priorities_go_to_191_without_leading_zeros() {
        check("<0>a", "kern.emerg -|a");
        check("<191>a", "local7.debug -|a");
        check("<80>", "authpriv.emerg -|");
        for wrong in ["<192>a", "<999>a", "<1000>a", "<>a", "<00>a", "<013>a", "<+1>a", "<1 >a"] {
            check(wrong, &format!("-.- -|{wrong}"));
        }
        for wrong in ["", "<", "<1", "<13", "a", "1>a", " <13>a", "<1\u{3000}>a"] {
            check(wrong, &format!("-.- -|{wrong}"));
        }
    }

    #[test]
    fn a_tag_has_a_colon_or_a_bracket_behind_it() {
        for (rest, expected) in [
            ("app: a", "app|a"),
            ("app:  a", "app| a"),
            ("app:", "app|"),
            ("app:\na", "app|\na"),
            ("app[1]: a", "app|a"),
            ("app[1]:a", "app|a"),
            ("app[1] a", "app|a"),
            ("app[1]", "app|"),
            ("postfix/smtpd[1]: a", "postfix/smtpd|a"),
            ("Foo::Bar: a", "Foo::Bar|a"),
            ("(sd-pam)[1]: a", "(sd-pam)|a"),
            ("vm app: a", "app|a"),
            ("fe80::1 app[x y]: a", "-|fe80::1 app[x y]: a"),
            ("vm: app: a", "vm|app: a"),
            ("a line of text: it has a colon", "-|a line of text: it has a colon"),
            ("http://vm is up", "-|http://vm is up"),
            ("list[0].next is up", "-|list[0].next is up"),
            (": a", "-|: a"),
            ("[1]: a", "-|[1]: a"),
            ("äpp: a", "-|äpp: a"),
            ("", "-|"),
        ] {
            check(format!("<13>Nov 21 06:33:06 {rest}"), &format!("user.notice {expected}"));
        }
    }

    #[test]
    fn without_a_time_the_message_begins_at_once() {
        for rest in [
            "error: disk full",
            "app[1]: a",
            "Nov 21 06:33:06",
            "Nov 21 06:33 app: a",
            "nov 21 06:33:06 app: a",
            "Nov x1 06:33:06 app: a",
            "2026-11-21 06:33:06 app: a",
            "2026-11-21T06:33:06. app: a",
            "2026-11-21T06:33:06+1 app: a",
            "2026-11-21T06:33:06Zulu app: a",
        ] {
            check(format!("<13>{rest}"), &format!("user.notice -|{rest}"));
        }
        for time in ["Z", "+0100", "-01:00", ".1Z", ""] {
            check(format!("<13>2026-11-21T06:33:06{time} app: a"), "user.notice app|a");
        }
    }

    #[test]
    fn structured_data_is_no_message() {
        for (rest, expected) in [
            ("1 - - app - - - a", "app|a"),
            ("1 - - - - - - a", "-|a"),
            ("1 - - app - - -", "app|"),
            ("1 - - app - - - ", "app|"),
            ("1 - - app - - [a] a", "app|a"),
            (r#"1 - - app - - [a b="]" c="\"]"][d] [e]"#, "app|[e]"),
            (r#"1 - - app - - [a b="\\"] a"#, "app|a"),
            // What follows is no such head, and the message is all of it.
            ("1 - - app - - a", "-|1 - - app - - a"),
            ("1 - - app - - -a", "-|1 - - app - - -a"),
            ("1 - - app - - [a", "-|1 - - app - - [a"),
            (r#"1 - - app - - [a b="\"#, r#"-|1 - - app - - [a b="\"#),
            ("1 - -  - - - a", "-|1 - -  - - - a"),
            ("1 today - app - - - a", "-|1 today - app - - - a"),
            ("1 apple: red", "-|1 apple: red"),
            ("2 - - app - - - a", "-|2 - - app - - - a"),
            ("1 ", "-|1 "),
        ] {
            check(format!("<13>{rest}"), &format!("user.notice {expected}"));
        }
    }

    #[test]
    fn a_tag_over_its_limit_is_none() {
        let longest = "x".repeat(SYSLOG_TAG_BYTES_MAX);
        let time = "Nov 21 06:33:06";
        check(format!("<13>{time} {longest}: a"), &format!("user.notice {longest}|a"));
        check(format!("<13>{time} {longest}[1]: a"), &format!("user.notice {longest}|a"));
        check(format!("<13>{time} {longest}x: a"), &format!("user.notice -|{longest}x: a"));
        check(format!("<13>{time} {longest}x[1]: a"), &format!("user.notice -|{longest}x[1]: a"));
        check(format!("<13>1 - - {longest} - - - a"), &format!("user.notice {longest}|a"));
        check(format!("<13>1 - - {longest}x - - - a"), "user.notice -|a");
    }
}
