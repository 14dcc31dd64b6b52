//! The known name that was probably meant.

/// At most this many letters off, and at most a third of the name.
const MAX_DISTANCE: usize = 4;

/// The known name nearest to `name`, if one is near enough to be worth naming.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = MAX_DISTANCE.min(name.chars().count().div_ceil(3)).max(1);
    known.map(|k| (distance(name, k), k)).filter(|(d, _)| *d <= allowed).min().map(|(_, k)| k)
}

/// Insertions, deletions and replacements from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognized_and_nonsense_is_not() {
        let known = ["listen", "public_url", "mail_from"];
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("public-url", known.into_iter()), Some("public_url"));
        assert_eq!(nearest("mailfrom", known.into_iter()), Some("mail_from"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
