//! Owners and groups: names or numbers, looked up in /etc/passwd and /etc/group.

use super::{FromWritten, WrongValue, wrong};
use crate::accounts::{self, GROUPS, USERS};

/// A user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(pub u32);

/// A group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub u32);

impl FromWritten for User {
    const EXPECTED: &'static str = "a user's name or number";

    fn from_text(text: &str) -> Result<User, WrongValue> {
        number_of(text, "user", USERS).map(User)
    }

    fn from_number(number: i64) -> Result<User, WrongValue> {
        in_range(number, "user").map(User)
    }
}

impl FromWritten for Group {
    const EXPECTED: &'static str = "a group's name or number";

    fn from_text(text: &str) -> Result<Group, WrongValue> {
        number_of(text, "group", GROUPS).map(Group)
    }

    fn from_number(number: i64) -> Result<Group, WrongValue> {
        in_range(number, "group").map(Group)
    }
}

/// The number that `text` is, or that the database at `path` has for it.
fn number_of(text: &str, what: &str, path: &str) -> Result<u32, WrongValue> {
    if let Ok(number) = text.parse::<i64>() {
        return in_range(number, what);
    }
    match accounts::number_of(text, path) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => wrong(format!(
            "there is no {what} \"{text}\" in {path}: write a name from there, or a number"
        )),
        Err(error) => {
            wrong(format!("cannot look up {what} \"{text}\" in {path} ({error}): write a number"))
        }
    }
}

fn in_range(number: i64, what: &str) -> Result<u32, WrongValue> {
    match u32::try_from(number) {
        // chown(2) takes the largest for "unchanged".
        Ok(number) if number != u32::MAX => Ok(number),
        _ => wrong(format!("{number} is no {what}'s number: write one from 0 to {}", u32::MAX - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        check(
            |user: User| user.0.to_string(),
            &[
                ("root", Ok("0")),
                ("1000", Ok("1000")),
                ("-1", Err("-1 is no user's number: write one from 0 to 4294967294")),
                (
                    "no such user",
                    Err("there is no user \"no such user\" in /etc/passwd: write a name from \
                         there, or a number"),
                ),
            ],
        );
        check(
            |group: Group| group.0.to_string(),
            &[
                ("root", Ok("0")),
                (
                    "no such group",
                    Err("there is no group \"no such group\" in /etc/group: write a name from \
                         there, or a number"),
                ),
            ],
        );
        assert_eq!(User::from_number(33), Ok(User(33)));
        assert_eq!(
            Group::from_number(4_294_967_295),
            wrong("4294967295 is no group's number: write one from 0 to 4294967294")
        );
    }
}
