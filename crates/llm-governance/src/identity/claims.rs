use llm_store::rows::Object;
use serde_json::Value;

use crate::Refusal;

/// The longest name that a claim may hold.
const LONGEST: usize = 512;

/// Names in one claim that are looked at.
const MOST: usize = 200;

/// What an identity provider says of somebody. It was verified before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Object);

impl Claims {
    /// These.
    pub fn new(claims: Object) -> Self {
        Self(claims)
    }

    /// The claim of this name, or the one that its dots lead to; `\.` is a dot of a name.
    pub fn value(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return present(value);
        }
        let mut parts = parts(path).into_iter();
        let mut value = self.0.get(&parts.next()?)?;
        for part in parts {
            value = value.as_object()?.get(&part)?;
        }
        present(value)
    }

    /// The name that a claim holds: a text, a number, or the first of a list. What cannot be one is refused, as what is
    /// bound by it would be free otherwise.
    pub fn name(&self, path: &str) -> Result<Option<String>, Refusal> {
        let Some(value) = self.value(path) else {
            return Ok(None);
        };
        let one = match value {
            Value::Array(all) => all.first(),
            value => Some(value),
        };
        one.map(|value| name(path, value)).transpose()
    }

    /// The names that a claim holds: a list, or a single one.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Refusal> {
        match self.value(path) {
            None => Ok(Vec::new()),
            Some(Value::Array(all)) if all.len() > MOST => {
                Err(unusable(path, "holds too many names"))
            }
            Some(Value::Array(all)) => all.iter().map(|value| name(path, value)).collect(),
            Some(one) => Ok(vec![name(path, one)?]),
        }
    }

    /// What the token may be used for: `scope` with words or a list, or `scp` as Microsoft has it.
    pub fn scopes(&self) -> Vec<String> {
        let given = self.value("scope").or_else(|| self.value("scp"));
        match given {
            Some(Value::String(words)) => words.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(all)) => {
                let texts = all.iter().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn present(value: &Value) -> Option<&Value> {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    };
    (!is_empty).then_some(value)
}

fn parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'.') => {
                letters.next();
                push(&mut parts, '.');
            }
            '.' => parts.push(String::new()),
            other => push(&mut parts, other),
        }
    }
    parts
}

fn push(parts: &mut [String], letter: char) {
    if let Some(last) = parts.last_mut() {
        last.push(letter);
    }
}

fn name(path: &str, value: &Value) -> Result<String, Refusal> {
    let name = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(unusable(path, "is neither a text nor a list of texts")),
    };
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err(unusable(path, "is no name"));
    }
    Ok(name)
}

fn unusable(path: &str, why: &str) -> Refusal {
    Refusal::unauthenticated(format!("the token's claim '{path}' {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Claims;

    fn claims(value: serde_json::Value) -> Claims {
        Claims::new(value.as_object().cloned().unwrap())
    }

    #[test]
    fn dots_lead_into_claims() {
        let claims = claims(json!({
            "resource_access": {"gateway": {"roles": ["a", "b"]}, "my.app": {"team": "t"}},
            "https://id.example/team": "whole", "n": 7, "empty": "", "none": null,
        }));
        let name = |path: &str| claims.name(path).unwrap();
        assert_eq!(
            claims.names("resource_access.gateway.roles").unwrap(),
            ["a", "b"]
        );
        assert_eq!(name("resource_access.my\\.app.team").as_deref(), Some("t"));
        assert_eq!(name("https://id.example/team").as_deref(), Some("whole"));
        assert_eq!(name("resource_access.gateway.roles").as_deref(), Some("a"));
        assert_eq!(name("n").as_deref(), Some("7"));
        for path in ["empty", "none", "n.x", "", ".", "resource_access.nobody"] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_and_never_left_out() {
        let long = "x".repeat(600);
        for value in [json!({"a": 1}), json!(true), json!("a\nb"), json!(long)] {
            let claims = claims(json!({"team": value, "teams": [value]}));
            assert!(claims.name("team").is_err(), "{value}");
            assert!(claims.names("teams").is_err(), "{value}");
        }
    }

    #[test]
    fn scopes_are_words_or_lists() {
        let scopes = |value| claims(value).scopes();
        assert_eq!(scopes(json!({"scope": "a  b"})), ["a", "b"]);
        assert_eq!(scopes(json!({"scope": ["a", 1, "b"]})), ["a", "b"]);
        assert_eq!(scopes(json!({"scp": "c"})), ["c"]);
        assert!(scopes(json!({"scope": 1})).is_empty());
    }

    proptest! {
        #[test]
        fn no_path_is_too_strange(path in ".{0,64}", key in ".{0,16}") {
            let claims = claims(json!({key: {"a": ["b"]}}));
            let _ = claims.name(&path);
            let _ = claims.names(&path);
        }
    }
}
