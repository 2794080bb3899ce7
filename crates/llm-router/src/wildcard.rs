//! Model groups with `*` in their names.

/// What the stars of `pattern` stand for in `name`; `None` if it does not match. The first star takes as much as it can.
pub(crate) fn stars<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let (head, rest) = pattern.split_once('*')?;
    let name = name.strip_prefix(head)?;
    if !rest.contains('*') {
        return name.strip_suffix(rest).map(|star| vec![star]);
    }
    let cuts = name.char_indices().map(|(i, _)| i).chain([name.len()]);
    cuts.rev().find_map(|cut| {
        let mut more = tail(rest, &name[cut..])?;
        more.insert(0, &name[..cut]);
        Some(more)
    })
}

fn tail<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    if pattern.contains('*') {
        stars(pattern, name)
    } else {
        (pattern == name).then(Vec::new)
    }
}

/// `template` with its stars replaced from left to right. Where the request matched more stars than the template has,
/// the whole request is the model, as LiteLLM does.
pub(crate) fn fill(template: &str, stars: &[String], request: &str) -> String {
    let wanted = template.matches('*').count();
    if wanted == 0 {
        return template.to_owned();
    }
    if stars.len() > wanted {
        return request.to_owned();
    }
    let mut out = String::with_capacity(template.len() + request.len());
    let mut stars = stars.iter();
    for piece in template.split_inclusive('*') {
        match piece.strip_suffix('*') {
            Some(text) => {
                out.push_str(text);
                out.push_str(stars.next().map_or("", String::as_str));
            }
            None => out.push_str(piece),
        }
    }
    out
}

/// Sorts patterns so that the more specific one is tried first: longer, then with fewer stars.
pub(crate) fn specificity(pattern: &str) -> (usize, usize) {
    (usize::MAX - pattern.len(), pattern.matches('*').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_and_fill() {
        assert_eq!(stars("openai/*", "openai/gpt-4o"), Some(vec!["gpt-4o"]));
        assert_eq!(stars("*", "a/b"), Some(vec!["a/b"]));
        assert_eq!(stars("a-*-c", "a-b-c"), Some(vec!["b"]));
        assert_eq!(stars("*/x-*", "p/x-1"), Some(vec!["p", "1"]));
        assert_eq!(stars("openai/*", "anthropic/x"), None);
        assert_eq!(stars("plain", "plain"), None);
        assert_eq!(fill("*", &["gpt-4o".to_owned()], "openai/gpt-4o"), "gpt-4o");
        assert_eq!(fill("ft:*:me", &["x".to_owned()], "r"), "ft:x:me");
        assert_eq!(fill("fixed", &["x".to_owned()], "r"), "fixed");
        assert_eq!(fill("*", &["a".to_owned(), "b".to_owned()], "a/b"), "a/b");
    }
}
