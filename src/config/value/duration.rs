//! Durations as people write them, `"8s"`, `"500ms"`, and `sync`, which may be one.

use std::time::Duration;

use super::{FromWritten, WrongValue, wrong};
use crate::limits::{CONFIGURED_DURATION_MAX, SYNC_EVERY_MIN};
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
}
