//! What a misspelt name was probably meant to be.

/// Letters of a name that are compared, at most.
const LONGEST: usize = 100;

/// The end of a message about `name`: what it was probably meant to be.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean '{near}'?"))
}

/// The known name that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 1 + name.len() / 4;
    known
        .into_iter()
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= most)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// How many letters must be changed, added, taken away or swapped with their neighbour. Only the beginnings of long names
/// are compared.
pub fn distance(a: &str, b: &str) -> usize {
    let letters = |name: &str| name.chars().take(LONGEST).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    // The rows of the last letter but one, of the last, and of this one.
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                let swapped: &[usize] = &before;
                best = best.min(swapped[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["router_settings", "model_list", "general_settings"];
        assert_eq!(nearest("rotuer_settings", known), Some("router_settings"));
        assert_eq!(nearest("modellist", known), Some("model_list"));
        assert_eq!(nearest("something_else", known), None);
        for (a, b, expected) in [
            ("ab", "ba", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("gpt-4o", "gpt-4o", 0),
            ("flaw", "lawn", 2),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
        assert_eq!(distance(&"a".repeat(100_000), ""), LONGEST);
    }
}
