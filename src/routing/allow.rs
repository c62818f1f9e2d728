//! `allow`: who may connect.

use std::fmt;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};

use crate::origin::{Origin, Unit};

/// Who is taken: whoever one of the lists names. Without any list that is everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Units.
    pub units: Option<Vec<UnitPattern>>,
    /// Users, by number.
    pub uids: Option<Vec<u32>>,
    /// Groups, by number.
    pub gids: Option<Vec<u32>>,
}

/// Names of units, `myapp@*.service`: `*`, `?` and `[…]` as in fnmatch(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPattern(Pattern);

impl Allow {
    /// Whether everybody is taken.
    pub fn is_open(&self) -> bool {
        *self == Allow::default()
    }

    /// Whether a client from `origin` is taken.
    pub fn takes(&self, origin: &Origin) -> bool {
        let unit = |units: &Vec<UnitPattern>| {
            origin.unit.as_ref().is_some_and(|unit| units.iter().any(|it| it.fits(unit)))
        };
        let number =
            |numbers: &Vec<u32>, own: Option<u32>| own.is_some_and(|own| numbers.contains(&own));
        self.is_open()
            || self.units.as_ref().is_some_and(unit)
            || self.uids.as_ref().is_some_and(|uids| number(uids, origin.uid))
            || self.gids.as_ref().is_some_and(|gids| number(gids, origin.gid))
    }
}

impl UnitPattern {
    fn fits(&self, unit: &Unit) -> bool {
        self.0.matches_with(unit.name(), MatchOptions::default())
    }
}

impl FromStr for UnitPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<UnitPattern, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        Pattern::new(text).map(UnitPattern).map_err(|error| error.msg.to_owned())
    }
}

/// As it was written.
impl fmt::Display for UnitPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(unit: &str, uid: u32, gid: u32) -> Origin {
        let (uid, gid) = (Some(uid), Some(gid));
        Origin { uid, gid, unit: Unit::named(unit), ..Origin::default() }
    }

    fn units(patterns: &[&str]) -> Option<Vec<UnitPattern>> {
        Some(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
    }

    #[test]
    fn without_lists_everybody_is_taken() {
        assert!(Allow::default().takes(Origin::UNKNOWN));
    }

    #[test]
    fn whoever_a_list_names_is_taken() {
        let allow = Allow {
            units: units(&["app@*.service", "w?b.service"]),
            uids: Some(vec![33]),
            gids: None,
        };
        for (origin, taken) in [
            (origin("app@1.service", 0, 0), true),
            (origin("app@.service", 0, 0), true),
            (origin("app.service", 0, 0), false),
            (origin("xapp@1.service", 0, 0), false),
            (origin("app@1.services", 0, 0), false),
            (origin("web.service", 0, 0), true),
            (origin("other.service", 33, 0), true),
            (origin("", 33, 0), true),
            (origin("", 0, 33), false),
            (Origin::default(), false),
        ] {
            assert_eq!(allow.takes(&origin), taken, "{origin:?}");
        }
        let nobody = Allow { uids: Some(vec![]), ..Allow::default() };
        assert!(!nobody.takes(&origin("web.service", 0, 0)));
    }

    #[test]
    fn a_wrong_pattern_is_told() {
        assert!("app@[1".parse::<UnitPattern>().is_err());
        assert!("".parse::<UnitPattern>().is_err());
    }
}
