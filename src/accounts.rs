//! Users and groups: /etc/passwd and /etc/group, read without NSS, which a static binary has not
//! (passwd(5), group(5)).

use std::io;
use std::path::Path;

/// Where users are.
pub const USERS: &str = "/etc/passwd";
/// Where groups are.
pub const GROUPS: &str = "/etc/group";

/// The number of the user or group called `name` in the database at `path`, if it is there.
pub fn number_of(name: &str, path: impl AsRef<Path>) -> io::Result<Option<u32>> {
    Ok(look_up(name, &read(path)?))
}

/// The name of the user with this number, if there is one.
pub fn user_name(number: u32) -> Option<String> {
    name_in(number, &read(USERS).ok()?)
}

/// The name of the group with this number, if there is one.
pub fn group_name(number: u32) -> Option<String> {
    name_in(number, &read(GROUPS).ok()?)
}

fn read(path: impl AsRef<Path>) -> io::Result<String> {
    // Names may be in any encoding, and one odd entry is no reason to find none.
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// Finds a name's number in lines of `name:password:number:…`.
fn look_up(name: &str, database: &str) -> Option<u32> {
    database.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name) && !name.is_empty();
        fields.nth(1).filter(|_| found)?.parse().ok()
    })
}

/// Finds a number's name; one that holds control characters is none.
fn name_in(number: u32, database: &str) -> Option<String> {
    database.lines().find_map(|line| {
        let (name, rest) = line.split_once(':')?;
        let found = rest.split(':').nth(1)?.parse() == Ok(number);
        let good = !name.is_empty() && !name.contains(char::is_control);
        (found && good).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: &str =
        "root:x:0:0::/:/bin/sh\n#c\nweb:x:33:1::/:\nodd\nbad:x:y\n:x:5\nweb:x:34\n";

    #[test]
    fn names_are_looked_up_in_the_first_field() {
        for (name, expected) in [("root", Some(0)), ("web", Some(33)), ("x", None), ("bad", None)] {
            assert_eq!(look_up(name, DATABASE), expected, "{name}");
        }
        assert_eq!(look_up("", DATABASE), None);
        assert_eq!(look_up("odd", DATABASE), None);
    }

    #[test]
    fn numbers_are_looked_up_in_the_third_field() {
        for (number, expected) in [(0, Some("root")), (33, Some("web")), (5, None), (6, None)] {
            assert_eq!(name_in(number, DATABASE).as_deref(), expected, "{number}");
        }
    }
}
