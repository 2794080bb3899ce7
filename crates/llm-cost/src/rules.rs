//! What a model's name alone tells, for models that no list names.

use std::sync::OnceLock;

use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A pattern of names, and what all models named so have in common. Never a price.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pattern: String,
    model_info: Map<String, Value>,
    #[serde(skip)]
    regex: OnceLock<Option<Regex>>,
}

impl Rule {
    fn matches(&self, name: &str) -> bool {
        let regex = self.regex.get_or_init(|| Regex::new(&self.pattern).ok());
        // A pattern that gives up on a hostile name does not match it.
        regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(name).unwrap_or(false))
    }
}

/// The provider that the name's form belongs to.
pub(crate) fn provider_of<'a>(rules: &'a [Rule], name: &str) -> Option<&'a str> {
    rules
        .iter()
        .filter(|rule| rule.model_info.contains_key("litellm_provider"))
        .find(|rule| rule.matches(name))?
        .model_info
        .get("litellm_provider")?
        .as_str()
}

/// Everything that the matching rules say of a model; the first rule that says something wins.
pub(crate) fn capabilities(rules: &[Rule], name: &str) -> Option<Map<String, Value>> {
    let mut known = Map::new();
    let capable = |rule: &&Rule| !rule.model_info.contains_key("litellm_provider");
    for rule in rules
        .iter()
        .filter(capable)
        .filter(|rule| rule.matches(name))
    {
        for (field, value) in &rule.model_info {
            known.entry(field.as_str()).or_insert_with(|| value.clone());
        }
    }
    (!known.is_empty()).then_some(known)
}
