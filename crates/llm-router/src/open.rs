//! What callers may bring of their own instead of a deployment's.

use std::sync::Arc;

use fancy_regex::Regex;
use serde_json::Value;

use crate::SettingsError;

/// Parameters of a deployment that callers may bring instead: LiteLLM's `configurable_clientside_auth_params`.
#[derive(Debug, Clone, Default)]
pub struct OpenParams {
    names: Vec<String>,
    addresses: Vec<Arc<Regex>>,
}

impl OpenParams {
    /// Reads a list of names, and of `{"api_base": "a pattern"}`.
    pub fn parse(items: &[Value]) -> Result<Self, SettingsError> {
        let mut open = Self::default();
        for item in items {
            if let Some(name) = item.as_str() {
                open.names.push(name.to_owned());
                continue;
            }
            let pattern = item.as_object().filter(|map| map.len() == 1);
            let pattern = pattern.and_then(|map| map.get("api_base")?.as_str());
            let Some(pattern) = pattern else {
                let message = "expected a parameter's name, or {\"api_base\": \"a pattern\"}";
                return Err(SettingsError(format!("{message}, not {item}")));
            };
            // The whole address has to fit: a beginning could go on with anybody's domain.
            let regex = fancy_regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
                .backtrack_limit(10_000)
                .build()
                .map_err(|error| SettingsError(format!("'{pattern}': {error}")))?;
            open.addresses.push(Arc::new(regex));
        }
        Ok(open)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether any caller may bring this.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|open| open == name)
    }

    /// Whether somebody vouched for this address.
    pub fn leads_to(&self, address: &str) -> bool {
        let fits = |regex: &Arc<Regex>| regex.is_match(address).unwrap_or(false);
        self.addresses.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_has_to_fit_as_a_whole() {
        let items = [
            json!("api_key"),
            json!({"api_base": "https://a[.]example/.*"}),
        ];
        let open = OpenParams::parse(&items).unwrap();
        assert!(open.has("api_key") && !open.has("api_base"));
        assert!(open.leads_to("https://a.example/v1"));
        for other in [
            "https://axexample/v1",
            "https://b.example/?https://a.example/v1",
        ] {
            assert!(!open.leads_to(other), "{other}");
        }
        for wrong in [json!(7), json!({"api_key": "x"}), json!({"api_base": "("})] {
            assert!(OpenParams::parse(&[wrong]).is_err());
        }
    }
}
