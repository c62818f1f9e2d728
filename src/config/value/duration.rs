//! Durations as people write them, `"8s"`, `"500ms"`, and `sync`, which may be one.

use std::time::Duration;

use super::{FromWritten, WrongValue, wrong};
use crate::limits::{CONFIGURED_DURATION_MAX, ROTATE_EVERY_MAX, ROTATE_EVERY_MIN, SYNC_EVERY_MIN};
use crate::writer::SyncPolicy;

/// A duration of at most [`CONFIGURED_DURATION_MAX`], as `humantime` reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl FromWritten for HumanDuration {
    const EXPECTED: &'static str = "a duration such as \"8s\"";

    fn from_text(text: &str) -> Result<HumanDuration, WrongValue> {
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        match humantime::parse_duration(text) {
            Ok(duration) if duration <= CONFIGURED_DURATION_MAX => Ok(HumanDuration(duration)),
            Ok(_) => {
                let most = humantime::format_duration(CONFIGURED_DURATION_MAX);
                wrong(format!(
                    "\"{text}\" is too long: write at most \"{most}\" (\"1m\" is a minute)"
                ))
            }
            Err(_) if !text.is_empty() && all_digits(text) => wrong(without_unit(text)),
            Err(_) => wrong(format!(
                "\"{text}\" is no duration: write a number with ms, s, m or h, such as \"8s\""
            )),
        }
    }

    fn from_number(number: i64) -> Result<HumanDuration, WrongValue> {
        wrong(without_unit(&number.to_string()))
    }
}

/// An `every` of `rotate`: whole seconds, from [`ROTATE_EVERY_MIN`] to [`ROTATE_EVERY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

impl FromWritten for Period {
    const EXPECTED: &'static str = "a period such as \"1d\"";

    fn from_text(text: &str) -> Result<Period, WrongValue> {
        let least = humantime::format_duration(ROTATE_EVERY_MIN);
        match humantime::parse_duration(text) {
            Ok(every) if every > ROTATE_EVERY_MAX => {
                let days = ROTATE_EVERY_MAX.as_secs() / (24 * 60 * 60);
                wrong(format!("\"{text}\" is too long: write at most \"{days}d\""))
            }
            Ok(every) if every < ROTATE_EVERY_MIN => {
                wrong(format!("\"{text}\" is too short: write at least \"{least}\""))
            }
            Ok(every) if every.subsec_nanos() > 0 => {
                wrong(format!("\"{text}\" is no number of seconds: write whole ones"))
            }
            Ok(every) => Ok(Period(every)),
            Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                wrong(format!("a period needs its unit: write \"{text}d\" or \"{text}h\""))
            }
            Err(_) => wrong(format!(
                "\"{text}\" is no period: write a number with s, m, h or d, such as \"1d\""
            )),
        }
    }

    fn from_number(number: i64) -> Result<Period, WrongValue> {
        wrong(format!("a period needs its unit: write \"{number}d\" or \"{number}h\""))
    }
}

fn without_unit(number: &str) -> String {
    format!("a duration needs its unit: write \"{number}s\" or \"{number}ms\"")
}

impl FromWritten for SyncPolicy {
    const EXPECTED: &'static str = "\"never\", \"reopen\" or an interval such as \"1s\"";

    fn from_text(text: &str) -> Result<SyncPolicy, WrongValue> {
        match text {
            "never" => return Ok(SyncPolicy::Never),
            "reopen" => return Ok(SyncPolicy::Reopen),
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return wrong(format!("unknown sync \"{text}\": write {}", SyncPolicy::EXPECTED));
        }
        let HumanDuration(every) = HumanDuration::from_text(text)?;
        if every < SYNC_EVERY_MIN {
            let least = humantime::format_duration(SYNC_EVERY_MIN);
            return wrong(format!(
                "\"{text}\" is too short: write at least \"{least}\", or \"never\""
            ));
        }
        Ok(SyncPolicy::Every(every))
    }

    fn from_number(number: i64) -> Result<SyncPolicy, WrongValue> {
        HumanDuration::from_number(number).map(|HumanDuration(every)| SyncPolicy::Every(every))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn durations_have_units() {
        let generic = |text: &str| {
            format!("\"{text}\" is no duration: write a number with ms, s, m or h, such as \"8s\"")
        };
        check(
            |duration: HumanDuration| format!("{:?}", duration.0),
            &[
                ("8s", Ok("8s")),
                ("500ms", Ok("500ms")),
                ("1m 30s", Ok("90s")),
                ("0s", Ok("0ns")),
                ("1day", Ok("86400s")),
                ("8", Err("a duration needs its unit: write \"8s\" or \"8ms\"")),
                ("", Err(&generic(""))),
                ("soon", Err(&generic("soon"))),
                ("1M", Err("\"1M\" is too long: write at most \"1day\" (\"1m\" is a minute)")),
            ],
        );
        assert_eq!(
            HumanDuration::from_number(8),
            wrong("a duration needs its unit: write \"8s\" or \"8ms\"")
        );
    }

    #[test]
    fn sync_is_a_word_or_an_interval() {
        check(
            |sync: SyncPolicy| format!("{sync:?}"),
            &[
                ("never", Ok("Never")),
                ("reopen", Ok("Reopen")),
                ("1s", Ok("Every(1s)")),
                ("0s", Err("\"0s\" is too short: write at least \"10ms\", or \"never\"")),
                ("1", Err("a duration needs its unit: write \"1s\" or \"1ms\"")),
                (
                    "always",
                    Err("unknown sync \"always\": write \"never\", \"reopen\" or an interval \
                         such as \"1s\""),
                ),
            ],
        );
    }

    #[test]
    fn periods_are_whole_seconds_within_a_year() {
        let unit =
            |number| format!("a period needs its unit: write \"{number}d\" or \"{number}h\"");
        check(
            |every: Period| every.0.as_secs().to_string(),
            &[
                ("1s", Ok("1")),
                ("1h", Ok("3600")),
                ("1d", Ok("86400")),
                ("7d", Ok("604800")),
                ("366d", Ok("31622400")),
                ("367d", Err("\"367d\" is too long: write at most \"366d\"")),
                ("999ms", Err("\"999ms\" is too short: write at least \"1s\"")),
                ("0s", Err("\"0s\" is too short: write at least \"1s\"")),
                ("1500ms", Err("\"1500ms\" is no number of seconds: write whole ones")),
                ("1", Err(&unit(1))),
                (
                    "daily",
                    Err("\"daily\" is no period: write a number with s, m, h or d, such as \"1d\""),
                ),
            ],
        );
        assert_eq!(Period::from_number(7), wrong(unit(7)));
    }
}
