//! Tool names: what Gemini refuses in a name is replaced on the way out and restored on the way back.

use std::{borrow::Cow, collections::BTreeMap};

use llm_types::{FunctionDef, Tool};
use sha2::{Digest, Sha256};

use crate::Call;

const LONGEST: usize = 64;

/// A name that Gemini takes: letters, digits and `_ . : -`, a letter or `_` first, 64 characters at most.
pub(crate) fn clean(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.len() <= LONGEST && name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    let mut clean: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    if !starts {
        clean.insert(0, '_');
    }
    if clean.len() > LONGEST {
        // Long names often differ only at their end.
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        clean.truncate(LONGEST - 9);
        clean = format!("{clean}_{}", &digest[..8]);
    }
    Cow::Owned(clean)
}

/// The names that were replaced, by what they became.
pub(crate) fn replaced(call: &Call<'_>) -> BTreeMap<String, String> {
    let body = call.fields();
    let tools: Vec<Tool> = body.get("tools").ok().flatten().unwrap_or_default();
    let legacy: Vec<FunctionDef> = body.get("functions").ok().flatten().unwrap_or_default();
    let named = tools.into_iter().filter_map(|tool| tool.function);
    named
        .chain(legacy)
        .filter_map(|function| match clean(&function.name) {
            Cow::Owned(clean) => Some((clean, function.name)),
            Cow::Borrowed(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_only_where_they_must_be() {
        assert_eq!(clean("get_weather.v2"), "get_weather.v2");
        assert_eq!(clean("get weather/é"), "get_weather__");
        assert_eq!(clean("2fast"), "_2fast");
        let (a, b) = (
            format!("{}a", "x".repeat(70)),
            format!("{}b", "x".repeat(70)),
        );
        assert_eq!(clean(&a).len(), LONGEST);
        assert_ne!(clean(&a), clean(&b));
    }
}
