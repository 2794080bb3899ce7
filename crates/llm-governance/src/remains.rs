//! What is left of the limits that a request was let in by.

use std::sync::{PoisonError, RwLock};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{Kind, Left};

const PRIORITY: HeaderName = HeaderName::from_static("x-litellm-priority");
const SATURATION: HeaderName = HeaderName::from_static("x-litellm-saturation");
const KEY_RPM: HeaderName = HeaderName::from_static("x-litellm-key-rpm-limit");
const KEY_TPM: HeaderName = HeaderName::from_static("x-litellm-key-tpm-limit");

/// What is left of a request's limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remains {
    left: Vec<Left>,
    /// Its priority at its model, and how much of that is in use.
    priority: Option<(String, f64)>,
    /// The model, where a key's limits of it are among them.
    model: Option<String>,
}

impl Remains {
    pub(crate) fn new(left: Vec<Left>, priority: Option<(String, f64)>, model: &str) -> Self {
        let names_model = left.iter().any(|left| left.scope == "model_per_key");
        Self {
            left,
            priority,
            model: names_model.then(|| model.to_owned()),
        }
    }

    /// Adds the headers of its answer.
    pub fn describe(&self, headers: &mut HeaderMap) {
        if let Some((priority, saturation)) = &self.priority {
            let said = [
                (PRIORITY, HeaderValue::try_from(priority)),
                (
                    SATURATION,
                    HeaderValue::try_from(format!("{saturation:.3}")),
                ),
            ];
            let shown = said
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.ok()?)));
            headers.extend(shown);
        }
        for left in &self.left {
            if let Some([remaining, limit]) = names(left.scope, left.kind) {
                headers.insert(remaining, left.remaining.into());
                headers.insert(limit, left.limit.into());
            }
            match (left.scope, left.kind) {
                ("api_key", Kind::Requests) => drop(headers.insert(KEY_RPM, left.limit.into())),
                ("api_key", Kind::Tokens) => drop(headers.insert(KEY_TPM, left.limit.into())),
                ("model_per_key", kind) => {
                    let model = self.model.as_deref().unwrap_or_default();
                    let name = format!("x-litellm-key-remaining-{}-{model}", kind.name());
                    if let Ok(name) = HeaderName::try_from(name) {
                        headers.insert(name, left.remaining.into());
                    }
                }
                _ => {}
            }
        }
    }

    /// The limits: whose each is, what it counts, how much that may be, and how much is left.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, &'static str, u64, u64)> + '_ {
        let left = self.left.iter();
        left.map(|left| (left.scope, left.kind.name(), left.limit, left.remaining))
    }
}

/// The headers of a limit: what is left of it, and how much it is. Each is made once, as there are few.
fn names(scope: &'static str, kind: Kind) -> Option<[HeaderName; 2]> {
    static MADE: RwLock<Vec<(&str, Kind, [HeaderName; 2])>> = RwLock::new(Vec::new());
    let made = MADE.read().unwrap_or_else(PoisonError::into_inner);
    let known = made
        .iter()
        .find(|(of, what, _)| (*of, *what) == (scope, kind));
    if let Some((_, _, names)) = known {
        return Some(names.clone());
    }
    drop(made);
    let name = |what| HeaderName::try_from(format!("x-ratelimit-{scope}-{what}-{}", kind.name()));
    let names = [name("remaining").ok()?, name("limit").ok()?];
    let mut made = MADE.write().unwrap_or_else(PoisonError::into_inner);
    made.push((scope, kind, names.clone()));
    Some(names)
}
