//! Where in its records a framer is: enough for another one to go on there.

use serde::{Deserialize, Serialize};

/// Where a framer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// In what.
    pub part: Part,
    /// The count so far, how many bytes of a counted record are still to come, or how many of a
    /// terminator have.
    pub number: usize,
    /// Nothing has come since a counted record.
    pub behind_counted: bool,
    /// A count that made no sense was told.
    pub error_told: bool,
}

/// What a framer is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What the bytes themselves tell: between records, or in one that goes on to a terminator.
    #[default]
    Plain,
    /// In a count.
    Count,
    /// Behind a count and its space.
    CountEnded,
    /// In a counted record.
    Counted,
    /// In a record that goes on to a terminator, or in lines behind a wrong count.
    Text,
    /// In what may be a terminator.
    Terminator,
}

const PARTS: [Part; 6] =
    [Part::Plain, Part::Count, Part::CountEnded, Part::Counted, Part::Text, Part::Terminator];
const PART_BITS: u32 = 3;
const BEHIND_COUNTED: u64 = 1 << PART_BITS;
const ERROR_TOLD: u64 = BEHIND_COUNTED << 1;
const NUMBER_SHIFT: u32 = PART_BITS + 2;

impl Position {
    /// As one word.
    pub fn to_word(self) -> u64 {
        let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
        self.part as u64
            | flag(self.behind_counted, BEHIND_COUNTED)
            | flag(self.error_told, ERROR_TOLD)
            | (self.number as u64) << NUMBER_SHIFT
    }

    /// What [`Position::to_word`] made a word of.
    pub fn from_word(word: u64) -> Position {
        let part = usize::try_from(word & (BEHIND_COUNTED - 1)).unwrap_or(0);
        Position {
            part: PARTS.get(part).copied().unwrap_or_default(),
            number: usize::try_from(word >> NUMBER_SHIFT).unwrap_or(0),
            behind_counted: word & BEHIND_COUNTED != 0,
            error_told: word & ERROR_TOLD != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_word() {
        for part in PARTS {
            for (behind_counted, error_told) in [(false, false), (true, false), (false, true)] {
                let position = Position { part, number: 67_108_864, behind_counted, error_told };
                assert_eq!(Position::from_word(position.to_word()), position);
            }
        }
        assert_eq!(Position::default().to_word(), 0);
    }
}
