//! A systemd unit, read from a cgroup's path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A unit's name, `myapp@2.service`: letters, digits and `:-_.\@`, at most 255 bytes, with a known
/// type (systemd.unit(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Unit(Box<str>);

/// The types of units that have cgroups.
const TYPES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
/// systemd's own limit.
const NAME_BYTES_MAX: usize = 255;

impl Unit {
    /// The unit of that name, if it is one.
    pub fn named(name: &str) -> Option<Unit> {
        let known = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let typed = TYPES.iter().any(|kind| name.len() > kind.len() && name.ends_with(kind));
        let named = typed && name.len() <= NAME_BYTES_MAX && name.chars().all(known);
        (named && !name.starts_with('@')).then(|| Unit(name.into()))
    }

    /// The outermost unit of a cgroup's path, as sd_pid_get_unit(3) has it: behind the slices comes
    /// the unit, and what comes behind that is the unit's own business.
    pub fn of_cgroup_path(path: &str) -> Option<Unit> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        // A name that would be taken for something else begins with an underscore (cg_escape).
        let name = parts.map(unescaped).find(|part| !part.ends_with(".slice"))?;
        Unit::named(name)
    }

    /// The unit that the text of /proc/PID/cgroup (cgroups(7)) tells.
    pub fn of_proc_cgroup(text: &str) -> Option<Unit> {
        // Where systemd keeps its units in a hierarchy of version 1, that one.
        Unit::of_version_2(text).or_else(|| Unit::in_hierarchy(text, "name=systemd"))
    }

    /// The same, of the hierarchy of version 2 alone: only there do cgroups have ids.
    pub fn of_version_2(text: &str) -> Option<Unit> {
        Unit::in_hierarchy(text, "")
    }

    fn in_hierarchy(text: &str, hierarchy: &str) -> Option<Unit> {
        let path = text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            (controllers == hierarchy).then_some(path)
        });
        Unit::of_cgroup_path(path?)
    }

    /// `myapp@2.service`
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`, or else before the type: `myapp`.
    pub fn prefix(&self) -> &str {
        let stem = self.stem();
        stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
    }

    /// What stands between the `@` and the type: `2`. None where the unit is no instance of a
    /// template.
    pub fn instance(&self) -> Option<&str> {
        let (_, instance) = self.stem().split_once('@')?;
        Some(instance).filter(|instance| !instance.is_empty())
    }

    fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(&self.0, |(stem, _)| stem)
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> String {
        unit.0.into()
    }
}

impl TryFrom<String> for Unit {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Unit, &'static str> {
        Unit::named(&name).ok_or("no unit has such a name")
    }
}

fn unescaped(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let unit = Unit::of_cgroup_path(path);
        assert_eq!(unit.as_ref().map(Unit::name), expected, "{path}");
    }

    #[test]
    fn the_outermost_unit_counts() {
        check("/system.slice/web.service", Some("web.service"));
        check("/system.slice/system-app.slice/app@2.service", Some("app@2.service"));
        check("/system.slice/mine.service/app@1.service", Some("mine.service"));
        check("/system.slice/mine.service/x.slice/app@1.service", Some("mine.service"));
        check(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service",
            Some("user@1000.service"),
        );
        check("/user.slice/user-0.slice/session-1.scope", Some("session-1.scope"));
        check("/init.scope", Some("init.scope"));
        check("/system.slice/_cgroup.service", Some("cgroup.service"));
    }

    #[test]
    fn what_is_no_unit_is_none() {
        check("/", None);
        check("", None);
        check("/system.slice", None);
        check("/docker/0123abcd", None);
        check("/../other.service", None);
        check("/system.slice/bad name.service", None);
        check("/system.slice/.service", None);
        check("/system.slice/@1.service", None);
        check(&format!("/system.slice/{}.service", "x".repeat(300)), None);
        check("/payload/system.slice/web.service", None);
    }

    #[test]
    fn prefix_and_instance_are_those_of_systemd() {
        let parts = |name| {
            let unit = Unit::named(name).unwrap();
            (unit.prefix().to_owned(), unit.instance().map(str::to_owned))
        };
        assert_eq!(parts("myapp@2.service"), ("myapp".into(), Some("2".into())));
        assert_eq!(parts("web.service"), ("web".into(), None));
        assert_eq!(parts("a.b@c.d@e.service"), ("a.b".into(), Some("c.d@e".into())));
        assert_eq!(parts("app@.service"), ("app".into(), None));
    }

    #[test]
    fn version_2_goes_before_version_1() {
        let unit = |text| Unit::of_proc_cgroup(text).map(|unit| unit.name().to_owned());
        let hybrid = "3:cpu:/a.service\n1:name=systemd:/system.slice/one.service\n0::/\n";
        assert_eq!(unit("0::/system.slice/two.service\n"), Some("two.service".into()));
        assert_eq!(unit(hybrid), Some("one.service".into()));
        assert_eq!(Unit::of_version_2(hybrid), None);
        assert_eq!(unit("0::/system.slice/two.service (deleted)\n"), None);
        assert_eq!(unit("3:cpu:/a.service\n"), None);
        assert_eq!(unit("nonsense"), None);
    }
}
