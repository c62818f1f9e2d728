//! Owners and groups: names or numbers, looked up in /etc/passwd and /etc/group.
//!
//! By own reading and without NSS, which a static binary has not: passwd(5), group(5).

use super::{FromWritten, WrongValue, wrong};

/// A user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(pub u32);

/// A group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub u32);

impl FromWritten for User {
    const EXPECTED: &'static str = "a user's name or number";

    fn from_text(text: &str) -> Result<User, WrongValue> {
        number_of(text, "user", "/etc/passwd").map(User)
    }

    fn from_number(number: i64) -> Result<User, WrongValue> {
        in_range(number, "user").map(User)
    }
}

impl FromWritten for Group {
    const EXPECTED: &'static str = "a group's name or number";

    fn from_text(text: &str) -> Result<Group, WrongValue> {
        number_of(text, "group", "/etc/group").map(Group)
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
    // Names may be in any encoding, and one odd entry is no reason to find none.
    let database = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            return wrong(format!(
                "cannot look up {what} \"{text}\" in {path} ({error}): write a number"
            ));
        }
    };
    match look_up(text, &database) {
        Some(number) => Ok(number),
        None => wrong(format!(
            "there is no {what} \"{text}\" in {path}: write a name from there, or a number"
        )),
    }
}

/// Finds a name's number in lines of `name:password:number:…`.
fn look_up(name: &str, database: &str) -> Option<u32> {
    database.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name) && !name.is_empty();
        fields.nth(1).filter(|_| found)?.parse().ok()
    })
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
    fn names_are_looked_up_in_the_first_field() {
        let database = "root:x:0:0::/:/bin/sh\n#c\nweb:x:33:1::/:\nodd\nbad:x:y\n:x:5\nweb:x:34\n";
        for (name, expected) in [("root", Some(0)), ("web", Some(33)), ("x", None), ("bad", None)] {
            assert_eq!(look_up(name, database), expected, "{name}");
        }
        assert_eq!(look_up("", database), None);
        assert_eq!(look_up("odd", database), None);
    }

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
