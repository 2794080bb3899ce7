//! Names of models: the well-known ones, and those that are near a name that nobody has.

use llm_router::Router;

/// Names that are suggested, at most.
const MOST: usize = 5;

/// The models of one vendor that are known by their bare names.
pub(crate) fn names_of(provider: &str) -> impl Iterator<Item = &'static str> {
    let _ = provider;
    std::iter::empty()
}

/// The names a router answers for, patterns included, without the catch-all.
pub(crate) fn names(router: &Router) -> impl Iterator<Item = &str> {
    let groups = router.groups().map(|(name, _)| name);
    let aliases = router.settings().aliases.keys().map(String::as_str);
    groups.chain(aliases).filter(|name| *name != "*")
}

/// The names most like `wanted`.
pub(crate) fn near<'a>(wanted: &str, router: &'a Router) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    // Longer names than anyone has are not worth comparing.
    if wanted.len() > 100 {
        return Vec::new();
    }
    let tail = wanted.rsplit('/').next().unwrap_or(&wanted);
    let mut scored: Vec<(usize, &str)> = names(router)
        .map(|name| {
            let lower = name.to_lowercase();
            let last = lower.rsplit('/').next().unwrap_or(&lower);
            (distance(&wanted, &lower).min(distance(tail, last)), name)
        })
        .filter(|(distance, _)| *distance * 2 <= wanted.len().max(4))
        .collect();
    scored.sort_unstable();
    if scored.is_empty() {
        return names(router).take(MOST).collect();
    }
    scored.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Levenshtein's distance, over bytes.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let next = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, d) in [("", "abc", 3), ("kitten", "sitting", 3), ("gpt-4o", "gpt-4o", 0), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }
}
