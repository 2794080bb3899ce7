//! Thought signatures that ride in tool call ids.
//!
//! Gemini wants its signature back with the call it belongs to, and OpenAI clients drop fields they do not know; an id
//! they return unchanged. So the signature goes into the id as well, and comes off before any other vendor sees it.

/// What stands between an id and its signature.
pub(crate) const MARK: &str = "__thought__";

/// The id with the signature in it.
pub(crate) fn join(id: &str, signature: &str) -> String {
    format!("{id}{MARK}{signature}")
}

/// The id, and the signature that was in it.
pub(crate) fn split(id: &str) -> (&str, Option<&str>) {
    match id.split_once(MARK) {
        Some((id, signature)) if !signature.is_empty() => (id, Some(signature)),
        Some((id, _)) => (id, None),
        None => (id, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_splits_again() {
        assert_eq!(split(&join("call_1", "a+/b==")), ("call_1", Some("a+/b==")));
        assert_eq!(split("call_1"), ("call_1", None));
        assert_eq!(split("call_1__thought__"), ("call_1", None));
    }
}
