//! The known name that a mistyped one probably stands for.

/// The nearest of `known` to `name`, if one is near: at most a third of its letters differ.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().collect();
    let far = name.len().max(3) / 3;
    let near = known.filter_map(|candidate| {
        let letters: Vec<char> = candidate.chars().collect();
        // A name of any length is compared with short ones only as far as it can matter.
        (letters.len().abs_diff(name.len()) <= far).then(|| (distance(&name, &letters), candidate))
    });
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour to make
/// `b` of `a` (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let moved = (table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            table[i][j] = changed.min(moved);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_proposed() {
        let known = ["path", "owner", "group", "max-line"];
        for (name, expected) in [
            ("paht", Some("path")),
            ("pth", Some("path")),
            ("paths", Some("path")),
            ("htap", None),
            ("maxline", Some("max-line")),
            ("max_line", Some("max-line")),
            ("allow", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(nearest("wb", ["web", "we"].into_iter()), Some("we"), "the first of two");
    }
}
