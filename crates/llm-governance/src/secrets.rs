//! Secrets of rows: sealed where they are stored, masked where they are shown.

use llm_store::{Keyring, Record, Sealed, rows::Object};
use serde_json::Value;

use crate::Refusal;

/// Parameters whose name says that nobody may read them.
const SECRET: &[&str] = &[
    "key",
    "secret",
    "token",
    "password",
    "credential",
    "signature",
];

/// Names that say so and hold no secret.
const PLAIN: &[&str] = &[
    "litellm_credential_name",
    "max_tokens",
    "max_completion_tokens",
];

/// Seals values for a column of one row.
pub(crate) fn seal<R: Record>(
    keyring: &Keyring,
    column: &'static str,
    id: &str,
    values: &Object,
) -> Result<Sealed, Refusal> {
    let text = serde_json::to_vec(values).map_err(|error| {
        tracing::error!(%error, "secrets cannot be written");
        Refusal::internal()
    })?;
    Ok(keyring.seal::<R>(column, id, &text)?)
}

/// Opens the values of a column of one row.
pub(crate) fn open<R: Record>(
    keyring: &Keyring,
    column: &'static str,
    id: &str,
    sealed: &Sealed,
) -> Result<Object, llm_store::Error> {
    let text = keyring.open::<R>(column, id, sealed)?;
    serde_json::from_slice(&text).map_err(|error| llm_store::Error::Row {
        table: R::TABLE,
        column,
        // Not the error's own text: it may quote the secret.
        reason: format!("it is not an object, at line {}", error.line()),
    })
}

/// All values, each only to be recognised: every one of a credential may be a secret.
pub(crate) fn masked_all(values: &Object) -> Object {
    let entries = values.iter();
    entries
        .map(|(name, value)| (name.clone(), masked_value(value)))
        .collect()
}

/// Values with those masked that are secret by their name.
pub(crate) fn masked(values: &Object) -> Object {
    let entries = values.iter();
    entries
        .map(|(name, value)| {
            let shown = match value {
                Value::Object(inner) => masked(inner).into(),
                value if is_secret(name) => masked_value(value),
                value => value.clone(),
            };
            (name.clone(), shown)
        })
        .collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !PLAIN.contains(&name.as_str())
        && !name.ends_with("_per_token")
        && SECRET.iter().any(|part| name.contains(part))
}

fn masked_value(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) => masked_text(text).into(),
        _ => "****".into(),
    }
}

/// The first two and the last two characters of a text that is long enough to have more.
fn masked_text(text: &str) -> String {
    // A reference is no secret: it says where the secret is.
    if text.starts_with("os.environ/") {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < 8 {
        return "****".to_owned();
    }
    let start: String = letters[..2].iter().collect();
    let end: String = letters[letters.len() - 2..].iter().collect();
    format!("{start}****{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{masked, masked_text};

    #[test]
    fn a_secret_is_recognised_and_not_read() {
        assert_eq!(masked_text("sk-abcdefgh123456"), "sk****56");
        assert_eq!(masked_text("short"), "****");
        assert_eq!(
            masked_text("os.environ/OPENAI_API_KEY"),
            "os.environ/OPENAI_API_KEY"
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        let values = json!({
            "model": "openai/gpt-4o", "api_key": "sk-abcdefgh", "api_base": "https://example.test/v1",
            "aws_secret_access_key": "wJalrXUtnFEMI", "input_cost_per_token": 1e-6, "max_tokens": 5,
            "vertex_credentials": {"private_key": "-----BEGIN-----"},
        });
        let serde_json::Value::Object(values) = values else {
            unreachable!()
        };
        let shown = serde_json::Value::from(masked(&values));
        assert_eq!(
            shown,
            json!({
                "model": "openai/gpt-4o", "api_key": "sk****gh", "api_base": "https://example.test/v1",
                "aws_secret_access_key": "wJ****MI", "input_cost_per_token": 1e-6, "max_tokens": 5,
                "vertex_credentials": {"private_key": "--****--"},
            })
        );
    }
}
