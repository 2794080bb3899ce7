//! What is left of the limits that a request was let in by.

use std::fmt::Write;

use crate::limits::{Kind, Left};

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

    /// Shows the headers of its answer, one after the other.
    pub fn headers(&self, mut show: impl FnMut(&str, &str)) {
        let (mut name, mut value) = (String::new(), String::new());
        // Writing to a text cannot fail.
        let mut tell = |parts: &[&str], number: &dyn std::fmt::Display| {
            name.clear();
            value.clear();
            parts.iter().for_each(|part| name.push_str(part));
            let _ = write!(value, "{number}");
            show(&name, &value);
        };
        if let Some((name, saturation)) = &self.priority {
            tell(&["x-litellm-priority"], name);
            tell(&["x-litellm-saturation"], &format_args!("{saturation:.3}"));
        }
        for left in &self.left {
            let (scope, kind) = (left.scope, left.kind.name());
            let of = |what| ["x-ratelimit-", scope, what, kind];
            tell(&of("-remaining-"), &left.remaining);
            tell(&of("-limit-"), &left.limit);
        }
        for left in &self.left {
            match (left.scope, left.kind) {
                ("api_key", Kind::Requests) => tell(&["x-litellm-key-rpm-limit"], &left.limit),
                ("api_key", Kind::Tokens) => tell(&["x-litellm-key-tpm-limit"], &left.limit),
                ("model_per_key", kind) => {
                    let model = self.model.as_deref().unwrap_or_default();
                    let of_key = "x-litellm-key-remaining-";
                    tell(&[of_key, kind.name(), "-", model], &left.remaining);
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
